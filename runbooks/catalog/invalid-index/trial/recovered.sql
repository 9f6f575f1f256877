-- The invalid index is gone; the valid one of the same table is not.
SELECT array_agg(indexrelid::regclass::text) = '{orders_pkey}' FROM pg_index WHERE indrelid = 'public.orders'::regclass

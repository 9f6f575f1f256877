-- A concurrent build that fails on a duplicate, as such builds do: the index stays, invalid.
\set ON_ERROR_STOP off
CREATE UNIQUE INDEX CONCURRENTLY orders_state_key ON public.orders (state);
\set ON_ERROR_STOP on

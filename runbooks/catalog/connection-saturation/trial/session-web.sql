-- A pool that takes connections and gives none back.
SELECT state FROM public.orders WHERE id = 1;

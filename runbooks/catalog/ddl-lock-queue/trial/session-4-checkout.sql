SELECT state FROM public.orders WHERE id = 2;
UPDATE public.orders SET touched = touched + 1 WHERE id = 2;

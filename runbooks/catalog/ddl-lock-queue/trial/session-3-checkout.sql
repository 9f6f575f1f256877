UPDATE public.orders SET touched = touched + 1 WHERE id = 1;

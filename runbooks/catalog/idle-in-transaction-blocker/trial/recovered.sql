-- Both that waited have done their work; the blocker's is gone.
SELECT touched = 2 FROM public.orders WHERE id = 1

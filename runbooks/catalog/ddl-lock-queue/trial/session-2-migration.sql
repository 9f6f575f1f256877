SET ROLE migrator;
ALTER TABLE public.orders ADD COLUMN note text;

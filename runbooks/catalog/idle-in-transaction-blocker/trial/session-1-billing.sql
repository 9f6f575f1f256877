-- Takes a row and never says COMMIT.
BEGIN;
UPDATE public.orders SET touched = -1 WHERE id = 1;

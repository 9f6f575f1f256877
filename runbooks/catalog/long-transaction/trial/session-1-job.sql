-- A job that has written one row, and then forgot to end its transaction: it shows a transaction id and no snapshot.
BEGIN;
UPDATE public.visits SET seen = seen + 1 WHERE id = 1;

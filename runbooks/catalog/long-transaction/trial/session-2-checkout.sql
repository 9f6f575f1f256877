-- The work of the day: each of these leaves a dead row.
SELECT 'UPDATE public.orders SET touched = touched + 1 WHERE id = ' || n FROM generate_series(1, 500) n \gexec

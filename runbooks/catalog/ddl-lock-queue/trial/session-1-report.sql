-- A report that is still at it.
SELECT count(*), max(n) FROM public.orders, LATERAL (SELECT id AS n, pg_sleep(3600) OFFSET 0) slow;

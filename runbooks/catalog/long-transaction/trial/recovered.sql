-- Nothing visible to anybody is older than the day's work: a vacuum can remove its dead rows.
SELECT (SELECT count(*) = 500 FROM public.orders WHERE touched = 1)
   AND (SELECT count(*) = 0 FROM pg_stat_activity WHERE greatest(age(backend_xmin), age(backend_xid)) >= 500)

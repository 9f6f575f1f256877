SELECT age(relfrozenxid) < 1000 AND (SELECT count(*) = 18000 FROM public.ledger) FROM pg_class WHERE oid = 'public.ledger'::regclass

-- Very many locks, held by one.
SELECT count(pg_advisory_lock(1, n)) FROM generate_series(1, 30000) n;

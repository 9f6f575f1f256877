-- Sorts in memory, and keeps it for as long as its reader is slow.
SELECT pg_sleep(1) FROM (SELECT repeat(md5(n::text), 4) AS line FROM generate_series(1, 400000) n ORDER BY 1 OFFSET 0) sorted;

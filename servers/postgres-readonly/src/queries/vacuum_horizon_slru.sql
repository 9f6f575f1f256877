-- The caches of subtransactions and multixacts: reads from disk mean that more of them are looked at than fit.
SELECT s.name, s.blks_hit, s.blks_read,
       round(100.0 * s.blks_hit / nullif(s.blks_hit + s.blks_read, 0), 2)::float8 AS hit_pct
FROM pg_stat_slru s
WHERE lower(s.name) LIKE 'multixact%' OR lower(s.name) LIKE 'subtrans%'
ORDER BY s.name

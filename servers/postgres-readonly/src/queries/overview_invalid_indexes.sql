-- Indexes of this database that are kept up and never used, without those that are being built at this moment.
SELECT n.nspname AS schema,
       c.relname AS index,
       c.relpages::bigint * current_setting('block_size')::bigint AS bytes,
       count(*) OVER () AS total
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY c.relpages DESC, n.nspname, c.relname
LIMIT 20

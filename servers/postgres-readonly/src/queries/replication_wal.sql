-- How fast WAL is written, since the statistics were reset. From PostgreSQL 14 on.
SELECT w.wal_bytes::bigint AS bytes,
       w.wal_fpi AS full_page_images,
       to_char(w.stats_reset, 'YYYY-MM-DD HH24:MI:SS.USOF') AS since,
       (w.wal_bytes / nullif(extract(epoch FROM clock_timestamp() - w.stats_reset), 0))::bigint AS bytes_per_s
FROM pg_stat_wal w

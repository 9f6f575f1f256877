-- Vacuums that run now, in all databases; a table of another database is known by its oid alone.
SELECT p.pid,
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       p.datname AS database,
       CASE WHEN p.datname = current_database() THEN n.nspname || '.' || c.relname ELSE 'oid ' || p.relid END AS "table",
       p.phase,
       round(100.0 * CASE p.phase WHEN 'vacuuming heap' THEN p.heap_blks_vacuumed ELSE p.heap_blks_scanned END
             / nullif(p.heap_blks_total, 0), 1)::float8 AS percent,
       p.index_vacuum_count AS index_vacuums,
       a.backend_type = 'autovacuum worker' AS automatic,
       a.query LIKE '%(to prevent wraparound)' AS prevents_wraparound,
       floor(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS age_s,
       a.wait_event_type,
       a.wait_event
FROM pg_stat_progress_vacuum p
LEFT JOIN pg_stat_activity a ON a.pid = p.pid
LEFT JOIN pg_class c ON c.oid = p.relid AND p.datname = current_database()
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY a.xact_start
LIMIT 50

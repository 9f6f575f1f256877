-- How autovacuum is set for the whole server, and which VACUUM and ANALYZE run in this database now. One row per run, or
-- one without a run. to_jsonb(p) because the columns of the progress views differ between versions.
WITH settings AS (
    SELECT current_setting('autovacuum')::bool AND current_setting('track_counts')::bool AS enabled,
           current_setting('autovacuum_max_workers')::bigint AS max_workers,
           current_setting('autovacuum_vacuum_threshold')::bigint AS vacuum_threshold,
           current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale_factor,
           current_setting('autovacuum_vacuum_max_threshold', true)::bigint AS vacuum_max_threshold,
           current_setting('autovacuum_vacuum_insert_threshold')::bigint AS vacuum_insert_threshold,
           current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS vacuum_insert_scale_factor,
           current_setting('autovacuum_analyze_threshold')::bigint AS analyze_threshold,
           current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_scale_factor,
           current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
           current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
           (SELECT CASE WHEN a.setting::float8 >= 0 THEN a.setting::float8 ELSE v.setting::float8 END
            FROM pg_settings a, pg_settings v
            WHERE a.name = 'autovacuum_vacuum_cost_delay' AND v.name = 'vacuum_cost_delay') AS cost_delay_ms,
           (SELECT CASE WHEN a.setting::bigint >= 0 THEN a.setting::bigint ELSE v.setting::bigint END
            FROM pg_settings a, pg_settings v
            WHERE a.name = 'autovacuum_vacuum_cost_limit' AND v.name = 'vacuum_cost_limit') AS cost_limit
),
activity AS MATERIALIZED (
    SELECT a.pid, a.backend_start, a.xact_start, a.backend_type, a.wait_event_type, a.wait_event, a.usename, left(a.query, 300) AS query
    FROM pg_stat_activity a
),
runs AS MATERIALIZED (
    SELECT 'vacuum' AS command, p.pid, p.relid, to_jsonb(p) AS p
    FROM pg_stat_progress_vacuum p
    WHERE p.datname = current_database()
    UNION ALL
    SELECT 'analyze', p.pid, p.relid, to_jsonb(p)
    FROM pg_stat_progress_analyze p
    WHERE p.datname = current_database()
    LIMIT 50
)
SELECT to_jsonb(s) AS settings,
       (SELECT count(*) FROM activity a WHERE a.backend_type = 'autovacuum worker') AS workers_running,
       r.command,
       r.pid,
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       r.relid::bigint AS relid,
       n.nspname AS schema,
       c.relname AS "table",
       a.backend_type = 'autovacuum worker' AS autovacuum,
       a.query LIKE 'autovacuum:%(to prevent wraparound)' AS to_prevent_wraparound,
       floor(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS running_s,
       r.p ->> 'phase' AS phase,
       coalesce(r.p ->> 'heap_blks_total', r.p ->> 'sample_blks_total')::bigint AS blocks_total,
       coalesce(r.p ->> 'heap_blks_scanned', r.p ->> 'sample_blks_scanned')::bigint AS blocks_scanned,
       (r.p ->> 'index_vacuum_count')::bigint AS index_vacuum_count,
       a.wait_event_type,
       a.wait_event,
       CASE WHEN a.wait_event_type = 'Lock' THEN to_jsonb(pg_blocking_pids(r.pid)) END AS blocked_by
FROM settings s
LEFT JOIN runs r ON true
LEFT JOIN activity a ON a.pid = r.pid
LEFT JOIN pg_class c ON c.oid = r.relid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY a.xact_start

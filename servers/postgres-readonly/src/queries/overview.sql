-- Which cluster this is and how it does, in one row. Takes no lock on any user object.
WITH clients AS MATERIALIZED (
    SELECT a.pid, a.backend_start, a.state, a.xact_start, a.query_start, a.state_change, a.wait_event_type,
           a.usename, a.application_name
    FROM pg_stat_activity a
    -- Without pg_read_all_stats a client's backend_type is hidden, but its role is not.
    WHERE a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL)
),
others AS MATERIALIZED (
    SELECT c.*, jsonb_build_object('pid', c.pid, 'backend_start', to_char(c.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF'),
                                   'usename', c.usename, 'application_name', c.application_name) AS name
    FROM clients c
    WHERE c.pid <> pg_backend_pid()
),
waits AS MATERIALIZED (
    SELECT count(DISTINCT l.pid) AS sessions,
           floor(extract(epoch FROM clock_timestamp()
                         - min(coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, o.query_start))))::bigint AS longest_s
    FROM pg_locks l
    LEFT JOIN others o ON o.pid = l.pid
    WHERE NOT l.granted AND l.pid IS NOT NULL
),
statistics AS MATERIALIZED (
    SELECT s.* FROM pg_stat_database s
)
SELECT c.system_identifier::text AS system_identifier,
       current_database() AS database,
       current_setting('server_version') AS server_version,
       pg_is_in_recovery() AS in_recovery,
       current_user AS current_role,
       current_setting('server_version_num')::int AS server_version_num,
       CASE
           WHEN EXISTS (SELECT FROM pg_proc p WHERE p.proname = 'aurora_version') THEN 'aurora'
           WHEN current_setting('rds.extensions', true) IS NOT NULL
                OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rdsadmin') THEN 'rds'
           WHEN current_setting('azure.extensions', true) IS NOT NULL
                OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN ('azuresu', 'azure_pg_admin', 'azure_superuser')) THEN 'azure'
           WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN ('cloudsqladmin', 'cloudsqlsuperuser')) THEN 'cloudsql'
           ELSE 'postgres'
       END AS flavor,
       to_char(pg_postmaster_start_time(), 'YYYY-MM-DD HH24:MI:SS.USOF') AS started_at,
       floor(extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()))::bigint AS uptime_s,
       (SELECT jsonb_build_object(
            'max_connections', current_setting('max_connections')::int,
            'reserved', current_setting('superuser_reserved_connections')::int
                        + coalesce(current_setting('reserved_connections', true)::int, 0),
            'used', (SELECT count(*) FROM clients),
            'used_pct', 100 * (SELECT count(*) FROM clients) / current_setting('max_connections')::int,
            'by_state', (SELECT jsonb_object_agg(s.state, s.sessions)
                         FROM (SELECT coalesce(k.state, 'unknown') AS state, count(*) AS sessions FROM clients k GROUP BY 1) s))
       ) AS connections,
       (SELECT count(*) FROM others o WHERE o.state IN ('active', 'fastpath function call')) AS active,
       w.sessions AS waiting_on_locks,
       w.longest_s AS longest_lock_wait_s,
       (SELECT count(*) FROM others o WHERE o.state LIKE 'idle in transaction%') AS idle_in_transaction,
       (SELECT o.name || jsonb_build_object('age_s', floor(extract(epoch FROM clock_timestamp() - o.state_change))::bigint)
        FROM others o WHERE o.state LIKE 'idle in transaction%' ORDER BY o.state_change LIMIT 1) AS longest_idle_in_transaction,
       (SELECT o.name || jsonb_build_object('age_s', floor(extract(epoch FROM clock_timestamp() - o.xact_start))::bigint)
        FROM others o WHERE o.xact_start IS NOT NULL ORDER BY o.xact_start LIMIT 1) AS longest_transaction,
       (SELECT o.name || jsonb_build_object('age_s', floor(extract(epoch FROM clock_timestamp() - o.query_start))::bigint)
        FROM others o WHERE o.state IN ('active', 'fastpath function call') ORDER BY o.query_start LIMIT 1) AS longest_query,
       (SELECT count(*) FROM pg_prepared_xacts) AS prepared_transactions,
       (SELECT jsonb_build_object('gid', p.gid, 'owner', p.owner, 'database', p.database,
                                  'age_s', floor(extract(epoch FROM clock_timestamp() - p.prepared))::bigint)
        FROM pg_prepared_xacts p ORDER BY p.prepared LIMIT 1) AS oldest_prepared,
       (SELECT jsonb_agg(to_jsonb(d))
        FROM (SELECT s.datname AS database,
                     s.numbackends AS backends,
                     s.xact_commit AS commits,
                     s.xact_rollback AS rollbacks,
                     s.deadlocks,
                     s.conflicts,
                     s.temp_files,
                     s.temp_bytes,
                     to_char(s.stats_reset, 'YYYY-MM-DD HH24:MI:SS.USOF') AS stats_reset
              FROM statistics s
              WHERE s.datid <> 0 AND s.datname NOT IN ('template0', 'template1')
              ORDER BY s.datname = current_database() DESC, s.xact_commit + s.xact_rollback DESC
              LIMIT 20) d) AS databases,
       (SELECT count(*) FROM statistics s WHERE s.datid <> 0 AND s.datname NOT IN ('template0', 'template1')) AS databases_total,
       (SELECT round(100.0 * s.blks_hit / nullif(s.blks_hit + s.blks_read, 0), 2)::float8
        FROM statistics s WHERE s.datname = current_database()) AS cache_hit_pct,
       (SELECT jsonb_build_object(
                   'deadlocks', sum(s.deadlocks),
                   'conflicts', sum(s.conflicts),
                   'temp_bytes', sum(s.temp_bytes),
                   'checksum_failures', coalesce(sum(s.checksum_failures), 0),
                   -- Known only where every database's counters say since when they count.
                   'window_s', CASE WHEN bool_and(s.stats_reset IS NOT NULL OR s.datid = 0 OR s.datname LIKE 'template_')
                               THEN floor(extract(epoch FROM clock_timestamp() - min(s.stats_reset)))::bigint END)
        FROM statistics s) AS counters,
       (SELECT jsonb_object_agg(s.name, s.setting)
        FROM (SELECT n.name, current_setting(n.name, true) AS setting
              FROM (VALUES ('fsync'), ('full_page_writes'), ('autovacuum'), ('track_counts'), ('archive_mode')) n (name)) s
       ) AS switches
FROM pg_control_system() c
CROSS JOIN waits w

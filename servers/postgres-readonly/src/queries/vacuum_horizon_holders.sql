-- Whose snapshots and transactions keep dead rows from being removed, the oldest first. A session of another database
-- does not stop vacuum on this one's tables, and a catalog_xmin stops it on the system catalogs alone.
WITH here AS MATERIALIZED (
    SELECT current_database() AS datname
),
holders AS MATERIALIZED (
    SELECT 'session' AS kind, a.pid, a.backend_start, NULL::text AS gid, NULL::text AS slot_name, a.application_name,
           greatest(age(a.backend_xmin), age(a.backend_xid)) AS xmin_age,
           coalesce(a.xact_start, a.query_start) AS since, a.state, a.usename::text AS usename, left(a.query, 300) AS query,
           a.datname::text AS database,
           CASE WHEN a.datname = h.datname OR a.datname IS NULL THEN 'tables' ELSE 'other_database' END AS holds
    FROM pg_stat_activity a
    CROSS JOIN here h
    WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
      AND a.pid <> pg_backend_pid()
      AND a.backend_type IS DISTINCT FROM 'walsender'
      -- A vacuum's own snapshot holds nothing back.
      AND a.pid NOT IN (SELECT p.pid FROM pg_stat_progress_vacuum p)
    UNION ALL
    SELECT 'prepared_transaction', NULL, NULL, p.gid, NULL, NULL, age(p.transaction), p.prepared, 'prepared', p.owner::text, NULL,
           p.database::text, CASE WHEN p.database = h.datname THEN 'tables' ELSE 'other_database' END
    FROM pg_prepared_xacts p
    CROSS JOIN here h
    UNION ALL
    SELECT 'replication_slot', s.active_pid, NULL, NULL, s.slot_name::text, NULL, age(x.xid),
           (to_jsonb(s) ->> 'inactive_since')::timestamptz, CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, NULL,
           s.database::text, x.holds
    FROM pg_replication_slots s
    CROSS JOIN LATERAL (VALUES (s.xmin, 'tables'), (s.catalog_xmin, 'catalogs')) x (xid, holds)
    WHERE x.xid IS NOT NULL
    UNION ALL
    SELECT 'standby_feedback', r.pid, r.backend_start, NULL, NULL, r.application_name, age(r.backend_xmin), NULL, r.state,
           r.usename::text, NULL, NULL, 'tables'
    FROM pg_stat_replication r
    WHERE r.backend_xmin IS NOT NULL
)
SELECT h.kind,
       h.pid,
       to_char(h.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       h.gid,
       h.slot_name,
       h.application_name,
       h.xmin_age::bigint AS xmin_age,
       to_char(h.since, 'YYYY-MM-DD HH24:MI:SS.USOF') AS since,
       floor(extract(epoch FROM clock_timestamp() - h.since))::bigint AS age_s,
       h.state,
       h.usename,
       h.query,
       h.database,
       h.holds,
       count(*) OVER () AS total
FROM holders h
ORDER BY h.xmin_age DESC, h.since NULLS LAST, h.pid
LIMIT 50

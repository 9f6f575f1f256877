-- How the server's connections are used, by role and application; the biggest group first. Each row repeats the totals.
WITH clients AS MATERIALIZED (
    SELECT a.usename, a.application_name, a.state, a.state_change
    FROM pg_stat_activity a
    -- Without pg_read_all_stats a client's backend_type is hidden, but its role is not.
    WHERE a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL)
),
totals AS (
    SELECT current_setting('max_connections')::int AS max_connections,
           current_setting('superuser_reserved_connections')::int
               + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
           (SELECT count(*) FROM clients) AS used,
           (SELECT jsonb_object_agg(s.state, s.sessions)
            FROM (SELECT coalesce(c.state, 'unknown') AS state, count(*) AS sessions FROM clients c GROUP BY 1) s) AS by_state
)
SELECT t.max_connections,
       t.reserved,
       t.used,
       100 * t.used / t.max_connections AS used_pct,
       t.by_state,
       g.usename,
       g.application_name,
       g.total,
       g.active,
       g.idle,
       g.idle_in_transaction,
       g.oldest_idle_s,
       r.rolconnlimit
FROM totals t
CROSS JOIN (
    SELECT c.usename,
           c.application_name,
           count(*) AS total,
           count(*) FILTER (WHERE c.state IN ('active', 'fastpath function call')) AS active,
           count(*) FILTER (WHERE c.state = 'idle') AS idle,
           count(*) FILTER (WHERE c.state LIKE 'idle in transaction%') AS idle_in_transaction,
           floor(extract(epoch FROM clock_timestamp() - min(c.state_change) FILTER (WHERE c.state = 'idle')))::bigint AS oldest_idle_s
    FROM clients c
    GROUP BY c.usename, c.application_name
) g
LEFT JOIN pg_roles r ON r.rolname = g.usename
ORDER BY g.total DESC, g.usename, g.application_name

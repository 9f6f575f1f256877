-- The statements of this database that took most time and can be planned, this server's own left out. $1 at most so many,
-- $2 characters of each.
WITH mine AS MATERIALIZED (
    SELECT s.queryid, sum(s.calls) AS calls, sum(s.total_exec_time) AS total_ms
    FROM @extschema@.pg_stat_statements(false) s
    WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND s.queryid IS NOT NULL
    GROUP BY s.queryid
    ORDER BY total_ms DESC
    LIMIT $1::int * 4
)
SELECT m.queryid::text AS queryid, m.calls::bigint AS calls, m.total_ms::float8 AS total_ms, q.query
FROM mine m
-- Read once: each look at the view reads the texts of all statements.
JOIN (
    SELECT s.queryid, max(s.query) AS query
    FROM @extschema@.pg_stat_statements s
    WHERE s.queryid IN (SELECT m.queryid FROM mine m)
      AND NOT (s.query LIKE '-- %' AND s.userid = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user))
    GROUP BY s.queryid
) q ON q.queryid = m.queryid
WHERE length(q.query) <= $2::int AND q.query ~* '^\s*(/\*.*?\*/\s*|--[^\n]*\n\s*)*(select|update|delete|with)\M'
ORDER BY m.total_ms DESC
LIMIT $1::int

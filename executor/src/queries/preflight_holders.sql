SELECT l.pid AS pid,
       coalesce(a.usename::pg_catalog.text, '') AS role,
       coalesce(a.application_name, '') AS application,
       coalesce(a.backend_type, 'prepared transaction') AS kind,
       l.mode AS mode,
       l.granted AS granted,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8 AS age_s
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation'
  AND l.relation = $1
  AND l.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
  AND l.mode = ANY ($2)
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND coalesce(a.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3 / 1000.0), true)
ORDER BY a.xact_start NULLS FIRST, l.pid
LIMIT 10

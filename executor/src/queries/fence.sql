SELECT pg_catalog.pg_terminate_backend(a.pid)
FROM pg_catalog.pg_stat_activity a
WHERE pg_catalog.starts_with(a.application_name, $1)
  AND a.usename = CURRENT_USER
  AND a.pid <> pg_catalog.pg_backend_pid()

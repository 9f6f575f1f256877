SELECT s.context IN ('user', 'backend') AS free
FROM pg_catalog.pg_settings s
WHERE s.name = $1

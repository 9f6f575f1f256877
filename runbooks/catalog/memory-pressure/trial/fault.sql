-- The whole server's work_mem is far too large for what sorts here.
ALTER SYSTEM SET work_mem = '256MB';
SELECT pg_reload_conf();

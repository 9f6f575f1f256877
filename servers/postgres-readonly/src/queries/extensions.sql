-- What this database offers beyond the server itself, and what this role sees of it.
SELECT current_setting('server_version_num')::int / 10000 AS major,
       pg_is_in_recovery() AS in_recovery,
       (SELECT jsonb_object_agg(e.extname, jsonb_build_object(
                   'schema', n.nspname,
                   'version', e.extversion,
                   'usable', has_schema_privilege(n.oid, 'USAGE')))
        FROM pg_extension e
        JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname IN ('pg_stat_statements', 'hypopg')) AS extensions,
       -- A library that is not loaded has no settings.
       current_setting('pg_stat_statements.max', true) IS NOT NULL AS statements_loaded,
       current_setting('track_io_timing')::bool AS track_io_timing,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all_statements

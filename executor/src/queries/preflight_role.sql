SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
       r.rolname::pg_catalog.text AS name,
       r.rolsuper AS superuser,
       r.rolcreaterole AS createrole,
       r.rolreplication OR EXISTS (
           SELECT FROM pg_catalog.pg_roles d
           WHERE d.rolname = 'rds_replication' AND pg_catalog.pg_has_role(d.oid, 'USAGE')
       ) AS replication,
       (SELECT pg_catalog.count(*) = 2 FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = n.oid AND p.proname IN ('terminate_backend', 'cancel_backend')
          AND pg_catalog.oidvectortypes(p.proargtypes) = 'integer, timestamp with time zone'
          AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) AS signals,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
       m.oid AS marker,
       pg_catalog.has_table_privilege(m.oid, 'INSERT') AND pg_catalog.has_table_privilege(m.oid, 'SELECT') AS marks,
       a.oid AS roles_table,
       s.oid AS role_settings_table
FROM pg_catalog.pg_roles r
CROSS JOIN pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class m ON m.relnamespace = n.oid AND m.relname = 'executed_steps'
CROSS JOIN (SELECT 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid AS oid) a
CROSS JOIN (SELECT 'pg_catalog.pg_db_role_setting'::pg_catalog.regclass::pg_catalog.oid AS oid) s
WHERE r.rolname = CURRENT_USER AND n.nspname = 'countersign'

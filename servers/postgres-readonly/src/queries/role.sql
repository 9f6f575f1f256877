-- What the connected role can do beyond reading: one row per right, each with the statement that takes it away; or one
-- row without a right. Takes no lock on any user object. Rights that come through PUBLIC or through another role are
-- named where they were granted. Everything is asked of `reach`: the roles whose rights the login has or can take on
-- with SET ROLE. $1 is what the operator knows to be harmless: SECURITY DEFINER functions as `schema.name(types)`.
WITH me AS MATERIALIZED (
    SELECT r.oid, r.rolname, r.rolsuper
    FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (session_user, current_user)
),
is_super AS MATERIALIZED (
    SELECT coalesce(bool_or(m.rolsuper), true) AS yes FROM me m
),
reach AS MATERIALIZED (
    SELECT r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
           EXISTS (SELECT FROM me m WHERE m.oid = r.oid) AS is_me
    FROM pg_catalog.pg_roles r
    -- A superuser is a member of everything; that it is one is all there is to say.
    WHERE EXISTS (SELECT FROM me m WHERE m.oid = r.oid)
       OR (NOT (SELECT yes FROM is_super)
           AND EXISTS (SELECT FROM me m WHERE pg_catalog.pg_has_role(m.oid, r.oid, 'MEMBER')))
),
memberships AS MATERIALIZED (
    SELECT DISTINCT g.rolname AS granted, g.oid AS granted_oid, u.rolname AS member
    FROM pg_catalog.pg_auth_members am
    JOIN reach g ON g.oid = am.roleid
    JOIN reach u ON u.oid = am.member
),
grantees AS MATERIALIZED (
    SELECT r.oid, pg_catalog.quote_ident(r.rolname) AS grantee FROM reach r
    UNION ALL
    SELECT 0::oid, 'PUBLIC'
),
attributes AS (
    SELECT 1 AS rank, format('%s on role %I', a.name, r.rolname) AS privilege,
           format('ALTER ROLE %I NO%s;', r.rolname, a.name) AS mend
    FROM reach r
    CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb),
                               ('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls)) a (name, held)
    WHERE a.held AND r.is_me AND (a.name = 'SUPERUSER' OR NOT (SELECT yes FROM is_super))
),
inherited_attributes AS (
    SELECT 1, format('membership in role %I, which has %s', r.rolname, a.names), format('REVOKE %I FROM %I;', m.granted, m.member)
    FROM reach r
    JOIN memberships m ON m.granted_oid = r.oid
    CROSS JOIN LATERAL (
        SELECT string_agg(v.name, ', ') AS names
        FROM (VALUES ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb),
                     ('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls)) v (name, held)
        WHERE v.held) a
    WHERE a.names IS NOT NULL AND NOT r.is_me
),
powers AS (
    SELECT 2, format('membership in %s', m.granted), format('REVOKE %I FROM %I;', m.granted, m.member)
    FROM memberships m
    WHERE m.granted IN (
        'pg_write_all_data', 'pg_signal_backend', 'pg_execute_server_program', 'pg_read_server_files',
        'pg_write_server_files', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription', 'pg_database_owner',
        'pg_signal_autovacuum_worker',
        'rds_superuser', 'rds_replication', 'rdsadmin', 'cloudsqlsuperuser', 'azure_pg_admin', 'alloydbsuperuser')
),
granted AS MATERIALIZED (
    SELECT c.relname, c.relnamespace, c.relkind, c.relowner, c.relacl, c.relacl::text AS acl
    FROM pg_catalog.pg_class c
    WHERE c.relacl IS NOT NULL
),
rights AS MATERIALIZED (
    -- Thousands of tables share a few lists of rights: each list is taken apart once.
    SELECT l.acl, l.relowner, g.oid, g.grantee,
           string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS held
    FROM (SELECT DISTINCT ON (c.acl, c.relowner) c.acl, c.relowner, c.relacl FROM granted c) l
    CROSS JOIN LATERAL pg_catalog.aclexplode(l.relacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE a.privilege_type <> 'SELECT'
      -- The owner's own entry says nothing that ownership does not.
      AND a.grantee <> l.relowner
    GROUP BY l.acl, l.relowner, g.oid, g.grantee
),
relations AS (
    SELECT 3, format('%s on %s %I.%I', r.held, CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END,
                     n.nspname, c.relname)
              || CASE r.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           format('REVOKE %s ON %s %I.%I FROM %s;', r.held,
                  CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, r.grantee)
    FROM rights r
    JOIN granted c ON c.acl = r.acl AND c.relowner = r.relowner
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    -- UPDATE on pg_settings is SET; everybody has it.
    WHERE NOT (n.nspname = 'pg_catalog' AND c.relname = 'pg_settings')
),
columns AS (
    SELECT 3, format('%s on columns of %I.%I', string_agg(DISTINCT a.privilege_type, ', '), n.nspname, c.relname),
           format('REVOKE %s ON TABLE %I.%I FROM %s;',
                  string_agg(DISTINCT format('%s (%I)', a.privilege_type, t.attname), ', '), n.nspname, c.relname, g.grantee)
    FROM pg_catalog.pg_attribute t
    JOIN pg_catalog.pg_class c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE t.attacl IS NOT NULL AND a.privilege_type <> 'SELECT' AND a.grantee <> c.relowner
    GROUP BY c.oid, n.nspname, c.relname, g.oid, g.grantee
),
schemas AS (
    SELECT 4, format('CREATE on schema %I', n.nspname) || CASE g.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           format('REVOKE CREATE ON SCHEMA %I FROM %s;', n.nspname, g.grantee)
    FROM pg_catalog.pg_namespace n
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE n.nspacl IS NOT NULL AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
),
databases AS (
    SELECT 4, format('CREATE on database %I', d.datname), format('REVOKE CREATE ON DATABASE %I FROM %s;', d.datname, g.grantee)
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE d.datacl IS NOT NULL AND a.privilege_type = 'CREATE' AND a.grantee <> d.datdba
),
tablespaces AS (
    SELECT 4, format('CREATE on tablespace %I', s.spcname), format('REVOKE CREATE ON TABLESPACE %I FROM %s;', s.spcname, g.grantee)
    FROM pg_catalog.pg_tablespace s
    CROSS JOIN LATERAL pg_catalog.aclexplode(s.spcacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE s.spcacl IS NOT NULL AND a.privilege_type = 'CREATE' AND a.grantee <> s.spcowner
),
owned AS (
    SELECT 5, format('owner of %s object(s) in %s: %s', count(*), coalesce('database ' || quote_ident(d.datname), 'the cluster'),
                     string_agg(DISTINCT o.classid::pg_catalog.regclass::text, ', ')),
           format('REASSIGN OWNED BY %I TO <another role>;', r.rolname)
    FROM pg_catalog.pg_shdepend o
    JOIN reach r ON r.oid = o.refobjid
    LEFT JOIN pg_catalog.pg_database d ON d.oid = o.dbid
    WHERE o.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND o.deptype = 'o' AND NOT (SELECT yes FROM is_super)
      -- Temporary tables of other sessions of the same role, as behind a pooler, end with those.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                      WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = o.objid AND c.relpersistence = 't'
                        AND d.datname = pg_catalog.current_database())
    GROUP BY r.rolname, d.datname
),
functions AS (
    SELECT 6, format('EXECUTE on function pg_catalog.%I(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
           format('REVOKE EXECUTE ON FUNCTION pg_catalog.%I(%s) FROM %s;', p.proname,
                  pg_catalog.oidvectortypes(p.proargtypes), g.grantee)
    FROM pg_catalog.pg_proc p
    CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE p.proacl IS NOT NULL AND a.grantee <> p.proowner AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND (p.proname LIKE 'pg\_stat\_reset%' OR p.proname LIKE 'pg\_replication\_origin\_%' OR p.proname IN (
        'lo_export', 'lo_import', 'pg_backup_start', 'pg_backup_stop', 'pg_create_restore_point', 'pg_file_rename',
        'pg_file_sync', 'pg_file_unlink', 'pg_file_write', 'pg_log_backend_memory_contexts', 'pg_log_standby_snapshot',
        'pg_ls_dir', 'pg_promote', 'pg_read_binary_file', 'pg_read_file', 'pg_reload_conf', 'pg_rotate_logfile',
        'pg_rotate_logfile_old', 'pg_start_backup', 'pg_stat_file', 'pg_stop_backup', 'pg_switch_wal',
        'pg_wal_replay_pause', 'pg_wal_replay_resume'))
),
definers AS (
    -- They run with their owner's rights, whatever this role has. One that returns a trigger cannot be called.
    SELECT 6, format('EXECUTE on SECURITY DEFINER %s %s, owned by %I', f.kind, f.signature, f.owner)
              || CASE g.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           format('REVOKE EXECUTE ON %s %s FROM %s;', upper(f.kind), f.signature, g.grantee)
    FROM (SELECT p.oid, p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl, o.rolname AS owner,
                 CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind,
                 format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)) AS signature
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
          WHERE p.prosecdef AND p.oid >= 16384
            AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
            AND EXISTS (SELECT FROM reach r WHERE pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'))) f
    CROSS JOIN LATERAL pg_catalog.aclexplode(f.acl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE a.privilege_type = 'EXECUTE'
      AND a.grantee <> f.proowner
      AND NOT (SELECT yes FROM is_super)
      AND f.signature <> ALL ($1::text[])
),
findings AS (
    SELECT * FROM attributes
    UNION ALL SELECT * FROM inherited_attributes
    UNION ALL SELECT * FROM powers
    UNION ALL SELECT * FROM relations
    UNION ALL SELECT * FROM columns
    UNION ALL SELECT * FROM schemas
    UNION ALL SELECT * FROM databases
    UNION ALL SELECT * FROM tablespaces
    UNION ALL SELECT * FROM owned
    UNION ALL SELECT * FROM functions
    UNION ALL SELECT * FROM definers
)
SELECT current_user AS current_role,
       pg_catalog.pg_has_role(session_user, 'pg_read_all_stats', 'USAGE') AS sees_all_sessions,
       f.privilege,
       f.mend,
       (count(f.privilege) OVER ())::int AS findings_total
FROM (VALUES (1)) one (row)
LEFT JOIN findings f ON true
ORDER BY f.rank, f.privilege
LIMIT 100

-- What the executor's role can do beyond what a runbook may need: one row for each right, with the statement that takes it
-- away. `need` names the kind of step that may need it after all. What it may do as a member of another role is told by the
-- membership. Takes no lock on a user's object.
WITH me AS MATERIALIZED (
    SELECT r.oid, r.rolname, r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname IN (session_user, current_user)
),
owners AS MATERIALIZED (
    SELECT DISTINCT c.relowner AS oid
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'countersign')
),
reach AS MATERIALIZED (
    SELECT r.*, pg_catalog.pg_has_role(m.oid, r.oid, 'MEMBER WITH ADMIN OPTION') AS admin,
           r.oid = m.oid AS is_me,
           r.oid IN (SELECT o.oid FROM owners o) AND r.oid <> m.oid AS is_owner
    FROM me m
    JOIN pg_catalog.pg_roles r ON r.oid = m.oid OR NOT m.rolsuper AND pg_catalog.pg_has_role(m.oid, r.oid, 'MEMBER')
),
grantees AS MATERIALIZED (
    SELECT r.oid, pg_catalog.quote_ident(r.rolname) AS grantee FROM reach r
    WHERE r.is_me
    UNION ALL
    SELECT 0::pg_catalog.oid, 'PUBLIC'
),
ours AS MATERIALIZED (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'countersign'),
systems AS MATERIALIZED (
    SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast')
),
extensions AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
),
attributes AS (
    SELECT 1 AS rank, a.need, pg_catalog.format('%s', a.name) AS what,
           pg_catalog.format('ALTER ROLE %I NO%s;', r.rolname, a.name) AS mend
    FROM reach r
    CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper, NULL), ('CREATEROLE', r.rolcreaterole, 'alter_role'),
                               ('CREATEDB', r.rolcreatedb, NULL), ('REPLICATION', r.rolreplication, 'drop_slot'),
                               ('BYPASSRLS', r.rolbypassrls, NULL)) a (name, held, need)
    WHERE a.held AND r.is_me AND (a.name = 'SUPERUSER' OR NOT r.rolsuper)
),
memberships AS (
    SELECT 2, CASE WHEN r.rolname IN ('pg_read_all_stats', 'pg_monitor', 'pg_read_all_settings', 'pg_stat_scan_tables') THEN 'signal'
                   WHEN r.rolname = 'pg_maintain' THEN 'relation'
                   WHEN r.rolname = 'rds_replication' THEN 'drop_slot'
                   WHEN r.is_owner AND NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)
                       THEN 'relation' END,
           pg_catalog.format('membership in %I', r.rolname)
               || CASE WHEN r.rolsuper THEN ', which is a superuser' WHEN r.is_owner THEN ', which owns tables' ELSE '' END,
           pg_catalog.format('REVOKE %I FROM %I;', r.rolname, u.rolname)
    FROM reach r
    JOIN pg_catalog.pg_auth_members g ON g.roleid = r.oid
    JOIN reach u ON u.oid = g.member
    WHERE NOT r.is_me
),
admins AS (
    SELECT 2, 'alter_role', pg_catalog.format('ADMIN OPTION on %I', r.rolname),
           pg_catalog.format('REVOKE ADMIN OPTION FOR %I FROM %I;', r.rolname, m.rolname)
    FROM reach r
    CROSS JOIN me m
    WHERE r.admin AND NOT r.is_me AND NOT m.rolsuper
),
relations AS (
    SELECT 3, NULL,
           pg_catalog.format('%s on %I.%I', pg_catalog.string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), n.nspname, c.relname)
               || CASE g.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           pg_catalog.format('REVOKE %s ON %s %I.%I FROM %s;', pg_catalog.string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
                             CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, g.grantee)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE c.relacl IS NOT NULL AND c.relnamespace NOT IN (SELECT s.oid FROM systems s) AND a.grantee <> c.relowner
      AND NOT (c.relnamespace IN (SELECT o.oid FROM ours o) AND c.relname = 'executed_steps' AND a.privilege_type IN ('SELECT', 'INSERT'))
      AND NOT EXISTS (SELECT FROM extensions e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
                      AND a.privilege_type = 'SELECT')
    GROUP BY c.oid, c.relkind, n.nspname, c.relname, g.oid, g.grantee
),
columns AS (
    SELECT 3, NULL, pg_catalog.format('%s on columns of %I.%I', pg_catalog.string_agg(DISTINCT a.privilege_type, ', '), n.nspname, c.relname),
           pg_catalog.format('REVOKE %s ON TABLE %I.%I FROM %s;',
               pg_catalog.string_agg(DISTINCT pg_catalog.format('%s (%I)', a.privilege_type, t.attname), ', '), n.nspname, c.relname, g.grantee)
    FROM pg_catalog.pg_attribute t
    JOIN pg_catalog.pg_class c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE t.attacl IS NOT NULL AND c.relnamespace NOT IN (SELECT s.oid FROM systems s) AND a.grantee <> c.relowner
    GROUP BY c.oid, n.nspname, c.relname, g.oid, g.grantee
),
schemas AS (
    SELECT 4, NULL, pg_catalog.format('CREATE on schema %I', n.nspname) || CASE g.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM %s;', n.nspname, g.grantee)
    FROM pg_catalog.pg_namespace n
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE n.nspacl IS NOT NULL AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
),
databases AS (
    SELECT 4, NULL, pg_catalog.format('CREATE on database %I', d.datname), pg_catalog.format('REVOKE CREATE ON DATABASE %I FROM %s;', d.datname, g.grantee)
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE d.datacl IS NOT NULL AND a.privilege_type = 'CREATE' AND a.grantee <> d.datdba
),
owned AS (
    SELECT 5, NULL, pg_catalog.format('ownership of %s objects in %s', count(*), coalesce('database ' || pg_catalog.quote_ident(d.datname), 'the cluster')),
           pg_catalog.format('REASSIGN OWNED BY %I TO another_role;', r.rolname)
    FROM pg_catalog.pg_shdepend o
    JOIN reach r ON r.oid = o.refobjid
    LEFT JOIN pg_catalog.pg_database d ON d.oid = o.dbid
    WHERE o.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND o.deptype = 'o' AND r.is_me AND NOT r.rolsuper
    GROUP BY r.rolname, d.datname
),
functions AS (
    SELECT 6, NULL, pg_catalog.format('EXECUTE on pg_catalog.%I(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
           pg_catalog.format('REVOKE EXECUTE ON FUNCTION pg_catalog.%I(%s) FROM %s;', p.proname, pg_catalog.oidvectortypes(p.proargtypes), g.grantee)
    FROM pg_catalog.pg_proc p
    CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE p.proacl IS NOT NULL AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND a.grantee <> p.proowner
      -- What PUBLIC has from the start, and what setup-sql gives.
      AND g.oid <> 0 AND p.proname <> 'pg_control_system'
),
definers AS (
    -- They run with their owner's rights, whatever this role has. One that returns a trigger cannot be called.
    SELECT 6, CASE WHEN g.oid <> 0 AND f.signature IN ('countersign.terminate_backend(integer, timestamp with time zone)',
                                                       'countersign.cancel_backend(integer, timestamp with time zone)') THEN 'signal' END,
           pg_catalog.format('EXECUTE on SECURITY DEFINER %s %s, owned by %I', f.kind, f.signature, f.owner)
               || CASE g.oid WHEN 0 THEN ' (PUBLIC)' ELSE '' END,
           pg_catalog.format('REVOKE EXECUTE ON %s %s FROM %s;', upper(f.kind), f.signature, g.grantee)
    FROM (SELECT p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl, o.rolname AS owner,
                 CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind,
                 pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)) AS signature
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
          WHERE p.prosecdef AND p.oid >= 16384
            AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
            AND EXISTS (SELECT FROM me m WHERE pg_catalog.has_schema_privilege(m.oid, n.oid, 'USAGE'))) f
    CROSS JOIN LATERAL pg_catalog.aclexplode(f.acl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE a.privilege_type = 'EXECUTE' AND a.grantee <> f.proowner
)
SELECT f.need, f.what, f.mend, (count(*) OVER ())::pg_catalog.int4 AS total
FROM (
    SELECT * FROM attributes
    UNION ALL SELECT * FROM memberships
    UNION ALL SELECT * FROM admins
    UNION ALL SELECT * FROM relations
    UNION ALL SELECT * FROM columns
    UNION ALL SELECT * FROM schemas
    UNION ALL SELECT * FROM databases
    UNION ALL SELECT * FROM owned
    UNION ALL SELECT * FROM functions
    UNION ALL SELECT * FROM definers
) f
ORDER BY f.rank, f.what
LIMIT 200

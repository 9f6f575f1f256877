SELECT t.kind, t.name, t.part_of, pg_catalog.left(pg_catalog.md5(t.value), 8) AS digest
FROM (
    SELECT 'role' AS kind,
           r.rolname::pg_catalog.text AS name,
           NULL::pg_catalog.text AS part_of,
           pg_catalog.concat_ws(' ', r.oid, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
               r.rolreplication, r.rolbypassrls,
               (SELECT pg_catalog.string_agg(pg_catalog.concat(m.roleid, ':', m.admin_option), ' ' ORDER BY m.roleid)
                FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid)) AS value
    FROM pg_catalog.pg_roles r
    WHERE coalesce(r.rolvaliduntil = 'infinity', true)
    UNION ALL
    SELECT 'limit', r.rolname::pg_catalog.text, NULL, r.rolconnlimit::pg_catalog.text
    FROM pg_catalog.pg_roles r
    WHERE coalesce(r.rolvaliduntil = 'infinity', true)
    UNION ALL
    SELECT 'role_setting',
           pg_catalog.concat_ws(' ', coalesce(r.rolname, '*'), pg_catalog.split_part(one.setting, '=', 1), 'in ' || d.datname),
           NULL, one.setting
    FROM pg_catalog.pg_db_role_setting s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS one (setting)
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    UNION ALL
    SELECT 'setting', s.name, NULL, s.setting
    FROM pg_catalog.pg_settings s
    WHERE s.source IN ('configuration file', 'command line')
    UNION ALL
    SELECT 'slot', s.slot_name::pg_catalog.text, NULL, pg_catalog.concat_ws(' ', s.plugin, s.slot_type, s.datoid)
    FROM pg_catalog.pg_replication_slots s
    WHERE NOT s.temporary
    UNION ALL
    SELECT 'table', n.nspname || '.' || c.relname, NULL, pg_catalog.concat_ws(' ', c.oid, c.relowner, c.reloptions, c.relacl)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    UNION ALL
    SELECT 'index', n.nspname || '.' || c.relname, n.nspname || '.' || t.relname,
           pg_catalog.concat_ws(' ', c.oid, i.indisvalid, i.indisready, i.indisunique, c.reloptions)
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
) t
ORDER BY t.kind IN ('table', 'index'), t.kind, t.name
LIMIT 5001

SELECT t.oid AS oid,
       o.rolname::pg_catalog.text AS owner,
       pg_catalog.pg_has_role(t.relowner, 'USAGE') AS owns,
       pg_catalog.pg_has_role(d.datdba, 'USAGE') AND NOT t.relisshared AS owns_database,
       pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS owns_schema,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS reaches
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
JOIN pg_catalog.pg_class t ON t.oid = coalesce(i.indrelid, c.oid)
JOIN pg_catalog.pg_roles o ON o.oid = t.relowner
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
WHERE n.nspname = $1 AND c.relname = $2

SELECT pg_catalog.quote_ident(o.rolname) AS owner,
       pg_catalog.pg_has_role(o.oid, 'USAGE') AS reached,
       o.rolsuper AS superuser,
       count(*) AS tables
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'countersign')
GROUP BY o.oid, o.rolname, o.rolsuper
ORDER BY count(*) DESC, o.rolname
LIMIT 20

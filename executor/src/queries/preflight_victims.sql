SELECT pg_catalog.count(*) AS sessions,
       pg_catalog.count(*) FILTER (WHERE r.rolsuper) AS of_superusers,
       pg_catalog.count(*) FILTER (WHERE NOT pg_catalog.pg_has_role(r.oid, 'USAGE')) AS of_others
FROM pg_catalog.pg_stat_activity a
JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE ($1::pg_catalog.int4 IS NULL OR a.pid = $1)
  AND ($2::pg_catalog.text IS NULL OR r.rolname = $2)
  AND ($1 IS NOT NULL OR a.backend_type = 'client backend')

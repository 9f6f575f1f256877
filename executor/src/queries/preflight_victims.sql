SELECT pg_catalog.count(*) FILTER (
           WHERE a.backend_type <> 'client backend' OR r.rolsuper OR r.rolreplication OR EXISTS (
               SELECT FROM pg_catalog.pg_roles p
               WHERE p.rolname IN ('pg_signal_backend', 'rds_replication') AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')
           )
       ) AS spared
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE ($1::pg_catalog.int4 IS NULL OR a.pid = $1)
  AND ($2::pg_catalog.text IS NULL OR r.rolname = $2)
  AND ($1 IS NOT NULL OR a.backend_type = 'client backend')

SELECT r.rolsuper AS superuser,
       r.rolreplication AS replication,
       pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') AS admin,
       r.rolname = CURRENT_USER AS itself
FROM pg_catalog.pg_roles r
WHERE r.rolname = $1

-- What ALTER ROLE … SET and ALTER DATABASE … SET say.
SELECT d.datname AS database, r.rolname AS role, c.setting, count(*) OVER () AS total
FROM pg_db_role_setting o
CROSS JOIN LATERAL unnest(o.setconfig) c (setting)
LEFT JOIN pg_database d ON d.oid = o.setdatabase
LEFT JOIN pg_roles r ON r.oid = o.setrole
ORDER BY d.datname NULLS FIRST, r.rolname NULLS FIRST, c.setting
LIMIT 200

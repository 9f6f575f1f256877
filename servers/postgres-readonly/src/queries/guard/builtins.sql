-- Every function name of pg_catalog: whether a function of that name is volatile, and whether one of them is not
-- PostgreSQL's own.
SELECT p.proname AS name,
       bool_or(p.provolatile = 'v') AS volatile,
       bool_or(p.oid >= 16384) AS added
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
GROUP BY p.proname

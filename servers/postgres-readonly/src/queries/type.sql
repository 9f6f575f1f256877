-- What a type is: built in, or an enum (or an array of either).
SELECT t.oid < 16384 AS builtin,
       coalesce(e.typtype, t.typtype)::text AS kind
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE n.nspname = $1::text AND t.typname = $2::text

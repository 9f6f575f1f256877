-- Names of types: all that are built in, and those asked for.
SELECT t.oid, pg_catalog.format_type(t.oid, NULL) AS name
FROM pg_catalog.pg_type t
WHERE t.oid < 16384 OR t.oid = ANY ($1::oid[])

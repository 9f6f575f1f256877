-- Code that somebody tied to built-in types and operators, where no name in a statement shows it: casts between built-in
-- types, default operator classes of built-in types, operators added to pg_catalog. Only a superuser can do that.
SELECT 'cast' AS kind, format_type(k.castsource, NULL) || ' as ' || format_type(k.casttarget, NULL) AS name,
       k.castsource AS source, s.typname AS source_name, k.casttarget AS target, k.castcontext = 'i' AS implicit, jsonb_build_array(k.castfunc::bigint) AS functions
FROM pg_cast k
JOIN pg_type s ON s.oid = k.castsource
WHERE k.oid >= 16384 AND k.castsource < 16384 AND k.casttarget < 16384 AND k.castfunc <> 0
UNION ALL
SELECT 'operator class', o.opcname, o.opcintype, t.typname, NULL, true,
       (SELECT jsonb_agg(DISTINCT f.oid::bigint)
        FROM (
            SELECT a.amproc FROM pg_amproc a WHERE a.amprocfamily = o.opcfamily
            UNION ALL
            SELECT p.oprcode FROM pg_amop a JOIN pg_operator p ON p.oid = a.amopopr WHERE a.amopfamily = o.opcfamily
        ) f (oid)
        WHERE f.oid <> 0)
FROM pg_opclass o
JOIN pg_type t ON t.oid = o.opcintype
WHERE o.oid >= 16384 AND o.opcdefault AND o.opcintype < 16384
UNION ALL
SELECT 'operator', p.oprname, NULL, NULL, NULL, true, jsonb_build_array(p.oprcode::oid::bigint)
FROM pg_operator p
WHERE p.oid >= 16384 AND p.oprnamespace = 'pg_catalog'::regnamespace

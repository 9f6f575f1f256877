-- Code that somebody tied to built-in types and operators, where no name in a statement shows it: casts between built-in
-- types, default operator classes of built-in types, what was added to built-in operator families and to pg_catalog. Only a superuser can do that.
SELECT 'cast' AS kind, format_type(k.castsource, NULL) || ' as ' || format_type(k.casttarget, NULL) AS name,
       k.castsource AS source, s.typname AS source_name, k.casttarget AS target, k.castcontext = 'i' AS implicit,
       k.castcontext <> 'e' AS assignment, jsonb_build_array(k.castfunc::bigint) AS functions
FROM pg_cast k
JOIN pg_type s ON s.oid = k.castsource
WHERE k.oid >= 16384 AND k.castsource < 16384 AND k.casttarget < 16384 AND k.castfunc <> 0
UNION ALL
SELECT 'operator class', o.opcname, o.opcintype, t.typname, NULL, true, true,
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
SELECT 'operator', p.oprname, NULL, NULL, NULL, true, true, jsonb_build_array(p.oprcode::oid::bigint)
FROM pg_operator p
WHERE p.oid >= 16384 AND p.oprnamespace = 'pg_catalog'::regnamespace
UNION ALL
SELECT 'operator family', f.opfname, a.type, t.typname, NULL, true, true, jsonb_build_array(a.function::bigint)
FROM pg_opfamily f
JOIN (
    SELECT p.amprocfamily AS family, p.amproclefttype AS type, p.amproc::oid AS function FROM pg_amproc p WHERE p.oid >= 16384
    UNION ALL
    SELECT m.amopfamily, m.amoplefttype, o.oprcode::oid FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr WHERE m.oid >= 16384
) a ON a.family = f.oid
JOIN pg_type t ON t.oid = a.type
WHERE f.oid < 16384

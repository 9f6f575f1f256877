-- What types are and what using a value of one may run: a domain's constraints, the parts of a range, casts that somebody
-- made, the functions of operator classes (sorting, grouping and comparing use them without naming them).
SELECT t.oid,
       n.nspname AS schema,
       t.typname AS name,
       t.typtype::text AS kind,
       CASE WHEN t.typcategory = 'A' THEN nullif(t.typelem, 0) END AS element,
       nullif(t.typbasetype, 0) AS base,
       nullif(t.typrelid, 0) AS relation,
       e.extname AS extension,
       r.rngsubtype AS subtype,
       (SELECT jsonb_agg(pg_get_expr(k.conbin, 0)) FROM pg_constraint k WHERE k.contypid = t.oid AND k.conbin IS NOT NULL) AS checks,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(c.relname, d.refobjid::bigint))
        FROM pg_constraint k
        JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid AND d.refobjid >= 16384 AND d.deptype = 'n'
        JOIN pg_class c ON c.oid = d.refclassid AND c.relname IN ('pg_proc', 'pg_operator', 'pg_type', 'pg_class')
        WHERE k.contypid = t.oid) AS needs,
       (SELECT jsonb_agg(DISTINCT f.oid::bigint)
        FROM (
            SELECT k.castfunc FROM pg_cast k WHERE t.oid IN (k.castsource, k.casttarget) AND k.oid >= 16384
            UNION ALL
            SELECT v.oid FROM (VALUES (r.rngcanonical::oid), (r.rngsubdiff::oid)) v (oid)
            UNION ALL
            SELECT a.amproc
            FROM pg_opclass o
            JOIN pg_amproc a ON a.amprocfamily = o.opcfamily
            WHERE o.opcintype = t.oid AND o.oid >= 16384
            UNION ALL
            SELECT p.oprcode
            FROM pg_opclass o
            JOIN pg_amop a ON a.amopfamily = o.opcfamily
            JOIN pg_operator p ON p.oid = a.amopopr
            WHERE o.opcintype = t.oid AND o.oid >= 16384
        ) f (oid)
        WHERE f.oid <> 0) AS functions
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_range r ON t.oid = r.rngtypid
LEFT JOIN pg_depend x
  ON x.classid = 'pg_type'::regclass AND x.objid = t.oid AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = x.refobjid
WHERE t.oid = ANY ($1::oid[])

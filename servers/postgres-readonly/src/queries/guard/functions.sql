-- What functions are and what they would run.
SELECT p.oid,
       n.nspname AS schema,
       p.proname AS name,
       format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS signature,
       p.oid < 16384 AS builtin,
       p.prokind::text AS kind,
       p.provolatile::text AS volatility,
       p.prosecdef AS security_definer,
       p.proconfig IS NOT NULL AS has_settings,
       l.lanname AS language,
       e.extname AS extension,
       CASE l.lanname WHEN 'internal' THEN p.prosrc
                      WHEN 'sql' THEN CASE WHEN to_jsonb(p) ->> 'prosqlbody' IS NULL THEN p.prosrc END END AS source,
       CASE WHEN l.lanname = 'sql' AND to_jsonb(p) ->> 'prosqlbody' IS NOT NULL THEN pg_get_functiondef(p.oid) END AS definition,
       pg_get_expr(p.proargdefaults, 0) AS defaults,
       p.prorettype AS result,
       (SELECT jsonb_agg(jsonb_build_array(nullif(p.proargnames[a.place], ''), a.type::bigint) ORDER BY a.place)
        FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY a (type, place)) AS parameters,
       -- What an aggregate is made of.
       (SELECT jsonb_agg(DISTINCT f.oid::bigint)
        FROM pg_aggregate a
        CROSS JOIN LATERAL unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]) f (oid)
        WHERE a.aggfnoid = p.oid AND f.oid <> 0) AS parts,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(c.relname, d.refobjid::bigint))
        FROM pg_depend d
        JOIN pg_class c ON c.oid = d.refclassid AND c.relname IN ('pg_proc', 'pg_operator', 'pg_type', 'pg_class')
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refobjid >= 16384 AND d.deptype = 'n') AS needs
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_depend x
  ON x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = x.refobjid
WHERE p.oid = ANY ($1::oid[])

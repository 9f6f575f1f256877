-- What relations are and what reading them would run. `reads` are texts that every reading runs (a view's definition, the
-- policies of row security, virtual columns); `plans` are expressions of which the planner computes the constant parts
-- (indexes, checks, statistics, partition keys); `writes` are those that planning a change adds. Each comes with the objects
-- that it depends on, for a text hides implicit casts. pg_get_viewdef and pg_get_expr may take a lock on the relation:
-- lock_timeout bounds that.
WITH RECURSIVE parts (root, oid) AS (
    SELECT c.oid, c.oid FROM pg_class c WHERE c.oid = ANY ($1::oid[])
    UNION
    SELECT p.root, i.inhrelid FROM parts p JOIN pg_inherits i ON i.inhparent = p.oid
),
texts (root, part, class, object, usage, text) AS (
    SELECT p.root, p.oid, 'pg_rewrite'::regclass::oid, r.oid, 'reads', pg_get_viewdef(p.oid)
    FROM parts p
    JOIN pg_class c ON c.oid = p.oid AND c.relkind = 'v' AND c.oid >= 16384
    JOIN pg_rewrite r ON r.ev_class = p.oid AND r.ev_type = '1'
    UNION ALL
    SELECT p.root, p.oid, 'pg_policy'::regclass, y.oid, 'reads', 'SELECT ' || pg_get_expr(y.polqual, y.polrelid)
    FROM parts p
    JOIN pg_class c ON c.oid = p.oid AND c.relrowsecurity
    JOIN pg_policy y ON y.polrelid = p.oid AND y.polqual IS NOT NULL
    UNION ALL
    SELECT p.root, p.oid, 'pg_attrdef'::regclass, d.oid, CASE a.attgenerated WHEN 'v' THEN 'reads' ELSE 'writes' END,
           'SELECT ' || pg_get_expr(d.adbin, d.adrelid)
    FROM parts p
    JOIN pg_attrdef d ON d.adrelid = p.oid
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    SELECT p.root, p.oid, 'pg_class'::regclass, i.indexrelid, 'plans',
           'SELECT ' || concat_ws(', ', pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid))
    FROM parts p
    JOIN pg_index i ON i.indrelid = p.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT p.root, p.oid, 'pg_constraint'::regclass, k.oid, 'plans', 'SELECT ' || pg_get_expr(k.conbin, k.conrelid)
    FROM parts p
    JOIN pg_constraint k ON k.conrelid = p.oid AND k.conbin IS NOT NULL
    UNION ALL
    -- PostgreSQL 13 has no expressions here, so none can be asked for; what they depend on says enough.
    SELECT p.root, p.oid, 'pg_statistic_ext'::regclass, s.oid, 'plans', ''
    FROM parts p
    JOIN pg_statistic_ext s ON s.stxrelid = p.oid AND to_jsonb(s) ->> 'stxexprs' IS NOT NULL
    UNION ALL
    SELECT p.root, p.oid, 'pg_class'::regclass, p.oid, 'plans', 'SELECT ' || pg_get_expr(t.partexprs, t.partrelid)
    FROM parts p
    JOIN pg_partitioned_table t ON t.partrelid = p.oid AND t.partexprs IS NOT NULL
)
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS kind,
       c.oid < 16384 AS builtin,
       EXISTS (SELECT FROM parts p JOIN pg_class k ON k.oid = p.oid WHERE p.root = c.oid AND k.relkind = 'f') AS has_foreign_parts,
       EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1') AS has_rules,
       (SELECT jsonb_agg(jsonb_build_object('usage', t.usage, 'text', t.text, 'needs', (
                   SELECT jsonb_agg(DISTINCT jsonb_build_array(k.relname, d.refobjid::bigint))
                   FROM pg_depend d
                   JOIN pg_class k ON k.oid = d.refclassid AND k.relname IN ('pg_proc', 'pg_operator', 'pg_type', 'pg_class')
                   WHERE d.classid = t.class AND d.objid = t.object AND d.refobjid >= 16384 AND d.refobjid <> t.part
                     AND d.deptype = 'n')))
        FROM texts t
        WHERE t.root = c.oid AND t.text IS NOT NULL) AS texts,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(a.attname, a.atttypid::bigint))
        FROM parts p
        JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE p.root = c.oid AND a.atttypid >= 16384) AS columns
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::oid[])

-- What is needed to tell the types in a statement: $1 relations that it reads, $2 names of its functions and operators,
-- $3 names of its types. Only asked where somebody tied code to built-in types or operators.
SELECT (SELECT jsonb_agg(DISTINCT jsonb_build_array(a.attname, a.atttypid::bigint))
        FROM pg_attribute a
        WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT jsonb_agg(jsonb_build_object('name', p.proname, 'code', p.oid::bigint, 'result', p.prorettype::bigint,
                                            'arguments', p.proargtypes::oid[]::bigint[], 'defaults', p.pronargdefaults,
                                            'variadic', p.provariadic::bigint))
        FROM pg_proc p
        WHERE p.proname = ANY ($2::name[])) AS functions,
       (SELECT jsonb_agg(jsonb_build_object('name', o.oprname, 'code', o.oprcode::oid::bigint, 'result', o.oprresult::bigint,
                                            'arguments', ARRAY[o.oprleft, o.oprright]::bigint[], 'defaults', 0, 'variadic', 0))
        FROM pg_operator o
        WHERE o.oprname = ANY ($2::name[])) AS operators,
       (SELECT jsonb_agg(jsonb_build_array(t.typname, t.oid::bigint)) FROM pg_type t WHERE t.typname = ANY ($3::name[])) AS types,
       -- Arrays before whatever else has elements, without a category: ranges, and types that can be subscripted.
       (SELECT jsonb_agg(jsonb_build_array(k.element::bigint, k.whole::bigint, k.category, k.preferred) ORDER BY k.place)
        FROM (
            SELECT 1 AS place, t.oid AS element, t.typarray AS whole, t.typcategory AS category, t.typispreferred AS preferred
            FROM pg_type t
            WHERE t.typarray <> 0 OR t.typispreferred
            UNION ALL
            SELECT 2, r.rngsubtype, r.rngtypid, '', false FROM pg_range r
            UNION ALL
            SELECT 2, r.rngsubtype, (to_jsonb(r) ->> 'rngmultitypid')::oid, '', false
            FROM pg_range r
            WHERE to_jsonb(r) ->> 'rngmultitypid' IS NOT NULL
            UNION ALL
            SELECT 2, t.typelem, t.oid, '', false FROM pg_type t WHERE t.typelem <> 0 AND t.typcategory <> 'A'
        ) k) AS kinds,
       (SELECT jsonb_agg(jsonb_build_array(k.castsource::bigint, k.casttarget::bigint))
        FROM pg_cast k
        WHERE k.castcontext = 'i') AS casts

-- Types of the values that a statement can have and of those that it can want: $1 relations that it reads, $2 names of its
-- functions and operators, $3 the columns that it names (NULL: all). `results` are those of functions by name.
SELECT (SELECT jsonb_agg(DISTINCT v.oid::bigint)
        FROM (
            SELECT a.atttypid
            FROM pg_attribute a
            WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND ($3::name[] IS NULL OR a.attname = ANY ($3::name[]))
            UNION ALL SELECT p.prorettype FROM pg_proc p WHERE p.proname = ANY ($2::name[])
            UNION ALL SELECT unnest(p.proallargtypes) FROM pg_proc p WHERE p.proname = ANY ($2::name[])
            UNION ALL SELECT o.oprresult FROM pg_operator o WHERE o.oprname = ANY ($2::name[])
        ) v (oid)) AS has,
       (SELECT jsonb_agg(DISTINCT v.oid::bigint)
        FROM (
            SELECT unnest(p.proargtypes) FROM pg_proc p WHERE p.proname = ANY ($2::name[])
            UNION ALL SELECT unnest(ARRAY[o.oprleft, o.oprright]) FROM pg_operator o WHERE o.oprname = ANY ($2::name[])
        ) v (oid)) AS wants,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(p.proname, p.prorettype::bigint))
        FROM pg_proc p
        WHERE p.proname = ANY ($2::name[])) AS results

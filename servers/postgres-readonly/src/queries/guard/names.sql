-- What names mean here. $1 kinds, $2 schemas ('' where the name stands alone), $3 names, $4 the schemas in which names that
-- stand alone are looked for, in order. One row per name that is found: the first schema that has it, and everything of
-- that name in there (functions and operators are overloaded).
WITH found AS (
    SELECT w.kind, w.schema AS written, w.name, n.nspname AS schema, o.oid,
           rank() OVER (PARTITION BY w.kind, w.schema, w.name ORDER BY array_position($4::text[], n.nspname::text)) AS place
    FROM unnest($1::text[], $2::text[], $3::text[]) w (kind, schema, name)
    JOIN pg_namespace n
      ON n.nspname = w.schema::name OR (w.schema = '' AND n.nspname::text = ANY ($4::text[]))
    CROSS JOIN LATERAL (
        SELECT c.oid FROM pg_class c
        WHERE w.kind = 'relation' AND c.relname = w.name::name AND c.relnamespace = n.oid AND c.relkind NOT IN ('i', 'I', 'c')
        UNION ALL
        SELECT p.oid FROM pg_proc p WHERE w.kind = 'function' AND p.proname = w.name::name AND p.pronamespace = n.oid
        UNION ALL
        SELECT t.oid FROM pg_type t WHERE w.kind = 'type' AND t.typname = w.name::name AND t.typnamespace = n.oid
        UNION ALL
        SELECT o.oid FROM pg_operator o WHERE w.kind = 'operator' AND o.oprname = w.name::name AND o.oprnamespace = n.oid
    ) o
)
SELECT f.kind, f.written, f.name, f.schema, jsonb_agg(f.oid::bigint) AS oids
FROM found f
WHERE f.place = 1
GROUP BY f.kind, f.written, f.name, f.schema

-- The role's own search path, in order, and of each schema what a statement could reach without writing the schema's name:
-- the functions behind operators, and functions of a name that pg_catalog has too (the better match wins, not the first),
-- each with the name that reaches it. `by_column` are functions that `t.name` calls when the row t has no such column.
WITH entries AS (
    SELECT e.place, btrim(e.entry) AS entry
    FROM pg_settings s
    CROSS JOIN LATERAL unnest(string_to_array(s.reset_val, ',')) WITH ORDINALITY e (entry, place)
    WHERE s.name = 'search_path'
),
schemas AS (
    SELECT DISTINCT ON (n.oid) n.oid, n.nspname, e.place
    FROM entries e
    JOIN pg_namespace n ON n.nspname = CASE
        WHEN e.entry IN ('$user', '"$user"') THEN current_user
        WHEN e.entry LIKE '"%"' THEN replace(substr(e.entry, 2, length(e.entry) - 2), '""', '"')
        ELSE e.entry END::name
    WHERE has_schema_privilege(n.oid, 'USAGE') AND n.nspname <> 'pg_catalog'
    ORDER BY n.oid, e.place
)
SELECT s.nspname AS schema,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(f.name, f.oid::bigint))
        FROM (
            SELECT o.oprname, o.oprcode::oid FROM pg_operator o WHERE o.oprnamespace = s.oid
            UNION ALL
            SELECT p.proname, p.oid
            FROM pg_proc p
            WHERE p.pronamespace = s.oid
              AND EXISTS (SELECT FROM pg_proc c WHERE c.proname = p.proname AND c.pronamespace = 'pg_catalog'::regnamespace)
        ) f (name, oid)
        WHERE f.oid <> 0) AS unnamed,
       (SELECT jsonb_agg(jsonb_build_array(p.proname, p.oid::bigint))
        FROM pg_proc p
        JOIN pg_type t ON t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'p', 'd')
        WHERE p.pronamespace = s.oid AND p.pronargs - p.pronargdefaults <= 1 AND p.pronargs >= 1) AS by_column
FROM schemas s
ORDER BY s.place

-- What the session is: its process, its clock, the schemas that the role's own search_path finds, and the limits it starts with.
-- reset_val is the session's default, whatever this transaction has set.
WITH settings AS MATERIALIZED (
    SELECT s.name, s.reset_val
    FROM pg_catalog.pg_settings s
    WHERE s.name IN ('search_path', 'work_mem', 'hash_mem_multiplier', 'temp_file_limit', 'transaction_timeout',
                     'restrict_nonsystem_relation_kind')
),
path AS MATERIALIZED (
    SELECT CASE WHEN t.part[1] = '"$user"' OR t.part[1] = '$user' THEN current_user::text
                WHEN t.part[1] LIKE '"%' THEN pg_catalog.replace(pg_catalog.substr(t.part[1], 2, pg_catalog.length(t.part[1]) - 2), '""', '"')
                ELSE pg_catalog.lower(t.part[1]) END AS name,
           t.place
    FROM settings s
    CROSS JOIN LATERAL pg_catalog.regexp_matches(s.reset_val, '"(?:[^"]|"")*"|[^",[:space:]]+', 'g') WITH ORDINALITY t (part, place)
    WHERE s.name = 'search_path'
)
SELECT pg_catalog.pg_backend_pid() AS backend_pid,
       pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS clock,
       pg_catalog.current_setting('is_superuser') = 'on' AS is_superuser,
       (SELECT coalesce(pg_catalog.jsonb_agg(p.name ORDER BY p.place), '[]'::pg_catalog.jsonb)
        FROM (SELECT DISTINCT ON (name) name, place FROM path ORDER BY name, place) p
        JOIN pg_catalog.pg_namespace n ON n.nspname = p.name
        WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE')) AS search_path,
       (SELECT pg_catalog.jsonb_object_agg(s.name, s.reset_val) FROM settings s WHERE s.name <> 'search_path') AS settings

-- Every setting; $1 is a JSON array of names and $2 a LIKE pattern that ask for some of them in full.
SELECT s.name, s.setting AS value, s.unit, s.vartype, s.source, s.context, s.boot_val, s.reset_val, s.pending_restart,
       s.sourcefile, s.sourceline,
       w.wanted,
       CASE WHEN w.wanted THEN s.short_desc END AS description,
       CASE WHEN w.wanted THEN coalesce(s.min_val || ' … ' || s.max_val, array_to_string(s.enumvals, ', ')) END AS "values"
FROM pg_settings s
CROSS JOIN LATERAL (SELECT s.name IN (SELECT n.name FROM jsonb_array_elements_text($1::jsonb) n (name))
                           OR ($2::text IS NOT NULL AND s.name ILIKE $2::text) AS wanted) w
ORDER BY s.name

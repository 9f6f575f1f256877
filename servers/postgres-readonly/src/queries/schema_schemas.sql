-- Schemas with what is in them; those of the system and of temporary tables are left out.
SELECT n.nspname AS schema,
       pg_get_userbyid(n.nspowner) AS owner,
       left(d.description, 300) AS comment,
       coalesce(c.tables, 0) AS tables,
       coalesce(c.views, 0) AS views,
       coalesce(c.indexes, 0) AS indexes,
       coalesce(c.sequences, 0) AS sequences,
       coalesce(p.functions, 0) AS functions,
       coalesce(c.pages, 0)::bigint * current_setting('block_size')::bigint AS bytes,
       count(*) OVER () AS total
FROM pg_namespace n
LEFT JOIN (
    SELECT c.relnamespace,
           count(*) FILTER (WHERE c.relkind IN ('r', 'p', 'f')) AS tables,
           count(*) FILTER (WHERE c.relkind IN ('v', 'm')) AS views,
           count(*) FILTER (WHERE c.relkind IN ('i', 'I')) AS indexes,
           count(*) FILTER (WHERE c.relkind = 'S') AS sequences,
           sum(c.relpages) FILTER (WHERE c.relkind IN ('r', 'm', 'i')) AS pages
    FROM pg_class c
    GROUP BY c.relnamespace) c ON c.relnamespace = n.oid
LEFT JOIN (SELECT p.pronamespace, count(*) AS functions FROM pg_proc p GROUP BY p.pronamespace) p ON p.pronamespace = n.oid
LEFT JOIN pg_description d ON d.classoid = 2615 AND d.objoid = n.oid AND d.objsubid = 0
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY bytes DESC, n.nspname

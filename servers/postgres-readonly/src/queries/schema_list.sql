-- Relations that fit, biggest first. $1 schema, $2 name as an ILIKE pattern, $3 kinds as relkind letters, $4 limit. A size
-- is the catalog's count of pages as of the last VACUUM or ANALYZE: nothing is opened.
WITH found AS MATERIALIZED (
    SELECT c.oid, n.nspname AS schema, c.relname, c.relkind, c.reltuples, c.relpages, c.relowner,
           count(*) OVER () AS total
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY (string_to_array($3::text, NULL)::"char"[])
      AND ($1::text IS NOT NULL OR $2::text IS NOT NULL OR n.nspname NOT IN ('pg_catalog', 'information_schema'))
      AND n.nspname NOT LIKE 'pg\_toast%'
      AND c.relpersistence <> 't'
      AND ($1::text IS NULL OR n.nspname ILIKE $1::text)
      AND ($2::text IS NULL OR c.relname ILIKE $2::text)
    ORDER BY c.relpages DESC, n.nspname, c.relname
    LIMIT $4::bigint
)
SELECT f.oid::bigint AS oid,
       f.schema,
       f.relname AS name,
       f.relkind::text AS relkind,
       CASE WHEN f.reltuples >= 0 AND f.relkind IN ('r', 'm', 'p', 'f') THEN f.reltuples::float8 END AS estimated_rows,
       CASE WHEN f.relkind IN ('r', 'm', 'i', 'S') THEN f.relpages::bigint * current_setting('block_size')::bigint END AS bytes,
       pg_get_userbyid(f.relowner) AS owner,
       left(d.description, 300) AS comment,
       f.total
FROM found f
LEFT JOIN pg_description d ON d.classoid = 1259 AND d.objoid = f.oid AND d.objsubid = 0
ORDER BY f.relpages DESC, f.schema, f.relname

-- What the catalog knows of the relations in a plan. $1 names them: [{"schema": …, "name": …}].
SELECT n.nspname AS schema,
       c.relname AS name,
       -- Before PostgreSQL 14 a table that was never analysed has 0.
       (CASE WHEN c.reltuples = 0 AND c.relpages = 0 AND current_setting('server_version_num')::int < 140000 THEN -1 ELSE c.reltuples END)::float8 AS reltuples,
       coalesce(pg_stat_get_mod_since_analyze(c.oid), 0)::float8 AS changed,
       pn.nspname || '.' || p.relname AS parent,
       coalesce((SELECT count(*) FROM pg_inherits s WHERE s.inhparent = i.inhparent), 0) AS siblings,
       pg_size_bytes(current_setting('work_mem'))::float8 AS work_mem_bytes
FROM jsonb_to_recordset($1::jsonb) AS w (schema text, name text)
JOIN pg_namespace n ON n.nspname = w.schema::name
JOIN pg_class c ON c.relname = w.name::name AND c.relnamespace = n.oid
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_class p ON p.oid = i.inhparent
LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace

-- What the catalog knows of some tables, their columns and their indexes. $1 names the tables: [{"schema": null or …,
-- "name": …}]; without a schema every table of that name outside the system's schemas is meant.
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages
    FROM jsonb_to_recordset($1::jsonb) AS w (schema text, name text)
    JOIN pg_class c ON c.relname = w.name::name
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')
      AND (n.nspname = w.schema OR (w.schema IS NULL AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_toast%'
                                    AND n.nspname NOT LIKE 'pg\_temp%'))
    LIMIT 200
)
SELECT t.nspname AS schema,
       t.relname AS name,
       t.relkind::text AS kind,
       t.reltuples::float8 AS rows,
       t.relpages::bigint AS pages,
       coalesce(pg_stat_get_tuples_inserted(t.oid), 0) AS inserted,
       coalesce(pg_stat_get_tuples_updated(t.oid), 0) AS updated,
       coalesce(pg_stat_get_tuples_deleted(t.oid), 0) AS deleted,
       (SELECT jsonb_agg(jsonb_build_object(
                   'number', a.attnum, 'name', a.attname, 'type', y.typname, 'category', y.typcategory::text,
                   'n_distinct', s.n_distinct, 'null_frac', s.null_frac, 'avg_width', s.avg_width) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type y ON y.oid = a.atttypid
        LEFT JOIN pg_stats s ON s.schemaname = t.nspname AND s.tablename = t.relname AND s.attname = a.attname
                                AND s.inherited = (t.relkind = 'p')
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT jsonb_agg(jsonb_build_object(
                   'keys', (i.indkey::int2[])[0:i.indnkeyatts - 1],
                   'method', m.amname,
                   'unique', i.indisunique,
                   'whole', i.indpred IS NULL AND i.indisvalid))
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam
        WHERE i.indrelid = t.oid) AS indexes
FROM wanted t

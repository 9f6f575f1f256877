-- Foreign keys whose columns lead no index: each delete or key change of a referenced row reads the whole table. Largest
-- table first, at most $1, tables of $2 pages or more.
WITH keys AS MATERIALIZED (
    SELECT c.conname, c.conrelid, c.confrelid, c.conkey, t.relname, t.relnamespace, t.relpages, t.reltuples
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid AND t.relpages >= $2::int
    WHERE c.contype = 'f'
      -- The parts of a partitioned table have copies of its keys.
      AND c.conparentid = 0
      AND NOT EXISTS (
          SELECT
          FROM pg_index i
          WHERE i.indrelid = c.conrelid
            AND i.indisvalid
            AND i.indpred IS NULL
            AND i.indkey[0] = ANY (c.conkey)
            AND i.indnkeyatts >= cardinality(c.conkey)
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
),
largest AS MATERIALIZED (
    SELECT k.*
    FROM keys k
    ORDER BY k.relpages DESC, k.conname
    LIMIT $1::int
)
SELECT (SELECT count(*) FROM keys) AS total,
       n.nspname AS schema,
       l.relname AS "table",
       l.conname AS constraint,
       (SELECT jsonb_agg(a.attname ORDER BY k.place)
        FROM unnest(l.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = l.conrelid AND a.attnum = k.number) AS columns,
       l.relpages::bigint * current_setting('block_size')::int AS table_bytes,
       l.reltuples::float8 AS table_rows,
       rn.nspname || '.' || r.relname AS referenced,
       coalesce(pg_stat_get_tuples_deleted(r.oid), 0) AS referenced_deletes,
       coalesce(pg_stat_get_tuples_updated(r.oid), 0) AS referenced_updates
FROM largest l
JOIN pg_namespace n ON n.oid = l.relnamespace
JOIN pg_class r ON r.oid = l.confrelid
JOIN pg_namespace rn ON rn.oid = r.relnamespace
ORDER BY l.relpages DESC, l.conname

-- Btrees of plain columns that have more pages than their rows need, at most $1: an estimate from statistics, blind to what
-- deduplication saves. Rows need a tuple header and a line pointer (12 bytes) and their columns, pages filled to nine tenths.
WITH large AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, i.indkey, i.indnatts, x.relname, x.relnamespace, x.relpages, x.reltuples
    FROM pg_class x
    JOIN pg_index i ON i.indexrelid = x.oid
    WHERE x.relkind = 'i' AND x.relam = 403 AND x.relpages >= 1024 AND x.reltuples > 0 AND x.oid >= 16384
      AND i.indexprs IS NULL AND i.indisvalid
    ORDER BY x.relpages DESC
    LIMIT 50
),
needed AS MATERIALIZED (
    SELECT l.*, t.relname AS table_name,
           ceil(l.reltuples * (12 + 8 * ceil(s.width / 8.0)) / (0.9 * (current_setting('block_size')::int - 40))) AS pages
    FROM large l
    JOIN pg_class t ON t.oid = l.indrelid
    JOIN pg_namespace n ON n.oid = l.relnamespace
    CROSS JOIN LATERAL (
        SELECT sum(s.avg_width) AS width, count(*) AS columns
        FROM pg_attribute a
        JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = a.attname AND NOT s.inherited
        WHERE a.attrelid = l.indrelid AND a.attnum = ANY (l.indkey::int2[])
    ) s
    WHERE s.columns = l.indnatts
)
SELECT count(*) OVER () AS total,
       n.nspname AS schema,
       d.table_name AS "table",
       d.relname AS index,
       d.relpages::bigint * current_setting('block_size')::int AS size_bytes,
       (d.relpages - d.pages)::bigint * current_setting('block_size')::int AS bloat_bytes
FROM needed d
JOIN pg_namespace n ON n.oid = d.relnamespace
WHERE d.relpages > 2 * d.pages
ORDER BY d.relpages - d.pages DESC
LIMIT $1::int

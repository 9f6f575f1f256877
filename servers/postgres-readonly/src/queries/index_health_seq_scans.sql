-- Tables that are read whole again and again, by rows read. $1 at most so many, $2 pages and $3 rows a scan at least.
WITH large AS MATERIALIZED (
    SELECT t.oid, t.relname, t.relnamespace, t.relpages, t.reltuples,
           pg_stat_get_numscans(t.oid) AS seq_scan,
           pg_stat_get_tuples_returned(t.oid) AS seq_tup_read
    FROM pg_class t
    WHERE t.relkind IN ('r', 'm') AND t.oid >= 16384 AND t.relpages >= $2::int AND t.relpersistence <> 't'
),
read AS MATERIALIZED (
    SELECT l.*, count(*) OVER () AS total
    FROM large l
    WHERE l.seq_scan >= 10 AND l.seq_tup_read >= l.seq_scan * $3::bigint
    ORDER BY l.seq_tup_read DESC
    LIMIT $1::int
)
SELECT r.total,
       n.nspname AS schema,
       r.relname AS "table",
       r.relpages::bigint * current_setting('block_size')::int AS table_bytes,
       r.reltuples::float8 AS table_rows,
       r.seq_scan,
       r.seq_tup_read,
       r.seq_tup_read / r.seq_scan AS rows_per_seq_scan,
       (SELECT coalesce(sum(pg_stat_get_numscans(i.indexrelid)), 0)::bigint FROM pg_index i WHERE i.indrelid = r.oid) AS idx_scan
FROM read r
JOIN pg_namespace n ON n.oid = r.relnamespace
ORDER BY r.seq_tup_read DESC

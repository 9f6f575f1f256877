-- The biggest tables and materialised views with their TOAST and indexes, by the pages that the catalog counts. pg_class
-- is walked once: whoever belongs to the biggest has one of the 500 biggest parts.
WITH parts AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relname
    FROM pg_class c
    WHERE c.relkind IN ('r', 'm', 't', 'i') AND c.relpages > 0
    ORDER BY c.relpages DESC, c.oid
    LIMIT 500
),
-- An index leads to its table, which may be a TOAST table, whose name has its main table's oid in it.
heaps AS MATERIALIZED (
    SELECT p.oid FROM parts p WHERE p.relkind <> 'i'
    UNION
    SELECT i.indrelid FROM parts p JOIN pg_index i ON i.indexrelid = p.oid WHERE p.relkind = 'i'
),
owners AS MATERIALIZED (
    SELECT DISTINCT CASE c.relkind WHEN 't' THEN substring(c.relname FROM '^pg_toast_([0-9]+)$')::oid ELSE c.oid END AS oid
    FROM heaps h
    JOIN pg_class c ON c.oid = h.oid
),
sized AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.reltuples, c.relpages::bigint AS pages,
           coalesce((SELECT t.relpages::bigint FROM pg_class t WHERE t.oid = c.reltoastrelid), 0)
           + coalesce((SELECT sum(ic.relpages::bigint) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
                       WHERE i.indrelid = c.reltoastrelid), 0) AS toast_pages,
           coalesce((SELECT sum(ic.relpages::bigint) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
                     WHERE i.indrelid = c.oid), 0) AS index_pages
    FROM owners o
    -- OFFSET keeps the planner from walking all of pg_class once more.
    CROSS JOIN LATERAL (SELECT x.* FROM pg_class x WHERE x.oid = o.oid OFFSET 0) c
    WHERE c.relkind IN ('r', 'm')
)
SELECT b.oid,
       n.nspname AS schema,
       b.relname AS relation,
       CASE b.relkind WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind,
       nullif(b.reltuples, -1)::bigint AS rows_estimate,
       ((b.pages + b.toast_pages + b.index_pages) * s.block)::bigint AS total_bytes,
       b.pages * s.block AS table_bytes,
       (b.toast_pages * s.block)::bigint AS toast_bytes,
       (b.index_pages * s.block)::bigint AS index_bytes
FROM sized b
JOIN pg_namespace n ON n.oid = b.relnamespace
CROSS JOIN (SELECT current_setting('block_size')::bigint AS block) s
ORDER BY total_bytes DESC, b.oid
LIMIT $1::int

-- What the statistics and the catalog say of the tables that stand first in the wished order; a relation itself is never
-- opened. $1 schema, $2 table, $3 order, $4 limit. Only what the order needs is computed for every table; all else for
-- those that are shown.
WITH candidates AS MATERIALIZED (
    SELECT c.oid,
           n.nspname AS schema,
           CASE $3::text
               WHEN 'dead_tuples' THEN pg_stat_get_dead_tuples(c.oid)::float8
               WHEN 'dead_pct' THEN CASE WHEN pg_stat_get_dead_tuples(c.oid) >= 1000
                                         THEN pg_stat_get_dead_tuples(c.oid)::float8
                                              / (pg_stat_get_dead_tuples(c.oid) + pg_stat_get_live_tuples(c.oid)) END
               WHEN 'modified' THEN pg_stat_get_mod_since_analyze(c.oid)::float8
               WHEN 'xid_age' THEN CASE WHEN c.relfrozenxid <> '0'::xid THEN age(c.relfrozenxid)::float8 END
               ELSE c.relpages::float8
           END AS rank,
           count(*) OVER () AS total
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p')
      AND (c.relkind <> 'p' OR $2::text IS NOT NULL)
      AND c.relpersistence <> 't'
      AND ($1::text IS NULL OR n.nspname = $1::text)
      AND ($2::text IS NULL OR c.relname = $2::text)
      AND ($1::text IS NOT NULL OR $2::text IS NOT NULL OR n.nspname NOT IN ('pg_catalog', 'information_schema'))
    ORDER BY rank DESC NULLS LAST, c.oid
    LIMIT $4::bigint
),
locks AS MATERIALIZED (
    -- Autovacuum does not wait for these: it passes the table over.
    SELECT l.relation, jsonb_agg(DISTINCT l.pid) AS pids
    FROM pg_locks l
    WHERE l.granted
      AND l.locktype = 'relation'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_vacuum v WHERE v.pid = l.pid)
      AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_analyze v WHERE v.pid = l.pid)
    GROUP BY l.relation
)
SELECT x.total,
       c.oid::bigint AS relid,
       x.schema,
       c.relname AS "table",
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'm' THEN 'materialized_view' ELSE 'partitioned_table' END AS kind,
       c.relpages::bigint AS pages,
       c.reltuples::float8 AS reltuples,
       (to_jsonb(c) ->> 'relallfrozen')::bigint AS all_frozen_pages,
       current_setting('block_size')::bigint AS block_size,
       to_jsonb(c.reloptions) AS reloptions,
       CASE WHEN c.relfrozenxid <> '0'::xid THEN age(c.relfrozenxid)::bigint END AS xid_age,
       CASE WHEN c.relminmxid <> '0'::xid THEN mxid_age(c.relminmxid)::bigint END AS mxid_age,
       pg_stat_get_live_tuples(c.oid) AS n_live_tup,
       pg_stat_get_dead_tuples(c.oid) AS n_dead_tup,
       pg_stat_get_mod_since_analyze(c.oid) AS n_mod_since_analyze,
       pg_stat_get_ins_since_vacuum(c.oid) AS n_ins_since_vacuum,
       pg_stat_get_tuples_inserted(c.oid) AS n_tup_ins,
       pg_stat_get_tuples_updated(c.oid) AS n_tup_upd,
       pg_stat_get_tuples_deleted(c.oid) AS n_tup_del,
       pg_stat_get_tuples_hot_updated(c.oid) AS n_tup_hot_upd,
       pg_stat_get_numscans(c.oid) AS seq_scan,
       pg_stat_get_tuples_returned(c.oid) AS seq_tup_read,
       i.idx_scan,
       coalesce(i.indexes, 0) AS indexes,
       to_char(pg_stat_get_last_vacuum_time(c.oid), 'YYYY-MM-DD HH24:MI:SS.USOF') AS last_vacuum,
       to_char(pg_stat_get_last_autovacuum_time(c.oid), 'YYYY-MM-DD HH24:MI:SS.USOF') AS last_autovacuum,
       floor(extract(epoch FROM clock_timestamp() - greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))))::bigint AS vacuum_age_s,
       to_char(pg_stat_get_last_analyze_time(c.oid), 'YYYY-MM-DD HH24:MI:SS.USOF') AS last_analyze,
       to_char(pg_stat_get_last_autoanalyze_time(c.oid), 'YYYY-MM-DD HH24:MI:SS.USOF') AS last_autoanalyze,
       floor(extract(epoch FROM clock_timestamp() - greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))))::bigint AS analyze_age_s,
       t.relpages::bigint AS toast_pages,
       pg_stat_get_dead_tuples(t.oid) AS toast_dead_tup,
       CASE WHEN t.relfrozenxid <> '0'::xid THEN age(t.relfrozenxid)::bigint END AS toast_xid_age,
       has_any_column_privilege(c.oid, 'SELECT') AS may_read,
       (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       s.columns_known,
       s.row_width,
       s.has_nulls,
       k.pids AS locked_by
FROM candidates x
JOIN pg_class c ON c.oid = x.oid
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN locks k ON k.relation = c.oid
LEFT JOIN LATERAL (
    SELECT sum(pg_stat_get_numscans(ix.indexrelid))::bigint AS idx_scan, count(*) AS indexes
    FROM pg_index ix
    WHERE ix.indrelid = c.oid) i ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS columns_known,
           sum((1 - p.null_frac) * p.avg_width)::float8 AS row_width,
           bool_or(p.null_frac > 0) AS has_nulls
    FROM pg_stats p
    WHERE p.schemaname = x.schema AND p.tablename = c.relname AND NOT p.inherited) s ON true
ORDER BY x.rank DESC NULLS LAST, c.oid

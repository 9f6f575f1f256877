-- Tables by the age of their oldest transaction and multixact ids, the nearest to a forced vacuum first. A table's own
-- limits count only where they are lower than the server's; a TOAST table follows its main table.
WITH server AS MATERIALIZED (
    SELECT current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
           current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age
),
-- pg_class is walked once.
tables AS MATERIALIZED (
    SELECT c.oid, c.reltoastrelid, c.relpages, c.reloptions, age(c.relfrozenxid) AS xid_age, mxid_age(c.relminmxid) AS mxid_age
    FROM pg_class c
    WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'::xid
),
limited AS MATERIALIZED (
    SELECT t.oid, t.reltoastrelid,
           (SELECT o.option_value::bigint FROM pg_options_to_table(t.reloptions) o
            WHERE o.option_name = 'autovacuum_freeze_max_age') AS freeze_max_age,
           (SELECT o.option_value::bigint FROM pg_options_to_table(t.reloptions) o
            WHERE o.option_name = 'autovacuum_multixact_freeze_max_age') AS multixact_freeze_max_age,
           (SELECT NOT o.option_value::bool FROM pg_options_to_table(t.reloptions) o
            WHERE o.option_name = 'autovacuum_enabled') AS autovacuum_off
    FROM tables t
    WHERE t.reloptions IS NOT NULL
),
-- Those with limits of their own are looked at all; of the others the oldest do.
oldest AS MATERIALIZED (
    (SELECT t.oid FROM tables t ORDER BY t.xid_age DESC, t.relpages DESC LIMIT 100)
    UNION
    (SELECT t.oid FROM tables t ORDER BY t.mxid_age DESC, t.relpages DESC LIMIT 100)
    UNION
    SELECT l.oid FROM limited l
    UNION
    SELECT l.reltoastrelid FROM limited l WHERE l.reltoastrelid <> 0
),
aged AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relpages,
           age(c.relfrozenxid)::bigint AS xid_age,
           mxid_age(c.relminmxid)::bigint AS mxid_age,
           least(s.freeze_max_age, coalesce(own.freeze_max_age, main.freeze_max_age)) AS freeze_max_age,
           least(s.multixact_freeze_max_age, coalesce(own.multixact_freeze_max_age, main.multixact_freeze_max_age)) AS multixact_freeze_max_age,
           coalesce(own.autovacuum_off, main.autovacuum_off, false) AS autovacuum_off
    FROM oldest o
    -- OFFSET keeps the planner from walking all of pg_class once more.
    CROSS JOIN LATERAL (SELECT x.* FROM pg_class x WHERE x.oid = o.oid OFFSET 0) c
    CROSS JOIN server s
    LEFT JOIN limited own ON own.oid = c.oid
    LEFT JOIN limited main ON main.reltoastrelid = c.oid
),
ranked AS MATERIALIZED (
    SELECT a.*,
           round(100.0 * a.xid_age / a.freeze_max_age, 1)::float8 AS xid_forced_pct,
           round(100.0 * a.mxid_age / a.multixact_freeze_max_age, 1)::float8 AS mxid_forced_pct
    FROM aged a
    ORDER BY greatest(a.xid_age::float8 / a.freeze_max_age, a.mxid_age::float8 / a.multixact_freeze_max_age) DESC,
             a.relpages DESC, a.oid
    LIMIT $1::int
)
SELECT r.oid,
       n.nspname AS schema,
       r.relname AS "table",
       -- The name of a TOAST table has its main table's oid in it.
       (SELECT mn.nspname || '.' || m.relname FROM pg_class m JOIN pg_namespace mn ON mn.oid = m.relnamespace
        WHERE r.relkind = 't' AND m.oid = substring(r.relname FROM '^pg_toast_([0-9]+)$')::oid AND m.reltoastrelid = r.oid) AS toast_of,
       r.relpages::bigint * current_setting('block_size')::bigint AS bytes,
       r.xid_age,
       r.freeze_max_age,
       r.xid_forced_pct,
       r.mxid_age,
       r.multixact_freeze_max_age,
       r.mxid_forced_pct,
       round(100.0 * greatest(r.xid_age, r.mxid_age) / 2147483648, 2)::float8 AS wraparound_pct,
       r.autovacuum_off
FROM ranked r
JOIN pg_namespace n ON n.oid = r.relnamespace
ORDER BY greatest(r.xid_forced_pct, r.mxid_forced_pct) DESC, r.relpages DESC, r.oid

-- Sequences that come to their end. pg_sequence_last_value is the only way to a sequence's value, and it takes a
-- RowExclusiveLock: so it is asked of few, those whose table fills most of the sequence's range first, and of none
-- that somebody has locked against it or waits to.
WITH locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation'
      AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
),
-- What is known without a lock: how narrow a sequence is, and how many rows the table has that it numbers.
big_tables AS MATERIALIZED (
    SELECT c.oid, c.reltuples FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.reltuples > 0 ORDER BY c.reltuples DESC LIMIT 300
),
-- A column owns a sequence, or only takes its default from one.
numbered AS MATERIALIZED (
    SELECT d.objid AS seqrelid, b.reltuples, d.refobjid AS attrelid, d.refobjsubid AS attnum
    FROM big_tables b
    JOIN pg_depend d ON d.refclassid = 1259 AND d.refobjid = b.oid AND d.classid = 1259 AND d.deptype IN ('a', 'i')
    UNION ALL
    SELECT d.refobjid, b.reltuples, f.adrelid, f.adnum
    FROM big_tables b
    JOIN pg_attrdef f ON f.adrelid = b.oid
    JOIN pg_depend d ON d.classid = 2604 AND d.objid = f.oid AND d.refclassid = 1259 AND d.refobjid <> b.oid
),
-- A sequence of bigints ends where the narrowest column does that it numbers.
numbering AS MATERIALIZED (
    SELECT u.seqrelid, u.reltuples, CASE a.atttypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 END::bigint AS column_max
    FROM numbered u
    JOIN pg_attribute a ON a.attrelid = u.attrelid AND a.attnum = u.attnum
    UNION ALL
    (SELECT s.seqrelid, 0, NULL FROM pg_sequence s ORDER BY s.seqmax::float8 - s.seqmin::float8, s.seqrelid LIMIT 100)
),
bounded AS MATERIALIZED (
    SELECT s.seqrelid,
           s.seqincrement,
           greatest(s.seqmin, - m.column_max - 1) AS seqmin,
           least(s.seqmax, m.column_max) AS seqmax,
           m.reltuples
    FROM (SELECT u.seqrelid, max(u.reltuples) AS reltuples, min(u.column_max) AS column_max
          FROM numbering u
          GROUP BY u.seqrelid) m
    JOIN pg_sequence s ON s.seqrelid = m.seqrelid
    WHERE NOT s.seqcycle
),
likeliest AS MATERIALIZED (
    SELECT b.seqrelid, b.seqincrement, b.seqmin, b.seqmax, c.relname, c.relnamespace, c.relpersistence
    FROM bounded b
    JOIN pg_class c ON c.oid = b.seqrelid
    WHERE c.relpersistence <> 't' AND b.seqmax > b.seqmin
    -- A range from minus 2^63 has more numbers than a bigint.
    ORDER BY greatest(b.reltuples, 1) * abs(b.seqincrement)::float8 / (b.seqmax::float8 - b.seqmin::float8 + 1) DESC, b.seqrelid
    LIMIT 100
),
asked AS MATERIALIZED (
    SELECT l.*,
           l.seqrelid IN (SELECT k.relation FROM locked k) AS is_locked,
           has_sequence_privilege(l.seqrelid, 'SELECT') AS is_readable
    FROM likeliest l
),
valued AS MATERIALIZED (
    SELECT a.*,
           CASE WHEN a.is_readable AND NOT a.is_locked AND NOT (a.relpersistence = 'u' AND pg_is_in_recovery())
                THEN pg_sequence_last_value(a.seqrelid) END AS last_value
    FROM asked a
),
used AS MATERIALIZED (
    SELECT v.*,
           CASE WHEN v.seqincrement > 0
                THEN 100.0 * (v.last_value::numeric - v.seqmin + 1) / (v.seqmax::numeric - v.seqmin + 1)
                ELSE 100.0 * (v.seqmax::numeric - v.last_value + 1) / (v.seqmax::numeric - v.seqmin + 1) END AS used_pct
    FROM valued v
)
SELECT n.nspname AS schema,
       u.relname AS sequence,
       u.last_value::text AS last_value,
       CASE WHEN u.seqincrement > 0 THEN u.seqmax ELSE u.seqmin END::text AS limit,
       floor(u.used_pct * 10)::bigint / 10.0::float8 AS used_pct,
       t.sequences_total,
       t.asked,
       t.locked,
       t.unreadable
FROM (SELECT (SELECT count(*) FROM pg_sequence z) AS sequences_total,
             count(*) AS asked,
             count(*) FILTER (WHERE x.is_locked) AS locked,
             count(*) FILTER (WHERE NOT x.is_readable) AS unreadable
      FROM used x) t
LEFT JOIN LATERAL (SELECT y.* FROM used y WHERE y.used_pct >= 50 ORDER BY y.used_pct DESC LIMIT 10) u ON true
LEFT JOIN pg_namespace n ON n.oid = u.relnamespace

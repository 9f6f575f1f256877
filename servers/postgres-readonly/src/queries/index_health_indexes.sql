-- Indexes of this database that are invalid, duplicate, redundant, or not used; at most $1 of each kind, largest first. But for
-- invalid ones, those below $2 pages are left out.
-- Only columns of catalogs and counters: nothing here opens a table or an index, so nothing waits behind a lock on one.
-- Rows are kept narrow until few are left: there can be tens of thousands of indexes.
WITH idx AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, i.indkey[0] AS first_key, i.indnkeyatts, i.indnatts, i.indisunique, x.relam, x.relpages,
           i.indisvalid AND i.indisready AND i.indislive AS usable,
           NOT (i.indisprimary OR i.indisexclusion OR i.indisreplident OR x.relispartition) AS is_loose
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    WHERE x.relkind = 'i'
      AND x.relpages >= $2::int
      AND x.relpersistence <> 't'
      -- What initdb made is below; 99 is pg_toast.
      AND i.indrelid >= 16384
      AND x.relnamespace <> 99
      -- A primary key that is alone on its table covers nothing and stays; those of pg_toast are most of all indexes.
      AND (NOT i.indisprimary OR i.indrelid IN (SELECT o.indrelid FROM pg_index o WHERE NOT o.indisprimary))
),
-- Of constraints, the foreign keys that point at an index among them: DROP INDEX would refuse.
free AS MATERIALIZED (
    SELECT i.*
    FROM idx i
    WHERE i.usable
      AND i.is_loose
      AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conindid <> 0)
),
near AS MATERIALIZED (
    SELECT a.indexrelid AS a_id, b.indexrelid AS b_id
    FROM free a
    JOIN idx b ON b.indrelid = a.indrelid AND b.first_key = a.first_key AND b.relam = a.relam
              AND b.indexrelid <> a.indexrelid AND b.usable AND b.indnkeyatts >= a.indnkeyatts
    -- A longer unique key does not keep a shorter one unique.
    WHERE (NOT a.indisunique OR (b.indisunique AND a.indnkeyatts = b.indnkeyatts))
      AND (a.indnkeyatts = b.indnkeyatts OR a.relam = 403)
),
pairs AS MATERIALIZED (
    SELECT a.indexrelid, b.indexrelid AS by_id, a.indnkeyatts = b.indnkeyatts AS is_equal
    FROM near n
    JOIN pg_index a ON a.indexrelid = n.a_id
    JOIN pg_index b ON b.indexrelid = n.b_id
    WHERE (b.indkey::int2[])[0:a.indnkeyatts - 1] = (a.indkey::int2[])[0:a.indnkeyatts - 1]
      AND (b.indclass::oid[])[0:a.indnkeyatts - 1] = (a.indclass::oid[])[0:a.indnkeyatts - 1]
      AND (b.indcollation::oid[])[0:a.indnkeyatts - 1] = (a.indcollation::oid[])[0:a.indnkeyatts - 1]
      AND (b.indoption::int2[])[0:a.indnkeyatts - 1] = (a.indoption::int2[])[0:a.indnkeyatts - 1]
      AND b.indkey::int2[] @> a.indkey::int2[]
      -- The same expressions stand at different places in the texts that they came from.
      AND (a.indexprs IS NULL OR a.indnkeyatts = b.indnkeyatts)
      AND regexp_replace(a.indexprs::text, ':location -?\d+', '', 'g')
          IS NOT DISTINCT FROM CASE WHEN a.indexprs IS NULL THEN NULL
                                    ELSE regexp_replace(b.indexprs::text, ':location -?\d+', '', 'g') END
      AND regexp_replace(a.indpred::text, ':location -?\d+', '', 'g')
          IS NOT DISTINCT FROM regexp_replace(b.indpred::text, ':location -?\d+', '', 'g')
      -- Of two equals, one stays: the one that something depends on, the unique one, the one with more columns, the older.
      AND (a.indnkeyatts < b.indnkeyatts
           OR (EXISTS (SELECT FROM free f WHERE f.indexrelid = b.indexrelid), NOT b.indisunique, -b.indnatts, b.indexrelid::int8)
              < (true, NOT a.indisunique, -a.indnatts, a.indexrelid::int8))
),
covered AS MATERIALIZED (
    SELECT DISTINCT ON (p.indexrelid) p.indexrelid, p.by_id, p.is_equal
    FROM pairs p
    ORDER BY p.indexrelid, p.is_equal DESC, p.by_id
),
counted AS MATERIALIZED (
    SELECT f.indexrelid, f.indrelid, f.relpages, pg_stat_get_numscans(f.indexrelid) AS idx_scan
    FROM free f
    WHERE NOT f.indisunique AND NOT EXISTS (SELECT FROM covered c WHERE c.indexrelid = f.indexrelid)
),
found (kind, indexrelid, by_id, relpages) AS MATERIALIZED (
    SELECT 'invalid', i.indexrelid, NULL::oid, x.relpages
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND x.relkind = 'i' AND i.indrelid >= 16384
      AND x.relnamespace <> 99 AND x.relpersistence <> 't'
    UNION ALL
    SELECT CASE WHEN c.is_equal THEN 'duplicate' ELSE 'redundant' END, c.indexrelid, c.by_id, i.relpages
    FROM covered c
    JOIN idx i ON i.indexrelid = c.indexrelid
    UNION ALL
    SELECT 'unused', c.indexrelid, NULL, c.relpages FROM counted c WHERE c.idx_scan = 0
    UNION ALL
    -- Written to a thousand times for each time that it is read.
    SELECT 'rarely_used', c.indexrelid, NULL, c.relpages
    FROM counted c
    WHERE c.idx_scan > 0
      AND c.idx_scan * 1000 < pg_stat_get_tuples_inserted(c.indrelid) + pg_stat_get_tuples_updated(c.indrelid)
                              - pg_stat_get_tuples_hot_updated(c.indrelid)
),
ranked AS MATERIALIZED (
    SELECT k.kind, k.total, f.indexrelid, f.by_id, f.relpages
    FROM (SELECT f.kind, count(*) AS total FROM found f GROUP BY f.kind) k
    CROSS JOIN LATERAL (
        SELECT f.* FROM found f WHERE f.kind = k.kind ORDER BY f.relpages DESC, f.indexrelid LIMIT $1::int
    ) f
)
SELECT r.kind,
       r.total,
       n.nspname AS schema,
       t.relname AS "table",
       x.relname AS index,
       m.amname AS method,
       i.indisunique AS is_unique,
       r.relpages::bigint * current_setting('block_size')::int AS size_bytes,
       (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = r.indexrelid) AS columns,
       pg_stat_get_numscans(r.indexrelid) AS idx_scan,
       (SELECT to_jsonb(s) ->> 'last_idx_scan' FROM pg_stat_all_indexes s WHERE s.indexrelid = r.indexrelid) AS last_idx_scan,
       pg_stat_get_tuples_inserted(i.indrelid) + pg_stat_get_tuples_updated(i.indrelid) AS table_writes,
       b.relname AS covered_by,
       p.phase AS build_phase
FROM ranked r
JOIN pg_index i ON i.indexrelid = r.indexrelid
JOIN pg_class x ON x.oid = r.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = x.relnamespace
JOIN pg_am m ON m.oid = x.relam
LEFT JOIN pg_class b ON b.oid = r.by_id
LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = r.indexrelid AND r.kind = 'invalid'
ORDER BY r.kind, r.relpages DESC, r.indexrelid

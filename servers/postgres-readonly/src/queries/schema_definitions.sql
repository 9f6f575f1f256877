-- What can be said of a relation only by opening it and what it refers to: each of these functions takes AccessShareLock.
-- Runs by itself under a short lock_timeout. $1 oid.
SELECT (SELECT jsonb_object_agg(k.conname, pg_get_constraintdef(k.oid))
        FROM (SELECT * FROM pg_constraint WHERE conrelid = $1::oid ORDER BY conname LIMIT 200) k
        WHERE k.contype NOT IN ('p', 'u', 'f')) AS constraints,
       (SELECT jsonb_object_agg(i.relname, left(pg_get_indexdef(i.oid), 4000))
        FROM (SELECT c.relname, c.oid
              FROM pg_index x
              JOIN pg_class c ON c.oid = x.indexrelid
              WHERE x.indrelid = $1::oid OR x.indexrelid = $1::oid
              ORDER BY c.relname
              LIMIT 200) i) AS indexes,
       (SELECT jsonb_object_agg(g.tgname, left(pg_get_triggerdef(g.oid), 2000))
        FROM (SELECT * FROM pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal ORDER BY tgname LIMIT 100) g) AS triggers,
       (SELECT jsonb_object_agg(p.polname, jsonb_build_object('using', left(pg_get_expr(p.polqual, p.polrelid), 2000),
                                                              'check', left(pg_get_expr(p.polwithcheck, p.polrelid), 2000)))
        FROM (SELECT * FROM pg_policy WHERE polrelid = $1::oid ORDER BY polname LIMIT 100) p) AS policies,
       (SELECT jsonb_object_agg(a.attname, left(pg_get_expr(f.adbin, f.adrelid), 1000))
        FROM pg_attrdef f
        JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
        WHERE f.adrelid = $1::oid AND a.attgenerated <> '') AS generated,
       (SELECT left(pg_get_viewdef(c.oid), 20000) FROM pg_class c WHERE c.oid = $1::oid AND c.relkind IN ('v', 'm')) AS view,
       (SELECT pg_get_partkeydef(c.oid) FROM pg_class c WHERE c.oid = $1::oid AND c.relkind = 'p') AS partition_key,
       (SELECT jsonb_agg(left(pg_get_statisticsobjdef(e.oid), 1000) ORDER BY e.stxname)
        FROM pg_statistic_ext e
        WHERE e.stxrelid = $1::oid) AS statistics

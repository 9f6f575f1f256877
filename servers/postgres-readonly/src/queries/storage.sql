-- How much this database holds by its catalog, where its WAL is, and what bounds WAL. No file is looked at.
SELECT current_database() AS database,
       r.bytes AS database_bytes,
       r.relations AS relations_total,
       r.never_counted AS relations_never_counted,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')::bigint AS wal_position_bytes,
       (SELECT sum(s.temp_files)::bigint FROM pg_stat_database s) AS temp_files,
       (SELECT sum(s.temp_bytes)::bigint FROM pg_stat_database s) AS temp_bytes,
       (SELECT jsonb_object_agg(g.name, g.setting)
        FROM (SELECT v.name, current_setting(v.name, true) AS setting
              FROM (VALUES ('max_wal_size'), ('min_wal_size'), ('wal_keep_size'), ('max_slot_wal_keep_size'),
                           ('wal_segment_size'), ('wal_compression'), ('temp_file_limit')) v (name)) g) AS settings,
       (SELECT jsonb_agg(to_jsonb(t)) FROM (
            SELECT p.spcname AS name, pg_tablespace_location(p.oid) AS location FROM pg_tablespace p ORDER BY p.spcname LIMIT 50) t) AS tablespaces
FROM (SELECT sum(c.relpages::bigint) * current_setting('block_size')::bigint AS bytes,
             count(*) AS relations,
             count(*) FILTER (WHERE c.relkind IN ('r', 'm') AND c.relpages = 0 AND c.reltuples < 0) AS never_counted
      FROM pg_class c
      WHERE c.relkind IN ('r', 'm', 't', 'i', 'S')) r

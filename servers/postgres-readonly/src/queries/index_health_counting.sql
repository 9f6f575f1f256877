-- How far the counters of this database can be trusted: since when they count, and who else may use its
-- indexes; how many there are; and of how many large ones pg_stats hides the columns, so that their bloat cannot be told.
SELECT to_char(d.stats_reset, 'YYYY-MM-DD HH24:MI:SS.USOF') AS stats_reset,
       floor(extract(epoch FROM clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time())))::bigint AS counted_s,
       (SELECT count(*) FROM pg_stat_replication r) AS standbys,
       (SELECT count(*) FROM pg_index) AS indexes,
       (SELECT count(*)
        FROM pg_class x
        JOIN pg_index i ON i.indexrelid = x.oid
        WHERE x.relkind = 'i' AND x.relam = 403 AND x.relpages >= 1024 AND x.oid >= 16384
          AND NOT has_any_column_privilege(i.indrelid, 'SELECT')) AS unread_btrees
FROM pg_stat_database d
WHERE d.datname = current_database()

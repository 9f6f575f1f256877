-- How far the counters of this database can be trusted: since when they count, and who else may use its
-- indexes; and how many there are.
SELECT to_char(d.stats_reset, 'YYYY-MM-DD HH24:MI:SS.USOF') AS stats_reset,
       floor(extract(epoch FROM clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time())))::bigint AS counted_s,
       (SELECT count(*) FROM pg_stat_replication r) AS standbys,
       (SELECT count(*) FROM pg_index) AS indexes
FROM pg_stat_database d
WHERE d.datname = current_database()

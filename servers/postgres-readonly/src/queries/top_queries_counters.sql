-- The counters of every statement, one text each, in the order in which statement_counters.rs reads them: thousands of
-- rows are compared with those of another moment, and only the few that win are asked for in full. The text file with the
-- statements is not read. A statement of another role has no queryid here unless this role may see it.
SELECT concat_ws(' ', s.userid, s.dbid, s.queryid, s.calls, s.total_exec_time, s.rows, s.shared_blks_hit,
                 s.shared_blks_read, s.shared_blks_dirtied, s.temp_blks_read + s.temp_blks_written, trunc(s.wal_bytes))
           AS counters
FROM @extschema@.pg_stat_statements(false) s
WHERE s.queryid IS NOT NULL
ORDER BY s.total_exec_time DESC

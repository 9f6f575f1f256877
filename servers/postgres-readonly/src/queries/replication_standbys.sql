-- Who streams from this server; the furthest behind first. Without pg_read_all_stats all but pid and role is null.
SELECT r.pid,
       to_char(r.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       r.usename,
       r.application_name,
       host(r.client_addr) AS client_addr,
       r.state,
       r.sync_state,
       pg_wal_lsn_diff(l.lsn, r.sent_lsn)::bigint AS sent_lag_bytes,
       pg_wal_lsn_diff(l.lsn, r.write_lsn)::bigint AS write_lag_bytes,
       pg_wal_lsn_diff(l.lsn, r.flush_lsn)::bigint AS flush_lag_bytes,
       pg_wal_lsn_diff(l.lsn, r.replay_lsn)::bigint AS replay_lag_bytes,
       extract(epoch FROM r.write_lag)::float8 AS write_lag_s,
       extract(epoch FROM r.flush_lag)::float8 AS flush_lag_s,
       extract(epoch FROM r.replay_lag)::float8 AS replay_lag_s,
       age(r.backend_xmin)::bigint AS xmin_age,
       count(*) OVER () AS total
FROM pg_stat_replication r
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery()
                        THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                        ELSE pg_current_wal_lsn() END AS lsn) l
ORDER BY replay_lag_bytes DESC NULLS LAST, r.pid
LIMIT 100

-- How far this standby is, and what replay cancelled; one row on a standby, none elsewhere.
SELECT r.status,
       r.pid,
       r.slot_name,
       r.sender_host,
       r.sender_port,
       floor(extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time))::bigint AS last_message_age_s,
       pg_wal_lsn_diff(l.received, l.replayed)::bigint AS replay_lag_bytes,
       -- The last replayed commit is old on a primary where nothing happens, too.
       CASE WHEN l.received = l.replayed AND r.status = 'streaming' THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS replay_lag_s,
       pg_is_wal_replay_paused() AS replay_paused,
       (SELECT jsonb_build_object(
                   'tablespace', sum(c.confl_tablespace), 'lock', sum(c.confl_lock), 'snapshot', sum(c.confl_snapshot),
                   'bufferpin', sum(c.confl_bufferpin), 'deadlock', sum(c.confl_deadlock),
                   'active_logicalslot', sum((to_jsonb(c) ->> 'confl_active_logicalslot')::bigint))
        FROM pg_stat_database_conflicts c) AS conflicts
FROM (SELECT pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed WHERE pg_is_in_recovery()) l
LEFT JOIN pg_stat_wal_receiver r ON true

-- What this server is to others: its settings, its archiver, and whether its synchronous standbys are there.
SELECT pg_is_in_recovery() AS in_recovery,
       current_setting('server_version_num')::int AS server_version_num,
       current_setting('wal_level') AS wal_level,
       current_setting('synchronous_standby_names') AS synchronous_standby_names,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('hot_standby_feedback')::bool AS hot_standby_feedback,
       current_setting('max_wal_senders')::int AS max_wal_senders,
       current_setting('max_replication_slots')::int AS max_replication_slots,
       current_setting('max_slot_wal_keep_size') AS max_slot_wal_keep_size,
       (SELECT count(*) FROM pg_publication) AS publications,
       jsonb_build_object(
           'mode', current_setting('archive_mode'),
           'archived_count', a.archived_count,
           'last_archived_wal', a.last_archived_wal,
           'last_archived_at', to_char(a.last_archived_time, 'YYYY-MM-DD HH24:MI:SS.USOF'),
           'failed_count', a.failed_count,
           'last_failed_wal', a.last_failed_wal,
           'last_failed_at', to_char(a.last_failed_time, 'YYYY-MM-DD HH24:MI:SS.USOF'),
           'failing', current_setting('archive_mode') <> 'off'
                      AND a.last_failed_time IS NOT NULL
                      AND (a.last_archived_time IS NULL OR a.last_failed_time > a.last_archived_time),
           'since_success_s', floor(extract(epoch FROM clock_timestamp()
                                            - coalesce(a.last_archived_time, a.stats_reset)))::bigint) AS archiver
FROM pg_stat_archiver a

-- What the server looks like to somebody who can see everything, without reading any table of the user. Any write at all
-- assigns a transaction id.
SELECT jsonb_build_object(
    'next_xid', pg_snapshot_xmax(pg_current_snapshot()),
    'server', pg_postmaster_start_time(),
    'sequences', (SELECT jsonb_agg(jsonb_build_array(s.seqrelid::regclass, pg_sequence_last_value(s.seqrelid)) ORDER BY s.seqrelid)
                  FROM pg_sequence s),
    'sprung_elsewhere', (SELECT count(*) FROM public.sprung),
    'large_objects', (SELECT jsonb_agg(jsonb_build_array(loid, pageno, md5(data)) ORDER BY loid, pageno) FROM pg_largeobject),
    'roles', (SELECT md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a),
    'slots', (SELECT jsonb_agg(jsonb_build_array(slot_name, restart_lsn, confirmed_flush_lsn)) FROM pg_replication_slots),
    'prepared', (SELECT jsonb_agg(gid) FROM pg_prepared_xacts),
    'auto_conf', pg_read_file('postgresql.auto.conf'),
    'settings', (SELECT md5(string_agg(name || '=' || setting, ',' ORDER BY name)) FROM pg_settings),
    'conf_loaded', pg_conf_load_time(),
    'stats_reset', jsonb_build_array(
        (SELECT jsonb_object_agg(coalesce(datname, '-'), stats_reset) FROM pg_stat_database WHERE datname IS DISTINCT FROM 'trapped'),
        (SELECT stats_reset FROM pg_stat_bgwriter), (SELECT stats_reset FROM pg_stat_archiver), (SELECT stats_reset FROM pg_stat_wal),
        (SELECT jsonb_object_agg(name, stats_reset) FROM pg_stat_slru),
        (SELECT stats_reset FROM public.pg_stat_statements_info)),
    'insert_lsn', pg_current_wal_insert_lsn(),
    'segment', pg_walfile_name(pg_current_wal_insert_lsn()),
    'snapshots', (SELECT jsonb_agg(f ORDER BY f) FROM pg_ls_dir('pg_snapshots') f),
    'advisory', (SELECT jsonb_agg(jsonb_build_array(pid, objid, mode) ORDER BY pid, objid) FROM pg_locks
                 WHERE locktype = 'advisory' AND objid <> 4711),
    'bystanders', (SELECT jsonb_agg(jsonb_build_array(application_name, pid, backend_start, state, query_start) ORDER BY application_name)
                   FROM pg_catalog.pg_stat_activity WHERE application_name IN ('bystander', 'sleeper', 'holder', 'listener')),
    'strangers', (SELECT jsonb_agg(jsonb_build_array(application_name, pid) ORDER BY pid) FROM pg_catalog.pg_stat_activity
                  WHERE backend_type NOT IN ('checkpointer', 'background writer', 'walwriter', 'logical replication launcher', 'autovacuum launcher')
                    AND application_name NOT IN ('bystander', 'sleeper', 'holder', 'listener', 'oracle', 'attacker', 'countersign/postgres-readonly')),
    'left_open', (SELECT jsonb_agg(jsonb_build_array(pid, state, query)) FROM pg_catalog.pg_stat_activity
                  WHERE application_name = 'countersign/postgres-readonly' AND (xact_start IS NOT NULL OR state <> 'idle'))
)::text

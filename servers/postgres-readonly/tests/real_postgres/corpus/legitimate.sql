-- What a DBA asks a PostgreSQL 15 during an incident and on other days. One line, one statement; `--# name` opens a category.

--# simple
SELECT 1
SELECT 1;
select version()
SELECT current_database(), current_user, session_user, current_schema, current_schemas(true)
SELECT now(), clock_timestamp(), statement_timestamp(), transaction_timestamp(), timeofday()
SELECT pg_postmaster_start_time(), now() - pg_postmaster_start_time() AS uptime, pg_conf_load_time()
SELECT inet_server_addr(), inet_server_port(), inet_client_addr(), pg_backend_pid()
SELECT pg_is_in_recovery(), pg_is_wal_replay_paused() IS NULL WHERE pg_is_in_recovery()
VALUES (1, 'drop table x'), (2, 'delete')
TABLE public.orders
TABLE orders ORDER BY id LIMIT 5
SHOW max_connections
SHOW ALL
SHOW server_version
SHOW search_path
SHOW data_directory
SHOW TIME ZONE
SHOW TRANSACTION ISOLATION LEVEL
SHOW transaction_read_only
SHOW SESSION AUTHORIZATION
SELECT current_setting('work_mem'), current_setting('no.such', true)
SELECT random() < 2, gen_random_uuid() IS NOT NULL
SELECT pg_size_pretty(123456789::bigint), pg_size_bytes('1 GB')
SELECT version() ~ 'PostgreSQL (1[3-9])' AS supported, substring(version() FROM '\d+')::int
--# words
SELECT 'DROP TABLE orders; COMMIT' AS "delete" -- update
SELECT /* DELETE FROM orders */ count(*) FROM public.orders
SELECT * FROM public."Drop Table" WHERE "delete" = 1
SELECT "update", "delete" FROM "Drop Table"
SELECT is_drop, last_update, deleted_at FROM orders JOIN customers ON customers.id = orders.customer LIMIT 5
SELECT state FROM orders WHERE state = 'update pending' OR state = 'deleted' LIMIT 10
SELECT count(*) FROM dropped_orders
SELECT * FROM public.dropped_orders WHERE name LIKE '%; DELETE FROM orders; --%'
SELECT $$DROP TABLE orders; $$, $q$COMMIT;$q$, E'INSERT INTO\n', U&'\0064elete'
SELECT body ->> 'drop' FROM orders WHERE body @> '{"drop": "table"}' LIMIT 3
SELECT 'it''s; a -- trap /* really */' AS "select; drop"
SELECT query FROM pg_catalog.pg_stat_activity WHERE query ILIKE '%delete from%' OR query ILIKE 'truncate %'
SELECT proname FROM pg_proc WHERE proname IN ('pg_terminate_backend', 'lo_import', 'set_config')
SELECT tg.tgname, tg.tgenabled FROM pg_trigger tg WHERE tgname LIKE '%update%' AND NOT tgisinternal
SELECT privilege_type FROM information_schema.role_table_grants WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') LIMIT 10
SELECT n_tup_ins AS inserts, n_tup_upd AS "updates", n_tup_del AS "DELETE" FROM pg_stat_user_tables WHERE relname = 'orders'
SELECT 1 AS "commit", 2 AS "rollback", 3 AS grant_count
SELECT 'good'::mood, 'drop'::public.mood
WITH "delete" AS (SELECT id FROM orders), "update" AS (SELECT 1) SELECT count(*) FROM "delete", "update"
SELECT regexp_replace('delete from x', 'delete', 'select'), replace('drop', 'd', 'c')
--# activity
SELECT pid, state, wait_event_type, query FROM pg_catalog.pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start
SELECT pid, usename, application_name, client_addr, state, now() - query_start AS runtime, left(query, 100) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() ORDER BY runtime DESC
SELECT state, count(*) FROM pg_stat_activity GROUP BY state ORDER BY 2 DESC
SELECT pid, now() - xact_start AS age, state, query FROM pg_stat_activity WHERE xact_start IS NOT NULL AND now() - xact_start > interval '5 minutes' ORDER BY age DESC
SELECT pid, usename, state_change, query FROM pg_stat_activity WHERE state = 'idle in transaction' AND state_change < now() - interval '1 minute'
SELECT wait_event_type, wait_event, count(*) FROM pg_stat_activity WHERE wait_event IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC
SELECT max(now() - xact_start) FILTER (WHERE state <> 'idle') AS oldest, count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting FROM pg_stat_activity
SELECT datname, usename, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY ROLLUP (datname, usename)
SELECT (SELECT count(*) FROM pg_stat_activity)::float / current_setting('max_connections')::int AS used
SELECT client_addr, client_hostname, count(*) FROM pg_stat_activity GROUP BY client_addr, client_hostname ORDER BY count(*) DESC NULLS LAST
SELECT backend_type, count(*) FROM pg_stat_activity GROUP BY 1
SELECT pid, backend_xid, backend_xmin, age(backend_xmin) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL ORDER BY age(backend_xmin) DESC
SELECT pid, query_id, query FROM pg_stat_activity WHERE query_id IS NOT NULL
SELECT a.pid, s.ssl, s.version, s.cipher FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
SELECT * FROM pg_stat_gssapi WHERE gss_authenticated
SELECT pg_stat_get_backend_idset(), pg_stat_get_activity(NULL) IS NOT NULL LIMIT 1
SELECT * FROM pg_stat_get_activity(pg_backend_pid())
SELECT extract(epoch FROM clock_timestamp() - query_start)::int AS seconds FROM pg_stat_activity WHERE query_start IS NOT NULL
SELECT date_trunc('minute', backend_start), count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 1
SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE query LIKE 'autovacuum:%') AS autovacuum_runs
SELECT pg_my_temp_schema(), pg_is_other_temp_schema(pg_my_temp_schema()), pg_trigger_depth()
SELECT * FROM pg_prepared_statements
SELECT * FROM pg_cursors
SELECT * FROM pg_get_backend_memory_contexts() ORDER BY total_bytes DESC LIMIT 5
--# locks
SELECT locktype, relation::regclass, mode, granted, pid FROM pg_locks WHERE relation IS NOT NULL
SELECT pid, pg_blocking_pids(pid) AS blocked_by, wait_event_type, query FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0
SELECT blocked_locks.pid AS blocked_pid, blocked_activity.usename AS blocked_user, blocking_locks.pid AS blocking_pid, blocking_activity.usename AS blocking_user, blocked_activity.query AS blocked_statement, blocking_activity.query AS current_statement_in_blocking_process FROM pg_catalog.pg_locks blocked_locks JOIN pg_catalog.pg_stat_activity blocked_activity ON blocked_activity.pid = blocked_locks.pid JOIN pg_catalog.pg_locks blocking_locks ON blocking_locks.locktype = blocked_locks.locktype AND blocking_locks.database IS NOT DISTINCT FROM blocked_locks.database AND blocking_locks.relation IS NOT DISTINCT FROM blocked_locks.relation AND blocking_locks.page IS NOT DISTINCT FROM blocked_locks.page AND blocking_locks.tuple IS NOT DISTINCT FROM blocked_locks.tuple AND blocking_locks.virtualxid IS NOT DISTINCT FROM blocked_locks.virtualxid AND blocking_locks.transactionid IS NOT DISTINCT FROM blocked_locks.transactionid AND blocking_locks.classid IS NOT DISTINCT FROM blocked_locks.classid AND blocking_locks.objid IS NOT DISTINCT FROM blocked_locks.objid AND blocking_locks.objsubid IS NOT DISTINCT FROM blocked_locks.objsubid AND blocking_locks.pid != blocked_locks.pid JOIN pg_catalog.pg_stat_activity blocking_activity ON blocking_activity.pid = blocking_locks.pid WHERE NOT blocked_locks.granted
WITH RECURSIVE tree AS (SELECT pid, unnest(pg_blocking_pids(pid)) AS blocker, 1 AS level FROM pg_stat_activity UNION ALL SELECT t.pid, unnest(pg_blocking_pids(t.blocker)), t.level + 1 FROM tree t WHERE t.level < 10) SELECT * FROM tree
SELECT mode, count(*) FROM pg_locks GROUP BY GROUPING SETS ((mode), ()) ORDER BY 1
SELECT l.pid, l.mode, c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.mode = 'AccessExclusiveLock'
SELECT virtualtransaction, transactionid, waitstart FROM pg_locks WHERE NOT granted ORDER BY waitstart NULLS LAST
SELECT a.pid, array_agg(l.mode ORDER BY l.mode) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.granted GROUP BY a.pid
SELECT * FROM pg_locks WHERE locktype = 'advisory'
SELECT gid, prepared, owner, database, age(transaction) FROM pg_prepared_xacts ORDER BY prepared
SELECT pg_safe_snapshot_blocking_pids(pid) FROM pg_stat_activity LIMIT 3
SELECT datname, deadlocks, conflicts, temp_files, temp_bytes FROM pg_stat_database ORDER BY deadlocks DESC
--# tables
SELECT relname, n_live_tup, n_dead_tup, round(100.0 * n_dead_tup / greatest(n_live_tup + n_dead_tup, 1), 1) AS dead_pct, last_autovacuum, last_autoanalyze FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 10
SELECT schemaname, relname, seq_scan, seq_tup_read, idx_scan, seq_tup_read / nullif(seq_scan, 0) AS avg FROM pg_stat_all_tables WHERE seq_scan > 0 ORDER BY seq_tup_read DESC LIMIT 25
SELECT c.relname, pg_size_pretty(pg_total_relation_size(c.oid)) AS total FROM pg_class c WHERE c.relkind = 'r' ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 5
SELECT nspname || '.' || relname AS relation, pg_size_pretty(pg_relation_size(c.oid)) AS size FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY pg_relation_size(c.oid) DESC LIMIT 20
SELECT pg_relation_size('orders'), pg_total_relation_size('public.orders'), pg_indexes_size('public.orders'::regclass), pg_table_size('public.orders'::regclass)
SELECT pg_relation_filenode('orders'), pg_filenode_relation(0, 0), pg_relation_filepath('orders'::regclass)
SELECT relname, reltuples::bigint, relpages, age(relfrozenxid), mxid_age(relminmxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') ORDER BY age(relfrozenxid) DESC LIMIT 20
SELECT c.oid::regclass, greatest(age(c.relfrozenxid), age(t.relfrozenxid)) FROM pg_class c LEFT JOIN pg_class t ON c.reltoastrelid = t.oid WHERE c.relkind IN ('r', 'm')
SELECT heap_blks_read, heap_blks_hit, round(heap_blks_hit * 100.0 / nullif(heap_blks_hit + heap_blks_read, 0), 2) FROM pg_statio_user_tables
SELECT sum(heap_blks_hit) / (sum(heap_blks_hit) + sum(heap_blks_read) + 1) AS ratio FROM pg_statio_user_tables
SELECT relid::regclass, phase, heap_blks_scanned::numeric / nullif(heap_blks_total, 0) FROM pg_stat_progress_vacuum
SELECT * FROM pg_stat_progress_create_index, pg_stat_progress_analyze
SELECT a.pid, p.relid::regclass, p.phase, a.query FROM pg_stat_progress_vacuum p JOIN pg_stat_activity a USING (pid)
SELECT * FROM pg_stat_progress_basebackup
SELECT * FROM pg_stat_progress_copy
SELECT * FROM pg_stat_progress_cluster
SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL
SELECT * FROM public.pgstattuple('public.orders')
SELECT * FROM pgstattuple_approx('public.orders'::regclass)
SELECT * FROM public.pgstatindex('public.orders_pkey')
SELECT * FROM pgstattuple('orders')
SELECT count(*), sum(usagecount) FROM public.pg_buffercache
SELECT c.relname, count(*) AS buffers FROM pg_buffercache b JOIN pg_class c ON b.relfilenode = pg_relation_filenode(c.oid) GROUP BY c.relname ORDER BY 2 DESC LIMIT 10
SELECT sum(avail) FROM public.pg_freespace('public.orders')
SELECT * FROM public.pg_visibility_map_summary('public.orders')
SELECT tablename, attname, n_distinct, null_frac, correlation FROM pg_stats WHERE schemaname = 'public' ORDER BY 1, 2
SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'orders' AND attname = 'state'
SELECT * FROM pg_stats_ext
SELECT schemaname, tablename, cc.reltuples, cc.relpages, bs, ceil((cc.reltuples * ((datahdr + ma - (CASE WHEN datahdr % ma = 0 THEN ma ELSE datahdr % ma END)) + nullhdr2 + 4)) / (bs - 20::float)) AS otta FROM (SELECT ma, bs, schemaname, tablename, (datawidth + (hdr + ma - (CASE WHEN hdr % ma = 0 THEN ma ELSE hdr % ma END)))::numeric AS datahdr, (maxfracsum * (nullhdr + ma - (CASE WHEN nullhdr % ma = 0 THEN ma ELSE nullhdr % ma END))) AS nullhdr2 FROM (SELECT schemaname, tablename, hdr, ma, bs, sum((1 - null_frac) * avg_width) AS datawidth, max(null_frac) AS maxfracsum, hdr + (SELECT 1 + count(*) / 8 FROM pg_stats s2 WHERE null_frac <> 0 AND s2.schemaname = s.schemaname AND s2.tablename = s.tablename) AS nullhdr FROM pg_stats s, (SELECT (SELECT current_setting('block_size')::numeric) AS bs, CASE WHEN substring(v, 12, 3) IN ('8.0', '8.1', '8.2') THEN 27 ELSE 23 END AS hdr, CASE WHEN v ~ 'mingw32' THEN 8 ELSE 4 END AS ma FROM (SELECT version() AS v) AS foo) AS constants GROUP BY 1, 2, 3, 4, 5) AS foo) AS rs JOIN pg_class cc ON cc.relname = rs.tablename JOIN pg_namespace nn ON cc.relnamespace = nn.oid AND nn.nspname = rs.schemaname AND nn.nspname <> 'information_schema'
SELECT inhrelid::regclass, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = 'public.events'::regclass
SELECT * FROM pg_partition_tree('public.events')
SELECT relid, level FROM pg_partition_tree('events'::regclass), pg_partition_root('events_2026_01') r
SELECT tableoid::regclass, count(*) FROM events GROUP BY 1 ORDER BY 1
SELECT count(*) FROM events WHERE at >= '2026-01-10' AND at < '2026-01-11'
SELECT relname, relkind, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relrowsecurity
SELECT * FROM pg_policies
--# indexes
SELECT schemaname, relname, indexrelname, idx_scan, pg_size_pretty(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes WHERE idx_scan = 0 ORDER BY pg_relation_size(indexrelid) DESC
SELECT s.relname, s.indexrelname FROM pg_stat_user_indexes s JOIN pg_index i ON s.indexrelid = i.indexrelid WHERE s.idx_scan = 0 AND 0 <> ALL (i.indkey) AND NOT i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = s.indexrelid)
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index WHERE NOT indisvalid
SELECT pg_size_pretty(sum(pg_relation_size(idx))::bigint) AS size, (array_agg(idx))[1] AS idx1, (array_agg(idx))[2] AS idx2 FROM (SELECT indexrelid::regclass AS idx, (indrelid::text || E'\n' || indclass::text || E'\n' || indkey::text || E'\n' || coalesce(indexprs::text, '') || E'\n' || coalesce(indpred::text, '')) AS key FROM pg_index) sub GROUP BY key HAVING count(*) > 1 ORDER BY sum(pg_relation_size(idx)) DESC
SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'orders'
SELECT c.conrelid::regclass, c.conname FROM pg_constraint c WHERE c.contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] = c.conkey)
SELECT i.relname, am.amname, ix.indisprimary FROM pg_class i JOIN pg_index ix ON ix.indexrelid = i.oid JOIN pg_am am ON am.oid = i.relam LIMIT 5
SELECT idx_blks_read, idx_blks_hit FROM pg_statio_user_indexes
SELECT pg_index_column_has_property('public.orders_pkey', 1, 'asc'), pg_indexam_has_property(403, 'can_order')
SELECT indexrelid::regclass, array_to_string(ARRAY(SELECT pg_get_indexdef(indexrelid, k + 1, true) FROM generate_subscripts(indkey, 1) k ORDER BY k), ', ') FROM pg_index WHERE indrelid = 'orders'::regclass
--# statements
SELECT calls, left(query, 40) FROM public.pg_stat_statements ORDER BY total_exec_time DESC LIMIT 5
SELECT queryid, calls, total_exec_time, mean_exec_time, rows, query FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 20
SELECT round((100 * total_exec_time / sum(total_exec_time) OVER ())::numeric, 2) AS pct, round(total_exec_time::numeric, 2), calls, substring(query, 1, 50) FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 10
SELECT userid::regrole, dbid, query FROM pg_stat_statements WHERE shared_blks_read > 0 LIMIT 5
SELECT s.query, s.temp_blks_written * current_setting('block_size')::bigint AS temp FROM pg_stat_statements s WHERE s.temp_blks_written > 0
SELECT * FROM pg_stat_statements_info
SELECT d.datname, sum(s.calls) FROM pg_stat_statements(false) s JOIN pg_database d ON d.oid = s.dbid GROUP BY 1
SELECT query, 100.0 * shared_blks_hit / nullif(shared_blks_hit + shared_blks_read, 0) AS hit_percent FROM pg_stat_statements ORDER BY calls DESC LIMIT 5
SELECT md5(query), stddev_exec_time / nullif(mean_exec_time, 0) FROM pg_stat_statements
--# database
SELECT datname, pg_size_pretty(pg_database_size(datname)) FROM pg_database ORDER BY pg_database_size(datname) DESC
SELECT datname, xact_commit, xact_rollback, blks_hit::float8 / nullif(blks_hit + blks_read, 0) FROM pg_stat_database
SELECT datname, age(datfrozenxid), mxid_age(datminmxid), 2147483647 - age(datfrozenxid) AS left FROM pg_database ORDER BY 2 DESC
SELECT spcname, pg_size_pretty(pg_tablespace_size(oid)), pg_tablespace_location(oid) FROM pg_tablespace
SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype, datallowconn, datconnlimit FROM pg_database
SELECT checkpoints_timed, checkpoints_req, buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_backend FROM pg_stat_bgwriter
SELECT * FROM pg_stat_slru
SELECT * FROM pg_stat_wal, pg_stat_bgwriter, pg_stat_archiver
SELECT * FROM pg_stat_database_conflicts
SELECT numbackends, session_time, active_time, idle_in_transaction_time, sessions_killed FROM pg_stat_database WHERE datname = current_database()
SELECT pg_xact_status('3'::xid8), txid_status(3), pg_last_committed_xact() IS NULL WHERE current_setting('track_commit_timestamp')::bool
SELECT pg_current_snapshot(), pg_snapshot_xmin(pg_current_snapshot()), pg_visible_in_snapshot('10'::xid8, pg_current_snapshot())
SELECT txid_current_if_assigned(), pg_current_xact_id_if_assigned(), txid_current_snapshot()
SELECT * FROM pg_control_checkpoint()
SELECT checkpoint_lsn, timeline_id FROM pg_control_checkpoint(), pg_control_system()
SELECT * FROM pg_shmem_allocations ORDER BY size DESC LIMIT 5
SELECT name, default_version, installed_version FROM pg_available_extensions WHERE installed_version IS NOT NULL
SELECT extname, extversion, extnamespace::regnamespace FROM pg_extension
SELECT * FROM pg_timezone_names WHERE name LIKE 'Europe/B%' LIMIT 3
SELECT collname, collversion, pg_collation_actual_version(oid) FROM pg_collation LIMIT 3
SELECT pg_database_collation_actual_version(oid) FROM pg_database
SELECT pg_notification_queue_usage(), pg_jit_available()
--# replication
SELECT pid, application_name, client_addr, state, sync_state, sent_lsn, write_lsn, flush_lsn, replay_lsn, write_lag, replay_lag FROM pg_stat_replication
SELECT application_name, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS bytes FROM pg_stat_replication
SELECT slot_name, active, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS retained, wal_status, safe_wal_size FROM pg_replication_slots
SELECT pg_current_wal_lsn(), pg_walfile_name(pg_current_wal_lsn()), pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END AS lag
SELECT status, latest_end_lsn, slot_name FROM pg_stat_wal_receiver
SELECT count(*), pg_size_pretty(sum(size)) FROM pg_ls_waldir()
SELECT * FROM pg_ls_archive_statusdir() LIMIT 3
SELECT count(*) FROM pg_ls_tmpdir()
SELECT archived_count, last_archived_wal, failed_count, last_failed_time FROM pg_stat_archiver
SELECT wal_records, wal_fpi, pg_size_pretty(wal_bytes) FROM pg_stat_wal
SELECT pubname, puballtables FROM pg_publication
SELECT * FROM pg_publication_tables
SELECT subname, received_lsn FROM pg_stat_subscription
SELECT roname FROM pg_replication_origin
SELECT * FROM pg_stat_replication_slots
SELECT pg_wal_lsn_diff('0/2000000', '0/1000000'), '0/16B3748'::pg_lsn + 16
--# settings
SELECT name, setting, unit FROM pg_settings WHERE name LIKE 'autovacuum%'
SELECT name, setting, boot_val, source, sourcefile, pending_restart FROM pg_settings WHERE source NOT IN ('default', 'override') OR pending_restart
SELECT name, current_setting(name) FROM pg_settings WHERE context = 'postmaster' LIMIT 5
SELECT category, count(*) FROM pg_settings GROUP BY 1 ORDER BY 2 DESC
SELECT d.datname, r.rolname, s.setconfig FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolconnlimit, rolvaliduntil FROM pg_roles ORDER BY rolname
SELECT r.rolname, ARRAY(SELECT b.rolname FROM pg_auth_members m JOIN pg_roles b ON m.roleid = b.oid WHERE m.member = r.oid) AS memberof FROM pg_roles r WHERE r.rolname !~ '^pg_'
SELECT has_table_privilege('reader', 'public.orders', 'SELECT'), has_table_privilege('public.orders', 'DELETE'), has_schema_privilege('public', 'CREATE')
SELECT pg_has_role('pg_monitor', 'MEMBER'), has_database_privilege(current_database(), 'CONNECT'), has_function_privilege('pg_reload_conf()', 'EXECUTE')
SELECT nspname, nspacl, pg_get_userbyid(nspowner) FROM pg_namespace
SELECT relname, (aclexplode(relacl)).grantee::regrole, (aclexplode(relacl)).privilege_type FROM pg_class WHERE relacl IS NOT NULL LIMIT 10
SELECT usename, usesuper FROM pg_user
SELECT evtname, evtevent, evtenabled FROM pg_event_trigger
--# schema
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position LIMIT 50
SELECT tc.table_name, kcu.column_name, ccu.table_name AS foreign_table FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu ON tc.constraint_name = kcu.constraint_name JOIN information_schema.constraint_column_usage ccu ON ccu.constraint_name = tc.constraint_name WHERE tc.constraint_type = 'FOREIGN KEY'
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attrelid = 'public.orders'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass
SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' AND viewname = 'open_orders'
SELECT pg_get_viewdef('public.open_orders'::regclass, true)
SELECT matviewname, ispopulated FROM pg_matviews
SELECT p.proname, pg_get_function_arguments(p.oid), l.lanname, p.provolatile FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'public'::regnamespace LIMIT 10
SELECT pg_get_functiondef('public.net(numeric)'::regprocedure)
SELECT sequencename, last_value, max_value FROM pg_sequences
SELECT last_value, is_called FROM public.numbers
SELECT last_value FROM orders_id_seq
SELECT pg_get_serial_sequence('public.orders', 'id'), pg_sequence_last_value('public.orders_id_seq')
SELECT * FROM pg_sequence_parameters('public.numbers'::regclass)
SELECT obj_description('public.orders'::regclass, 'pg_class'), col_description('public.orders'::regclass, 1), shobj_description(1, 'pg_database')
SELECT to_regclass('public.orders'), to_regclass('no_such'), 'orders'::regclass::oid, 'net'::regproc, 'mood'::regtype
SELECT enumlabel, enumsortorder FROM pg_enum WHERE enumtypid = 'public.mood'::regtype
SELECT enum_range(NULL::public.mood), 'good'::mood < 'bad'
SELECT typname, typtype, typcategory FROM pg_type WHERE typnamespace = 'public'::regnamespace LIMIT 10
SELECT dep.classid::regclass, pg_describe_object(dep.classid, dep.objid, dep.objsubid) FROM pg_depend dep WHERE dep.refobjid = 'public.orders'::regclass
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'public.triggered'::regclass
SELECT rulename, definition FROM pg_rules WHERE schemaname = 'public'
SELECT srvname, srvoptions FROM pg_foreign_server
SELECT foreign_table_name FROM information_schema.foreign_tables
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast LIMIT 5
SELECT oprname, oprleft::regtype, oprright::regtype FROM pg_operator WHERE oprnamespace = 'public'::regnamespace LIMIT 5
SELECT * FROM information_schema.views WHERE table_name = 'dropped_orders'
SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'public' AND security_type = 'DEFINER'
SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', '') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid) WHERE c.oid = 'public.orders'::pg_catalog.regclass
SELECT n.nspname AS "Schema", c.relname AS "Name", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END AS "Type" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
--# application
SELECT * FROM orders WHERE id = 42
SELECT count(*), max(id), min(placed), avg(amount), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM public.orders
SELECT state, count(*) FILTER (WHERE amount > 10) FROM orders GROUP BY ROLLUP (state)
SELECT id, row_number() OVER (PARTITION BY state ORDER BY id), lag(amount) OVER w, sum(amount) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) LIMIT 3
SELECT date_trunc('week', placed) AS week, sum(amount) FROM orders GROUP BY 1 ORDER BY 1
SELECT c.name, t.total FROM customers c CROSS JOIN LATERAL (SELECT sum(o.amount) AS total FROM orders o WHERE o.customer = c.id) t ORDER BY t.total DESC NULLS LAST LIMIT 5
WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t
SELECT * FROM open_orders LIMIT 5
SELECT o.*, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer WHERE o.placed BETWEEN '2026-01-01' AND date '2026-01-31' AND o.state IN ('new', 'paid') AND o.state NOT LIKE 'x%' LIMIT 10
SELECT DISTINCT ON (customer) customer, id, amount FROM orders ORDER BY customer, placed DESC LIMIT 10
SELECT * FROM order_totals
SELECT name, email FROM customers WHERE email = 'C1@EXAMPLE.com'
SELECT name FROM customers WHERE email ILIKE '%@example.com' AND lower(name) = 'customer 1'
SELECT tags -> 'a', tags ? 'drop', akeys(tags), tags -> ARRAY['a', 'drop'] FROM customers LIMIT 2
SELECT (each(tags)).key FROM customers LIMIT 2
SELECT path, nlevel(path), subpath(path, 0, 1) FROM customers WHERE path <@ 'top' LIMIT 2
SELECT name, similarity(name, 'customer 7') FROM customers WHERE name % 'customer 7' ORDER BY name <-> 'customer 7' LIMIT 3
SELECT 'good'::mood = mood, mood FROM customers WHERE mood = 'good' OR mood IS NULL LIMIT 2
SELECT 5::positive, quantity FROM orders WHERE quantity > 2 LIMIT 1
SELECT body -> 'k', body #>> '{k}', body ? 'drop', jsonb_pretty(body), jsonb_typeof(body) FROM orders LIMIT 1
SELECT jsonb_path_query_array('{"a": [1, 2]}', '$.a[*] ? (@ > 1)'), jsonb_agg(id) FROM (SELECT id FROM orders LIMIT 3) s
SELECT e.key, e.value FROM orders, jsonb_each(body) e LIMIT 4
SELECT * FROM jsonb_to_recordset('[{"a": 1, "b": "x"}]') AS r (a int, b text)
SELECT json_build_object('id', id, 'items', (SELECT json_agg(i) FROM items i WHERE i.order_id = o.id)) FROM orders o LIMIT 2
SELECT string_agg(sku, ',' ORDER BY sku), array_agg(DISTINCT order_id) FROM items WHERE id < 10
SELECT unnest(ARRAY[1, 2, 3]), generate_series(1, 3)
SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[3, 1, 2]) WITH ORDINALITY u (x, n)
SELECT g::date, count(o.id) FROM generate_series('2026-01-01'::timestamptz, '2026-01-07', '1 day') g LEFT JOIN orders o ON o.placed = g::date GROUP BY 1
SELECT width_bucket(amount, 0, 1500, 10) AS bucket, count(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT ntile(4) OVER (ORDER BY amount), amount FROM orders LIMIT 4
SELECT coalesce(NULL, 'a') || 'b', greatest(1, 2), CASE WHEN true THEN 1 END, nullif(1, 2), 'a' ~ 'b', 'a' LIKE 'a%' ESCAPE '!', 'x' SIMILAR TO '(x|y)'
SELECT to_char(now(), 'YYYY-MM-DD HH24:MI'), to_date('2026-01-01', 'YYYY-MM-DD'), now() AT TIME ZONE 'UTC', make_interval(secs => 5), age(timestamp '2026-01-01')
SELECT extract(dow FROM placed), count(*) FROM orders GROUP BY 1
SELECT id FROM orders EXCEPT SELECT order_id FROM items INTERSECT SELECT 1
SELECT * FROM public.orders TABLESAMPLE bernoulli (10) REPEATABLE (1)
SELECT count(*) FROM orders TABLESAMPLE system (50)
SELECT net(amount), public.net(100.0) FROM orders LIMIT 2
SELECT * FROM orders_of(5)
SELECT o.total_of, total_of(o) FROM orders o LIMIT 1
SELECT ts_rank(to_tsvector('english', name), to_tsquery('customer')) FROM customers WHERE to_tsvector('english', name) @@ plainto_tsquery('customer') LIMIT 1
SELECT md5(name), sha256(name::bytea), encode(digest(name, 'sha1'), 'hex') FROM customers LIMIT 1
SELECT unaccent('Hôtel'), levenshtein('a', 'b'), soundex('Anne')
SELECT int4range(1, 5) @> 3, daterange('2026-01-01', '2026-02-01') && daterange('2026-01-15', NULL), upper(int4range(1, 5))
SELECT inet '10.0.0.1' << inet '10.0.0.0/8', host(inet '10.0.0.1'), '10.0.0.0/8'::cidr
SELECT '{1,2}'::int[] @> ARRAY[1], 2 = ANY ('{1,2}'), ARRAY[1, 2] || 3, array_length(ARRAY[1, 2], 1), ARRAY[[1], [2]]
SELECT (o).id, (o).amount FROM (SELECT o FROM orders o LIMIT 1) x
SELECT ROW(1, 'a') = ROW(1, 'a'), (1, 2) < (1, 3), ROW(id, state)::text FROM orders LIMIT 1
SELECT 1::numeric(10, 2), '1'::int, 1::text, '2026-01-01'::date, true::int, '1 day'::interval, '{}'::jsonb, 'a'::varchar(5), B'101'::bit(3), 1::oid, '(1,2)'::point, 1.5::float4, 'abc'::name, '\xdead'::bytea, '0'::xid8
SELECT xpath('/a/text()', '<a>1</a>'::xml), xmlelement(name a, 1), x.b FROM xmltable('/a' PASSING ('<a/>'::xml) COLUMNS b int PATH 'b') x
SELECT count(*) FROM tenants
SELECT * FROM events WHERE kind = 'update' AND at > now() - interval '10 years' ORDER BY at DESC LIMIT 3
SELECT i.id FROM items i WHERE EXISTS (SELECT FROM orders o WHERE o.id = i.order_id AND o.state = 'paid') AND i.price > ALL (SELECT 1) LIMIT 2
SELECT mode() WITHIN GROUP (ORDER BY state), rank(10) WITHIN GROUP (ORDER BY amount), corr(id, amount), regr_slope(amount, id) FROM orders
SELECT grouping(state), state, customer, count(*) FROM orders GROUP BY CUBE (state, customer) HAVING count(*) > 5 LIMIT 5
SELECT product(quantity) FROM orders WHERE id < 5
SELECT * FROM orders ORDER BY random() LIMIT 1
SELECT * FROM orders ORDER BY amount DESC FETCH FIRST 3 ROWS WITH TIES
SELECT id, amount, sum(amount) OVER (ORDER BY placed RANGE BETWEEN '7 days' PRECEDING AND CURRENT ROW) FROM orders LIMIT 3
SELECT * FROM customers NATURAL JOIN (SELECT 1 AS id) x
SELECT * FROM owner.honest
--# explain
EXPLAIN SELECT * FROM public.orders WHERE id = 1
EXPLAIN (VERBOSE, COSTS off, FORMAT json) SELECT * FROM orders o JOIN items i ON i.order_id = o.id
EXPLAIN ANALYZE SELECT count(*) FROM orders WHERE state = 'new'
EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM orders WHERE state = 'deleted'
EXPLAIN (ANALYZE true, BUFFERS, TIMING off, SUMMARY on, FORMAT yaml) SELECT sum(amount) FROM open_orders
EXPLAIN (SETTINGS, WAL off) SELECT 1
EXPLAIN (ANALYZE, WAL, VERBOSE) WITH t AS (SELECT 1 AS x) SELECT * FROM t
EXPLAIN VERBOSE TABLE orders
EXPLAIN VALUES (1), (2)
EXPLAIN (FORMAT xml) SELECT * FROM events WHERE at > '2026-01-15'
EXPLAIN SELECT * FROM items WHERE order_id IN (SELECT id FROM orders WHERE amount > 100) ORDER BY price LIMIT 5
EXPLAIN (ANALYZE) SELECT * FROM customers WHERE name LIKE '%drop%'

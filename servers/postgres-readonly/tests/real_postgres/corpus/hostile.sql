-- Statements that would do something, were they run. One line, one statement; `--# name` opens a category; a line that
-- begins with `!` is left out where nothing guards, because there it would take the server or the test with it.
-- @PID@ is a bystander, @SLEEPER@ one in the middle of a statement, @PORT@ the server's port, @DIR@ a folder that it can
-- write to, @NL@ a line break, @TAB@ a tab, @NUL@ a NUL, @U+0435@ any character, @REPEAT n|text@ the text n times.

--# transaction
COMMIT
COMMIT AND CHAIN
END
ABORT
ROLLBACK
ROLLBACK TO SAVEPOINT a
BEGIN
START TRANSACTION READ WRITE
SAVEPOINT a
RELEASE SAVEPOINT a
PREPARE TRANSACTION 'left'
COMMIT PREPARED 'left'
ROLLBACK PREPARED 'left'
SET TRANSACTION READ WRITE
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
DISCARD ALL
DISCARD TEMP
DECLARE c CURSOR WITH HOLD FOR SELECT public.spring('cursor')
FETCH ALL FROM c
CLOSE ALL
PREPARE p AS DELETE FROM public.orders
EXECUTE p
DEALLOCATE ALL
--# stacked
COMMIT; DROP TABLE public.items
COMMIT; DELETE FROM public.items; BEGIN
BEGIN; SELECT pg_export_snapshot()
BEGIN; INSERT INTO public.items VALUES (100007); PREPARE TRANSACTION 'left'
BEGIN; LOCK TABLE public.items; SELECT pg_advisory_xact_lock(12)
COMMIT; SET default_transaction_read_only = off
ROLLBACK; DELETE FROM public.items
END; TRUNCATE public.items
SELECT 1; DELETE FROM public.items
SELECT 1; COMMIT; UPDATE public.orders SET state = 'x' WHERE id = 1
BEGIN READ ONLY; SET TRANSACTION READ WRITE; CREATE TABLE public.made (a int); COMMIT
SET TRANSACTION READ WRITE; INSERT INTO public.items VALUES (100000); COMMIT
SELECT 1 /* ; */ ; INSERT INTO public.items VALUES (100001)
SELECT ';'; INSERT INTO public.items VALUES (100002)
SELECT $$;$$; INSERT INTO public.items VALUES (100003)
SELECT $a$;$b$;$a$; INSERT INTO public.items VALUES (100004)
SELECT E'\';'; INSERT INTO public.items VALUES (100005)
SELECT '\'; INSERT INTO public.items VALUES (100006) --'
;;;DELETE FROM public.items WHERE id = 1
SELECT 1; SELECT pg_create_physical_replication_slot('left_by_two', true)
SELECT 1 AS "a;b"; SELECT nextval('public.numbers')
SET standard_conforming_strings = off; SELECT 'a\''; DELETE FROM public.items; --'
--# disguise
cOmMiT; dElEtE fRoM public.items WHERE id = 2
/* SELECT */ DELETE FROM public.items WHERE id = 3
-- SELECT@NL@DELETE FROM public.items WHERE id = 4
/* /* SELECT 1 */ */ DELETE FROM public.items WHERE id = 5
/**/DELETE/**/FROM/**/public.items/**/WHERE/**/id=6
SELECT 1 --@NL@; DELETE FROM public.items WHERE id = 7
SELECT/*@NL@*/public.spring/**/('comments')
SELECT--@NL@public.spring('line comment')
@TAB@@NL@ SELECT@TAB@public@NL@.@NL@spring@TAB@('white space')
SELECT "public"."spring"('quoted')
SELECT U&"publi\0063".U&"spr\0069ng"('unicode')
SELECT U&"!0070ublic" UESCAPE '!' . U&"spring" ('unicode')
SELECT U&"\0070\0067\005f\006e\006f\0074\0069\0066\0079"('channel', 'unicode')
SELECT pg_catalog.U&"next\0076al"('public.numbers')
SELECT pg_terminate_backend(U&'\0031'::text::int + @PID@ - 1)
SELECT PUBLIC.SPRING('upper case')
SELECT "pg_catalog"."nextval"('public.numbers')
SELECT pg_catalog."nextval"('public' || '.' || 'numbers')
SELECT nextval(E'public\x2enumbers')
SELECT nextval($$public.numbers$$)
SELECT nextval($q$public.numbers$q$::regclass)
SELECT "nextval" /* a */ ( /* b */ 'public.numbers' /* c */ )
SELECT nextval(chr(112) || 'ublic.numbers')
WITH "select" AS (SELECT nextval('public.numbers') AS "update") SELECT "update" FROM "select"
SELECT 1 AS "nextval", nextval('public.numbers') AS "harmless"
SELECT n@U+0435@xtval('public.numbers')
SELECT nextval('public.numbers')
SELECT nextv@U+200B@al('public.numbers')
SELECT next@U+00AD@val('public.numbers')
SELECT 1@NUL@; DELETE FROM public.items
SELECT '@NUL@', nextval('public.numbers')
!SELECT @REPEAT 3000|(@nextval('public.numbers')@REPEAT 3000|)@
SELECT @REPEAT 400|(@nextval('public.numbers')@REPEAT 400|)@
SELECT @REPEAT 900|(SELECT @nextval('public.numbers')@REPEAT 900|)@
SELECT '@REPEAT 60000|x@', nextval('public.numbers')
SELECT '@REPEAT 66000|x@', nextval('public.numbers')
SELECT /* @REPEAT 60000|x@ */ nextval('public.numbers')
SELECT 1 @REPEAT 6000|+ 1 @+ nextval('public.numbers')
SELECT nextval('public.numbers') @REPEAT 60|UNION ALL SELECT 1 @
SELECT @REPEAT 1200|- @nextval('public.numbers')
EXECUTE IMMEDIATE 'DELETE FROM public.items'
\! touch @DIR@/shell
SELECT 1 \gexec
--# nested
WITH d AS (DELETE FROM public.items WHERE id = 10 RETURNING *) SELECT * FROM d
WITH i AS (INSERT INTO public.items VALUES (100010) RETURNING 1) SELECT * FROM i
WITH u AS (UPDATE public.orders SET state = 'x' WHERE id = 2 RETURNING 1) SELECT 1
WITH a AS (SELECT 1), d AS MATERIALIZED (DELETE FROM public.items WHERE id = 11 RETURNING *) SELECT * FROM a
WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r WHERE false), d AS (DELETE FROM public.items WHERE id = 12) SELECT * FROM r
WITH a AS (WITH d AS (DELETE FROM public.items WHERE id = 13 RETURNING 1) SELECT * FROM d) SELECT * FROM a
SELECT (WITH u AS (UPDATE public.orders SET state = 'x' RETURNING 1) SELECT count(*) FROM u)
SELECT * FROM (WITH u AS (UPDATE public.orders SET state = 'x' RETURNING 1) SELECT 1) s
VALUES ((WITH u AS (DELETE FROM public.items RETURNING 1) SELECT count(*) FROM u))
WITH m AS (MERGE INTO public.orders o USING public.orders s ON o.id = s.id WHEN MATCHED THEN DELETE RETURNING 1) SELECT * FROM m
SELECT * INTO public.made FROM public.orders
SELECT * INTO TEMP made FROM public.orders
SELECT * INTO UNLOGGED public.made FROM public.orders
SELECT 1 INTO public.made UNION SELECT 2
WITH a AS (SELECT 1 AS x) SELECT x INTO public.made FROM a
EXPLAIN ANALYZE DELETE FROM public.items WHERE id = 20
EXPLAIN (ANALYZE) DELETE FROM public.items WHERE id = 21
EXPLAIN (ANALYZE true, COSTS off) DELETE FROM public.items WHERE id = 22
EXPLAIN (analyze on) DELETE FROM public.items WHERE id = 23
EXPLAIN (ANALYZE 1) SELECT nextval('public.numbers')
EXPLAIN (ANALYZE 'yes') SELECT nextval('public.numbers')
EXPLAIN ("analyze" 'tr') SELECT nextval('public.numbers')
EXPLAIN (U&"analyz\0065") SELECT nextval('public.numbers')
EXPLAIN (ANALYZE false, ANALYZE true) SELECT nextval('public.numbers')
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT pg_advisory_lock(1)
EXPLAIN ANALYZE VERBOSE SELECT public.spring('explained')
EXPLAIN ANALYZE CREATE TABLE public.made AS SELECT 1
EXPLAIN ANALYZE SELECT * INTO public.made FROM public.orders
EXPLAIN ANALYZE WITH d AS (DELETE FROM public.items WHERE id = 24 RETURNING 1) SELECT * FROM d
EXPLAIN ANALYZE EXECUTE p
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT public.spring('explained cursor')
EXPLAIN ANALYZE REFRESH MATERIALIZED VIEW public.order_totals
EXPLAIN ANALYZE SELECT * FROM public.evil_view
EXPLAIN SELECT public.evil_immutable()
EXPLAIN SELECT * FROM public.orders WHERE id < public.evil_stable()
EXPLAIN (GENERIC_PLAN) SELECT * FROM public.orders WHERE id = $1 AND public.evil_immutable() = 1
EXPLAIN SELECT * FROM public.orders WHERE id = 5 + public.evil_immutable(3)
EXPLAIN INSERT INTO public.items VALUES (public.evil_immutable(100020))
EXPLAIN UPDATE public.items SET price = public.evil_immutable()
CREATE TABLE public.made AS SELECT 1
CREATE TABLE IF NOT EXISTS public.made AS TABLE public.orders
COPY (DELETE FROM public.items WHERE id = 25 RETURNING *) TO STDOUT
--# data
INSERT INTO public.items VALUES (100030)
INSERT INTO public.items SELECT g FROM generate_series(100031, 100040) g
INSERT INTO public.items DEFAULT VALUES
INSERT INTO public.triggered DEFAULT VALUES
UPDATE public.orders SET state = 'x' WHERE id = 3
UPDATE ONLY public.orders SET state = 'x' WHERE id = 4
UPDATE public.triggered SET id = 1
DELETE FROM public.items WHERE id = 30
DELETE FROM public.items USING public.orders o WHERE o.id = items.order_id AND items.id = 31
MERGE INTO public.items i USING public.items s ON i.id = s.id AND i.id = 32 WHEN MATCHED THEN DELETE
TRUNCATE public.items
TRUNCATE public.orders CASCADE
REFRESH MATERIALIZED VIEW public.order_totals
UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'
DELETE FROM pg_catalog.pg_class
UPDATE pg_catalog.pg_authid SET rolsuper = true WHERE rolname = 'app'
INSERT INTO pg_catalog.pg_proc SELECT * FROM pg_catalog.pg_proc LIMIT 1
--# schema
CREATE TABLE public.made (a int)
CREATE TEMP TABLE made (a int)
CREATE TEMP VIEW made AS SELECT 1
CREATE UNLOGGED TABLE public.made (a int)
CREATE VIEW public.made AS SELECT 1
CREATE MATERIALIZED VIEW public.made AS SELECT 1
CREATE SEQUENCE public.made
CREATE INDEX ON public.items (price)
CREATE INDEX CONCURRENTLY ON public.items (sku)
CREATE FUNCTION public.made() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION public.net(amount numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 0'
CREATE TYPE public.made AS ENUM ('a')
CREATE DOMAIN public.made AS int
CREATE SCHEMA made
CREATE EXTENSION cube
CREATE ROLE made SUPERUSER
CREATE USER made
CREATE DATABASE made
CREATE TABLESPACE made LOCATION '@DIR@'
CREATE PUBLICATION made FOR ALL TABLES
CREATE SUBSCRIPTION made CONNECTION 'host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres' PUBLICATION p WITH (connect = false)
CREATE STATISTICS public.made ON id, price FROM public.items
CREATE EVENT TRIGGER made ON ddl_command_end EXECUTE FUNCTION public.evil_event()
CREATE SERVER made FOREIGN DATA WRAPPER postgres_fdw
CREATE POLICY made ON public.orders USING (true)
CREATE RULE made AS ON INSERT TO public.items DO INSTEAD NOTHING
CREATE TRIGGER made BEFORE INSERT ON public.items FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()
CREATE CAST (text AS public.pair) WITH INOUT
CREATE COLLATION public.made FROM "C"
CREATE ACCESS METHOD made TYPE TABLE HANDLER heap_tableam_handler
IMPORT FOREIGN SCHEMA public LIMIT TO (items) FROM SERVER loop INTO shadows
ALTER TABLE public.orders ADD COLUMN x int
ALTER TABLE public.tenants DISABLE ROW LEVEL SECURITY
ALTER TYPE public.mood ADD VALUE 'made'
ALTER ROLE app SUPERUSER
ALTER ROLE app PASSWORD 'x'
ALTER ROLE ALL SET work_mem = '1GB'
ALTER DATABASE postgres SET work_mem = '1GB'
ALTER SCHEMA public OWNER TO app
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC
ALTER EXTENSION hstore UPDATE
ALTER LARGE OBJECT 4242 OWNER TO app
DROP TABLE public.items
DROP TABLE IF EXISTS public.items CASCADE
DROP VIEW public.open_orders CASCADE
DROP INDEX public.orders_state
DROP SCHEMA public CASCADE
DROP ROLE app
DROP OWNED BY owner
REASSIGN OWNED BY owner TO app
GRANT ALL ON public.orders TO PUBLIC
GRANT pg_write_all_data TO app
REVOKE ALL ON public.orders FROM owner
COMMENT ON TABLE public.orders IS 'x'
SECURITY LABEL ON TABLE public.orders IS 'x'
VACUUM
VACUUM (FULL) public.items
ANALYZE public.orders
CLUSTER public.items USING items_pkey
REINDEX TABLE public.items
CHECKPOINT
LOAD 'auto_explain'
DO $$BEGIN DELETE FROM public.items; END$$
DO LANGUAGE plpgsql 'BEGIN PERFORM public.spring(''do''); END'
CALL public.evil_procedure()
CALL public.evil_commits()
--# copy
COPY public.orders TO '@DIR@/copied'
COPY public.orders (id) TO '@DIR@/copied_column' WITH (FORMAT csv)
COPY public.items FROM '/etc/passwd'
COPY public.sprung (how) FROM PROGRAM 'echo copied'
COPY (SELECT 1) TO PROGRAM 'touch @DIR@/program'
COPY (SELECT public.spring('copied')) TO '@DIR@/query'
COPY pg_catalog.pg_authid TO '@DIR@/authid'
!COPY (SELECT 1) TO STDOUT
!COPY public.items FROM STDIN
COPY BINARY public.items TO '@DIR@/binary'
--# lock
SELECT * FROM public.orders FOR UPDATE
SELECT * FROM public.orders FOR NO KEY UPDATE
SELECT * FROM public.orders FOR SHARE SKIP LOCKED
SELECT * FROM public.orders FOR KEY SHARE NOWAIT
SELECT * FROM (SELECT * FROM public.orders FOR SHARE) s
WITH l AS (SELECT * FROM public.orders FOR UPDATE) SELECT * FROM l
SELECT (SELECT id FROM public.orders WHERE id = 1 FOR UPDATE)
SELECT * FROM public.orders o, LATERAL (SELECT * FROM public.items i WHERE i.order_id = o.id FOR UPDATE) s
SELECT 1 WHERE EXISTS (SELECT * FROM public.orders FOR UPDATE OF orders)
SELECT * FROM public.evil_view_for_update
SELECT * FROM public.open_orders FOR UPDATE
TABLE public.orders FOR UPDATE
LOCK TABLE public.orders
LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE NOWAIT
LOCK public.open_orders
--# setting
SET default_transaction_read_only = off
SET work_mem = '1GB'
SET LOCAL statement_timeout = 0
SET SESSION work_mem TO DEFAULT
SET search_path = shadows, pg_catalog
SET ROLE pg_signal_backend
SET SESSION AUTHORIZATION app
SET TIME ZONE 'Europe/Berlin'
SET NAMES 'LATIN1'
SET SEED TO 0.5
SET CONSTRAINTS ALL DEFERRED
SET XML OPTION DOCUMENT
SET my.own = 'x'
RESET ALL
RESET ROLE
RESET SESSION AUTHORIZATION
ALTER SYSTEM SET work_mem = '1GB'
ALTER SYSTEM SET log_min_messages = 'panic'
ALTER SYSTEM RESET ALL
SELECT set_config('transaction_read_only', 'off', false)
SELECT pg_catalog.set_config('work_mem', '1GB', false)
SELECT set_config(name, setting, false) FROM pg_settings WHERE name = 'work_mem'
WITH x AS (SELECT set_config('transaction_read_only', 'off', true)) SELECT * FROM x
SELECT * FROM set_config('work_mem', '1GB', false)
SELECT 1 WHERE set_config('statement_timeout', '0', false) IS NOT NULL
SELECT count(*) FILTER (WHERE set_config('work_mem', '1GB', false) IS NOT NULL)
SELECT (SELECT set_config('work_mem', '1GB', false))
SELECT set_config(setting_name => 'work_mem', new_value => '1GB', is_local => false)
SELECT set_config('role', 'app', false), set_config('session_authorization', 'app', false)
SELECT public.calls_set_config()
SELECT public.calls_setting()
--# function
SELECT pg_terminate_backend(@PID@)
SELECT pg_terminate_backend(@PID@, 100)
SELECT pg_terminate_backend(pid => @PID@, timeout => 100)
SELECT pg_cancel_backend(@SLEEPER@)
SELECT pg_log_backend_memory_contexts(@PID@)
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_catalog.pg_rotate_logfile_old()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_promote(false)
SELECT pg_wal_replay_pause()
SELECT pg_wal_replay_resume()
SELECT pg_backup_start('x', true)
SELECT pg_backup_stop(false)
SELECT pg_start_backup('x')
SELECT pg_stat_reset()
SELECT pg_stat_reset_shared('bgwriter')
SELECT pg_stat_reset_shared('archiver')
SELECT pg_stat_reset_shared('wal')
SELECT pg_stat_reset_slru(NULL)
SELECT pg_stat_reset_slru('Notify')
SELECT pg_stat_reset_single_table_counters('public.orders'::regclass)
SELECT pg_stat_reset_single_function_counters('public.evil()'::regprocedure)
SELECT pg_stat_reset_subscription_stats(NULL)
SELECT pg_stat_reset_replication_slot(NULL)
SELECT public.pg_stat_statements_reset()
SELECT pg_stat_statements_reset(0, 0, 0)
SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()
SELECT pg_create_physical_replication_slot('left', true)
SELECT pg_create_logical_replication_slot('left_logical', 'test_decoding')
SELECT pg_copy_physical_replication_slot('left', 'left_too')
SELECT pg_drop_replication_slot('left')
SELECT pg_replication_slot_advance('left', pg_current_wal_lsn())
SELECT pg_logical_slot_get_changes('left_logical', NULL, NULL)
SELECT pg_logical_slot_peek_changes('left_logical', NULL, NULL)
SELECT pg_logical_emit_message(false, 'a', 'b')
SELECT pg_logical_emit_message(true, 'a', 'b')
SELECT pg_logical_emit_message(false, 'a', 'b'::bytea)
SELECT pg_replication_origin_create('left')
SELECT pg_replication_origin_session_setup('left')
SELECT pg_replication_origin_xact_setup('0/1', now())
SELECT pg_replication_origin_advance('left', '0/1')
SELECT pg_replication_origin_drop('left')
SELECT pg_export_snapshot()
SELECT txid_current()
SELECT pg_current_xact_id()
SELECT txid_current() IS NULL FROM public.orders LIMIT 1
SELECT nextval('public.numbers')
SELECT nextval('public.orders_id_seq'::regclass)
SELECT setval('public.numbers', 99)
SELECT setval('public.numbers', 199, false)
SELECT pg_sequence_last_value('public.numbers'), nextval('public.numbers')
SELECT pg_advisory_lock(7)
SELECT pg_advisory_lock(7, 8)
SELECT pg_advisory_lock_shared(7)
SELECT pg_try_advisory_lock(7)
SELECT pg_try_advisory_lock_shared(9)
SELECT pg_advisory_xact_lock(7)
SELECT pg_try_advisory_xact_lock_shared(7)
SELECT pg_advisory_unlock_all(), pg_advisory_lock(10)
SELECT pg_notify('channel', 'x')
NOTIFY channel
NOTIFY channel, 'payload'
LISTEN channel
UNLISTEN *
SELECT setseed(0.5)
SELECT lo_create(0)
SELECT lo_creat(-1)
SELECT lo_from_bytea(0, 'x')
SELECT lo_put(4242, 0, 'x')
SELECT lo_unlink(4242)
SELECT lo_truncate(lo_open(4242, 131072), 1)
SELECT lowrite(lo_open(4242, 131072), 'x')
SELECT lo_import('/etc/passwd')
SELECT lo_import('/etc/passwd', 4243)
SELECT lo_export(4242, '@DIR@/exported')
SELECT loread(lo_open(4242, 262144), 100)
SELECT lo_get(4242)
SELECT public.lo_manage()
SELECT pg_file_write('@DIR@/written', 'x', false)
SELECT pg_catalog.pg_file_write('@DIR@/written_too', 'x', true)
SELECT pg_file_rename('@DIR@/written', '@DIR@/renamed')
SELECT pg_file_unlink('@DIR@/renamed')
SELECT pg_file_sync('@DIR@')
SELECT pg_logdir_ls()
SELECT brin_summarize_new_values('public.orders_state')
SELECT brin_desummarize_range('public.orders_state', 0)
SELECT gin_clean_pending_list('public.orders_body')
SELECT pg_import_system_collations('public')
SELECT pg_import_system_collations('pg_catalog'::regnamespace)
SELECT pg_extension_config_dump('public.orders', '')
SELECT binary_upgrade_set_next_pg_type_oid(99999)
SELECT binary_upgrade_create_empty_extension('x', 'public', true, '1', NULL, NULL, NULL)
SELECT currtid2('public.orders', '(0,1)')
SELECT currtid2('public.evil_view', '(0,1)')
SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
SELECT pg_collation_for('a'), set_config('work_mem', '1GB', false)
SELECT pg_event_trigger_ddl_commands()
SELECT pg_prewarm('public.orders')
SELECT public.heap_force_kill('public.items', ARRAY['(0,1)']::tid[])
SELECT public.heap_force_freeze('public.items', ARRAY['(0,1)']::tid[])
SELECT public.pg_truncate_visibility_map('public.items')
SELECT public.bt_index_check('public.items_pkey')
SELECT public.bt_index_parent_check('public.items_pkey')
SELECT public.gen_salt('md5'), public.pgp_sym_encrypt('x', 'y')
SELECT public.uuid_generate_v1()
SELECT ts_debug('drop'), pg_notify('channel', 'ts')
SELECT pg_get_publication_tables('x'), pg_wal_replay_resume()
SELECT fmgr_sql_validator('public.evil_sql()'::regprocedure)
SELECT plpgsql_validator('public.evil()'::regprocedure)
SELECT plpgsql_call_handler()
SELECT plpgsql_inline_handler(NULL)
SELECT suppress_redundant_updates_trigger()
SELECT ri_fkey_cascade_del()
SELECT unique_key_recheck()
SELECT tsvector_update_trigger()
SELECT public.postgres_fdw_disconnect_all(), public.postgres_fdw_get_connections()
SELECT pg_ls_dir('.'), pg_switch_wal()
--# position
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = @PID@
SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = @PID@ AND pg_terminate_backend(pid)
SELECT 1 ORDER BY pg_terminate_backend(@PID@)
SELECT 1 LIMIT (SELECT count(*) FROM (SELECT pg_terminate_backend(@PID@)) s)
SELECT 1 OFFSET pg_terminate_backend(@PID@)::int
SELECT CASE WHEN pg_terminate_backend(@PID@) THEN 1 END
SELECT CASE nextval('public.numbers') WHEN 1 THEN 1 ELSE 2 END
VALUES (pg_terminate_backend(@PID@))
VALUES (1), (nextval('public.numbers'))
SELECT * FROM pg_terminate_backend(@PID@)
SELECT * FROM pg_terminate_backend(@PID@) WITH ORDINALITY t (a, b)
SELECT * FROM ROWS FROM (pg_terminate_backend(@PID@), generate_series(1, 2)) r
SELECT * FROM generate_series(1, 1) g JOIN LATERAL pg_terminate_backend(@PID@) t ON true
SELECT * FROM generate_series(1, 2) g, LATERAL (SELECT nextval('public.numbers') + g) t
SELECT * FROM public.orders o JOIN public.items i ON i.id = o.id AND nextval('public.numbers') > 0
SELECT sum(1) FILTER (WHERE pg_terminate_backend(@PID@))
SELECT sum(nextval('public.numbers'))
SELECT array_agg(1 ORDER BY nextval('public.numbers'))
SELECT string_agg(nextval('public.numbers')::text, ',')
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY nextval('public.numbers'))
SELECT row_number() OVER (ORDER BY nextval('public.numbers'))
SELECT sum(1) OVER w FROM public.orders WINDOW w AS (PARTITION BY nextval('public.numbers'))
SELECT lag(nextval('public.numbers')) OVER () FROM public.tenants
SELECT count(*) FROM public.tenants GROUP BY nextval('public.numbers')
SELECT 1 HAVING nextval('public.numbers') > 0
SELECT DISTINCT ON (nextval('public.numbers')) 1
SELECT coalesce(NULL, nextval('public.numbers'))
SELECT nullif(nextval('public.numbers'), 0), greatest(nextval('public.numbers'), 1)
SELECT 1 WHERE 1 IN (nextval('public.numbers'), 2)
SELECT 1 WHERE 1 = ANY (ARRAY[nextval('public.numbers')])
SELECT ARRAY[nextval('public.numbers')], ROW(nextval('public.numbers'))
SELECT (ARRAY[1, 2])[nextval('public.numbers')]
SELECT (ARRAY(SELECT nextval('public.numbers')))[1]
SELECT EXISTS (SELECT nextval('public.numbers') OFFSET 0) FROM public.tenants
SELECT nextval('public.numbers') IS NULL OR true
SELECT 1 UNION ALL SELECT nextval('public.numbers')
SELECT * FROM (VALUES (nextval('public.numbers'))) v
SELECT * FROM public.orders TABLESAMPLE bernoulli (nextval('public.numbers'))
SELECT * FROM public.orders TABLESAMPLE system_rows (public.spring('tablesample'))
WITH RECURSIVE r (n) AS (SELECT nextval('public.numbers') UNION ALL SELECT nextval('public.numbers') FROM r WHERE n < 3) SELECT * FROM r
SELECT xmlelement(name a, nextval('public.numbers'))
SELECT xmlelement(name a, xmlattributes(nextval('public.numbers') AS b))
SELECT * FROM xmltable('/a' PASSING (xmlelement(name a, nextval('public.numbers'))) COLUMNS b text PATH '.') x
SELECT * FROM xmltable('/a' PASSING ('<a/>'::xml) COLUMNS b text PATH '.' DEFAULT nextval('public.numbers')::text) x
SELECT json_build_object('a', nextval('public.numbers'))
SELECT json_agg(x) FROM (SELECT nextval('public.numbers')) x
SELECT format('%s', nextval('public.numbers'))
SELECT extract(epoch FROM now() + nextval('public.numbers') * interval '1 s')
SELECT now() AT TIME ZONE (nextval('public.numbers')::text || ' h')::interval
SELECT position(nextval('public.numbers')::text IN 'abc')
SELECT 'a' COLLATE "C" < nextval('public.numbers')::text
SELECT 'a' LIKE 'b' ESCAPE left(nextval('public.numbers')::text, 1)
SELECT (nextval('public.numbers'), 1) < (1, 2)
SELECT nextval('public.numbers') BETWEEN 1 AND 2
SELECT not_there FROM public.orders WHERE nextval('public.numbers') > 0
SELECT public.net(nextval('public.numbers'))
SELECT * FROM public.orders_of(nextval('public.numbers')::int)
SELECT * FROM pg_options_to_table(ARRAY[nextval('public.numbers')::text])
SHOW public.spring
SHOW "pg_terminate_backend(1)"
--# sql_text
SELECT query_to_xml('DELETE FROM public.items WHERE id = 40', true, true, '')
SELECT query_to_xml('SELECT pg_terminate_backend(@PID@)', true, true, '')
SELECT query_to_xmlschema('SELECT public.spring(''query_to_xmlschema'')', true, true, '')
SELECT query_to_xml_and_xmlschema('SELECT nextval(''public.numbers'')', true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT cursor_to_xmlschema('c', true, true, '')
SELECT table_to_xml('public.evil_view', true, true, '')
SELECT table_to_xmlschema('public.evil_view', true, true, '')
SELECT table_to_xml_and_xmlschema('public.evil_view_lock', true, true, '')
SELECT schema_to_xml('shadows', true, true, '')
SELECT schema_to_xml_and_xmlschema('owner', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT database_to_xmlschema(true, true, '')
SELECT xpath('/row/nextval/text()', query_to_xml('SELECT nextval(''public.numbers'')', false, true, ''))
SELECT table_name, xpath('/row/c/text()', query_to_xml(format('select nextval(''public.numbers'') as c from public.%I limit 1', table_name), false, true, '')) FROM information_schema.tables WHERE table_schema = 'public' LIMIT 1
SELECT * FROM ts_stat('SELECT public.spring(''ts_stat'')::text::tsvector')
SELECT * FROM ts_stat('DELETE FROM public.items WHERE id = 41 RETURNING ''a''::tsvector', 'a')
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, public.spring(''ts_rewrite'')::text::tsquery')
SELECT * FROM public.dblink('host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres', 'DELETE FROM public.items WHERE id = 42 RETURNING id') AS t (a int)
SELECT public.dblink_exec('host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres', 'INSERT INTO public.sprung (how) VALUES (''dblink'')')
SELECT dblink_connect('left', 'host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres application_name=left_by_dblink')
SELECT dblink_connect_u('left_u', 'host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres')
SELECT * FROM dblink_get_connections()
SELECT * FROM dblink('loop', 'SELECT public.spring(''dblink to a server'')') AS t (a int)
SELECT dblink_send_query('left', 'SELECT pg_sleep(10)')
SELECT dblink_open('left', 'c', 'SELECT 1')
SELECT * FROM public.crosstab('SELECT ''a''::text, ''b''::text, public.spring(''crosstab'')::text') AS t (a text, b text)
SELECT * FROM public.crosstab('SELECT ''a''::text, ''b''::text, ''c''::text', 'SELECT public.spring(''crosstab categories'')::text') AS t (a text, b text)
SELECT * FROM public.crosstab2('DELETE FROM public.items WHERE id = 43 RETURNING ''a''::text, ''b''::text, ''c''::text')
SELECT * FROM public.connectby('public.evil_view', 'id', 'got', '1', 0) AS t (a int, b int, c int)
SELECT * FROM public.connectby('(SELECT public.spring(''connectby'') AS id, 1 AS got) x', 'id', 'got', '1', 0) AS t (a int, b int, c int)
SELECT * FROM public.xpath_table('id', 'got', 'public.evil_view', '/a', 'true') AS t (a int, b text)
SELECT * FROM public.xpath_table('id', 'x', '(SELECT 1 AS id, public.spring(''xpath_table'')::text AS x) q', '/a', 'true') AS t (a int, b text)
SELECT public.normal_rand(1, 1, 1), public.spring('normal_rand')
SELECT pg_get_viewdef('public.evil_view'), nextval('public.numbers')
SELECT public.xslt_process('<a/>', '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><xsl:copy-of select="document(''file:///etc/passwd'')"/></xsl:template></xsl:stylesheet>')
SELECT xmlparse(document '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
SELECT public.evil_dynamic('DELETE FROM public.items WHERE id = 44 RETURNING 1')
SELECT public.calls_dblink()
SELECT public.get_raw_page('public.orders', 0), public.spring('pageinspect')
SELECT has_table_privilege('public.evil_view', 'SELECT'), public.spring('privilege')
SELECT to_regclass('public.evil_view'), to_regproc('public.spring'), 'public.spring(text)'::regprocedure, public.spring('regproc')
--# user_function
SELECT public.evil()
SELECT evil()
SELECT "public"."evil"()
SELECT postgres.public.evil()
SELECT public.evil_stable()
SELECT public.evil_immutable()
SELECT public.evil_immutable(1) FROM public.tenants
SELECT 1 WHERE public.evil_immutable() = 1
SELECT public.evil_definer()
SELECT public.evil_sql_definer()
SELECT public.evil_sql()
SELECT public.evil_sql_stable()
SELECT public.evil_sql_immutable()
SELECT public.evil_sql_deep()
SELECT public.evil_atomic()
SELECT public.evil_atomic_return()
SELECT public.evil_sql_two()
SELECT public.evil_sql_writes()
SELECT public.evil_sql_builtin()
SELECT public.evil_sql_relation()
SELECT public.evil_with_set()
SELECT public.evil_sql_with_set()
SELECT public.evil_variadic(1, 2, 3)
SELECT public.evil_variadic(VARIADIC ARRAY[1, 2])
SELECT public.evil_default(1)
SELECT public.evil_default(a => 1)
SELECT (public.evil_out()).a
SELECT * FROM public.evil_out()
SELECT * FROM public.evil_table(1)
SELECT public.evil_table(n := 1)
SELECT * FROM public.evil_rows()
SELECT (public.evil_rows()).state
SELECT public.evil_any(1), public.evil_any('x'::text)
SELECT o.evil_of FROM public.orders o
SELECT (o).evil_of FROM public.orders o
SELECT evil_of(o) FROM public.orders o
SELECT o.evil_of_sql FROM public.orders o
SELECT (SELECT o.evil_of) FROM public.orders o
SELECT * FROM public.orders o WHERE o.evil_of = 1
SELECT s.evil_of FROM (SELECT o FROM public.orders o) AS x (s)
SELECT (x.o).evil_of FROM (SELECT o FROM public.orders o) x
SELECT public.orders.evil_of FROM public.orders
SELECT pg_terminate_backend('bystander'::text)
SELECT public.pg_terminate_backend('x')
SELECT public.calls_file()
SELECT public.calls_program()
SELECT public.calls_signal()
SELECT public.calls_dblink()
SELECT public.spring_elsewhere('direct')
SELECT public.spring_lock('direct')
SELECT public.net(public.spring('argument'))
SELECT lower((1, 2)::public.pair)
SELECT lower(p) FROM public.pairs
SELECT length(1)
SELECT length(12345) FROM public.orders LIMIT 1
SELECT abs('x'::text)
SELECT now(1)
SELECT pg_relation_filepath('public.orders')
SELECT pg_table_size('public.orders')
SELECT obj_description('public.orders', 'pg_class')
SELECT obj_description('x'::text, 'pg_class'::text)
SELECT round('1.5'::text, 1)
SELECT to_char(1)
SELECT date_trunc('hour', 1)
SELECT 1 AT TIME ZONE 'UTC'
SELECT (1, 2) OVERLAPS (3, 4)
SELECT substring(1 FROM 1)
SELECT substring(12345, 2)
SELECT generate_series('a'::text, 1)
SELECT * FROM generate_series('a'::text, 1)
SELECT pg_stat_get_backend_pid('x'::text)
SELECT public.pg_stat_get_backend_pid('x')
SELECT tally()
SELECT owner.tally(), postgres.tally()
SELECT pg_looks_built_in()
SELECT pg_catalog.pg_looks_built_in()
SELECT abs((1, 2)::public.pair)
SELECT pg_catalog.abs((1, 2)::public.pair)
SELECT shadows.now()
SELECT shadows.length('x')
--# operator
SELECT 1 OPERATOR(public.<~>) 1
SELECT 1 <~> 1
SELECT 1 OPERATOR(public.<~>) 1 FROM public.orders
SELECT !! 1
SELECT OPERATOR(public.!!) 1
SELECT 1 = 'x'::text
SELECT * FROM public.orders WHERE id = '1'::text
SELECT * FROM public.orders WHERE id <> '1'::text
SELECT 1 IN ('1'::text, '2'::text)
SELECT 1 NOT IN ('1'::text)
SELECT 1 = ANY (ARRAY['1'::text])
SELECT 1 <> ALL (ARRAY['1'::text])
SELECT 1 OPERATOR(public.=) ANY (SELECT '1'::text)
SELECT id IN (SELECT state FROM public.orders) FROM public.tenants
SELECT 1 IN (SELECT '1'::text)
SELECT CASE 1 WHEN '1'::text THEN 1 END
SELECT nullif(1, '1'::text)
SELECT 1 IS DISTINCT FROM '1'::text
SELECT 1 IS NOT DISTINCT FROM '1'::text
SELECT 1 BETWEEN '1'::text AND '2'::text
SELECT 'x'::text < 1
SELECT 1 LIKE '1'::text
SELECT 1 ~ '1'::text
SELECT (1, 2) = ('1'::text, 2)
SELECT (1, 2) IN (SELECT '1'::text, 2)
SELECT 'a'::text + 'b'::text
SELECT state + state FROM public.orders
SELECT 'a'::text -> 'b'::text
SELECT (1, 2)::public.pair || 1
SELECT (1, 2)::public.pair = (1, 3)::public.pair
SELECT * FROM public.orders o JOIN (SELECT '1'::text AS id) t USING (id)
SELECT * FROM public.orders o NATURAL JOIN (SELECT '1'::text AS id) t
SELECT * FROM public.items i JOIN (SELECT state AS id FROM public.orders) o USING (id)
SELECT p FROM public.pairs ORDER BY p
SELECT p FROM public.pairs ORDER BY p USING <
SELECT p FROM public.pairs ORDER BY p USING OPERATOR(public.>)
SELECT DISTINCT p FROM public.pairs
SELECT p FROM public.pairs GROUP BY p
SELECT count(DISTINCT p) FROM public.pairs
SELECT array_agg(p ORDER BY p) FROM public.pairs
SELECT p FROM public.pairs UNION SELECT p FROM public.pairs
SELECT p FROM public.pairs INTERSECT SELECT p FROM public.pairs
SELECT rank() OVER (ORDER BY p) FROM public.pairs
SELECT row_number() OVER (PARTITION BY p) FROM public.pairs
SELECT * FROM public.pairs a JOIN public.pairs b USING (p)
SELECT * FROM public.pairs a JOIN public.pairs b ON a.p = b.p
SELECT * FROM public.pairs WHERE p IN (SELECT p FROM public.pairs)
SELECT ARRAY[p] = ARRAY[p] FROM public.pairs
SELECT ARRAY[p] < ARRAY[p] FROM public.pairs
SELECT array_position(ARRAY[(1, 2)::public.pair, (3, 4)::public.pair], (3, 4)::public.pair)
SELECT array_remove(ARRAY[(1, 2)::public.pair], (3, 4)::public.pair)
SELECT ARRAY[(1, 2)::public.pair] @> ARRAY[(3, 4)::public.pair]
SELECT greatest(p, p) FROM public.pairs
SELECT max(ARRAY[p]) FROM public.pairs
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY p) FROM public.pairs
SELECT mode() WITHIN GROUP (ORDER BY p) FROM public.pairs
SELECT ROW(p) = ROW(p) FROM public.pairs
SELECT ROW(p, 1)::text = '', ROW(p, 1) < ROW(p, 2) FROM public.pairs
SELECT a = b FROM public.pairs a, public.pairs b
SELECT DISTINCT a FROM public.pairs a
SELECT a FROM public.pairs a ORDER BY a
SELECT a FROM public.pairs a UNION SELECT b FROM public.pairs b
SELECT record_eq(a, b) FROM public.pairs a, public.pairs b
SELECT hash_record(a) FROM public.pairs a
SELECT hash_array(ARRAY[p]) FROM public.pairs
SELECT array_eq(ARRAY[p], ARRAY[p]), btarraycmp(ARRAY[p], ARRAY[p]) FROM public.pairs
SELECT width_bucket(p, ARRAY[p]) FROM public.pairs
SELECT DISTINCT ARRAY[p] FROM public.pairs
SELECT count(*) FROM public.pairs GROUP BY GROUPING SETS ((p), ())
WITH RECURSIVE r (p) AS (SELECT p FROM public.pairs UNION SELECT p FROM r) SELECT * FROM r
WITH RECURSIVE r (p) AS (SELECT p FROM public.pairs UNION ALL SELECT p FROM r) CYCLE p SET c USING path SELECT * FROM r LIMIT 5
SELECT lead(id) OVER (ORDER BY p RANGE UNBOUNDED PRECEDING) FROM public.pairs
--# renamed
SELECT b FROM public.pairs t (a, b) ORDER BY b
SELECT b FROM public.pairs AS t (a, b) GROUP BY b
SELECT DISTINCT b FROM pairs t (a, b)
SELECT b::int FROM public.pairs t (a, b)
SELECT y FROM (public.pairs a CROSS JOIN public.tenants t) AS j (x, y) ORDER BY y
SELECT j FROM (public.pairs a CROSS JOIN public.tenants t) AS j ORDER BY j
WITH c (a, b) AS (SELECT * FROM public.pairs) SELECT b FROM c ORDER BY b
WITH c (a, b) AS (SELECT id, p FROM public.pairs) SELECT b FROM c ORDER BY b
SELECT u FROM public.pairs JOIN public.tenants USING (id) AS u ORDER BY u
SELECT d FROM public.odd t (a, b, d) WHERE d = 'x'
SELECT satisfies_hash_partition('public.parted'::regclass, 2, 0, 1)
SELECT pg_get_partkeydef('public.parted'::regclass)
SELECT pg_get_expr(relpartbound, oid), pg_get_partition_constraintdef(oid) FROM pg_class WHERE relispartition
SELECT pg_get_statisticsobjdef_expressions(oid), pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
SELECT pg_get_indexdef(indexrelid) FROM pg_index
SELECT * FROM pg_stats_ext_exprs
SELECT * FROM public.pgstattuple('public.indexed'), public.pgstatindex('public.indexed_expr_idx')
SELECT public.bt_index_check('public.indexed_expr_idx'::regclass)
SELECT * FROM public.pgrowlocks('public.indexed')
SELECT * FROM public.verify_heapam('public.indexed')
SELECT row_security_active('public.guarded'), pg_relation_is_updatable('public.evil_view', true), pg_column_is_updatable('public.evil_view', 1::smallint, true)
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.columns WHERE table_schema = 'public'
SELECT * FROM information_schema.views
SELECT * FROM pg_views WHERE schemaname = 'public'
SELECT * FROM pg_indexes
SELECT * FROM pg_publication_tables
SELECT * FROM pg_partition_tree('public.parted')
SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND oid > 16384
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND prolang <> 13
SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE oid > 16384
SELECT pg_get_constraintdef(oid) FROM pg_constraint
SELECT pg_get_triggerdef(oid) FROM pg_trigger
SELECT pg_identify_object(classid, objid, objsubid), pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE objid > 16384
SELECT public.body_column()
SELECT public.body_operator('x')
SELECT public.body_alias()
SELECT public.same(p, p) FROM public.pairs
SELECT public.same(1, 2)
SELECT public.same('(1,2)'::public.pair, '(1,2)')
SELECT public.same(ARRAY['(1,2)'::public.pair], ARRAY['(1,2)'::public.pair])
SELECT public.returns_pair()
SELECT public.returns_pair()::int
SELECT x FROM public.returns_pair() x (a, b) ORDER BY x
SELECT x FROM public.returns_rows() x ORDER BY x
SELECT x FROM public.returns_rows() x (a, b) ORDER BY b
SELECT b FROM public.returns_rows() x (a, b) ORDER BY b
SELECT b FROM public.view_of_pairs x (a, b) ORDER BY b
SELECT ROW(1, b)::text FROM public.view_of_pairs x (a, b) GROUP BY 1, b
SELECT json_agg(b ORDER BY b) FROM public.view_of_pairs x (a, b)
SELECT public.id(b) FROM public.pairs x (a, b) ORDER BY 1
SELECT b = c FROM public.pairs x (a, b), public.pairs y (d, c)
SELECT max(b) FROM public.pairs x (a, b)
SELECT (SELECT b FROM public.pairs x (a, b) LIMIT 1) = (SELECT b FROM public.pairs x (a, b) LIMIT 1)
SELECT (jsonb_populate_record(NULL::public.plain, '{"a":1}')).a
SELECT o.evil_of FROM public.orders AS o (a, b, c, d, e, f, g, h)
SELECT (SELECT t.evil_of FROM (SELECT o.* FROM public.orders o) t)
SELECT (array_agg(o))[1].evil_of FROM public.orders o
SELECT ((array_agg(o))[1]).evil_of FROM public.orders o
SELECT (lag(o) OVER ()).evil_of FROM public.orders o
SELECT evil_of FROM (SELECT o FROM public.orders o) s, LATERAL (SELECT (s.o).evil_of) t
SELECT lower(t) FROM (SELECT p AS t FROM public.pairs) x
SELECT lower(b) FROM public.pairs x (a, b)
SELECT lower(a) FROM (SELECT ROW(1, 2)) x (a)
SELECT upper('a'), lower(b) FROM public.pairs x (a, b) WHERE b IS NOT NULL
SELECT length(a) FROM public.tenants t (a, b)
SELECT b + b FROM public.tenants t (a, b)
SELECT a = b FROM (SELECT id, state FROM public.orders) t (a, b)
SELECT a = b FROM public.orders t (a, x, b)
SELECT a FROM public.orders t (a, x, b) WHERE a IN (SELECT b FROM public.orders t (q, x, b))
SELECT a FROM public.orders t (a, x, b) WHERE a IN (b, b)
SELECT CASE a WHEN b THEN 1 END FROM public.orders t (a, x, b)
SELECT a <~> a FROM public.orders t (a, x, b)
SELECT * FROM public.orders t (a, x, b) JOIN public.customers c (b, d) USING (b)
SELECT * FROM public.orders t (a, x, b) NATURAL JOIN public.customers c (b, d)
SELECT (a, 1) = (b, 1) FROM public.orders t (a, x, b)
SELECT nullif(a, b) FROM public.orders t (a, x, b)
SELECT a LIKE b FROM public.orders t (a, x, b)
SELECT a BETWEEN b AND b FROM public.orders t (a, x, b)
SELECT a IS DISTINCT FROM b FROM public.orders t (a, x, b)
SELECT (SELECT 1) = (SELECT 'x'::text)
SELECT 1 = (SELECT max(state) FROM public.orders)
SELECT count(*) = max(state) FROM public.orders
SELECT row_number() OVER ()::int = 'x'::text
SELECT (jsonb '{"a":1}' ->> 'a') < 1
SELECT ('{1}'::int[])[1] = ('{x}'::text[])[1]
SELECT length('abc') = lower('x')
SELECT extract(epoch FROM now())::int = version()
SELECT x = y FROM generate_series(1, 2) x, unnest(ARRAY['a']) y
SELECT x = y FROM (VALUES (1, 'a'::text)) v (x, y)
SELECT a = b FROM json_to_record('{"a":1,"b":"x"}') r (a int, b text)
SELECT ascii('x') = md5('x')
SELECT x.* FROM (VALUES (1)) x (id) WHERE x.id = current_setting('port')
SELECT 1 WHERE inet_server_port() = current_setting('port')
SELECT pid = application_name FROM pg_catalog.pg_stat_activity
SELECT (r).id = (r).of_role::text FROM (SELECT t AS r FROM public.tenants t) s
SELECT 'a' || 'b' + 'c'::text
SELECT c.relname || 'x' + c.relkind::text FROM pg_class c LIMIT 1
SELECT state -> 'x' FROM public.orders LIMIT 1
SELECT version() -> 'x'
--# cast
SELECT p::int FROM public.pairs
SELECT CAST(p AS int) FROM public.pairs
SELECT p + 1 FROM public.pairs
SELECT abs(p) FROM public.pairs
SELECT 5::public.pair
SELECT 5::int::public.pair
SELECT 'good'::public.evil_mood::int
SELECT 'good'::public.evil_mood + 1
SELECT sum('good'::public.evil_mood)
SELECT (ARRAY['good'::public.evil_mood])::int[]
SELECT (p).int4 FROM public.pairs
SELECT p.p.int4 FROM public.pairs p
SELECT public.evil_pair_to_int(p) FROM public.pairs
--# type
SELECT 'x'::public.evil_domain
SELECT CAST('x' AS public.evil_domain)
SELECT public.evil_domain 'x'
SELECT evil_domain 'x'
SELECT 'x'::evil_domain
SELECT 'x'::public.evil_domain_deep
SELECT 'x'::text::public.evil_domain_sql
SELECT NULL::public.evil_domain_late
SELECT state::public.evil_domain FROM public.orders
SELECT '{x}'::public.evil_domain[]
SELECT ARRAY['x']::public.evil_domain[]
SELECT ARRAY['x'::text]::public.evil_domain[]
SELECT '{x}'::public.evil_domain_of_array
SELECT '(x,1)'::public.evil_row
SELECT ROW('x', 1)::public.evil_row
SELECT ('x', 1)::public.evil_row
SELECT '("(x,1)",{y})'::public.evil_row_deep
SELECT '{"(x,1)"}'::public.evil_row[]
SELECT '(1,2)'::public.evil_domain_of_pair
SELECT (1, 2)::public.evil_domain_of_pair
SELECT '("(1,2)","(3,4)")'::public.evil_range
SELECT '[x,y)'::public.evil_range_of_domain
SELECT '{[x,y)}'::public.evil_multirange
SELECT public.evil_range((1, 2)::public.pair, (3, 4)::public.pair)
SELECT public.evil_multirange(public.evil_range((1, 2)::public.pair, (3, 4)::public.pair))
SELECT evil_range((1, 2)::public.pair, (3, 4)::public.pair) @> (2, 2)::public.pair
SELECT '[1,5)'::public.odd_range
SELECT '(1,2)'::public.odd
SELECT NULL::public.odd, '(1,"(x,2)",y,,)'::public.odd
SELECT domain_in('x', 'public.evil_domain'::regtype, -1)
SELECT record_in('(x,1)', 'public.evil_row'::regtype, -1)
SELECT array_in('{x}', 'public.evil_domain'::regtype, -1)
SELECT range_in('[x,y)', 'public.evil_range_of_domain'::regtype, -1)
SELECT multirange_in('{[x,y)}', 'public.evil_multirange'::regtype, -1)
SELECT json_populate_record(NULL::public.evil_row, '{"a":"x"}')
SELECT jsonb_populate_record(NULL::public.evil_row, '{"a":"x"}')
SELECT * FROM jsonb_populate_recordset(NULL::public.evil_row, '[{"a":"x"}]')
SELECT * FROM jsonb_populate_recordset(NULL::public.odd, '[{"d":"x"}]')
SELECT * FROM json_to_record('{"a":"x"}') AS r (a public.evil_domain)
SELECT * FROM json_to_record('{"a":{"a":"x"}}') AS r (a public.evil_row)
SELECT * FROM jsonb_to_recordset('[{"a":"x"}]') AS r (a public.evil_domain_deep, b int)
SELECT * FROM jsonb_to_record('{"a":["x"]}') AS r (a public.evil_domain[])
SELECT * FROM xmltable('/a' PASSING ('<a>x</a>'::xml) COLUMNS b public.evil_domain PATH '.') x
SELECT * FROM xmltable('/a' PASSING ('<a>x</a>'::xml) COLUMNS b evil_domain PATH '.') x
SELECT xmlserialize(content '<a/>'::xml AS public.evil_domain)
SELECT public.populate_record(NULL::public.evil_row, 'a=>x')
SELECT public.populate_record('(y,1)'::public.evil_row, 'a=>x'::public.hstore)
SELECT NULL::public.evil_row #= 'a=>x'::public.hstore
SELECT r #= 'a=>y'::public.hstore FROM public.odd
SELECT (jsonb_populate_record(NULL::public.evil_row, '{"a":"x"}')).a
SELECT NULL::public.evil_row IS NULL, ('x', 2)::evil_row
SELECT * FROM unnest('{x}'::public.evil_domain[])
SELECT * FROM public.dblink('host=127.0.0.1 port=@PORT@ user=postgres dbname=postgres', 'SELECT ''x''') AS t (a public.evil_domain)
SELECT 'x'::public.orders
SELECT '(1,1,new,1,0,,,)'::public.orders
SELECT 'x' = ANY ('{x}'::public.evil_domain[])
SELECT CASE WHEN true THEN 'x'::public.evil_domain END
WITH RECURSIVE r (a) AS (SELECT 'x'::public.evil_domain UNION ALL SELECT 'y'::public.evil_domain FROM r WHERE a = 'x') SELECT * FROM r
SELECT ('{"a": 1}'::jsonb)::public.evil_domain
--# aggregate
SELECT public.evil_sum(id) FROM public.orders
SELECT evil_sum(id) FROM public.tenants
SELECT public.evil_sum(DISTINCT id) FILTER (WHERE id > 1) FROM public.tenants
SELECT public.evil_at_end(id) FROM public.orders
SELECT public.evil_moving(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM public.tenants
SELECT public.evil_ordered() WITHIN GROUP (ORDER BY id) FROM public.tenants
SELECT public.evil_start(of_role::text) FROM public.tenants
SELECT count(p) FROM public.pairs
SELECT public.count(p) FROM public.pairs
SELECT public.evil_sum(id) OVER (PARTITION BY id) FROM public.tenants
SELECT 1 FROM public.tenants HAVING public.evil_sum(id) > 0
SELECT (SELECT public.evil_sum(o.id)) FROM public.tenants o
SELECT public.evil_sum(id) FROM public.orders GROUP BY CUBE (state, customer)
--# view
SELECT * FROM public.evil_view
TABLE public.evil_view
TABLE evil_view
SELECT * FROM evil_view
SELECT 1 FROM public.evil_view
SELECT count(*) FROM public.evil_view
SELECT * FROM ONLY public.evil_view
SELECT * FROM postgres.public.evil_view
SELECT * FROM public.view_of_evil_view
SELECT * FROM public.evil_view_deepest
SELECT * FROM public.evil_view_lock
SELECT * FROM public.evil_view_where
SELECT * FROM public.evil_view_order
SELECT * FROM public.evil_view_operator
SELECT * FROM public.evil_view_cast
SELECT * FROM public.evil_view_domain
SELECT * FROM public.evil_view_aggregate
SELECT * FROM public.evil_view_lateral
SELECT * FROM public.evil_view_barrier
SELECT * FROM public.evil_view_invoker
SELECT * FROM public.evil_view_signal
SELECT * FROM public.evil_view_sequence
SELECT * FROM public.evil_view_distinct
SELECT * FROM public.evil_view_column
SELECT * FROM public.evil_view_xml
SELECT * FROM public.evil_view_case
SELECT * FROM public.evil_view_recursive
SELECT * FROM public.pg_stat_activity
SELECT * FROM mine
SELECT * FROM owner.mine, postgres.mine
SELECT * FROM pg_looks_like_a_view
SELECT * FROM pg_catalog.pg_looks_like_a_view
SELECT * FROM information_schema.evil_view
WITH "public.evil_view" AS (SELECT 1) SELECT * FROM public.evil_view
WITH evil_view AS (SELECT 1) SELECT * FROM public.evil_view
WITH RECURSIVE "postgres.public.evil_view" AS (SELECT 1) SELECT * FROM postgres.public.evil_view
SELECT * FROM (WITH evil_view AS (SELECT 1) SELECT * FROM evil_view) a, evil_view b
SELECT (WITH evil_view AS (SELECT 1 AS x) SELECT x FROM evil_view), (SELECT id FROM evil_view)
WITH evil_view AS (SELECT * FROM evil_view) SELECT * FROM evil_view
WITH RECURSIVE a AS (SELECT 1), evil_view AS (SELECT * FROM evil_view) SELECT * FROM evil_view
WITH a AS (SELECT * FROM evil_view), evil_view AS (SELECT 1) SELECT * FROM a
SELECT * FROM public.order_totals t, public.evil_view v
SELECT v FROM public.evil_view v
SELECT (SELECT got FROM public.evil_view)
SELECT * FROM public.orders WHERE EXISTS (SELECT FROM public.evil_view WHERE got = 1)
--# row_security
SELECT * FROM public.guarded
SELECT count(*) FROM guarded
SELECT * FROM public.guarded_deep
SELECT * FROM public.guarded_by_operator
SELECT * FROM public.view_of_guarded
SELECT * FROM public.orders WHERE id IN (SELECT id FROM public.guarded)
EXPLAIN ANALYZE SELECT * FROM public.guarded
--# planned
SELECT * FROM public.indexed
EXPLAIN SELECT * FROM public.indexed
SELECT * FROM indexed WHERE id = 3
SELECT * FROM public.indexed_partly WHERE id = 10
SELECT * FROM public.indexed_sql
SELECT * FROM public.checked
SELECT * FROM public.checked WHERE id < 0
SELECT * FROM public.checked_child WHERE id < 0
SELECT * FROM public.with_statistics WHERE id + 10 = 5
SELECT * FROM public.with_statistics GROUP BY id, b
SELECT * FROM public.parted
SELECT * FROM public.parted WHERE id = 5
SELECT * FROM public.parted_1 WHERE id > 200
SELECT * FROM public.parted_by_pair WHERE p = (1, 2)::public.pair
SELECT * FROM public.parted_by_pair
SELECT * FROM public.parted_with_child WHERE id = 3
SELECT * FROM public.parted_with_child_1
SELECT * FROM public.not_null_by_function
SELECT * FROM public.triggered
SELECT * FROM public.odd
SELECT pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
SELECT pg_get_constraintdef(oid), pg_get_statisticsobjdef(oid) FROM pg_constraint WHERE conrelid = 'public.checked'::regclass
SELECT pg_get_partition_constraintdef('public.parted_1'::regclass), pg_get_partkeydef('public.parted'::regclass)
SELECT satisfies_hash_partition('public.parted_by_pair'::regclass, 2, 0, (1, 2)::public.pair)
--# foreign
SELECT * FROM public.far_view
EXPLAIN SELECT * FROM public.far_view WHERE got = 1
EXPLAIN ANALYZE SELECT * FROM public.far_view
SELECT count(*) FROM far_view
SELECT * FROM public.view_of_far
SELECT * FROM public.passwd
SELECT * FROM public.program
SELECT * FROM public.parent
SELECT * FROM ONLY public.parent, public.foreign_child
SELECT * FROM public.foreign_child
SELECT * FROM public.parted_far
SELECT * FROM public.parted_far WHERE line = 'x'
SELECT * FROM public.parted_far_1
SELECT public.postgres_fdw_get_connections() FROM public.far_view
SELECT public.file_fdw_handler(), public.spring('handler')
SELECT * FROM public.far_view TABLESAMPLE system (10)
--# secret
SELECT * FROM pg_authid
SELECT rolpassword FROM pg_catalog.pg_authid
SELECT * FROM pg_shadow
SELECT a.passwd FROM (SELECT * FROM pg_shadow) a
SELECT (SELECT row_to_json(s) FROM pg_shadow s LIMIT 1)
TABLE pg_authid
SELECT * FROM pg_user_mapping
SELECT * FROM pg_user_mappings
SELECT * FROM information_schema.user_mapping_options
SELECT * FROM pg_subscription
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_ident_file_mappings
SELECT * FROM pg_file_settings
SELECT * FROM pg_hba_file_rules()
SELECT * FROM pg_show_all_file_settings()
SELECT * FROM pg_largeobject
SELECT data FROM pg_largeobject WHERE loid = 4242
SELECT * FROM pg_statistic
SELECT * FROM pg_statistic_ext_data
SELECT * FROM pg_config()
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_file('pg_hba.conf', 0, 100, true)
SELECT pg_read_binary_file('global/pg_control')
SELECT * FROM pg_ls_dir('/')
SELECT pg_stat_file('/etc/passwd')
SELECT pg_read_server_files FROM pg_roles
SELECT current_setting('primary_conninfo')
SHOW primary_conninfo
SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'
SHOW hba_file
SHOW ssl_key_file
SELECT conninfo FROM pg_stat_wal_receiver
SELECT subconninfo FROM pg_subscription
SELECT umoptions FROM pg_user_mappings
SELECT query_to_xml('SELECT * FROM pg_shadow', true, true, '')
SELECT public.get_raw_page('pg_authid', 0)
SELECT * FROM public.heap_page_items(public.get_raw_page('pg_authid', 0))
SELECT public.dblink_get_connections()
SELECT lo_get(4242)
SELECT * FROM pg_ls_dir('pg_wal'), pg_ls_logdir()
SELECT public.pg_get_wal_records_info('0/1000000', '0/1100000')
--# shadow
SELECT now()
SELECT current_timestamp, length('abc'::text)
SELECT version()
SELECT 1 + 1
SELECT count(*) FROM public.tenants
SELECT * FROM public.tenants WHERE id = 1
SELECT 1 IN (1, 2)
SELECT pid FROM pg_stat_activity
SELECT * FROM pg_class
SELECT 'x'::numeric
SELECT 'x'::regclass
SELECT 1::int8
SELECT CASE 1 WHEN 1 THEN 2 END
SELECT nullif(1, 1)
SELECT * FROM public.tenants a JOIN public.tenants b USING (id)
SELECT pg_catalog.now(), public.spring('shadow')
WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT sum(n) FROM t
SHOW search_path
EXPLAIN SELECT * FROM public.orders WHERE id = 1 + 1
SELECT extract(epoch FROM now())
SELECT to_regclass('pg_class')::text, 'pg_class'::pg_catalog.regclass
SELECT upper(x) FROM (VALUES ('a'::pg_catalog.text)) v (x) WHERE length(x) = 1
--# exhaustion
!SELECT pg_sleep(60)
!SELECT pg_sleep_for('1 minute')
!SELECT pg_sleep_until(now() + interval '1 minute')
!SELECT pg_sleep(60) FROM generate_series(1, 10)
!SELECT count(*) FROM generate_series(1, 100000000000)
!SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c
!SELECT * FROM generate_series(1, 1000000000)
!SELECT array_agg(g) FROM generate_series(1, 1000000000) g
!SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 1000000000) g
!SELECT jsonb_agg(g) FROM generate_series(1, 1000000000) g
!SELECT repeat('x', 1000000000)
!SELECT repeat(repeat('x', 10000000), 100)
!SELECT repeat('x', 100000000) FROM generate_series(1, 100)
!SELECT rpad('x', 1000000000, 'y'), lpad('x', 1000000000, 'y')
!SELECT array_fill(1, ARRAY[10000, 10000])
!SELECT array_fill(repeat('x', 1000), ARRAY[1000000])
!SELECT (SELECT array_agg(repeat('x', 1000)) FROM generate_series(1, 1000000))
!SELECT 10::numeric ^ 100000
!SELECT factorial(100000)
!SELECT exp(1000::numeric)
!SELECT power(2.0, 400000.0)
!SELECT sqrt(10::numeric ^ 10000)
!WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r
!WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r
!WITH RECURSIVE r (n) AS (SELECT 1 UNION SELECT n + 1 FROM r) SELECT max(n) FROM r
!WITH RECURSIVE r (t) AS (SELECT 'x'::text UNION ALL SELECT t || t FROM r) SELECT max(length(t)) FROM r
!SELECT repeat('a', 30000) ~ '(a*)*(a*)*(a*)*b'
!SELECT repeat('a', 50) ~ '^(((a+)+)+)+$b'
!SELECT regexp_replace(repeat('ab', 1000000), '(.*)(.*)(.*)(.*)x', '', 'g')
!SELECT regexp_matches(repeat('a', 100000), 'a|aa|aaa', 'g')
!SELECT 'x' ~ repeat('(x{1,250}){1,250}', 3)
!SELECT repeat('a', 10000) LIKE repeat('%a', 5000) || 'b'
!SELECT repeat('a', 1000000) SIMILAR TO '(a|aa)+b'
!SELECT * FROM generate_series(1, 30000000) g ORDER BY md5(g::text)
!SELECT DISTINCT md5(g::text) FROM generate_series(1, 30000000) g
!SELECT a FROM generate_series(1, 10000000) a JOIN generate_series(1, 10000000) b ON md5(a::text) = md5(b::text)
!SELECT count(*) OVER (ORDER BY random()) FROM generate_series(1, 30000000)
!SELECT * FROM (SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 10000000) g ORDER BY 2) s OFFSET 9999999
!SELECT * FROM public.orders a, public.orders b, public.orders c, public.orders d ORDER BY a.id + b.id + c.id + d.id
!SELECT count(*) FROM public.orders a, public.orders b, public.orders c
!SELECT 1 WHERE 1 IN (@REPEAT 30000|1,@1)
!SELECT @REPEAT 20000|1,@1
!SELECT ARRAY[@REPEAT 20000|1,@1]
!SELECT 1 WHERE @REPEAT 5000|true AND @true
!SELECT 1 WHERE @REPEAT 3000|NOT @true
!SELECT @REPEAT 1500|(@1@REPEAT 1500|)@
!SELECT @REPEAT 1000|ARRAY[@1@REPEAT 1000|]@
!SELECT @REPEAT 500|(SELECT @1@REPEAT 500|)@
!SELECT @REPEAT 1600|coalesce(@1@REPEAT 1600|)@
!SELECT * FROM @REPEAT 200|(SELECT * FROM @public.orders@REPEAT 200|) s@
!SELECT 1 @REPEAT 1500|UNION SELECT 1 @
!SELECT 1 FROM public.orders o0 @REPEAT 40|NATURAL JOIN public.orders @
!SELECT * FROM pg_class @REPEAT 20|, pg_class @
!SELECT * FROM public.orders a @REPEAT 14|JOIN public.items USING (id) @
!SELECT ('[' || repeat('[', 100000))::json
!SELECT repeat('[', 6000)::jsonb
!SELECT ('{' || repeat('{', 1000))::int[]
!SELECT xmlparse(document '<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">]><a>&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;</a>')
!SELECT xpath('//*[count(//*) > count(//*)]', xmlparse(content repeat('<a/>', 20000)))
!SELECT jsonb_path_query('[1]', '$.** ? (@U+0040@.** like_regex "(a*)*b")') FROM generate_series(1, 100000000)
!SELECT to_tsvector(repeat('drop table ', 90000)), to_tsquery(repeat('a & ', 30000) || 'a')
!SELECT public.similarity(repeat('ab', 1000000), repeat('ba', 1000000)) FROM generate_series(1, 1000)
!SELECT public.levenshtein(repeat('a', 255), repeat('b', 255)) FROM generate_series(1, 100000000)
!SELECT public.crypt('x', public.gen_salt('bf', 20))
!SELECT public.gen_random_bytes(1024) FROM generate_series(1, 1000000000)
!SELECT sum(hashtext(g::text)) FROM generate_series(1, 10000000000) g
!SELECT * FROM public.held
!SELECT count(*) FROM public.held h, public.orders o
!EXPLAIN SELECT * FROM public.held
!SELECT 'public.held'::regclass, pg_relation_size('public.held'::regclass)
!SELECT pg_get_viewdef('public.open_orders'::regclass), pg_total_relation_size('public.held'::regclass)
!SELECT pg_advisory_lock(4711)
!SELECT pg_advisory_lock_shared(4711), pg_advisory_xact_lock(4711)
!EXPLAIN ANALYZE SELECT count(*) FROM generate_series(1, 100000000000)
!SELECT percentile_disc(g) WITHIN GROUP (ORDER BY g) FROM generate_series(1, 100000000) g GROUP BY g
!SELECT generate_series(now(), now() + interval '10000 years', interval '1 microsecond')
!SELECT count(*) FROM regexp_split_to_table(repeat('a,', 100000000), ',')
!SELECT string_to_array(repeat('a,', 100000000), ',')
!SELECT lo_get(4242) FROM generate_series(1, 100000000)
!SELECT * FROM unnest(ARRAY(SELECT repeat('x', 100000) FROM generate_series(1, 100000))) u
!SELECT convert_from(repeat('x', 500000000)::bytea, 'UTF8')
!SELECT encode(repeat('x', 300000000)::bytea, 'base64')
!SELECT set_byte(repeat('x', 900000000)::bytea, 0, 1)
!SELECT format('%' || 1000000000 || 's', 'x')
!SELECT to_char(1, repeat('9', 100000000))
!SELECT quote_literal(repeat('''', 500000000))
!SELECT replace(repeat('x', 100000), 'x', repeat('y', 10000))
!SELECT translate(repeat('x', 900000000), 'x', 'y')
!SELECT overlay(repeat('x', 500000000) placing repeat('y', 500000000) from 1)
!SELECT normalize(repeat(U&'\0041\0300', 100000000))
!SELECT @REPEAT 800|row_to_json(ROW(@1@REPEAT 800|))@
--# tied
SELECT date '2026-01-01'::int
SELECT CAST(date '2026-01-01' AS int)
SELECT placed::int FROM public.orders
SELECT inet '10.0.0.1'::bigint
SELECT CAST('10.0.0.1'::inet AS bigint)
SELECT length(point '(1,2)')
SELECT point '(1,2)'::text
SELECT point '(1,2)' || 'x'
SELECT ARRAY[date '2026-01-01']::int[]
SELECT int4(date '2026-01-01')
SELECT host(macaddr '08:00:2b:01:02:03')
SELECT macaddr '08:00:2b:01:02:03' << inet '10.0.0.0/8'
SELECT coalesce(inet '10.0.0.1', macaddr '08:00:2b:01:02:03')
SELECT inet '10.0.0.1' UNION SELECT macaddr '08:00:2b:01:02:03'
SELECT network(m) FROM (SELECT '08:00:2b:01:02:03'::macaddr AS m) x
SELECT current_date::int
SELECT now()::date::int
SELECT date(now())::int
SELECT to_date('2026-01-01', 'YYYY-MM-DD')::int
SELECT make_date(2026, 1, 1)::int
SELECT x::int FROM (SELECT date '2026-01-01' AS x) s
SELECT x::int FROM (SELECT '2026-01-01'::date) s (x)
SELECT x::int FROM (VALUES ('2026-01-01'::date)) v (x)
SELECT a::int FROM json_to_record('{"a":"2026-01-01"}') r (a date)
SELECT a::int FROM jsonb_to_recordset('[{"a":"2026-01-01"}]') r (a date)
SELECT b::int FROM xmltable('/a' PASSING ('<a>2026-01-01</a>'::xml) COLUMNS b date PATH '.') x
SELECT (SELECT max(placed) FROM public.orders)::int
SELECT max(placed)::int FROM orders
SELECT (array_agg(placed))[1]::int FROM public.orders
SELECT ((array_agg(placed))[1])::int FROM public.orders
SELECT lag(placed) OVER ()::int FROM public.orders
SELECT (lag(placed) OVER (ORDER BY id))::int FROM public.orders
SELECT coalesce(placed, placed)::int FROM public.orders
SELECT (CASE WHEN true THEN placed END)::int FROM public.orders
SELECT greatest(placed, placed)::int FROM public.orders
SELECT nullif(placed, NULL)::int FROM public.orders
SELECT (o).placed::int FROM (SELECT o FROM public.orders o) s
SELECT ((o).placed)::int FROM (SELECT o FROM public.orders o) s
SELECT (placed + 1)::int FROM public.orders
SELECT (date '2026-01-01' + 1)::int
SELECT (placed - 1)::int FROM public.orders
SELECT unnest(ARRAY[current_date])::int
SELECT u::int FROM unnest(ARRAY['2026-01-01'::date]) u
SELECT u::int FROM unnest('{2026-01-01}'::date[]) u
SELECT ('{2026-01-01}'::date[])[1]::int
SELECT ('{2026-01-01}'::date[])::int[]
SELECT '{2026-01-01}'::date[]::int4[]
SELECT lower(daterange('2026-01-01', '2026-02-01'))::int
SELECT upper('[2026-01-01,2026-02-01)'::daterange)::int
SELECT d::int FROM public.dates
SELECT x::int FROM public.dates t (x)
SELECT CAST(x AS int4) FROM public.dates t (x, y)
SELECT d::pg_catalog.int4 FROM public.dates
SELECT d::oid::int FROM public.dates
SELECT int4(d) FROM public.dates
SELECT d.int4 FROM public.dates d
SELECT (d).int4 FROM public.dates
SELECT (ARRAY[1, 2])[date '2026-01-01']
SELECT (ARRAY[1, 2])[d] FROM public.dates
SELECT (ARRAY[1, 2])[d:d] FROM public.dates
SELECT ('{1,2}'::int[])[current_date]
SELECT body_cast()
SELECT public.body_cast()
SELECT ROW(d)::public.plain FROM public.dates
SELECT ROW(i, 1)::public.plain FROM public.dates
SELECT ROW(inet '10.0.0.1', 1)::public.plain
SELECT (inet '10.0.0.1', 1)::public.plain
SELECT ROW(1, d)::public.plain FROM public.dates
SELECT quote_literal(point '(1,2)')
SELECT quote_nullable(point '(1,2)')
SELECT point '(1,2)' || 'x'::text
SELECT 'x'::text || point '(1,2)'
SELECT p || 'x'::text FROM public.dates
SELECT concat(p, 'x'), format('%s', p), p::varchar, array_to_string(ARRAY[p], ',') FROM public.dates
SELECT quote_literal(p) FROM public.dates
SELECT quote_literal(x) FROM public.dates t (d, x)
SELECT length(p) FROM public.dates
SELECT length(x) FROM public.dates t (d, x)
SELECT length(center('<(1,2),3>'::circle))
SELECT length(center(circle '<(1,2),3>'))
SELECT length(point(1, 2))
SELECT length(point(1::float8, 2::float8))
SELECT length('(1,2)'::point + '(1,2)'::point)
SELECT length(@@ circle '<(1,2),3>')
SELECT length((box '((1,1),(2,2))')[0])
SELECT upper((path '((1,1),(2,2))')::polygon::point)
SELECT p LIKE 'x' FROM public.dates
SELECT p ~ 'x' FROM public.dates
SELECT p = 'x' FROM public.dates
SELECT p < 'x' FROM public.dates
SELECT p IN ('x', 'y') FROM public.dates
SELECT 'x'::text = p FROM public.dates
SELECT CASE p WHEN 'x'::text THEN 1 END FROM public.dates
SELECT coalesce(p, 'x'::text) FROM public.dates
SELECT p FROM public.dates UNION SELECT 'x'::text
SELECT string_agg(p, ',') FROM public.dates
SELECT max(p) FROM public.dates
SELECT min(p) FROM public.dates
SELECT string_to_array(p, ',') FROM public.dates
SELECT regexp_replace(p, 'a', 'b') FROM public.dates
SELECT substring(p FROM 1) FROM public.dates
SELECT trim(p) FROM public.dates
SELECT position('a' IN p) FROM public.dates
SELECT overlay(p placing 'x' from 1) FROM public.dates
SELECT p COLLATE "C" FROM public.dates
SELECT to_tsvector(p) FROM public.dates
SELECT md5(p), p::text::name FROM public.dates
SELECT convert_to(p, 'UTF8') FROM public.dates
SELECT json_object(ARRAY[p]) FROM public.dates
SELECT jsonb_build_object(p, 1) FROM public.dates
SELECT json_object_agg(p, 1) FROM public.dates
SELECT current_setting(p) FROM public.dates
SELECT xmlelement(name a, p) FROM public.dates
SELECT xmlparse(content p) FROM public.dates
SELECT xmlserialize(content '<a/>'::xml AS text), xmlconcat('<a/>', NULL) FROM public.dates
SELECT * FROM regexp_split_to_table(point '(1,2)', ',')
SELECT * FROM public.dates WHERE macaddr8 '08:00:2b:01:02:03:04:05'
SELECT CASE WHEN macaddr8 '08:00:2b:01:02:03:04:05' THEN 1 END
SELECT NOT macaddr8 '08:00:2b:01:02:03:04:05'
SELECT true AND macaddr8(m) FROM public.dates
SELECT count(*) FILTER (WHERE macaddr8 '08:00:2b:01:02:03:04:05')
SELECT 1 HAVING macaddr8 '08:00:2b:01:02:03:04:05'
SELECT macaddr8 '08:00:2b:01:02:03:04:05' IS TRUE
SELECT 1 FROM public.dates a JOIN public.dates b ON macaddr8 '08:00:2b:01:02:03:04:05'
SELECT host(m), network(m), abbrev(m), masklen(m) FROM public.dates
SELECT host(x) FROM public.dates t (d, p, x)
SELECT m << i FROM public.dates
SELECT m = i FROM public.dates
SELECT m - 1 FROM public.dates
SELECT set_masklen(m, 8) FROM public.dates
SELECT inet_merge(m, i) FROM public.dates
SELECT coalesce(i, m) FROM public.dates
SELECT * FROM (SELECT m FROM public.dates) a JOIN (SELECT i AS m FROM public.dates) b USING (m)
SELECT m IN (SELECT i FROM public.dates) FROM public.dates
SELECT m IN (i, i) FROM public.dates
SELECT m BETWEEN i AND i FROM public.dates
SELECT max(m) FROM public.dates
SELECT max(trunc(m)) FROM public.dates
SELECT count(*) OVER (ORDER BY at RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) FROM public.events
SELECT count(*) OVER w FROM public.events WINDOW w AS (ORDER BY at RANGE 5 PRECEDING)
SELECT p FROM public.dates ORDER BY p
SELECT x FROM public.dates t (d, x) ORDER BY x
SELECT DISTINCT p FROM public.dates
SELECT p FROM public.dates GROUP BY p
SELECT count(DISTINCT p) FROM public.dates
SELECT point '(1,2)' AS a UNION SELECT point '(1,2)'
SELECT DISTINCT point(1, 2)
SELECT DISTINCT center(circle '<(1,2),3>') FROM public.tenants
SELECT * FROM public.dates ORDER BY 2
SELECT DISTINCT * FROM public.dates
SELECT DISTINCT x FROM public.dates x
SELECT ROW(p) = ROW(p) FROM public.dates
SELECT ARRAY[p] = ARRAY[p] FROM public.dates
SELECT ARRAY[p] @> ARRAY[p] FROM public.dates
SELECT array_position(ARRAY[p], p) FROM public.dates
SELECT array_remove(ARRAY[p], p) FROM public.dates
SELECT a = b FROM public.dates a, public.dates b
SELECT record_eq(a, b) FROM public.dates a, public.dates b
SELECT hash_record(a) FROM public.dates a
SELECT hash_array(ARRAY[p]) FROM public.dates
SELECT rank() OVER (ORDER BY p) FROM public.dates
SELECT array_agg(p ORDER BY p) FROM public.dates
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY p) FROM public.dates
SELECT greatest(p, p) FROM public.dates
WITH RECURSIVE r (p) AS (SELECT p FROM public.dates UNION SELECT p FROM r) SELECT * FROM r
SELECT max(ARRAY[p]) FROM public.dates
SELECT p <# p FROM public.dates
SELECT width_bucket(p, ARRAY[p]) FROM public.dates
SELECT json_agg(x ORDER BY x) FROM public.dates x
SELECT public.same(ARRAY[p], ARRAY[p]) FROM public.dates
SELECT public.same(ROW(p), ROW(p)) FROM public.dates
SELECT public.same(a, a) FROM public.dates a
--# implicit
SELECT date_trunc('hour', 1)
SELECT now() + 5
SELECT now() + id FROM public.tenants
SELECT make_interval(secs => 1) + 1
SELECT justify_hours(5)
SELECT coalesce(interval '1 s', 5)
SELECT CASE WHEN true THEN 5 ELSE interval '1 s' END
SELECT 1 UNION SELECT interval '1 s'
SELECT greatest(5, interval '1 s')
SELECT (VALUES (5), (interval '1 s'))
SELECT sum(5) OVER (ORDER BY now() RANGE BETWEEN 5 PRECEDING AND CURRENT ROW)
SELECT extract(epoch FROM 5)
SELECT 5 + now()
SELECT id * interval '1 s' + id FROM public.tenants
SELECT interval '1 s' = 5
SELECT interval '1 s' IN (1, 2)
SELECT 1 WHERE interval '1 s' BETWEEN 1 AND 2
SELECT to_char(5, 'SS')
SELECT x + 1 FROM (VALUES (interval '1 s')) v (x)
SELECT ARRAY[interval '1 s', 5]
SELECT sum(i) FROM (SELECT 1 UNION ALL SELECT interval '1 s') t (i)
SELECT generate_series(now(), now() + interval '3 s', 1)
SELECT pg_sleep_for(1)
SELECT age(now()) + 1
SELECT make_date(2026, 1, 1) + 1, date '2026-01-01' + 1
SELECT now() - 1, current_timestamp - id FROM public.tenants
SELECT now() AT TIME ZONE 1

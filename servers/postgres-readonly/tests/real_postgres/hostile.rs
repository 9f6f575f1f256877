//! Statements that would do something, were they run.

use serde_json::{Value, json};

use crate::{
    cluster::{Pg, eventually},
    mcp::Mcp,
    scene::{TRAPS, with_reader},
};

/// Statements that would do something, were they run. `@PID@` is a bystander, `@DIR@` a folder that the server can write to.
const HOSTILE: &[&str] = &[
    // The transaction and the session.
    "COMMIT",
    "COMMIT; DROP TABLE public.orders",
    "ROLLBACK; DELETE FROM public.orders",
    "SELECT 1; DELETE FROM public.orders",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET work_mem = '1GB'",
    "RESET ALL",
    "RESET ROLE",
    "SET ROLE pg_signal_backend",
    "SET SESSION AUTHORIZATION app",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT pg_catalog.set_config('work_mem', '1GB', false)",
    "WITH x AS (SELECT set_config('transaction_read_only', 'off', true)) SELECT * FROM x",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'",
    "SAVEPOINT a",
    "PREPARE TRANSACTION 'left'",
    "DISCARD ALL",
    // Data and schema.
    "INSERT INTO public.orders VALUES (1000)",
    "UPDATE public.orders SET state = 'x'",
    "DELETE FROM public.orders",
    "MERGE INTO public.orders o USING public.orders s ON o.id = s.id WHEN MATCHED THEN DELETE",
    "TRUNCATE public.orders",
    "DROP TABLE public.orders",
    "ALTER TABLE public.orders ADD COLUMN x int",
    "CREATE TABLE public.made (a int)",
    "CREATE TEMP TABLE made (a int)",
    "CREATE TABLE public.made AS SELECT 1",
    "SELECT * INTO public.made FROM public.orders",
    "SELECT * INTO TEMP made FROM public.orders",
    "WITH d AS (DELETE FROM public.orders RETURNING *) SELECT * FROM d",
    "WITH i AS (INSERT INTO public.orders VALUES (1001) RETURNING 1) SELECT * FROM i",
    "SELECT (WITH u AS (UPDATE public.orders SET state = 'x' RETURNING 1) SELECT count(*) FROM u)",
    "EXPLAIN ANALYZE DELETE FROM public.orders",
    "EXPLAIN (ANALYZE true, COSTS off) DELETE FROM public.orders",
    "EXPLAIN (ANALYZE 1) SELECT nextval('public.numbers')",
    "EXPLAIN (ANALYZE) SELECT pg_advisory_lock(1)",
    "EXPLAIN ANALYZE CREATE TABLE public.made AS SELECT 1",
    "CREATE FUNCTION public.made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION hstore",
    "COMMENT ON TABLE public.orders IS 'x'",
    "GRANT ALL ON public.orders TO PUBLIC",
    "ALTER ROLE app SUPERUSER",
    "CREATE ROLE made SUPERUSER",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER DATABASE postgres SET work_mem = '1GB'",
    "REFRESH MATERIALIZED VIEW public.totals",
    "VACUUM",
    "ANALYZE public.orders",
    "CLUSTER",
    "CHECKPOINT",
    "LOCK TABLE public.orders",
    "SELECT * FROM public.orders FOR UPDATE",
    "SELECT * FROM (SELECT * FROM public.orders FOR SHARE) s",
    "DO $$BEGIN DELETE FROM public.orders; END$$",
    "CALL public.evil_procedure()",
    "PREPARE p AS DELETE FROM public.orders",
    "EXECUTE p",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    // Files and programs.
    "COPY public.orders TO '@DIR@/copied'",
    "COPY public.orders FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'touch @DIR@/program'",
    "COPY (SELECT 1) TO STDOUT",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '@DIR@/exported')",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "LOAD 'auto_explain'",
    // Others, the server, and what outlives the call.
    "SELECT pg_terminate_backend(@PID@)",
    "SELECT pg_cancel_backend(@PID@)",
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT count(*) FROM pg_stat_activity WHERE pg_terminate_backend(pid)",
    "SELECT 1 ORDER BY pg_terminate_backend(@PID@)",
    "SELECT 1 LIMIT (SELECT count(*) FROM (SELECT pg_terminate_backend(@PID@)) s)",
    "SELECT CASE WHEN pg_terminate_backend(@PID@) THEN 1 END",
    "VALUES (pg_terminate_backend(@PID@))",
    "SELECT * FROM pg_terminate_backend(@PID@)",
    "SELECT * FROM ROWS FROM (pg_terminate_backend(@PID@), pg_sleep(0)) r",
    "SELECT * FROM generate_series(1, 1) g JOIN LATERAL pg_terminate_backend(@PID@) t ON true",
    "SELECT sum(1) FILTER (WHERE pg_terminate_backend(@PID@))",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_stat_reset()",
    "SELECT pg_stat_reset_shared('bgwriter')",
    "SELECT pg_create_physical_replication_slot('left', true)",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_backup_start('x')",
    "SELECT pg_export_snapshot()",
    "SELECT txid_current()",
    "SELECT pg_current_xact_id()",
    "SELECT nextval('public.numbers')",
    "SELECT setval('public.numbers', 99)",
    "SELECT pg_advisory_lock(7)",
    "SELECT pg_try_advisory_lock(7)",
    "SELECT pg_advisory_xact_lock(7)",
    "SELECT pg_notify('channel', 'x')",
    "NOTIFY channel",
    "LISTEN channel",
    "SELECT pg_sleep(60)",
    "SELECT setseed(0.5)",
    // SQL inside a function's argument.
    "SELECT query_to_xml('DELETE FROM public.orders', true, true, '')",
    "SELECT query_to_xml('SELECT pg_terminate_backend(@PID@)', true, true, '')",
    "SELECT query_to_xml_and_xmlschema('SELECT nextval(''public.numbers'')', true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT table_to_xml('public.evil_view', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT * FROM ts_stat('SELECT pg_terminate_backend(@PID@)::text::tsvector')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, pg_terminate_backend(@PID@)::text::tsquery')",
    "SELECT * FROM public.dblink('dbname=postgres', 'DELETE FROM public.orders') AS t (a int)",
    // Code that somebody left in the database.
    "SELECT public.evil()",
    "SELECT evil()",
    "SELECT \"public\".\"evil\"()",
    "SELECT o.evil_of FROM public.orders o",
    "SELECT 1 OPERATOR(public.<~>) 1",
    "SELECT 'x'::public.evil_domain",
    "SELECT CAST('x' AS public.evil_domain)",
    "SELECT domain_in('x', 'public.evil_domain'::regtype, -1)",
    "SELECT * FROM json_to_record('{\"a\":\"x\"}') AS r (a public.evil_domain)",
    "SELECT * FROM public.evil_view",
    "TABLE public.evil_view",
    "SELECT * FROM public.view_of_evil_view",
    // A CTE whose quoted name reads like the relation hides nothing.
    "WITH \"public.evil_view\" AS (SELECT 1) SELECT * FROM public.evil_view",
    "WITH RECURSIVE \"postgres.public.evil_view\" AS (SELECT 1) SELECT * FROM postgres.public.evil_view",
    "SELECT * FROM public.guarded",
    "SELECT public.evil_sum(id) FROM public.orders",
];

/// What the cluster looks like to somebody who can see everything. Any write at all assigns a transaction id.
const STATE: &str = "SELECT jsonb_build_object(
    'next_xid', pg_snapshot_xmax(pg_current_snapshot())::text,
    'orders', (SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM public.orders o),
    'numbers', (SELECT last_value || ' ' || is_called FROM public.numbers),
    'classes', (SELECT md5(string_agg(c.oid || c.relname || coalesce(c.relacl::text, ''), ',' ORDER BY c.oid)) FROM pg_class c),
    'functions', (SELECT count(*) FROM pg_proc),
    'roles', (SELECT md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a),
    'role_settings', (SELECT count(*) FROM pg_db_role_setting),
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'slots', (SELECT count(*) FROM pg_replication_slots),
    'prepared', (SELECT count(*) FROM pg_prepared_xacts),
    'advisory', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
    'auto_conf', pg_read_file('postgresql.auto.conf'),
    'conf_loaded', pg_conf_load_time()::text,
    'segment', pg_walfile_name(pg_current_wal_insert_lsn()),
    'stats_reset', (SELECT jsonb_agg(stats_reset ORDER BY datname) FROM pg_stat_database),
    'bgwriter_reset', (SELECT stats_reset FROM pg_stat_bgwriter),
    'bystanders', (SELECT jsonb_agg(pid || ' ' || backend_start || ' ' || state ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'bystander'),
    'left_open', (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'countersign/%' AND (xact_start IS NOT NULL OR state <> 'idle'))
)::text";

async fn state_of(admin: &Pg) -> Value {
    serde_json::from_str(admin.query_one(STATE, &[]).await.unwrap().get(0)).unwrap()
}

/// Everything that an attacker could have left behind for somebody with rights to step on.

#[tokio::test(flavor = "multi_thread")]
async fn hostile_statements_have_no_effect_even_as_superuser() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(TRAPS).await.unwrap();
    let bystander = cluster.connect("app", "bystander").await;
    let mut listener = cluster.listen("channel").await;
    let folder = cluster.writable_folder();
    let mut mcp = Mcp::start(&cluster.dsn("postgres"), &["--allow-privileged-role"]).await;
    mcp.ok("query", json!({"sql": "SELECT 1"})).await;
    let own_pid = mcp.ok("query", json!({"sql": "SELECT pg_backend_pid()"})).await["rows"][0][0].clone();

    let before = state_of(&admin).await;
    for statement in HOSTILE {
        let sql = statement
            .replace("@PID@", &bystander.pid.to_string())
            .replace("@DIR@", &folder.display().to_string());
        let refusal = mcp.refused("query", json!({"sql": sql})).await;
        assert_eq!(state_of(&admin).await, before, "{sql}: {refusal}");
        // One of them names what search_path cannot find: PostgreSQL itself refuses it.
        let expected = if sql.contains("evil_of") {
            "sql_error"
        } else {
            "statement_refused"
        };
        assert_eq!(refusal["code"], expected, "{sql}: {refusal}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "a file was made");
    assert!(listener.try_recv().is_err(), "a notification was sent");
    bystander.batch_execute("SELECT 1").await.unwrap();
    // The session that all of this came over is still the same one, and as it was.
    let after = mcp.ok("query", json!({"sql": "SELECT pg_backend_pid(), current_setting('work_mem'), current_setting('transaction_read_only'), current_user"})).await;
    assert_eq!(after["rows"], json!([[own_pid, "4MB", "on", "postgres"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_oracle_sees_the_harm_where_nothing_guards() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(TRAPS).await.unwrap();
    for harm in [
        "UPDATE public.orders SET state = 'x' WHERE id = 1",
        "SELECT nextval('public.numbers')",
        "SELECT pg_advisory_lock(7)",
        "SELECT * FROM public.evil_view",
        "SELECT 'x'::public.evil_domain",
        "SELECT * FROM public.guarded",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT txid_current()",
        "SELECT pg_stat_reset()",
        "SELECT pg_reload_conf()",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_create_physical_replication_slot('left', true)",
        "SELECT CASE application_name WHEN 'bystander' THEN pg_terminate_backend(pid, 5000) END FROM pg_stat_activity",
        "BEGIN READ ONLY; SET TRANSACTION READ WRITE; CREATE TABLE public.made (a int); COMMIT",
    ] {
        let _bystander = cluster.connect("app", "bystander").await;
        // As the table's owner without the superuser's way around row security, where that is what is tried.
        let attacker = cluster.connect("postgres", "attacker").await;
        if harm.contains("guarded") {
            admin
                .batch_execute("ALTER TABLE public.guarded OWNER TO app; GRANT ALL ON SCHEMA public TO app")
                .await
                .unwrap();
            attacker.batch_execute("SET ROLE app").await.unwrap();
        }
        let before = state_of(&admin).await;
        attacker
            .batch_execute(harm)
            .await
            .unwrap_or_else(|error| panic!("{harm}: {error}"));
        eventually(harm, async || state_of(&admin).await != before).await;
    }
}

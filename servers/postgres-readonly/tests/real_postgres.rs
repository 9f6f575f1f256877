//! The built binary over MCP against a real PostgreSQL: each tool about a provoked situation, the proof of the role, and
//! hostile statements whose effects are asked of the database, never of the server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed set-up is a failed test"
)]

mod cluster;
mod mcp;

use std::time::{Duration, Instant};

use cluster::{Cluster, Pg, eventually};
use mcp::Mcp;
use serde_json::{Value, json};

const READER: &str = "reader";

/// A cluster with a table and the role that `setup-sql` prints, which may also read tables.
async fn with_reader() -> (Cluster, Pg) {
    let cluster = Cluster::start(&[]).await;
    let admin = cluster.connect("postgres", "admin").await;
    admin
        .batch_execute(&mcp::stdout(&["setup-sql", "--role", READER], &[]).1)
        .await
        .unwrap();
    admin
        .batch_execute(
            "GRANT pg_read_all_data TO reader;
             CREATE TABLE public.orders (id int PRIMARY KEY, state text NOT NULL DEFAULT 'new');
             INSERT INTO public.orders SELECT g FROM generate_series(1, 100) g;
             CREATE TABLE public.items (id int PRIMARY KEY)",
        )
        .await
        .unwrap();
    (cluster, admin)
}

/// Waits until so many sessions wait for a lock.
async fn waiting(admin: &Pg, sessions: i64) {
    eventually("sessions wait", async || {
        let row = admin
            .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[])
            .await
            .unwrap();
        row.get::<_, i64>(0) == sessions
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_tree_has_its_root_and_its_chain() {
    let (cluster, admin) = with_reader().await;
    let root = cluster.connect("postgres", "batch").await;
    root.batch_execute("BEGIN; UPDATE public.orders SET state = 'held' WHERE id = 1")
        .await
        .unwrap();
    let first = cluster
        .hang("web", "UPDATE public.orders SET state = 'a' WHERE id = 1")
        .await;
    waiting(&admin, 1).await;
    let middle = cluster.hang("web", "BEGIN; UPDATE public.orders SET state = 'b' WHERE id = 2; UPDATE public.orders SET state = 'b' WHERE id = 1").await;
    waiting(&admin, 2).await;
    let last = cluster
        .hang("web", "UPDATE public.orders SET state = 'c' WHERE id = 2")
        .await;
    waiting(&admin, 3).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    assert_eq!(answer["waiters_total"], 3, "{answer:#}");
    assert_eq!(answer["trees"].as_array().unwrap().len(), 1, "{answer:#}");
    let tree = &answer["trees"][0];
    let holder = &tree["root"];
    assert_eq!(holder["pid"], root.pid);
    assert_eq!(
        (&holder["kind"], &holder["state"], &holder["application_name"]),
        (&json!("session"), &json!("idle in transaction"), &json!("batch"))
    );
    assert_eq!((&tree["waiters_count"], &tree["victims_count"]), (&json!(3), &json!(3)));
    let waiters: Vec<_> = tree["waiters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["pid"].as_i64(), w["depth"].as_u64()))
        .collect();
    let pid = |session: &cluster::Hanging| Some(i64::from(session.pid));
    assert_eq!(waiters[0], (pid(&first), Some(1)), "{answer:#}");
    assert!(waiters.contains(&(pid(&middle), Some(2))), "{answer:#}");
    assert!(waiters.contains(&(pid(&last), Some(3))), "{answer:#}");
    for waiter in tree["waiters"].as_array().unwrap() {
        assert_eq!(
            (&waiter["relation"], &waiter["is_ddl"]),
            (&json!("public.orders"), &json!(false)),
            "{waiter:#}"
        );
    }
    let same = admin
        .query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::text::timestamptz AND xact_start = $3::text::timestamptz",
            &[&root.pid, &holder["backend_start"].as_str(), &holder["xact_start"].as_str()],
        )
        .await
        .unwrap();
    assert_eq!(same.get::<_, i64>(0), 1, "times must go back into SQL exactly");

    let idle = mcp.ok("sessions", json!({"state": "idle in transaction"})).await;
    assert_eq!(
        (&idle["total"], &idle["sessions"][0]["pid"]),
        (&json!(1), &json!(root.pid)),
        "{idle:#}"
    );
    let identity = mcp.ok("server_identity", json!({})).await;
    let number: i64 = admin
        .query_one("SELECT system_identifier FROM pg_control_system()", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        (&identity["system_identifier"], &identity["current_role"]),
        (&json!(number.to_string()), &json!(READER))
    );

    root.batch_execute("ROLLBACK").await.unwrap();
    // The one in the middle has what it wanted now, and holds it: its transaction is still open.
    drop(middle);
    eventually("the tree is gone", async || {
        mcp.ok("blocking_tree", json!({})).await["waiters_total"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_may_be_prepared_or_plainly_idle() {
    let (cluster, admin) = with_reader().await;
    let session = cluster.connect("postgres", "two-phase").await;
    session
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'p' WHERE id = 1; PREPARE TRANSACTION 'stuck'")
        .await
        .unwrap();
    drop(session);
    let advisory = cluster.connect("postgres", "locker").await;
    advisory.batch_execute("SELECT pg_advisory_lock(42)").await.unwrap();
    let on_prepared = cluster
        .hang("web", "UPDATE public.orders SET state = 'a' WHERE id = 1")
        .await;
    let on_advisory = cluster.hang("web", "SELECT pg_advisory_lock(42)").await;
    waiting(&admin, 2).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    let trees = answer["trees"].as_array().unwrap();
    let of = |kind: &str| {
        trees
            .iter()
            .find(|tree| tree["root"]["kind"] == kind)
            .unwrap_or_else(|| panic!("{answer:#}"))
    };
    let prepared = of("prepared_transaction");
    assert_eq!(
        (&prepared["root"]["gid"], &prepared["root"]["pid"]),
        (&json!("stuck"), &json!(0)),
        "{answer:#}"
    );
    assert_eq!(prepared["waiters"][0]["pid"], on_prepared.pid);
    let idle = of("session");
    assert_eq!(
        (&idle["root"]["pid"], &idle["root"]["state"]),
        (&json!(advisory.pid), &json!("idle")),
        "{answer:#}"
    );
    assert_eq!(idle["waiters"][0]["pid"], on_advisory.pid);
    admin.batch_execute("ROLLBACK PREPARED 'stuck'").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_schema_change_is_shown_with_its_queue_and_stops_no_tool() {
    let (cluster, admin) = with_reader().await;
    let reader = cluster.connect("postgres", "report").await;
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM public.items")
        .await
        .unwrap();
    let ddl = cluster
        .hang("migration", "ALTER TABLE public.items ADD COLUMN note text")
        .await;
    waiting(&admin, 1).await;
    let _queue = [
        cluster.hang("web", "SELECT * FROM public.items").await,
        cluster.hang("web", "SELECT * FROM public.items").await,
    ];
    waiting(&admin, 3).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("ddl_waiters", json!({})).await;
    assert_eq!(answer["relations"].as_array().unwrap().len(), 1, "{answer:#}");
    let waiting = &answer["relations"][0];
    assert_eq!(
        (&waiting["schema"], &waiting["relation"], &waiting["queued_behind"]),
        (&json!("public"), &json!("items"), &json!(2)),
        "{answer:#}"
    );
    assert_eq!(
        (&waiting["ddl"]["pid"], &waiting["ddl"]["mode"]),
        (&json!(ddl.pid), &json!("AccessExclusiveLock"))
    );
    assert_eq!(waiting["blocked_by"].as_array().unwrap().len(), 1, "{answer:#}");
    let blocker = &waiting["blocked_by"][0];
    assert_eq!(
        (&blocker["pid"], &blocker["state"]),
        (&json!(reader.pid), &json!("idle in transaction"))
    );

    let tree = &mcp.ok("blocking_tree", json!({})).await["trees"][0];
    assert_eq!(
        (&tree["root"]["pid"], &tree["waiters_count"]),
        (&json!(reader.pid), &json!(3)),
        "{tree:#}"
    );
    let depths: Vec<_> = tree["waiters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["is_ddl"] == true, w["depth"].as_u64()))
        .collect();
    assert_eq!(depths, [(true, Some(1)), (false, Some(2)), (false, Some(2))]);

    let refusal = mcp.refused("query", json!({"sql": "SELECT * FROM public.items"})).await;
    assert_eq!(refusal["code"], "lock_timeout", "{refusal:#}");
    let started = Instant::now();
    for tool in [
        "sessions",
        "blocking_tree",
        "connection_use",
        "ddl_waiters",
        "server_identity",
    ] {
        mcp.ok(tool, json!({})).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "a tool joined the queue: {:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_that_fills_the_server_comes_first() {
    let (cluster, _admin) = with_reader().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    // The connection is held from before the storm.
    mcp.ok("connection_use", json!({})).await;
    let mut leaked = Vec::new();
    for _ in 0..40 {
        leaked.push(cluster.connect("app", "leaky").await);
    }
    let answer = mcp.ok("connection_use", json!({})).await;
    let group = &answer["groups"][0];
    assert_eq!(
        (&group["usename"], &group["application_name"]),
        (&json!("app"), &json!("leaky")),
        "{answer:#}"
    );
    assert_eq!(
        (&group["total"], &group["idle"], &group["rolconnlimit"]),
        (&json!(40), &json!(40), &json!(-1))
    );
    assert_eq!(
        (&answer["max_connections"], &answer["reserved"]),
        (&json!(50), &json!(3))
    );
    assert!(
        answer["used"].as_u64().unwrap() >= 42 && answer["used_pct"].as_u64().unwrap() >= 84,
        "{answer:#}"
    );
    assert_eq!(
        answer["by_state"]["idle"].as_u64().unwrap(),
        answer["used"].as_u64().unwrap() - 1
    );

    let filtered = mcp
        .ok("sessions", json!({"application_name": "leaky", "max_rows": 5}))
        .await;
    assert_eq!((&filtered["total"], &filtered["truncated"]), (&json!(40), &json!(true)));
    assert_eq!(filtered["sessions"].as_array().unwrap().len(), 5);
    // Until the server is full; what is held goes on working.
    while let Ok(session) = cluster.try_connect("app", "leaky").await {
        leaked.push(session);
    }
    assert!(mcp.ok("connection_use", json!({})).await["used_pct"].as_u64().unwrap() >= 90);
    let late = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .refused("connection_use", json!({}))
        .await;
    assert_eq!(
        (&late["code"], &late["retryable"]),
        (&json!("too_many_connections"), &json!(true)),
        "{late:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_can_write_is_refused_until_it_is_mended() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE ROLE writers; CREATE SEQUENCE public.numbers; CREATE TABLE public.own (a int, b int)")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    mcp.ok("server_identity", json!({})).await;

    for (grant, named) in [
        (
            "GRANT INSERT ON public.orders TO reader",
            "INSERT on table public.orders",
        ),
        (
            "GRANT UPDATE ON public.orders TO PUBLIC",
            "UPDATE on table public.orders (PUBLIC)",
        ),
        (
            "GRANT UPDATE (b) ON public.own TO reader",
            "UPDATE on columns of public.own",
        ),
        (
            "GRANT USAGE ON SEQUENCE public.numbers TO reader",
            "USAGE on sequence public.numbers",
        ),
        (
            "GRANT DELETE ON public.orders TO writers; GRANT writers TO reader",
            "DELETE on table public.orders",
        ),
        ("GRANT CREATE ON SCHEMA public TO reader", "CREATE on schema public"),
        (
            "GRANT CREATE ON DATABASE postgres TO PUBLIC",
            "CREATE on database postgres",
        ),
        ("GRANT pg_signal_backend TO reader", "membership in pg_signal_backend"),
        (
            "GRANT pg_write_all_data TO writers; GRANT writers TO reader",
            "membership in pg_write_all_data",
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO reader",
            "EXECUTE on function pg_catalog.pg_read_file(text)",
        ),
        ("ALTER ROLE reader CREATEROLE", "CREATEROLE on role reader"),
        ("ALTER ROLE reader SUPERUSER", "SUPERUSER on role reader"),
        (
            "ALTER ROLE reader NOINHERIT; GRANT pg_execute_server_program TO reader",
            "membership in pg_execute_server_program",
        ),
    ] {
        admin.batch_execute(grant).await.unwrap();
        // A new process proves the role before anything else.
        let mut other = Mcp::start(&cluster.dsn(READER), &[]).await;
        for tool in [
            "server_identity",
            "sessions",
            "blocking_tree",
            "connection_use",
            "ddl_waiters",
        ] {
            assert_eq!(
                other.refused(tool, json!({})).await["code"],
                "role_can_write",
                "{grant}"
            );
        }
        let refusal = other.refused("query", json!({"sql": "SELECT 1"})).await;
        assert_eq!(refusal["code"], "role_can_write", "{grant}");
        let named_ones = refusal["privileges"].as_array().unwrap();
        assert!(named_ones.iter().any(|name| name == named), "{grant}: {refusal:#}");
        let (code, report) = mcp::stdout(&["doctor"], &[("DATABASE_URL", &cluster.dsn(READER))]);
        assert_eq!(code, 1, "{report}");
        assert!(report.contains(named), "{report}");
        // What it says mends it, and the process that refused goes on without a restart.
        for statement in refusal["mend"].as_array().unwrap() {
            admin
                .batch_execute(statement.as_str().unwrap())
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        assert_eq!(
            other.ok("query", json!({"sql": "SELECT 1"})).await["rows"],
            json!([[1]]),
            "{grant}"
        );
    }
    admin
        .batch_execute("ALTER ROLE reader INHERIT; ALTER TABLE public.own OWNER TO reader")
        .await
        .unwrap();
    let refusal = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .refused("sessions", json!({}))
        .await;
    assert!(
        refusal["message"].as_str().unwrap().contains("owner of 1 object(s)"),
        "{refusal:#}"
    );
    admin
        .batch_execute("ALTER TABLE public.own OWNER TO postgres")
        .await
        .unwrap();
    let (code, report) = mcp::stdout(&["doctor"], &[("DATABASE_URL", &cluster.dsn(READER))]);
    assert_eq!(
        (code, report.as_str()),
        (0, "role `reader` is harmless: it can read and do nothing else\n")
    );

    let superuser = cluster.dsn("postgres");
    let accepted = Mcp::start(&superuser, &["--allow-privileged-role"])
        .await
        .ok("sessions", json!({}))
        .await;
    assert_eq!(accepted["privileged_role"], true, "{accepted:#}");
    assert!(
        accepted["warning"].as_str().unwrap().contains("can do more than read"),
        "{accepted:#}"
    );
}

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
const TRAPS: &str = "
    CREATE SEQUENCE public.numbers;
    CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) FROM public.orders;
    CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN PERFORM pg_advisory_lock(666); RETURN 1; END$$;
    CREATE FUNCTION public.evil_of(public.orders) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE FUNCTION public.evil_check(text) RETURNS bool LANGUAGE sql AS 'SELECT public.evil() = 1';
    CREATE FUNCTION public.evil_operator(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE FUNCTION public.evil_step(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE AGGREGATE public.evil_sum(int) (SFUNC = public.evil_step, STYPE = int, INITCOND = '0');
    CREATE PROCEDURE public.evil_procedure() LANGUAGE sql AS 'DELETE FROM public.orders';
    CREATE OPERATOR public.<~> (LEFTARG = int, RIGHTARG = int, FUNCTION = public.evil_operator);
    CREATE DOMAIN public.evil_domain AS text CHECK (public.evil_check(VALUE));
    CREATE VIEW public.evil_view AS SELECT pg_advisory_lock(667)::text AS got, o.id FROM public.orders o WHERE o.id = 1;
    CREATE VIEW public.view_of_evil_view AS SELECT v.id FROM public.evil_view v WHERE v.got IS NOT NULL;
    CREATE TABLE public.guarded (id int);
    INSERT INTO public.guarded VALUES (1);
    ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY evil ON public.guarded USING (public.evil() = 1);
    CREATE TYPE public.mood AS ENUM ('good', 'bad');
    CREATE TABLE public.days (day date, mood public.mood);
    INSERT INTO public.days VALUES ('2026-01-01', 'good');
    CREATE VIEW public.good_days AS SELECT d.day, lower(d.mood::text) AS mood FROM public.days d WHERE d.mood = 'good'::public.mood;
    CREATE EXTENSION dblink;
    CREATE EXTENSION pg_stat_statements";

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

const LEGITIMATE: &[&str] = &[
    "SELECT 1",
    "SHOW max_connections",
    "SHOW ALL",
    "VALUES (1, 'drop table x'), (2, 'delete')",
    "TABLE public.orders",
    "SELECT 'DROP TABLE orders; COMMIT' AS \"delete\" -- update",
    "SELECT pid, state, wait_event_type, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start",
    "SELECT pg_blocking_pids(pid) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0",
    "SELECT relation::regclass, mode, granted FROM pg_locks WHERE relation IS NOT NULL",
    "SELECT datname, xact_commit, xact_rollback, blks_hit::float8 / nullif(blks_hit + blks_read, 0) FROM pg_stat_database",
    "SELECT relname, n_dead_tup, last_autovacuum FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 10",
    "SELECT schemaname, relname, indexrelname, idx_scan FROM pg_stat_user_indexes WHERE idx_scan = 0",
    "SELECT c.relname, pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' LIMIT 5",
    "SELECT pg_database_size(current_database()), pg_is_in_recovery(), pg_current_wal_lsn()",
    "SELECT slot_name, active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots",
    "SELECT name, setting, unit FROM pg_settings WHERE name LIKE 'autovacuum%'",
    "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index WHERE NOT indisvalid",
    "SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database",
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT count(*), max(id), percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM public.orders",
    "SELECT state, count(*) FILTER (WHERE id > 10) FROM public.orders GROUP BY ROLLUP (state)",
    "SELECT id, row_number() OVER (PARTITION BY state ORDER BY id) FROM public.orders LIMIT 3",
    "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
    "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::int",
    "SELECT date_trunc('hour', now()), to_char(now(), 'HH24:MI'), now() AT TIME ZONE 'UTC', make_interval(secs => 5)",
    "SELECT * FROM public.orders TABLESAMPLE bernoulli (10) REPEATABLE (1)",
    "SELECT * FROM jsonb_to_recordset('[{\"a\":1}]') AS r (a int)",
    "SELECT string_agg(proname, ',') FROM pg_proc WHERE proname LIKE 'pg_terminate%'",
    "SELECT * FROM pg_available_extensions WHERE name = 'hypopg'",
    "SELECT * FROM public.good_days",
    "SELECT 'good'::public.mood",
    "SELECT calls, left(query, 40) FROM public.pg_stat_statements ORDER BY total_exec_time DESC LIMIT 5",
    "SELECT last_value FROM public.numbers",
    "SELECT * FROM public.totals",
    "EXPLAIN SELECT * FROM public.orders WHERE id = 1",
    "EXPLAIN (VERBOSE, COSTS off, FORMAT json) SELECT * FROM public.orders o JOIN public.items i USING (id)",
    "SELECT rolname, rolsuper, rolconnlimit FROM pg_roles",
    "SELECT gid, prepared FROM pg_prepared_xacts",
    "SELECT random() < 2, gen_random_uuid() IS NOT NULL",
    "SELECT * FROM pg_stat_wal, pg_stat_bgwriter, pg_stat_archiver",
    "SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[3, 1, 2]) WITH ORDINALITY u (x, n)",
    "SELECT coalesce(NULL, 'a') || 'b', greatest(1, 2), CASE WHEN true THEN 1 END, 'a' ~ 'b', 'a' LIKE 'a%' ESCAPE '!'",
];

#[tokio::test(flavor = "multi_thread")]
async fn legitimate_statements_are_answered() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(TRAPS).await.unwrap();
    admin
        .batch_execute("REVOKE ALL ON FUNCTION public.evil() FROM PUBLIC")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for sql in LEGITIMATE {
        let answer = mcp.call("query", json!({"sql": sql})).await;
        assert_eq!(answer.get("code"), None, "{sql}: {answer:#}");
    }
    let typed = mcp.ok("query", json!({"sql": "SELECT 1::int8 AS a, NULL::text AS b, true AS c, 1.25 AS d, '{\"k\": [1]}'::jsonb AS e, 'good'::public.mood AS f, E'a\\u200bb\\n' AS g, 9007199254740993 AS h"})).await;
    assert_eq!(
        typed["rows"],
        json!([[1, null, true, 1.25, {"k": [1]}, "good", "ab\n", "9007199254740993"]])
    );
    assert_eq!(typed["columns"][5], json!({"name": "f", "type": "public.mood"}));
    assert_eq!((&typed["row_count"], &typed["truncated"]), (&json!(1), &json!(false)));

    let cut = mcp
        .ok(
            "query",
            json!({"sql": "SELECT g FROM generate_series(1, 1000000) g", "max_rows": 7}),
        )
        .await;
    assert_eq!((&cut["row_count"], &cut["truncated"]), (&json!(7), &json!(true)));
    let exact = mcp
        .ok(
            "query",
            json!({"sql": "SELECT g FROM generate_series(1, 7) g", "max_rows": 7}),
        )
        .await;
    assert_eq!((&exact["row_count"], &exact["truncated"]), (&json!(7), &json!(false)));
    let huge = mcp
        .ok(
            "query",
            json!({"sql": "SELECT repeat('x', 50000000) FROM generate_series(1, 3)"}),
        )
        .await;
    assert_eq!(
        (&huge["row_count"], &huge["truncated"]),
        (&json!(0), &json!(true)),
        "longer than any message is kept"
    );
    let wide = mcp
        .ok(
            "query",
            json!({"sql": "SELECT repeat('x', 7000) FROM generate_series(1, 900)", "max_rows": 1000}),
        )
        .await;
    assert_eq!(wide["truncated"], true);
    assert!(wide.to_string().len() < 256 * 1024);
    let secret = mcp.refused("query", json!({"sql": "SELECT * FROM pg_shadow"})).await;
    assert_eq!(
        (&secret["code"], &secret["reason"]),
        (&json!("statement_refused"), &json!("relation"))
    );
    let unqualified = mcp.refused("query", json!({"sql": "SELECT * FROM orders"})).await;
    assert_eq!(
        (&unqualified["code"], &unqualified["sqlstate"]),
        (&json!("sql_error"), &json!("42P01"))
    );
    let slow = mcp
        .refused(
            "query",
            json!({"sql": "SELECT count(*) FROM generate_series(1, 1000000000) a"}),
        )
        .await;
    assert_eq!(slow["code"], "statement_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_its_statement_and_leaves_the_session_clean() {
    let (cluster, admin) = with_reader().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &["--statement-timeout-ms", "20000"]).await;
    let pid = mcp.ok("query", json!({"sql": "SELECT pg_backend_pid()"})).await["rows"][0][0].clone();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000000%' AND pid <> pg_backend_pid()";
    let count = async || admin.query_one(running, &[]).await.unwrap().get::<_, i64>(0);
    let id = mcp
        .send(
            "query",
            json!({"sql": "SELECT count(*) FROM generate_series(1, 1000000000) a"}),
        )
        .await;
    eventually("the statement runs", async || count().await == 1).await;
    mcp.notify("notifications/cancelled", json!({"requestId": id})).await;
    eventually("the statement has ended", async || count().await == 0).await;
    // The held connection is not given up for a cancelled call: in an incident there might be no other.
    let again = mcp
        .ok(
            "query",
            json!({"sql": "SELECT pg_backend_pid(), current_setting('transaction_read_only')"}),
        )
        .await;
    assert_eq!(again["rows"], json!([[pid, "on"]]), "the same session goes on");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'countersign/%' AND (state <> 'idle' OR xact_start IS NOT NULL)";
    eventually("nothing is left open", async || {
        admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    // A client that goes away takes its statement with it.
    mcp.send(
        "query",
        json!({"sql": "SELECT count(*) FROM generate_series(1, 1000000000) a"}),
    )
    .await;
    eventually("the statement runs again", async || count().await == 1).await;
    let started = Instant::now();
    assert_eq!(mcp.end().await.0, Some(0));
    eventually("the statement has ended with its client", async || count().await == 0).await;
    // Its own timeout would have ended it only after 20 s.
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_or_says_no_is_told_in_one_sentence() {
    let (mut cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE ROLE locked LOGIN PASSWORD 'open sesame' IN ROLE pg_monitor")
        .await
        .unwrap();
    let dsn = cluster.dsn(READER);
    let code_of = async |dsn: &str| {
        let mut mcp = Mcp::start(dsn, &[]).await;
        let refusal = mcp.refused("server_identity", json!({})).await;
        let (_, stderr) = mcp.end().await;
        assert!(
            !stderr.contains("hunter2") && !refusal.to_string().contains("hunter2"),
            "{stderr} {refusal}"
        );
        assert!(!refusal["message"].as_str().unwrap().contains('\n'));
        refusal["code"].as_str().unwrap().to_owned()
    };
    let locked = |password: &str| cluster.dsn("locked").replace("locked@", &format!("locked:{password}@"));
    assert_eq!(code_of(&locked("hunter2")).await, "authentication_failed");
    assert_eq!(code_of(&cluster.dsn("locked")).await, "authentication_failed");
    assert_eq!(code_of(&dsn.replace("/postgres", "/nowhere")).await, "unknown_database");
    assert_eq!(
        code_of("postgres://reader:hunter2@127.0.0.1:1/postgres").await,
        "database_unreachable"
    );
    assert_eq!(code_of(&format!("{dsn}?sslmode=require")).await, "tls_failed");
    Mcp::start(&locked("open%20sesame"), &[])
        .await
        .ok("server_identity", json!({}))
        .await;

    let mut mcp = Mcp::start(&dsn, &[]).await;
    mcp.ok("server_identity", json!({})).await;
    drop(admin);
    cluster.stop();
    assert_eq!(
        mcp.refused("server_identity", json!({})).await["code"],
        "database_unreachable"
    );
    cluster.start_again().await;
    mcp.ok("server_identity", json!({})).await;

    let faulty = |dsn: &str| mcp::stdout(&[], &[("DATABASE_URL", dsn)]);
    for dsn in [
        "",
        "mysql://a:hunter2@b/c",
        "postgres://a:hunter2@db.example.com/c?sslmode=disable",
    ] {
        let (code, said) = faulty(dsn);
        assert_eq!((code, said.as_str()), (2, ""), "{dsn}");
    }
}

//! The proof of the role.

use serde_json::json;

use crate::{
    mcp::{self, Mcp},
    scene::{READER, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_can_write_is_refused_until_it_is_mended() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE ROLE writers; CREATE SEQUENCE public.numbers; CREATE TABLE public.own (a int, b int)")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    mcp.ok("overview", json!({})).await;

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
        (
            "CREATE FUNCTION public.wipe(int, text) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.orders'",
            "EXECUTE on SECURITY DEFINER function public.wipe(integer, text), owned by postgres (PUBLIC)",
        ),
        (
            "CREATE PROCEDURE public.purge() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.orders'; REVOKE EXECUTE ON PROCEDURE public.purge() FROM PUBLIC; GRANT EXECUTE ON PROCEDURE public.purge() TO reader",
            "EXECUTE on SECURITY DEFINER procedure public.purge(), owned by postgres",
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
            "overview",
            "sessions",
            "blocking_tree",
            "replication",
            "schema",
            "settings",
            "storage",
            "table_health",
            "vacuum_horizon",
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

    // What the operator knows may stay; a trigger function cannot be called.
    admin
        .batch_execute(
            "GRANT EXECUTE ON FUNCTION public.wipe(int, text) TO PUBLIC;
             CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN new; END'",
        )
        .await
        .unwrap();
    let dsn = cluster.dsn(READER);
    let doctor = |flags: &[&str]| mcp::stdout(&[&["doctor"], flags].concat(), &[("DATABASE_URL", &dsn)]);
    let (code, report) = doctor(&[]);
    assert_eq!((code, report.matches("SECURITY DEFINER").count()), (1, 1), "{report}");
    let (code, report) = doctor(&["--known-function", "public.wipe(integer, text)"]);
    assert_eq!(code, 0, "{report}");

    // The script caps temporary files; a role of another making is told how.
    admin
        .batch_execute("ALTER ROLE reader RESET temp_file_limit")
        .await
        .unwrap();
    let (code, report) = doctor(&["--known-function", "public.wipe(integer, text)"]);
    assert_eq!(code, 0, "{report}");
    let mend = report
        .lines()
        .find_map(|line| line.split_once("as a superuser, "))
        .unwrap()
        .1;
    admin.batch_execute(mend).await.unwrap();
    let (_, report) = doctor(&["--known-function", "public.wipe(integer, text)"]);
    assert!(!report.contains("temporary files"), "{report}");

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

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_its_limits_whatever_the_role_has_set() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "ALTER ROLE reader SET work_mem = '1GB'; ALTER ROLE reader SET hash_mem_multiplier = 100;
             ALTER ROLE reader RESET temp_file_limit; GRANT SET ON PARAMETER temp_file_limit TO reader;
             ALTER ROLE reader SET search_path = public, nowhere, \"$user\"; ALTER ROLE reader SET DateStyle = 'German';
             ALTER ROLE reader SET statement_timeout = 0",
        )
        .await
        .unwrap();
    let settings = "SELECT current_setting('work_mem'), current_setting('hash_mem_multiplier'), current_setting('temp_file_limit'), \
        current_setting('max_parallel_workers_per_gather'), current_setting('statement_timeout'), \
        current_setting('idle_in_transaction_session_timeout'), current_setting('restrict_nonsystem_relation_kind', true), \
        current_setting('default_transaction_read_only'), current_setting('transaction_read_only'), now()::date::text LIKE '____-__-__'";
    let mut mcp = Mcp::start(
        &cluster.dsn(READER),
        &["--work-mem-mb", "8", "--temp-file-limit-mb", "100"],
    )
    .await;
    for _ in 0..2 {
        let rows = mcp.ok("query", json!({"sql": settings})).await["rows"][0].clone();
        assert_eq!(
            rows,
            json!(["8MB", "2", "100MB", "0", "5s", "10s", "foreign-table", "on", "on", true])
        );
    }
}

//! What the executor's role may do on its target: tried as that role, and as `executor doctor` tells it.

use std::process::{Command, Stdio};

use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::faults::pid_of;
use crate::postgres::{EXECUTOR_ROLE, Server, bindir};
use crate::scene::Scene;

/// A server whose role is as `setup-sql` makes it, and a session of it.
async fn as_made() -> (Server, Client) {
    let server = Server::start_with(100, |_| vec!["wal_level=replica".to_owned()]).await;
    let plain = format!("ALTER ROLE {EXECUTOR_ROLE} NOCREATEROLE");
    server.admin.batch_execute(&plain).await.unwrap();
    let (role, connection) = tokio_postgres::connect(&server.executor_dsn(), NoTls).await.unwrap();
    tokio::spawn(connection);
    (server, role)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_setup_sql_can_change_nothing_read_nothing_and_forget_nothing() {
    let (server, role) = as_made().await;
    server
        .admin
        .batch_execute("CREATE VIEW all_items AS SELECT * FROM items; CREATE SEQUENCE numbers; CREATE SCHEMA shop")
        .await
        .unwrap();
    let before = server.image().await;
    for statement in [
        "DELETE FROM countersign.executed_steps",
        "UPDATE countersign.executed_steps SET step_id = 'x'",
        "TRUNCATE countersign.executed_steps",
        "DROP TABLE countersign.executed_steps",
        "DROP SCHEMA countersign CASCADE",
        "CREATE TABLE countersign.mine (n int)",
        "SELECT * FROM public.items",
        "SELECT * FROM public.all_items",
        "SELECT nextval('public.numbers')",
        "COPY public.items TO STDOUT",
        "INSERT INTO public.items VALUES (3, 0)",
        "UPDATE public.items SET n = 1",
        "DELETE FROM public.items",
        "TRUNCATE public.items",
        "DROP TABLE public.items",
        "ALTER TABLE public.items ADD COLUMN x int",
        "CREATE INDEX ON public.items (n)",
        "CREATE TABLE public.mine (n int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE DATABASE mine",
        "DROP DATABASE postgres",
        "CREATE ROLE mine",
        "ALTER ROLE app SUPERUSER",
        "ALTER ROLE app CONNECTION LIMIT 1",
        "ALTER ROLE app PASSWORD 'x'",
        "DROP ROLE app",
        "GRANT app TO countersign_executor",
        "GRANT pg_write_all_data TO countersign_executor",
        "GRANT SELECT ON public.items TO countersign_executor",
        "SET ROLE postgres",
        "SET ROLE app",
        "SET SESSION AUTHORIZATION app",
        "SET session_replication_role = replica",
        "SET temp_file_limit = 1",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "ALTER DATABASE orders SET work_mem = '1GB'",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT pg_stat_reset()",
        "SELECT pg_promote()",
        "SELECT pg_create_physical_replication_slot('mine')",
        "SELECT pg_drop_replication_slot('standby')",
        "SELECT rolpassword FROM pg_authid",
        "CREATE EXTENSION pg_stat_statements",
        "CREATE PUBLICATION mine FOR ALL TABLES",
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    ] {
        let error = role.batch_execute(statement).await.err();
        let code = error.as_ref().and_then(|error| error.code()).map(|state| state.code());
        assert_eq!(code, Some("42501"), "{statement}: {error:?}");
    }
    assert_eq!(server.image().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_setup_sql_ends_no_session_of_a_superuser_and_no_replication_of_one() {
    let (server, role) = as_made().await;
    let superuser = server.connect("postgres", "superuser").await;
    let dir = tempfile::tempdir().unwrap();
    let mut standby = Command::new(bindir().join("pg_receivewal"))
        .args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
            &server.port.to_string(),
            "-D",
        ])
        .arg(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server
        .wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walsender'")
        .await;
    let sender = server
        .number("SELECT pid::bigint FROM pg_stat_activity WHERE backend_type = 'walsender'")
        .await;
    for pid in [i64::from(pid_of(&superuser).await), sender] {
        for function in ["pg_terminate_backend", "pg_cancel_backend"] {
            let error = role
                .batch_execute(&format!("SELECT {function}({pid})"))
                .await
                .unwrap_err();
            assert_eq!(error.code().unwrap().code(), "42501", "{function}");
        }
    }
    superuser.query_one("SELECT 1", &[]).await.unwrap();
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {sender}");
    assert_eq!(server.number(&there).await, 1);
    standby.kill().unwrap();
    standby.wait().unwrap();
}

struct Told {
    code: Option<i32>,
    /// Of each finding: its code, what it says, and what mends it.
    findings: Vec<(String, String, String)>,
    stderr: String,
}

fn doctor(scene: &Scene, more: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_executor"))
        .args(["doctor", "--json", "--config"])
        .arg(scene.config("state", ""))
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let all = report["targets"].as_array().cloned().unwrap_or_default();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    Told {
        code: output.status.code(),
        findings: all
            .iter()
            .flat_map(|target| target["findings"].as_array().unwrap())
            .map(|finding| (text(finding, "code"), text(finding, "message"), text(finding, "mend")))
            .collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What needs nothing but what `setup-sql` gives outright.
const SIGNALS: [&str; 4] = [
    "--runbook",
    "idle-in-transaction-blocker",
    "--runbook",
    "ddl-lock-queue",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_doctor_finds_is_mended_by_what_it_says() {
    let (server, _role) = as_made().await;
    let scene = Scene::new(&server).await;
    let told = doctor(&scene, &SIGNALS);
    assert_eq!(
        (told.code, told.findings.len()),
        (Some(0), 0),
        "{:?} {}",
        told.findings,
        told.stderr
    );

    // Each is found, and nothing beside them; and the doctor's own statements mend them.
    let one_by_one = [
        (
            "REVOKE pg_signal_backend FROM countersign_executor",
            "missing_privilege",
            "pg_signal_backend",
        ),
        (
            "REVOKE pg_read_all_stats FROM countersign_executor",
            "missing_privilege",
            "pg_read_all_stats",
        ),
        (
            "ALTER ROLE countersign_executor CREATEROLE",
            "excess_privilege",
            "CREATEROLE",
        ),
        (
            "ALTER ROLE countersign_executor CREATEDB",
            "excess_privilege",
            "CREATEDB",
        ),
        (
            "ALTER ROLE countersign_executor REPLICATION",
            "excess_privilege",
            "REPLICATION",
        ),
        (
            "ALTER ROLE countersign_executor BYPASSRLS",
            "excess_privilege",
            "BYPASSRLS",
        ),
        (
            "GRANT pg_write_all_data TO countersign_executor",
            "excess_privilege",
            "membership in pg_write_all_data",
        ),
        (
            "GRANT pg_read_all_data TO countersign_executor",
            "excess_privilege",
            "membership in pg_read_all_data",
        ),
        (
            "GRANT pg_execute_server_program TO countersign_executor",
            "excess_privilege",
            "membership in pg_execute_server_program",
        ),
        (
            "GRANT batch TO countersign_executor",
            "excess_privilege",
            "membership in batch",
        ),
        (
            "GRANT DELETE ON items TO countersign_executor",
            "excess_privilege",
            "DELETE on public.items",
        ),
        (
            "GRANT SELECT ON items TO PUBLIC",
            "excess_privilege",
            "SELECT on public.items (PUBLIC)",
        ),
        (
            "GRANT UPDATE (n) ON items TO countersign_executor",
            "excess_privilege",
            "UPDATE on columns of public.items",
        ),
        (
            "GRANT UPDATE, DELETE ON countersign.executed_steps TO countersign_executor",
            "excess_privilege",
            "DELETE, UPDATE on countersign.executed_steps",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO countersign_executor",
            "excess_privilege",
            "CREATE on schema public",
        ),
        (
            "GRANT CREATE ON DATABASE orders TO PUBLIC",
            "excess_privilege",
            "CREATE on database orders",
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO countersign_executor",
            "excess_privilege",
            "EXECUTE on pg_catalog.pg_read_file(text)",
        ),
        (
            "CREATE OR REPLACE FUNCTION sweep() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM items'",
            "excess_privilege",
            "SECURITY DEFINER function public.sweep()",
        ),
        (
            "GRANT ALTER SYSTEM ON PARAMETER work_mem TO countersign_executor",
            "excess_privilege",
            "ALTER SYSTEM on parameter work_mem",
        ),
        (
            "GRANT SET ON PARAMETER temp_file_limit TO PUBLIC",
            "excess_privilege",
            "SET on parameter temp_file_limit",
        ),
    ];
    // With these nothing else can be told.
    let alone = [
        (
            "REVOKE INSERT ON countersign.executed_steps FROM countersign_executor",
            "missing_privilege",
            "INSERT on countersign.executed_steps",
        ),
        (
            "ALTER ROLE countersign_executor SUPERUSER",
            "excess_privilege",
            "SUPERUSER",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC, countersign_executor",
            "missing_privilege",
            "pg_control_system",
        ),
    ];
    let rounds = [one_by_one.as_slice(), &alone[..1], &alone[1..2], &alone[2..]];
    for round in rounds {
        for (harm, ..) in round {
            server.admin.batch_execute(harm).await.unwrap();
        }
        let told = doctor(&scene, &SIGNALS);
        assert_eq!(told.code, Some(1), "{}", told.stderr);
        assert_eq!(told.findings.len(), round.len(), "{:#?}", told.findings);
        for (harm, code, says) in round {
            let fits = |(found, message, _): &&(String, String, String)| found == code && message.contains(says);
            assert_eq!(
                told.findings.iter().filter(fits).count(),
                1,
                "{harm}: {:#?}",
                told.findings
            );
        }
        for (.., mend) in &told.findings {
            server.admin.batch_execute(mend).await.unwrap();
        }
        let told = doctor(&scene, &SIGNALS);
        assert_eq!((told.code, told.findings.len()), (Some(0), 0), "{:#?}", told.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn for_the_whole_catalog_the_doctor_asks_for_what_setup_sql_names() {
    let (server, _role) = as_made().await;
    let scene = Scene::new(&server).await;
    server
        .admin
        .batch_execute("ALTER TABLE items OWNER TO batch")
        .await
        .unwrap();
    let told = doctor(&scene, &[]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let mends: Vec<_> = told.findings.iter().map(|(.., mend)| mend.as_str()).collect();
    assert_eq!(
        mends,
        [
            "ALTER ROLE countersign_executor CREATEROLE;",
            "ALTER ROLE countersign_executor REPLICATION;",
            "GRANT SET ON PARAMETER temp_file_limit TO countersign_executor;",
            "GRANT batch TO countersign_executor;",
        ]
    );
    server.admin.batch_execute(&mends.concat()).await.unwrap();
    let told = doctor(&scene, &[]);
    // That it acts as an owner is needed, and said.
    let codes: Vec<_> = told.findings.iter().map(|(code, ..)| code.as_str()).collect();
    assert_eq!(
        (told.code, codes),
        (Some(0), vec!["acts_as_owner"]),
        "{:?}",
        told.findings
    );

    // What is told of a replication that a signal would reach.
    server
        .admin
        .batch_execute("CREATE ROLE standby LOGIN REPLICATION")
        .await
        .unwrap();
    assert!(
        doctor(&scene, &[])
            .findings
            .iter()
            .any(|(code, ..)| code == "reaches_replication")
    );

    for wrong in [["--target", "billing"], ["--runbook", "sweep"]] {
        assert_eq!(doctor(&scene, &wrong).code, Some(2), "{wrong:?}");
    }
}

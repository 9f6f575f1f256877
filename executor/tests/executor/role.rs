//! What the executor's role may do on its target: tried as that role, and as `executor doctor` tells it.

use std::process::{Child, Command, Stdio};

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

/// Whom no signal of the executor's may reach: each a session or process by its name, with what keeps it alive.
struct Spared {
    superuser: Client,
    /// A client's session, nothing more, of a role that may replicate.
    replicates: Client,
    /// Of one that may signal others, as a DBA who is no superuser.
    signals: Client,
    /// Of one that may replicate as RDS has it.
    replicates_on_rds: Client,
    standby: Child,
    _wal: tempfile::TempDir,
}

impl Spared {
    async fn new(server: &Server) -> Self {
        server
            .admin
            .batch_execute(
                "CREATE ROLE standby LOGIN REPLICATION; CREATE ROLE dba LOGIN; GRANT pg_signal_backend TO dba;
                 CREATE ROLE rds_replication; CREATE ROLE mover LOGIN; GRANT rds_replication TO mover",
            )
            .await
            .unwrap();
        let wal = tempfile::tempdir().unwrap();
        let standby = Command::new(bindir().join("pg_receivewal"))
            .args(["-h", "127.0.0.1", "-U", "standby", "-p", &server.port.to_string(), "-D"])
            .arg(wal.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        server
            .wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walsender'")
            .await;
        Self {
            superuser: server.connect("postgres", "superuser").await,
            replicates: server.connect("standby", "replicates").await,
            signals: server.connect("dba", "signals").await,
            replicates_on_rds: server.connect("mover", "replicates_on_rds").await,
            standby,
            _wal: wal,
        }
    }

    /// Every one, the server's own processes among them, by what it is.
    async fn all(&self, server: &Server) -> Vec<(String, i32)> {
        let rows = server
            .admin
            .query(
                "SELECT coalesce(nullif(application_name, ''), backend_type), pid FROM pg_stat_activity
                 WHERE backend_type IN ('autovacuum launcher', 'background writer', 'checkpointer', 'walwriter', 'walsender',
                                        'logical replication launcher')
                    OR application_name IN ('superuser', 'replicates', 'signals', 'replicates_on_rds') ORDER BY 1",
                &[],
            )
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        let _ = self.standby.kill();
        let _ = self.standby.wait();
    }
}

const GUARDED: [&str; 2] = ["terminate_backend", "cancel_backend"];

/// What the guarded function said of the session that has this pid.
async fn said(role: &Client, function: &str, pid: i32) -> Option<bool> {
    let call =
        format!("SELECT countersign.{function}(a.pid, a.backend_start) FROM pg_stat_activity a WHERE a.pid = {pid}");
    role.query_one(&call, &[]).await.unwrap().get(0)
}

async fn refusal(role: &Client, statement: &str) -> Option<String> {
    let error = role.batch_execute(statement).await.err()?;
    error.code().map(|state| state.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_setup_sql_ends_no_session_of_a_superuser_no_replication_and_no_process_of_the_server() {
    let (server, role) = as_made().await;
    let spared = Spared::new(&server).await;
    let before = spared.all(&server).await;
    assert_eq!(before.len(), 10, "{before:?}");
    for (name, pid) in &before {
        for function in GUARDED {
            assert_eq!(said(&role, function, *pid).await, Some(false), "{function} of {name}");
            let direct = format!("SELECT pg_catalog.pg_{function}({pid})");
            let code = refusal(&role, &direct).await;
            // Of what is no session PostgreSQL warns, and does nothing.
            assert!(
                code.as_deref() == Some("42501") || code.is_none(),
                "{function} of {name}: {code:?}"
            );
        }
    }
    let own = pid_of(&role).await;
    for function in GUARDED {
        assert_eq!(
            said(&role, function, own).await,
            Some(false),
            "{function} of its own session"
        );
    }
    assert_eq!(spared.all(&server).await, before);
    for session in [
        &spared.superuser,
        &spared.replicates,
        &spared.signals,
        &spared.replicates_on_rds,
    ] {
        session.query_one("SELECT 1", &[]).await.unwrap();
    }

    // What it was before there were the functions: the right itself reaches replication, and this test would see it.
    server
        .admin
        .batch_execute("GRANT pg_signal_backend TO countersign_executor")
        .await
        .unwrap();
    let (_, sender) = before.iter().find(|(name, _)| name == "pg_receivewal").unwrap();
    role.batch_execute(&format!("SELECT pg_terminate_backend({sender})"))
        .await
        .unwrap();
    server
        .wait_until(&format!(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {sender}"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guarded_functions_end_the_session_that_is_named_and_no_other() {
    let (server, role) = as_made().await;
    let session = server.connect("app", "web").await;
    let pid = pid_of(&session).await;
    let start = format!("(SELECT backend_start FROM pg_stat_activity WHERE pid = {pid})");
    for function in GUARDED {
        for arguments in [
            format!("{pid}, {start} - interval '1 microsecond'"),
            format!("{pid}, {start} + interval '1 microsecond'"),
            format!("{pid}, 'infinity'"),
            format!("{pid}, NULL"),
            format!("NULL, {start}"),
            "NULL, NULL".to_owned(),
            format!("-{pid}, {start}"),
            format!("0, {start}"),
            format!("2147483647, {start}"),
        ] {
            let call = format!("SELECT countersign.{function}({arguments})");
            let row = role.query_one(&call, &[]).await.unwrap();
            assert_eq!(row.get::<_, Option<bool>>(0), Some(false), "{call}");
        }
        let wide = format!("SELECT countersign.{function}({pid} + 4294967296, {start})");
        assert_eq!(refusal(&role, &wide).await.as_deref(), Some("42883"));
        let direct = format!("SELECT pg_catalog.pg_{function}({pid})");
        assert_eq!(refusal(&role, &direct).await.as_deref(), Some("42501"));
    }
    // Nor by what the caller puts before the server's own names: a view of sessions, a function, an operator.
    role.batch_execute(
        "CREATE TEMP VIEW pg_stat_activity AS
             SELECT a.pid, now() AS backend_start, a.backend_type, a.usesysid FROM pg_catalog.pg_stat_activity a;
         CREATE TEMP VIEW pg_roles AS SELECT r.oid, false AS rolsuper, false AS rolreplication, '' AS rolname FROM pg_catalog.pg_roles r;
         CREATE FUNCTION pg_temp.always(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.always, LEFTARG = timestamptz, RIGHTARG = timestamptz);
         SET search_path = pg_temp, pg_catalog"
    )
    .await
    .unwrap();
    let other = format!("SELECT countersign.terminate_backend({pid}, '2026-11-23')");
    assert_eq!(
        role.query_one(&other, &[]).await.unwrap().get::<_, Option<bool>>(0),
        Some(false)
    );
    role.batch_execute("DISCARD TEMP; RESET search_path").await.unwrap();
    session.query_one("SELECT 1", &[]).await.unwrap();

    let sleeping = tokio::spawn(async move {
        let code = session.batch_execute("SELECT pg_sleep(600)").await.unwrap_err();
        (session, code.code().unwrap().code().to_owned())
    });
    let sleeps = format!("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}");
    server.wait_until(&sleeps).await;
    assert_eq!(said(&role, "cancel_backend", pid).await, Some(true));
    let (session, code) = sleeping.await.unwrap();
    assert_eq!(code, "57014");
    assert_eq!(said(&role, "terminate_backend", pid).await, Some(true));
    server
        .wait_until(&format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"))
        .await;
    assert!(session.query_one("SELECT 1", &[]).await.is_err());
}

/// The view of sessions stays as a transaction saw it first; the functions look again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_saw_before_is_not_what_the_functions_go_by() {
    let (server, role) = as_made().await;
    let session = server.connect("app", "web").await;
    let pid = pid_of(&session).await;
    role.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_stat_activity")
        .await
        .unwrap();
    let started = format!("SELECT backend_start::text FROM pg_stat_activity WHERE pid = {pid}");
    let started: String = role.query_one(&started, &[]).await.unwrap().get(0);
    drop(session);
    server
        .wait_until(&format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"))
        .await;
    let call = format!("SELECT countersign.terminate_backend({pid}, '{started}')");
    assert_eq!(
        role.query_one(&call, &[]).await.unwrap().get::<_, Option<bool>>(0),
        Some(false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_setup_sql_can_neither_become_nor_change_what_signals_for_it() {
    let (server, role) = as_made().await;
    let arguments = "(integer, timestamp with time zone)";
    for statement in [
        "SET ROLE countersign_signal".to_owned(),
        "SET ROLE pg_signal_backend".to_owned(),
        "SET SESSION AUTHORIZATION countersign_signal".to_owned(),
        "ALTER ROLE countersign_signal LOGIN".to_owned(),
        "GRANT countersign_signal TO countersign_executor".to_owned(),
        "GRANT pg_signal_backend TO countersign_executor".to_owned(),
        "CREATE OR REPLACE FUNCTION countersign.terminate_backend(pid integer, backend_start timestamp with time zone)
             RETURNS boolean LANGUAGE sql AS 'SELECT pg_catalog.pg_terminate_backend($1)'"
            .to_owned(),
        "CREATE FUNCTION countersign.terminate_backend(pid bigint, backend_start timestamp with time zone)
             RETURNS boolean LANGUAGE sql AS 'SELECT true'"
            .to_owned(),
        format!("ALTER FUNCTION countersign.terminate_backend{arguments} SECURITY INVOKER"),
        format!("ALTER FUNCTION countersign.terminate_backend{arguments} RESET search_path"),
        format!("ALTER FUNCTION countersign.terminate_backend{arguments} OWNER TO countersign_executor"),
        format!("ALTER FUNCTION countersign.terminate_backend{arguments} RENAME TO other"),
        format!("DROP FUNCTION countersign.terminate_backend{arguments}"),
    ] {
        assert_eq!(
            refusal(&role, &statement).await.as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
    // A grant that it may not give is a warning, and none.
    let _ = role
        .batch_execute(&format!(
            "GRANT EXECUTE ON FUNCTION countersign.terminate_backend{arguments} TO PUBLIC"
        ))
        .await;
    let may = format!("SELECT has_function_privilege('app', 'countersign.terminate_backend{arguments}', 'EXECUTE')");
    assert!(!server.admin.query_one(&may, &[]).await.unwrap().get::<_, bool>(0));
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
            "REVOKE EXECUTE ON FUNCTION countersign.terminate_backend(int, timestamptz) FROM countersign_executor",
            "missing_privilege",
            "EXECUTE on countersign.terminate_backend(integer, timestamp with time zone)",
        ),
        (
            "GRANT EXECUTE ON FUNCTION countersign.cancel_backend(int, timestamptz) TO PUBLIC",
            "excess_privilege",
            "countersign.cancel_backend(integer, timestamp with time zone), owned by countersign_signal (PUBLIC)",
        ),
        (
            "GRANT pg_signal_backend TO countersign_executor",
            "excess_privilege",
            "membership in pg_signal_backend",
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

    for wrong in [["--target", "billing"], ["--runbook", "sweep"]] {
        assert_eq!(doctor(&scene, &wrong).code, Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_and_mends_what_signals_otherwise_than_setup_sql_makes_it() {
    let (server, _role) = as_made().await;
    let scene = Scene::new(&server).await;
    let arguments = "(integer, timestamp with time zone)";
    let terminate = format!("FUNCTION countersign.terminate_backend{arguments}");
    for (harm, says) in [
        (
            "CREATE OR REPLACE FUNCTION countersign.terminate_backend(pid integer, backend_start timestamp with time zone)
                 RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
                 AS 'SELECT pg_catalog.pg_terminate_backend($1)'"
                .to_owned(),
            "the body of",
        ),
        (format!("ALTER {terminate} SECURITY INVOKER"), "is not made as"),
        (format!("ALTER {terminate} RESET search_path"), "is not made as"),
        (format!("ALTER {terminate} SET search_path = public, pg_catalog"), "is not made as"),
        (format!("ALTER {terminate} OWNER TO postgres"), "is owned by postgres"),
        (format!("ALTER {terminate} OWNER TO app"), "is owned by app"),
        (format!("DROP {terminate}"), "is not there"),
    ] {
        server.admin.batch_execute(&harm).await.unwrap();
        let told = doctor(&scene, &SIGNALS);
        assert_eq!((told.code, told.findings.len()), (Some(1), 1), "{harm}: {:#?}", told.findings);
        let (code, message, mend) = &told.findings[0];
        assert_eq!(code, "function_changed", "{harm}");
        assert!(message.contains(says) && message.contains("terminate_backend"), "{harm}: {message}");
        server.admin.batch_execute(mend).await.unwrap();
        let told = doctor(&scene, &SIGNALS);
        assert_eq!((told.code, told.findings.len()), (Some(0), 0), "{harm}: {:#?}", told.findings);
    }
    // Their owner's own faults are both functions' faults.
    for harm in [
        "ALTER ROLE countersign_signal LOGIN",
        "REVOKE pg_signal_backend FROM countersign_signal",
    ] {
        server.admin.batch_execute(harm).await.unwrap();
        let told = doctor(&scene, &SIGNALS);
        let codes: Vec<_> = told.findings.iter().map(|(code, ..)| code.as_str()).collect();
        assert_eq!((told.code, codes), (Some(1), vec!["function_changed"; 2]), "{harm}");
        server.admin.batch_execute(&told.findings[0].2).await.unwrap();
        assert_eq!(doctor(&scene, &SIGNALS).code, Some(0), "{harm}");
    }
}

/// A target that was set up before there were the functions: the doctor's own statements bring it here.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_set_up_is_brought_up_to_date_by_what_the_doctor_says() {
    let (server, _role) = as_made().await;
    let scene = Scene::new(&server).await;
    server
        .admin
        .batch_execute(
            "DROP OWNED BY countersign_signal; DROP ROLE countersign_signal; GRANT pg_signal_backend TO countersign_executor",
        )
        .await
        .unwrap();
    let told = doctor(&scene, &SIGNALS);
    let codes: Vec<_> = told.findings.iter().map(|(code, ..)| code.as_str()).collect();
    assert_eq!(codes, ["excess_privilege", "function_changed", "function_changed"]);
    for (.., mend) in &told.findings {
        server.admin.batch_execute(mend).await.unwrap();
    }
    let told = doctor(&scene, &SIGNALS);
    assert_eq!((told.code, told.findings.len()), (Some(0), 0), "{:#?}", told.findings);
}

/// On a server without a superuser, as a managed one: by a role that may make roles and owns the database.
#[tokio::test(flavor = "multi_thread")]
async fn setup_sql_needs_no_superuser() {
    let (server, _role) = as_made().await;
    server
        .admin
        .batch_execute(
            "CREATE ROLE owner LOGIN CREATEROLE; GRANT pg_signal_backend, pg_read_all_stats TO owner WITH ADMIN OPTION",
        )
        .await
        .unwrap();
    for sql in [
        "CREATE DATABASE shop OWNER owner",
        "GRANT EXECUTE ON FUNCTION pg_control_system() TO owner",
    ] {
        server.admin.batch_execute(sql).await.unwrap();
    }
    let owner = server.connect_to("owner", "shop").await;
    let superuser = server.connect_to("postgres", "shop").await;
    server
        .admin
        .batch_execute("DROP OWNED BY countersign_signal; DROP ROLE countersign_signal")
        .await
        .unwrap();
    owner
        .batch_execute(&executor::setup_sql("other_executor"))
        .await
        .unwrap();
    let made = "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'countersign'::regnamespace
                  AND p.proowner = 'countersign_signal'::regrole AND has_function_privilege('other_executor', p.oid, 'EXECUTE')
                  AND NOT has_function_privilege('owner', p.oid, 'EXECUTE')
                  AND NOT pg_has_role('owner', 'countersign_signal', 'MEMBER')";
    assert_eq!(owner.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 2);
    // And the part about signals again, for what was changed.
    let harm = "ALTER FUNCTION countersign.terminate_backend(integer, timestamp with time zone) SECURITY INVOKER";
    superuser.batch_execute(harm).await.unwrap();
    let whole = executor::setup_sql("other_executor");
    let (_, from) = whole.split_once("-- To end or cancel sessions").unwrap();
    let (part, _) = from.split_once("-- What only some runbooks need").unwrap();
    owner.batch_execute(&format!("--{part}")).await.unwrap();
    let guarded = format!("{made} AND p.prosecdef");
    assert_eq!(owner.query_one(&guarded, &[]).await.unwrap().get::<_, i64>(0), 2);
}

//! Every runbook that acts, with its real fault: it goes, nothing else does, and what has a way back goes all the way back.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use runbooks::Catalog;
use serde_json::json;

use crate::faults::{self, Fault};
use crate::postgres::Server;
use crate::scene::{Ran, Scene, nonce, set};

type Make = for<'a> fn(&'a Server, &'a Scene) -> Pin<Box<dyn Future<Output = Fault> + 'a>>;

/// A runbook, its fault, and what is another afterwards: once it has helped, and once it has not and was taken back. Each
/// line is the beginning of one of [`Server::image`], `-` where it is gone and `+` where it is new.
struct Case {
    runbook: &'static str,
    make: Make,
    done: &'static [&'static str],
    kept: &'static [&'static str],
}

macro_rules! make {
    ($fault:ident) => {
        |server, scene| Box::pin(faults::$fault(server, scene))
    };
}

const CASES: [Case; 12] = [
    Case {
        runbook: "idle-in-transaction-blocker",
        make: make!(blocked),
        // The waiter's own update.
        done: &["+rows items", "-rows items"],
        kept: &["+rows items", "-rows items"],
    },
    Case {
        runbook: "ddl-lock-queue",
        make: make!(ddl_queue),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "long-transaction",
        make: make!(long_transaction),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "memory-pressure",
        make: make!(memory),
        done: &["+role setting 0 app work_mem=4096"],
        kept: &[],
    },
    Case {
        runbook: "temp-file-spill",
        make: make!(spill),
        done: &["+role setting 0 app temp_file_limit=65536"],
        kept: &[],
    },
    Case {
        runbook: "io-saturation",
        make: make!(io),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "lock-manager-contention",
        make: make!(lock_manager),
        done: &["+role ", "-role "],
        kept: &[],
    },
    Case {
        runbook: "stale-statistics",
        make: make!(stale),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "autovacuum-behind",
        make: make!(dead_rows),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "transaction-id-wraparound",
        make: make!(old_rows),
        done: &[],
        kept: &[],
    },
    Case {
        runbook: "invalid-index",
        make: make!(invalid_index),
        done: &["-index ", "-relation "],
        kept: &["-index ", "-relation "],
    },
    Case {
        runbook: "inactive-replication-slot",
        make: make!(slot),
        done: &["-slot old_standby"],
        kept: &["-slot old_standby"],
    },
];

/// Its fault fills the whole server; `happy` and `rollbacks` have it.
const ELSEWHERE: &str = "connection-saturation";

#[test]
fn every_runbook_that_acts_has_its_fault() {
    let acting: BTreeSet<_> = Catalog::shipped()
        .unwrap()
        .iter()
        .map(|runbook| runbook.document().id.clone())
        .collect();
    let tried: BTreeSet<_> = CASES
        .iter()
        .map(|case| case.runbook)
        .chain([ELSEWHERE])
        .map(str::to_owned)
        .collect();
    assert_eq!(acting, tried);
}

pub async fn server() -> Server {
    let settings = [
        "wal_level=replica",
        "autovacuum=off",
        "max_prepared_transactions=2",
        "max_locks_per_transaction=512",
    ];
    let server = Server::start_with(60, |_| settings.map(str::to_owned).to_vec()).await;
    faults::prepare(&server).await;
    server
}

/// Who has nothing to do with it, and what they have open: a transaction, a prepared one, a lock, a setting.
async fn bystanders(server: &Server) -> Vec<tokio_postgres::Client> {
    let (open, idle) = (
        server.connect("quiet", "open").await,
        server.connect("app", "idle").await,
    );
    open.batch_execute("BEGIN; SELECT set_config('work_mem', '2MB', false), pg_advisory_lock(4, 2)")
        .await
        .unwrap();
    vec![open, idle]
}

async fn assert_there(server: &Server, bystanders: &[tokio_postgres::Client], case: &str) {
    for bystander in bystanders {
        bystander.query_one("SELECT 1", &[]).await.unwrap();
    }
    let open = "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
                WHERE a.application_name = 'open' AND a.state = 'idle in transaction' AND l.locktype = 'advisory'";
    assert_eq!(server.number(open).await, 1, "{case}");
    assert_eq!(
        bystanders[0]
            .query_one("SHOW work_mem", &[])
            .await
            .unwrap()
            .get::<_, String>(0),
        "2MB",
        "{case}"
    );
}

/// How one image differs from another.
fn difference(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let gone = before.difference(after).map(|line| format!("-{line}"));
    let new = after.difference(before).map(|line| format!("+{line}"));
    let mut lines: Vec<_> = gone.chain(new).collect();
    lines.sort();
    lines
}

fn assert_only(difference: &[String], wanted: &[&str], case: &str) {
    assert_eq!(difference.len(), wanted.len(), "{case}: {difference:#?}");
    for (line, wanted) in difference.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{case}: {line}");
    }
}

fn run(scene: &Scene, fault: &Fault) -> Ran {
    scene.run(&scene.config(&nonce(), ""), &scene.order(&fault.plan))
}

async fn helped(cases: &[Case]) {
    let server = server().await;
    let scene = Scene::with_catalog(&server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/interval_ms", json!(100));
    })
    .await;
    for case in cases {
        let bystanders = bystanders(&server).await;
        let fault = (case.make)(&server, &scene).await;
        let before = server.image().await;
        let ran = run(&scene, &fault);
        assert_eq!(
            (ran.result.as_str(), ran.code),
            ("done", Some(0)),
            "{}: {}",
            case.runbook,
            ran.stderr
        );
        server.wait_until(&fault.gone).await;
        let after = server.image().await;
        assert_only(&difference(&before, &after), case.done, case.runbook);
        assert_there(&server, &bystanders, case.runbook).await;
        tidy(&server, fault).await;
    }
}

async fn did_not_help(cases: &[Case]) {
    let server = server().await;
    let scene = Scene::with_catalog(&server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/deadline_s", json!(1));
        set(runbook, "/verification/interval_ms", json!(100));
        set(
            runbook,
            "/verification/query",
            json!("SELECT pg_catalog.current_setting('port')::bigint"),
        );
        set(runbook, "/verification/expect", json!({"equals": 0}));
    })
    .await;
    for case in cases {
        let bystanders = bystanders(&server).await;
        let fault = (case.make)(&server, &scene).await;
        let before = server.image().await;
        let ran = run(&scene, &fault);
        assert_eq!(
            (ran.result.as_str(), ran.code),
            ("not_recovered", Some(5)),
            "{}: {}",
            case.runbook,
            ran.stderr
        );
        let after = server.image().await;
        assert_only(&difference(&before, &after), case.kept, case.runbook);
        assert_there(&server, &bystanders, case.runbook).await;
        tidy(&server, fault).await;
    }
}

/// Ends what the test itself began, and takes back what a runbook has kept.
async fn tidy(server: &Server, fault: Fault) {
    drop(fault);
    let others = "usename IN ('app', 'batch', 'quiet')";
    server
        .admin
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others};
             ALTER ROLE app RESET work_mem; ALTER ROLE app RESET temp_file_limit; ALTER ROLE app CONNECTION LIMIT -1"
        ))
        .await
        .unwrap();
    server
        .wait_until(&format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE {others}"))
        .await;
}

// Two of each, so that they run side by side.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "with the others a minute: make soak"]
async fn what_reaches_sessions_mends_its_fault_and_nothing_else() {
    helped(&CASES[..6]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "with the others a minute: make soak"]
async fn what_works_on_objects_mends_its_fault_and_nothing_else() {
    helped(&CASES[6..]).await;
}

/// Those of them that have a way back; `happy` and `rollbacks` have the last one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "with the others a minute: make soak"]
async fn what_did_not_help_goes_back_to_exactly_what_was() {
    did_not_help(&CASES[3..5]).await;
    did_not_help(&CASES[6..7]).await;
}

/// The others have none, and say so; they leave nothing else behind.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute: make soak"]
async fn what_did_not_help_and_has_no_way_back_leaves_everything_else_as_it_was() {
    did_not_help(&CASES[..3]).await;
    did_not_help(&CASES[5..6]).await;
    did_not_help(&CASES[7..]).await;
}

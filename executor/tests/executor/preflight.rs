//! Before anybody approves: what could not be run is found, with its code, and nothing on the target is changed.

use std::path::Path;
use std::process::{Command, Stdio};

use runbooks::{Evidence, Plan};
use serde_json::{Value, json};

use crate::incidents::{Saturated, limit};
use crate::postgres::{EXECUTOR_ROLE, Server};
use crate::scene::{Scene, draft, nonce, now, text};

pub struct Looked {
    pub code: Option<i32>,
    findings: Vec<(String, String, String)>,
    stderr: String,
}

impl Looked {
    pub fn codes(&self) -> Vec<&str> {
        self.findings.iter().map(|(code, ..)| code.as_str()).collect()
    }
}

pub fn preflight(scene: &Scene, config: &Path, plan: &str) -> Looked {
    let path = scene.dir.path().join(format!("plan-{}.json", nonce()));
    std::fs::write(&path, plan).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_executor"))
        .args(["preflight", "--json", "--plan"])
        .arg(path)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(
        report["plan_digest"],
        json!(runbooks::Digest::of(plan.as_bytes())),
        "{report}: {stderr}"
    );
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    Looked {
        code: output.status.code(),
        findings: findings
            .map(|one| (word(one, "code"), word(one, "severity"), word(one, "message")))
            .collect(),
        stderr,
    }
}

/// Roles, settings, relations, indexes and markers, as the database has them, with the transaction that wrote each.
async fn snapshot(server: &Server) -> String {
    server
        .text(
            "SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
               SELECT 'r ' || xmin || a::text AS line FROM pg_authid a
               UNION ALL SELECT 's ' || xmin || s::text FROM pg_db_role_setting s
               UNION ALL SELECT 'c ' || xmin || oid || relname FROM pg_class
               UNION ALL SELECT 'm ' || xmin || m::text FROM countersign.executed_steps m
               UNION ALL SELECT 'i ' || xmin || i::text FROM items i
               UNION ALL SELECT 'p ' || pid FROM pg_stat_activity
                         WHERE backend_type = 'client backend' AND usename <> 'countersign_executor') lines",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_is_found_before_anybody_approves_and_gone_after_the_grant() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let config = scene.config("state", "");
    let alter = |what: &str| format!("ALTER ROLE {EXECUTOR_ROLE} {what}");
    server.admin.batch_execute(&alter("NOCREATEROLE")).await.unwrap();
    let before = snapshot(&server).await;

    let looked = preflight(&scene, &config, text(&incident.plan));
    assert_eq!(looked.code, Some(1), "{}", looked.stderr);
    assert_eq!(looked.codes(), ["missing_privilege", "missing_privilege"]);
    let said: Vec<_> = looked.findings.iter().map(|(_, _, message)| message.as_str()).collect();
    assert_eq!(
        said,
        [
            "step `cap_role`: role `countersign_executor` lacks CREATEROLE: to alter role `app`",
            "the undo of step `cap_role`: role `countersign_executor` lacks CREATEROLE: to alter role `app`",
        ]
    );
    assert_eq!(snapshot(&server).await, before);

    server.admin.batch_execute(&alter("CREATEROLE")).await.unwrap();
    let before = snapshot(&server).await;
    let looked = preflight(&scene, &config, text(&incident.plan));
    assert_eq!((looked.code, looked.codes()), (Some(0), vec![]), "{}", looked.stderr);
    assert_eq!(snapshot(&server).await, before);
    assert_eq!(limit(&server).await, 18);
    // It wrote no journal of its own, and what it looked at can still be run: it was used up by nobody.
    assert!(!scene.dir.path().join("state").exists());
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);

    let looked = preflight(&scene, &config, text(&incident.plan));
    assert_eq!(looked.code, Some(1));
    assert_eq!(looked.codes(), ["already_executed"]);
    // What its sessions sent, as the server's own log has it: each a SELECT in a transaction that could not write.
    let log = server.log();
    let sent: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("countersign/preflight/") && line.contains("execute"))
        .collect();
    assert!(sent.len() > 20, "{}", sent.len());
    for line in sent {
        let (_, statement) = line.split_once(">: ").unwrap();
        let first = statement.split_whitespace().next().unwrap();
        assert!(["SELECT", "BEGIN", "ROLLBACK"].contains(&first), "{line}");
        assert!(first != "BEGIN" || statement.contains("READ ONLY"), "{line}");
        assert!(!statement.starts_with("SELECT countersign."), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_that_is_taken_away_is_missed() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let config = scene.config("state", "");
    for (take, give, lacks) in [
        (
            "REVOKE EXECUTE ON FUNCTION countersign.terminate_backend(int, timestamptz) FROM countersign_executor",
            "GRANT EXECUTE ON FUNCTION countersign.terminate_backend(int, timestamptz) TO countersign_executor",
            "lacks EXECUTE on countersign.terminate_backend",
        ),
        (
            "GRANT pg_signal_backend TO app",
            "REVOKE pg_signal_backend FROM app",
            "lacks a way to what it would signal",
        ),
        (
            "REVOKE INSERT ON countersign.executed_steps FROM countersign_executor",
            "GRANT INSERT ON countersign.executed_steps TO countersign_executor",
            "lacks SELECT or INSERT on `countersign.executed_steps`",
        ),
        (
            "ALTER ROLE app REPLICATION",
            "ALTER ROLE app NOREPLICATION",
            "lacks SUPERUSER: `app` may replicate",
        ),
    ] {
        server.admin.batch_execute(take).await.unwrap();
        let looked = preflight(&scene, &config, text(&incident.plan));
        server.admin.batch_execute(give).await.unwrap();
        assert_eq!(looked.code, Some(1), "{take}: {}", looked.stderr);
        for (code, severity, message) in &looked.findings {
            assert_eq!(
                (code.as_str(), severity.as_str()),
                ("missing_privilege", "blocks"),
                "{take}"
            );
            assert!(message.contains("lacks"), "{take}: {message}");
        }
        let named = looked.findings.iter().any(|(.., message)| message.contains(lacks));
        assert!(named, "{take}: {:?}", looked.findings);
    }
    let looked = preflight(&scene, &config, text(&incident.plan));
    assert_eq!((looked.code, looked.codes()), (Some(0), vec![]), "{}", looked.stderr);

    // The last connections that are not kept for superusers.
    let _rest = [
        server.connect("batch", "nightly").await,
        server.connect("batch", "nightly").await,
    ];
    let looked = preflight(&scene, &config, text(&incident.plan));
    assert_eq!(
        (looked.code, looked.codes()),
        (Some(0), vec!["target_full"]),
        "{}",
        looked.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_a_step_would_wait_for_is_named() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    server
        .admin
        .batch_execute(
            "ALTER TABLE items OWNER TO batch; CREATE INDEX items_n ON items (n);
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'items_n'::regclass",
        )
        .await
        .unwrap();
    let plan = invalid_index(&scene);
    let config = scene.config("state", "");
    let reader = server.connect("app", "report").await;
    reader
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM items")
        .await
        .unwrap();
    server
        .wait_until(
            "SELECT xact_start < clock_timestamp() - interval '2.1 s' FROM pg_stat_activity WHERE application_name = 'report'",
        )
        .await;

    let looked = preflight(&scene, &config, text(&plan));
    assert_eq!(looked.code, Some(1), "{}", looked.stderr);
    assert_eq!(looked.codes(), ["missing_privilege", "lock_wait"]);

    let grant = format!("GRANT batch TO {EXECUTOR_ROLE}");
    server.admin.batch_execute(&grant).await.unwrap();
    let looked = preflight(&scene, &config, text(&plan));
    assert_eq!(
        (looked.code, looked.codes()),
        (Some(0), vec!["lock_wait"]),
        "{}",
        looked.stderr
    );
    let (_, severity, message) = &looked.findings[0];
    assert_eq!(severity, "warns");
    assert!(message.contains("(`app`, `report`) holds AccessShareLock"), "{message}");

    reader.batch_execute("COMMIT").await.unwrap();
    let looked = preflight(&scene, &config, text(&plan));
    assert_eq!((looked.code, looked.codes()), (Some(0), vec![]), "{}", looked.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_system_another_state_and_another_text_are_found() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let config = scene.config("state", "");
    let plan = text(&incident.plan);

    server
        .admin
        .batch_execute("ALTER ROLE app CONNECTION LIMIT 17")
        .await
        .unwrap();
    let looked = preflight(&scene, &config, plan);
    assert_eq!(
        (looked.code, looked.codes()),
        (Some(1), vec!["precondition_changed"]),
        "{}",
        looked.stderr
    );

    let edited = plan.replace("CONNECTION LIMIT 10", "CONNECTION LIMIT 11");
    assert_ne!(edited, plan);
    assert_eq!(preflight(&scene, &config, &edited).codes(), ["not_an_instance"]);

    let mine = std::fs::read_to_string(&config).unwrap();
    let elsewhere = scene.dir.path().join("elsewhere.toml");
    std::fs::write(&elsewhere, mine.replace("name = \"orders\"", "name = \"billing\"")).unwrap();
    assert_eq!(preflight(&scene, &elsewhere, plan).codes(), ["unknown_target"]);
    let away = scene.dir.path().join("away");
    std::fs::write(&away, scene.dsn.replace("dbname=orders", "dbname=postgres")).unwrap();
    std::fs::write(&elsewhere, mine.replace("\"dsn\"", "\"away\"")).unwrap();
    assert_eq!(preflight(&scene, &elsewhere, plan).codes(), ["wrong_system"]);
}

fn invalid_index(scene: &Scene) -> Plan {
    let row = json!({"schema": "public", "index": "items_n", "table": "items"});
    let result = json!({"invalid": {"rows": [row]}});
    let evidence = Evidence::record("E1", "postgres-readonly", "index_health", json!({}), now(), result).unwrap();
    let draft = draft(
        "invalid-index",
        &[
            ("schema", "/invalid/rows/0/schema"),
            ("index", "/invalid/rows/0/index"),
            ("table", "/invalid/rows/0/table"),
        ],
        &[],
    );
    scene.plan(&draft, &[evidence])
}

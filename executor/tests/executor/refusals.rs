//! A gate that lies: whatever it signs, the executor looks for itself, and the database stays as it is.

use approval::{Action, Decision, GateKey, StandingState, Token};
use runbooks::{Catalog, Evidence, Plan, PlanContext, PlanDraft};
use serde_json::json;

use crate::incidents::Blocked;
use crate::people::People;
use crate::postgres::{EXECUTOR_ROLE, Server};
use crate::scene::{Forge, Scene, nonce, now, set, text};

/// One lie, and what must come of it.
struct Lie {
    name: &'static str,
    order: String,
    code: &'static str,
    exit: i32,
}

fn lie(name: &'static str, order: String, code: &'static str) -> Lie {
    Lie {
        name,
        order,
        code,
        exit: 4,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_gate_changes_nothing() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let config = scene.config("state", "");
    let lies: Vec<Lie> = tokens(&scene, &incident.plan)
        .into_iter()
        .chain(orders(&scene, &incident.plan))
        .chain(plans(&scene, &incident.plan))
        .collect();
    for lie in &lies {
        let ran = scene.run(&config, &lie.order);
        assert_eq!(
            (ran.result.as_str(), ran.code),
            (lie.code, Some(lie.exit)),
            "{}: {}",
            lie.name,
            ran.stderr
        );
        incident.assert_untouched(&server).await;
    }
    let floor = scene.config("floor", "[floor]\napprovers = 2\n");
    let ran = scene.run(&floor, &scene.order(&incident.plan));
    assert_eq!((ran.result.as_str(), ran.code), ("not_enough_approvers", Some(4)));
    incident.assert_untouched(&server).await;
    // Not one of them got as far as to a credential.
    assert!(!server.log().contains(&format!("user={EXECUTOR_ROLE}")));

    // The same scene with a true order: the lies were refused for what they were.
    let order = scene.order(&incident.plan);
    let ran = scene.run(&config, &order);
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    let again = scene.order(&incident.plan);
    let marks = "SELECT count(*) FROM countersign.executed_steps";
    assert_eq!(server.number(marks).await, 1);
    for (name, config, order) in [
        ("replayed", &config, &order),
        ("a second order for the same plan", &config, &again),
        (
            "replayed to an executor that lost its state",
            &scene.config("lost", ""),
            &order,
        ),
    ] {
        let ran = scene.run(config, order);
        assert_eq!(
            (ran.result.as_str(), ran.code),
            ("already_executed", Some(4)),
            "{name}: {}",
            ran.stderr
        );
    }
    assert_eq!(server.number(marks).await, 1);
    incident.assert_resolved(&server).await;
}

fn tokens(scene: &Scene, plan: &Plan) -> Vec<Lie> {
    let with = |name, token: &str, code| lie(name, scene.sign(&scene.forge(text(plan), token)), code);
    let good = scene.statement(plan);
    let signed = |statement: &approval::Statement| scene.people.token(statement).encode().to_owned();

    let other_plan = refill(scene, plan, scene.context());
    let mut expired = good.clone();
    expired.approve_by = now().plus_s(-2);
    expired.execute_by = now().plus_s(-1);
    let mut by_mallory = good.clone();
    by_mallory.approver = "mallory".to_owned();
    by_mallory.key_id = scene.people.key("mallory").fingerprint();
    let mut other_gate = good.clone();
    other_gate.gate = "gate-2".to_owned();
    let mut other_audience = good.clone();
    other_audience.audience = "executor-2".to_owned();
    let mut other_environment = good.clone();
    other_environment.target.environment = "production".to_owned();
    let mut rollback = good.clone();
    rollback.action = Action::Rollback;
    let mut rejection = good.clone();
    rejection.decision = Decision::Reject;
    rejection.approver = "ben".to_owned();
    rejection.key_id = scene.people.key("ben").fingerprint();
    let both = Token::new(vec![scene.people.envelope(&good), scene.people.envelope(&rejection)]).unwrap();
    let stolen = Token::new(vec![scene.people.envelope_by(&good, "mallory")]).unwrap();
    let strangers = People::new();

    vec![
        with("no token", "", "no_token"),
        with("nonsense for a token", "AAAA", "malformed_token"),
        with(
            "the token of another plan",
            &signed(&scene.statement(&other_plan)),
            "wrong_plan",
        ),
        with("expired", &signed(&expired), "execution_expired"),
        with("an unknown key", &signed(&by_mallory), "unknown_key"),
        with("ana's name, mallory's signature", stolen.encode(), "bad_signature"),
        with("a namesake's key", strangers.token(&good).encode(), "bad_signature"),
        with("for another gate", &signed(&other_gate), "wrong_gate"),
        with("for another executor", &signed(&other_audience), "wrong_audience"),
        with("for another environment", &signed(&other_environment), "wrong_target"),
        with("for another action", &signed(&rollback), "wrong_action"),
        with("rejected by ben", both.encode(), "denied"),
    ]
}

fn orders(scene: &Scene, plan: &Plan) -> Vec<Lie> {
    let token = scene.people.token(&scene.statement(plan));
    let forge = || scene.forge(text(plan), token.encode());
    let good = scene.sign(&forge());
    let foreign = GateKey::generate().unwrap();
    let bent = good.replacen("\"payload\":\"eyJhY3", "\"payload\":\"eyJhY2", 1);
    assert_ne!(bent, good);
    vec![
        lie(
            "signed by another key",
            scene.sign_with(&foreign, &forge()),
            "order_bad_signature",
        ),
        lie("one byte of the order changed", bent, "order_bad_signature"),
        lie("no order", "{}".to_owned(), "malformed_order"),
        lie(
            "of another gate",
            scene.sign(&Forge {
                gate: "gate-2",
                ..forge()
            }),
            "wrong_gate",
        ),
        lie(
            "for another executor",
            scene.sign(&Forge {
                audience: "executor-2",
                ..forge()
            }),
            "wrong_audience",
        ),
        lie(
            "for another environment",
            scene.sign(&Forge {
                environment: "production",
                ..forge()
            }),
            "wrong_environment",
        ),
        lie(
            "frozen",
            scene.sign(&Forge {
                state: StandingState::Frozen,
                ..forge()
            }),
            "frozen",
        ),
        lie(
            "revoked",
            scene.sign(&Forge {
                state: StandingState::Revoked,
                ..forge()
            }),
            "revoked",
        ),
        lie(
            "a rollback of what was never done",
            scene.rollback_order(plan),
            "nothing_to_roll_back",
        ),
    ]
}

fn plans(scene: &Scene, plan: &Plan) -> Vec<Lie> {
    let bent = |from: &str, to: &str| {
        let changed = text(plan).replacen(from, to, 1);
        assert_ne!(changed, text(plan));
        // Even with a token that approves the very bytes.
        let mut statement = scene.statement(plan);
        statement.plan_digest = runbooks::Digest::of(changed.as_bytes());
        let token = scene.people.token(&statement);
        scene.sign(&scene.forge(&changed, token.encode()))
    };
    let with = |name, context: PlanContext, code, exit| Lie {
        name,
        order: scene.order(&refill(scene, plan, context)),
        code,
        exit,
    };
    let of_requester = {
        let mut context = scene.context();
        context.requester = "ana".to_owned();
        context
    };
    let over = {
        let mut context = scene.context();
        context.not_before = now().plus_s(-100);
        context.approve_by = now().plus_s(-50);
        context.expires_at = now().plus_s(-1);
        context
    };
    let early = {
        let mut context = scene.context();
        context.not_before = now().plus_s(300);
        context
    };
    let policy = {
        let mut context = scene.context();
        context.policy_digest = runbooks::Digest::of(b"another policy");
        context
    };
    let database = {
        let mut context = scene.context();
        context.target.database = "postgres".to_owned();
        context
    };
    let unknown = {
        let mut context = scene.context();
        context.target.name = "billing".to_owned();
        context
    };
    let shipped = {
        let (draft, parameters) = (draft_of(plan), Catalog::shipped().unwrap());
        Plan::fill(&draft, &parameters, &evidence_of(plan), scene.context()).unwrap()
    };
    vec![
        lie(
            "one byte of a check changed",
            bent("\"max_wait_s\":15", "\"max_wait_s\":16"),
            "not_an_instance",
        ),
        lie(
            "another statement",
            bent(
                "countersign.terminate_backend(a.pid",
                "countersign.cancel_backend(a.pid",
            ),
            "not_an_instance",
        ),
        lie("another pid", bent("a.pid = ", "a.pid = 1"), "not_an_instance"),
        lie(
            "more is allowed",
            bent("\"limit\":1,", "\"limit\":9,"),
            "not_an_instance",
        ),
        lie("white space", bent("{\"", "{ \""), "not_an_instance"),
        lie(
            "no plan at all",
            scene.sign(&scene.forge("DROP TABLE items", "")),
            "not_a_plan",
        ),
        lie("a runbook of another catalog", scene.order(&shipped), "not_an_instance"),
        with("approved by who asked for it", of_requester, "requester_approves", 4),
        with("a plan that is over", over, "execution_expired", 4),
        with("a plan that has not begun", early, "not_yet_valid", 4),
        with(
            "a target that this executor does not have",
            unknown,
            "unknown_target",
            4,
        ),
        with("another policy", policy, "policy_denied", 3),
        with("another database", database, "policy_denied", 3),
    ]
}

/// The same plan in another context.
fn refill(scene: &Scene, plan: &Plan, context: PlanContext) -> Plan {
    Plan::fill(&draft_of(plan), &scene.catalog(), &evidence_of(plan), context).unwrap()
}

fn draft_of(plan: &Plan) -> PlanDraft {
    crate::scene::draft(
        "idle-in-transaction-blocker",
        &[
            ("blocker_pid", "/trees/0/root/pid"),
            ("blocker_backend_start", "/trees/0/root/backend_start"),
            ("blocker_xact_start", "/trees/0/root/xact_start"),
            ("blocker_state", "/trees/0/root/state"),
            ("blocker_role", "/trees/0/root/usename"),
            ("waiters", "/trees/0/waiters_count"),
        ],
        &[("min_idle_s", plan.document().parameters["min_idle_s"].value.clone())],
    )
}

fn evidence_of(plan: &Plan) -> [runbooks::Evidence; 1] {
    let value = |name: &str| plan.document().parameters[name].value.clone();
    let root = json!({
        "pid": value("blocker_pid"),
        "backend_start": value("blocker_backend_start"),
        "xact_start": value("blocker_xact_start"),
        "state": value("blocker_state"),
        "usename": value("blocker_role"),
    });
    let result = json!({"trees": [{"root": root, "waiters_count": value("waiters")}]});
    [runbooks::Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), now(), result).unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_window_that_has_closed_stops_what_was_signed_while_it_was_open() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let day = (chrono::Utc::now() + chrono::TimeDelta::days(3))
        .format("%a")
        .to_string()
        .to_lowercase();
    let windows = format!("[[window]]\ndays = [\"{day}\"]\nfrom = \"10:00\"\nuntil = \"11:00\"\ntime_zone = \"UTC\"\n");
    std::fs::write(scene.dir.path().join("windows.toml"), windows).unwrap();
    let config = scene.config("state", "[policy]\nwindows = \"windows.toml\"");
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("policy_denied", Some(3)),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("outside_change_window"), "{}", ran.stderr);
    incident.assert_untouched(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_standing_and_an_old_list_of_approvers_are_refused() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let config = scene.config("state", "");
    let list = scene.dir.path().join("approvers.json");

    let token = scene.people.token(&scene.statement(&incident.plan));
    let stale = scene.sign(&Forge {
        as_of: now().plus_s(-61),
        ..scene.forge(text(&incident.plan), token.encode())
    });
    scene.people.write_approvers(&list, 2);
    let ran = scene.run(&config, &stale);
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("standing_stale", Some(4)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;

    // Two lists with one version: an earlier draft that was signed as well is not the list that was meant.
    scene.people.write_approvers_of(&list, 2, &["ana"]);
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("approvers_ambiguous", Some(4)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;

    scene.people.write_approvers(&list, 1);
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("approvers_rolled_back", Some(4)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_what_was_approved_is_left_alone() {
    let server = Server::start(100).await;
    let mut scene = Scene::with_catalog(&server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        if runbook["id"] == "idle-in-transaction-blocker" {
            // More is in reach than the plan says.
            set(
                runbook,
                "/blast_radius/0/query",
                json!("SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'client backend'"),
            );
        }
    })
    .await;
    let incident = Blocked::new(&server, &scene).await;
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("blast_radius_exceeded", Some(1)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;

    scene.target.system_identifier = "1".to_owned();
    let elsewhere = refill(&scene, &incident.plan, scene.context());
    let ran = scene.run(&scene.config("elsewhere", ""), &scene.order(&elsewhere));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("wrong_system", Some(1)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_and_a_missing_marker_stop_it() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let config = executor::Config::load(&scene.config("ahead", ""), None).unwrap();
    let ahead = executor::Executor::open_at(config, Box::new(Ahead)).unwrap();
    let ended = executor::run_order(&ahead, &scene.order(&incident.plan)).await.unwrap();
    assert_eq!(
        (ended.code(), ended.exit()),
        ("clock_skew", executor::Exit::NotApproved)
    );
    incident.assert_untouched(&server).await;

    server
        .admin
        .batch_execute("ALTER SCHEMA countersign RENAME TO elsewhere")
        .await
        .unwrap();
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("marker_missing", Some(1)),
        "{}",
        ran.stderr
    );
    server
        .admin
        .batch_execute("ALTER SCHEMA elsewhere RENAME TO countersign")
        .await
        .unwrap();
    incident.assert_untouched(&server).await;
}

/// A clock that goes half a minute and a bit ahead.
struct Ahead;

impl executor::Clock for Ahead {
    fn now(&self) -> runbooks::Timestamp {
        now().plus_s(40)
    }
}

#[test]
fn all_faults_of_a_configuration_are_told_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(nonce());
    std::fs::write(&path, "[executor]\nid = 7\nname = \"x\"\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_executor"))
        .args(["recover", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    for part in [
        "`executor.id` is integer",
        "`executor.name` is unknown",
        "`[gate]` is missing",
        "`[[targets]]` is missing",
    ] {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
}

/// The gate may say what it likes: which groups its approvers stand for is what the executor's own list says.
#[tokio::test(flavor = "multi_thread")]
async fn each_group_that_the_policy_asks_for_is_in_the_executors_own_list() {
    let server = Server::start(100).await;
    let mut scene = Scene::new(&server).await;
    scene.target.environment = "production".to_owned();
    let config = scene.config("state", "");
    let written = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, written.replace("\"test\"", "\"production\"")).unwrap();
    let slots = json!({"slots": [{"slot_name": "cdc", "active": false, "retained_wal_bytes": 214_748_364_800_i64}]});
    let evidence = Evidence::record("E1", "postgres-readonly", "replication", json!({}), now(), slots).unwrap();
    let draft = serde_json::from_value(json!({
        "runbook": "inactive-replication-slot",
        "version": 1,
        "parameters": {
            "slot_name": {"evidence": "E1", "pointer": "/slots/0/slot_name"},
            "retained": {"evidence": "E1", "pointer": "/slots/0/retained_wal_bytes"},
        },
    }));
    let plan = scene.plan(&draft.unwrap(), &[evidence]);
    let mut by_ben = scene.statement(&plan);
    by_ben.approver = "ben".to_owned();
    by_ben.key_id = scene.people.key("ben").fingerprint();
    let envelopes = [scene.statement(&plan), by_ben].map(|statement| scene.people.envelope(&statement));
    let token = Token::new(envelopes.to_vec()).unwrap();
    let order = || {
        scene.sign(&Forge {
            environment: "production",
            ..scene.forge(text(&plan), token.encode())
        })
    };

    let ran = scene.run(&config, &order());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("group_missing", Some(4)),
        "{}",
        ran.stderr
    );
    let list = scene.dir.path().join("approvers.json");
    let groups = [("ana", "dba"), ("ben", "service-owner")];
    scene.people.write_approvers_in(&list, 2, &groups);
    // There is no such slot: approved, it gets as far as its prechecks.
    let ran = scene.run(&config, &order());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("precondition_changed", Some(1)),
        "{}",
        ran.stderr
    );

    // What the policy said is in the journal each time, before anything came of it.
    let journal = rusqlite::Connection::open(scene.dir.path().join("state/journal.sqlite")).unwrap();
    for (kind, policy) in [("order_refused", "$.data.policy"), ("order_admitted", "$.data.policy")] {
        let (allow, asked_by, took): (bool, String, i64) = journal
            .query_row(
                &format!(
                    "SELECT leaf ->> '{policy}.allow', leaf ->> '{policy}.asked_by', leaf ->> '{policy}.took_us'
                     FROM journal_events WHERE kind = ?1"
                ),
                [kind],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert!(allow && took > 0, "{kind}");
        assert_eq!(asked_by, "orchestrator", "{kind}");
    }
}

//! Plans from the shipped catalog: what fills one, and everything that is refused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed set-up is a failed test"
)]

use runbooks::{Catalog, Digest, DraftValue, Evidence, Plan, PlanContext, PlanDraft, PlanError, Target, Timestamp};
use serde_json::{Value, json};

fn blocking_tree() -> Evidence {
    Evidence::record(
        "E1",
        "postgres-readonly",
        "blocking_tree",
        json!({}),
        Timestamp::from_unix(1_795_428_600),
        json!({"trees": [
            {"root": {"pid": 4242, "backend_start": "2026-11-23 10:11:12.123456+00",
                "xact_start": "2026-11-23 10:12:12.5+00", "state": "idle in transaction", "usename": "app"},
             "waiters_count": 3},
            {"root": {"pid": 4343, "backend_start": "2026-11-23 10:11:13+00",
                "xact_start": "2026-11-23 10:12:13+00", "state": "active", "usename": "o'x\"; DROP TABLE t; --"},
             "waiters_count": 0}
        ]}),
    )
    .unwrap()
}

fn context() -> PlanContext {
    let now = Timestamp::from_unix(1_795_428_600);
    PlanContext {
        incident: "INC-1".into(),
        target: Target {
            name: "orders".into(),
            environment: "demo".into(),
            system_identifier: "7301".into(),
            database: "orders".into(),
        },
        requester: "orchestrator-1".into(),
        policy_digest: Digest::of(b"policy"),
        not_before: now,
        approve_by: now.plus_s(900),
        expires_at: now.plus_s(2700),
        nonce: "0123456789abcdef0123456789abcdef".into(),
    }
}

fn draft(tree: usize) -> PlanDraft {
    let at = |field: &str| DraftValue::Evidence {
        evidence: "E1".into(),
        pointer: format!("/trees/{tree}/{field}"),
    };
    PlanDraft {
        runbook: "idle-in-transaction-blocker".into(),
        version: 1,
        parameters: [
            ("blocker_pid", at("root/pid")),
            ("blocker_backend_start", at("root/backend_start")),
            ("blocker_xact_start", at("root/xact_start")),
            ("blocker_state", at("root/state")),
            ("blocker_role", at("root/usename")),
            ("waiters", at("waiters_count")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
    }
}

fn fill(draft: &PlanDraft) -> Result<Plan, PlanError> {
    Plan::fill(draft, &Catalog::shipped().unwrap(), &[blocking_tree()], context())
}

#[test]
fn a_plan_holds_the_values_that_the_evidence_shows() {
    let plan = fill(&draft(0)).unwrap();
    let action = plan.document().steps[0].action.sql().unwrap();
    assert_eq!(
        action.statement,
        "SELECT countersign.terminate_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a WHERE a.pid = 4242 \
         AND a.backend_start = '2026-11-23 10:11:12.123456+00' AND a.xact_start = '2026-11-23 10:12:12.5+00' \
         AND a.state = 'idle in transaction' AND a.state_change < pg_catalog.clock_timestamp() - \
         pg_catalog.make_interval(secs := 3)"
    );
    plan.check_evidence(&[blocking_tree()]).unwrap();
}

#[test]
fn the_same_bytes_are_admitted_and_have_the_same_digest() {
    let plan = fill(&draft(0)).unwrap();
    let again = Plan::admit(plan.bytes(), &Catalog::shipped().unwrap()).unwrap();
    assert_eq!(again.digest(), plan.digest());
    assert_eq!(Digest::of(plan.bytes()), plan.digest());
}

#[test]
fn one_byte_changed_anywhere_is_another_plan_or_none() {
    let catalog = Catalog::shipped().unwrap();
    let plan = fill(&draft(0)).unwrap();
    for at in (0..plan.bytes().len()).step_by(41) {
        let mut bytes = plan.bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(other) = Plan::admit(&bytes, &catalog) {
            assert_ne!(other.digest(), plan.digest(), "byte {at}");
            assert_eq!(other.document().steps.len(), plan.document().steps.len());
        }
    }
}

#[test]
fn a_step_that_the_catalog_does_not_render_is_no_instance() {
    let catalog = Catalog::shipped().unwrap();
    let plan = fill(&draft(0)).unwrap();
    let edits: [(&str, Value); 8] = [
        ("/steps/0/action/statement", json!("DROP TABLE orders")),
        ("/steps/0/action/lock_timeout_ms", json!(0)),
        ("/steps/0/rollback/reason", json!("trust me")),
        ("/blast_radius/0/limit", json!(1000)),
        ("/verification/hold_s", json!(1)),
        ("/prechecks/0/query", json!("SELECT 1")),
        ("/title", json!("Harmless")),
        ("/max_executions", json!(2)),
    ];
    for (pointer, value) in edits {
        let mut document: Value = serde_json::from_slice(plan.bytes()).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        let bytes = runbooks::canonical_json(&document).unwrap();
        match Plan::admit(&bytes, &catalog) {
            Err(PlanError::NotAnInstance(place)) => assert_eq!(place, pointer),
            other => panic!("{pointer}: {other:?}"),
        }
    }
}

#[test]
fn a_value_that_the_evidence_does_not_show_is_refused() {
    let mut forged = draft(0);
    forged
        .parameters
        .insert("blocker_pid".into(), DraftValue::Literal { literal: json!(1) });
    assert_eq!(fill(&forged).unwrap_err().code(), "wrong_source");

    let mut mixed = draft(0);
    mixed.parameters.insert(
        "blocker_pid".into(),
        DraftValue::Evidence {
            evidence: "E1".into(),
            pointer: "/trees/1/root/pid".into(),
        },
    );
    assert_eq!(fill(&mixed).unwrap_err().code(), "mixed_rows");

    let mut elsewhere = draft(0);
    elsewhere.parameters.insert(
        "blocker_pid".into(),
        DraftValue::Evidence {
            evidence: "E1".into(),
            pointer: "/trees/0/waiters_count".into(),
        },
    );
    assert_eq!(fill(&elsewhere).unwrap_err().code(), "wrong_source");

    let mut unknown = draft(0);
    unknown.parameters.insert(
        "blocker_pid".into(),
        DraftValue::Evidence {
            evidence: "E9".into(),
            pointer: "/trees/0/root/pid".into(),
        },
    );
    assert_eq!(fill(&unknown).unwrap_err().code(), "unknown_evidence");

    let mut missing = draft(0);
    missing.parameters.remove("blocker_state");
    assert_eq!(fill(&missing).unwrap_err().code(), "missing_parameter");

    assert_eq!(
        fill(&draft(1)).unwrap_err().code(),
        "value_refused",
        "an active root is not this runbook's"
    );
}

#[test]
fn evidence_that_was_changed_is_refused() {
    let mut evidence = blocking_tree();
    *evidence.result.pointer_mut("/trees/0/root/pid").unwrap() = json!(1);
    let refused = Plan::fill(&draft(0), &Catalog::shipped().unwrap(), &[evidence.clone()], context());
    assert_eq!(refused.unwrap_err().code(), "evidence_mismatch");
    let plan = fill(&draft(0)).unwrap();
    assert_eq!(
        plan.check_evidence(&[evidence]).unwrap_err().code(),
        "evidence_mismatch"
    );
    assert_eq!(plan.check_evidence(&[]).unwrap_err().code(), "unknown_evidence");
}

#[test]
fn evidence_of_another_tool_is_no_evidence_for_this_parameter() {
    let record = blocking_tree();
    let other = |tool: &str| {
        Evidence::record(
            "E1",
            "postgres-readonly",
            tool,
            json!({}),
            record.taken_at,
            record.result.clone(),
        )
        .unwrap()
    };
    let plan = fill(&draft(0)).unwrap();
    let forged = String::from_utf8(plan.bytes().to_vec())
        .unwrap()
        .replace(&record.digest.to_string(), &other("query").digest.to_string());
    let forged = Plan::admit(forged.as_bytes(), &Catalog::shipped().unwrap()).unwrap();
    assert_eq!(
        forged.check_evidence(&[other("query")]).unwrap_err().code(),
        "wrong_source"
    );
}

#[test]
fn a_forged_value_in_the_bytes_shows_against_the_evidence() {
    let plan = fill(&draft(0)).unwrap();
    let text = String::from_utf8(plan.bytes().to_vec())
        .unwrap()
        .replace("4242", "4343");
    let other = Plan::admit(text.as_bytes(), &Catalog::shipped().unwrap()).unwrap();
    assert_eq!(
        other.check_evidence(&[blocking_tree()]).unwrap_err().code(),
        "evidence_mismatch"
    );
}

#[test]
fn windows_and_nonce_are_checked() {
    let catalog = Catalog::shipped().unwrap();
    let late = PlanContext {
        expires_at: context().not_before.plus_s(90_000),
        ..context()
    };
    assert_eq!(
        Plan::fill(&draft(0), &catalog, &[blocking_tree()], late)
            .unwrap_err()
            .code(),
        "bad_window"
    );
    let nonce = PlanContext {
        nonce: "x".into(),
        ..context()
    };
    assert_eq!(
        Plan::fill(&draft(0), &catalog, &[blocking_tree()], nonce)
            .unwrap_err()
            .code(),
        "bad_nonce"
    );
}

#[test]
fn connection_saturation_derives_its_limit_and_keeps_the_old_one_for_the_way_back() {
    let evidence = Evidence::record(
        "E2",
        "postgres-readonly",
        "sessions",
        json!({}),
        Timestamp::from_unix(1_795_428_600),
        json!({"taken_at": "2026-11-23 10:11:12.123456+00", "connections": {"max_connections": 41,
            "groups": [{"usename": "o'x\"; DROP ROLE y; --", "application_name": "'; SELECT 1; --", "rolconnlimit": -1, "idle": 30}]}}),
    )
    .unwrap();
    let at = |pointer: &str| DraftValue::Evidence {
        evidence: "E2".into(),
        pointer: pointer.into(),
    };
    let draft = PlanDraft {
        runbook: "connection-saturation".into(),
        version: 1,
        parameters: [
            ("role", at("/connections/groups/0/usename")),
            ("application", at("/connections/groups/0/application_name")),
            ("previous_limit", at("/connections/groups/0/rolconnlimit")),
            ("idle_sessions", at("/connections/groups/0/idle")),
            ("max_connections", at("/connections/max_connections")),
            ("as_of", at("/taken_at")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
    };
    let plan = Plan::fill(&draft, &Catalog::shipped().unwrap(), &[evidence], context()).unwrap();
    let step = &plan.document().steps[0];
    let action = step.action.sql().unwrap();
    assert_eq!(
        action.statement,
        r#"ALTER ROLE "o'x""; DROP ROLE y; --" WITH CONNECTION LIMIT 20"#
    );
    let undo = step.rollback.undo().unwrap().action.sql().unwrap();
    assert_eq!(
        undo.statement,
        r#"ALTER ROLE "o'x""; DROP ROLE y; --" WITH CONNECTION LIMIT -1"#
    );
    assert_eq!(plan.document().blast_radius[0].expected, Some(json!(30)));
    assert!(Plan::admit(plan.bytes(), &Catalog::shipped().unwrap()).is_ok());
}

#[test]
fn the_schema_of_runbooks_is_the_golden_one() {
    let schema = serde_json::to_string_pretty(&runbooks::runbook_schema()).unwrap() + "\n";
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/runbook.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &schema).unwrap();
    }
    assert_eq!(
        schema,
        std::fs::read_to_string(golden).unwrap(),
        "run again with UPDATE_GOLDEN=1 and review the difference"
    );
}

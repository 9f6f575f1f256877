//! One plan for each shipped runbook, made as the pipeline makes them: from evidence, by the catalog.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use policies::{Policy, PolicyContext};
use runbooks::{Catalog, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::{Value, json};

/// The shipped runbooks whose plans are fixtures of the Rego tests.
pub const FIXTURES: [&str; 3] = ["connection-saturation", "ddl-lock-queue", "idle-in-transaction-blocker"];

/// Read once: that takes longer than most tests.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| Catalog::shipped().unwrap())
}

/// The ids of all shipped runbooks.
pub fn runbooks() -> Vec<String> {
    catalog().iter().map(|runbook| runbook.document().id.clone()).collect()
}

pub fn now() -> Timestamp {
    Timestamp::from_unix(1_795_428_600)
}

pub fn target() -> Target {
    Target {
        name: "orders".into(),
        environment: "demo".into(),
        system_identifier: "7301".into(),
        database: "orders".into(),
    }
}

pub fn context() -> PolicyContext {
    PolicyContext {
        now: now().plus_s(60),
        requester: "orchestrator-1".into(),
        target: target(),
        executions_last_day: 0,
        freeze: false,
    }
}

pub fn plan(policy: &Policy, runbook: &str) -> Plan {
    plan_for(policy, runbook, target())
}

pub fn plan_for(policy: &Policy, runbook: &str, target: Target) -> Plan {
    let (tool, result, parameters) = match evidence(runbook) {
        Some((tool, result, pointers)) => (tool.to_owned(), result, from_evidence(pointers)),
        None => fixture(runbook),
    };
    let evidence = Evidence::record("E1", "postgres-readonly", &tool, json!({}), now(), result).unwrap();
    let draft = PlanDraft {
        runbook: runbook.into(),
        version: 1,
        parameters,
    };
    let plan_context = PlanContext {
        incident: "INC-1".into(),
        target,
        requester: "orchestrator-1".into(),
        policy_digest: policy.digest(),
        not_before: now(),
        approve_by: now().plus_s(900),
        expires_at: now().plus_s(2_700),
        nonce: "0123456789abcdef0123456789abcdef".into(),
    };
    Plan::fill(&draft, catalog(), &[evidence], plan_context).unwrap()
}

type Pointers = &'static [(&'static str, &'static str)];

fn from_evidence(pointers: Pointers) -> BTreeMap<String, DraftValue> {
    let parameter = |(name, pointer): &(&str, &str)| {
        let (evidence, pointer) = ("E1".to_owned(), (*pointer).to_owned());
        ((*name).to_owned(), DraftValue::Evidence { evidence, pointer })
    };
    pointers.iter().map(parameter).collect()
}

/// What the runbook's own fixture gives: its one piece of evidence, and where the values are in it.
fn fixture(runbook: &str) -> (String, Value, BTreeMap<String, DraftValue>) {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks/catalog");
    let text = std::fs::read_to_string(catalog.join(runbook).join("fixtures/typical.json")).unwrap();
    let mut fixture: Value = serde_json::from_str(&text).unwrap();
    let evidence = fixture["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 1, "{runbook}");
    let (tool, result) = (evidence[0]["tool"].as_str().unwrap(), evidence[0]["result"].clone());
    let tool = tool.to_owned();
    (
        tool,
        result,
        serde_json::from_value(fixture["parameters"].take()).unwrap(),
    )
}

/// None where the runbook's own fixture serves as well.
fn evidence(runbook: &str) -> Option<(&'static str, Value, Pointers)> {
    let evidence: (&str, Value, Pointers) = match runbook {
        "connection-saturation" => (
            "sessions",
            json!({"taken_at": "2026-11-23 10:00:00.123456+00", "connections": {"max_connections": 100, "groups": [
                {"usename": "app", "application_name": "leaky", "rolconnlimit": -1, "idle": 60}]}}),
            &[
                ("role", "/connections/groups/0/usename"),
                ("application", "/connections/groups/0/application_name"),
                ("previous_limit", "/connections/groups/0/rolconnlimit"),
                ("idle_sessions", "/connections/groups/0/idle"),
                ("max_connections", "/connections/max_connections"),
                ("as_of", "/taken_at"),
            ],
        ),
        "ddl-lock-queue" => (
            "blocking_tree",
            json!({"ddl_queues": [{"relation": "orders", "queued_behind": 4, "ddl": {
                "pid": 4711, "backend_start": "2026-11-23 10:11:12.123456+00",
                "query_start": "2026-11-23 10:12:13+00", "usename": "migrator"}}]}),
            &[
                ("ddl_pid", "/ddl_queues/0/ddl/pid"),
                ("ddl_backend_start", "/ddl_queues/0/ddl/backend_start"),
                ("ddl_query_start", "/ddl_queues/0/ddl/query_start"),
                ("ddl_role", "/ddl_queues/0/ddl/usename"),
                ("relation", "/ddl_queues/0/relation"),
                ("queued_behind", "/ddl_queues/0/queued_behind"),
            ],
        ),
        "idle-in-transaction-blocker" => (
            "blocking_tree",
            json!({"trees": [{"root": {"pid": 4242, "backend_start": "2026-11-23 10:11:12.123456+00",
                "xact_start": "2026-11-23 10:12:12.5+00", "state": "idle in transaction", "usename": "app"},
                "waiters_count": 3}]}),
            &[
                ("blocker_pid", "/trees/0/root/pid"),
                ("blocker_backend_start", "/trees/0/root/backend_start"),
                ("blocker_xact_start", "/trees/0/root/xact_start"),
                ("blocker_state", "/trees/0/root/state"),
                ("blocker_role", "/trees/0/root/usename"),
                ("waiters", "/trees/0/waiters_count"),
            ],
        ),
        _ => return None,
    };
    Some(evidence)
}

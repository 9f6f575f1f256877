//! How long one decision takes about a plan of fifty statements: their parsing, the input, and the shipped policy.
//!
//! `cargo bench -p policies --bench decision`; with `INPUT=FILE` the input is written there, for `opa.py` beside
//! this file; with `POLICY=DIR` it is that folder's policy instead.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed bench"
)]

use std::{collections::BTreeMap, fs, time::Instant};

use policies::{Policy, PolicyContext};
use runbooks::{Catalog, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::{Value, json};

const STATEMENTS: usize = 50;
const ROUNDS: usize = 2000;

fn main() {
    let folder = std::env::var_os("POLICY").map(std::path::PathBuf::from);
    let policy = Policy::open(folder.as_deref(), None, None).unwrap();
    let now = Timestamp::from(chrono::Utc::now());
    let plan = plan(&policy, now);
    let context = PolicyContext {
        now,
        requester: plan.document().requester.clone(),
        target: plan.document().target.clone(),
        executions_last_day: 0,
        freeze: false,
    };
    let input = policy.input(plan.document(), &context).unwrap();
    if let Some(path) = std::env::var_os("INPUT") {
        fs::write(path, &input).unwrap();
    }
    println!("{STATEMENTS} statements, {ROUNDS} rounds, in ms:");
    time("decision on a document, with parsing", || {
        assert!(policy.judge_document(plan.document(), &context).allow)
    });
    // What gate and executor wait for: their plan was parsed when they rendered it again.
    time("decision on a plan, parsed before", || {
        assert!(policy.judge(&plan, &context).allow)
    });
    time("  of them the input, with parsing", || {
        assert_eq!(policy.input(plan.document(), &context).unwrap(), input);
    });
    time("  of them the rules", || assert!(policy.judge_input(&input).allow));
}

fn time(what: &str, run: impl Fn()) {
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{what:36} p50 {:7.3}   p99 {:7.3}   slowest {:7.3}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// `connection-saturation` with as many further prechecks as make fifty statements.
fn plan(policy: &Policy, now: Timestamp) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks/catalog/connection-saturation");
    let mut book: Value = serde_json::from_str(&fs::read_to_string(shipped.join("runbook.json")).unwrap()).unwrap();
    let fixture: Value =
        serde_json::from_str(&fs::read_to_string(shipped.join("fixtures/typical.json")).unwrap()).unwrap();
    let first = book["prechecks"][3].clone();
    let queries = book.to_string().matches("\"query\"").count() + book.to_string().matches("\"statement\"").count();
    let prechecks = book["prechecks"].as_array_mut().unwrap();
    for number in queries..STATEMENTS {
        let mut further = first.clone();
        further["id"] = json!(format!("again_{number}"));
        // No two are the same: each statement is looked at once.
        let query = further["query"].as_str().unwrap();
        further["query"] = json!(format!("{query} AND {number} > 0"));
        prechecks.push(further);
    }
    let entry = folder.path().join("connection-saturation");
    fs::create_dir(&entry).unwrap();
    fs::write(entry.join("runbook.json"), book.to_string()).unwrap();
    let catalog = Catalog::load(folder.path()).unwrap();
    let parameters: BTreeMap<String, DraftValue> = serde_json::from_value(fixture["parameters"].clone()).unwrap();
    let result = fixture["evidence"][0]["result"].clone();
    let evidence = Evidence::record("E1", "postgres-readonly", "sessions", json!({}), now, result).unwrap();
    let draft = PlanDraft {
        runbook: "connection-saturation".to_owned(),
        version: 1,
        parameters,
    };
    let target = Target {
        name: "orders".to_owned(),
        environment: "production".to_owned(),
        system_identifier: "1".to_owned(),
        database: "orders".to_owned(),
    };
    let context = PlanContext {
        incident: "bench".to_owned(),
        target,
        requester: "orchestrator".to_owned(),
        policy_digest: policy.digest(),
        not_before: now,
        approve_by: now.plus_s(600),
        expires_at: now.plus_s(1200),
        nonce: "0".repeat(32),
    };
    Plan::fill(&draft, &catalog, &[evidence], context).unwrap()
}

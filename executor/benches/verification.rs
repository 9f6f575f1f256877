//! How long the executor takes to verify one order: the gate's signature, the plan rendered again from the catalog, the
//! policy, the list of approvers, and the people's signatures. Its journal is not in it.
//!
//! `cargo bench -p executor --bench verification`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed bench"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use approval::{
    Action, Approvers, Decision, Expectations, Floor, GateKey, Method, Order, Standing, StandingState, Statement, Token,
};
use policies::{Policy, PolicyContext};
use runbooks::{Catalog, Digest, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::json;

#[path = "../tests/executor/people.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod people;

const ROUNDS: usize = 2000;

fn main() {
    let (catalog, policy) = (Catalog::shipped().unwrap(), Policy::shipped().unwrap());
    let now = Timestamp::from(chrono::Utc::now());
    let (people, gate) = (people::People::new(), GateKey::generate().unwrap());
    let dir = tempfile::tempdir().unwrap();
    people.write_approvers(&dir.path().join("approvers.json"), 1);
    let list = std::fs::read_to_string(dir.path().join("approvers.json")).unwrap();
    let (admin, gate_key) = (people.key("admin").to_string(), gate.public_key().to_string());
    let envelope = order(&people, &gate, &plan(&catalog, &policy, now), now);
    let floor = Floor {
        approvers: 1,
        hardware: 0,
        ssh: 0,
        attested: false,
        grants: false,
    };
    let policy_context = |plan: &Plan| PolicyContext {
        now,
        requester: plan.document().requester.clone(),
        target: plan.document().target.clone(),
        executions_last_day: 0,
        freeze: false,
    };
    let verify = || {
        let order = Order::verify(&envelope, &gate_key).unwrap();
        order.check_addressed("gate-1", "executor-1", "test").unwrap();
        let plan = Plan::admit(order.plan.as_bytes(), &catalog).unwrap();
        let context = policy_context(&plan);
        let permitted = policy.evaluate(plan, &context).unwrap();
        let approvers = Approvers::verify(&list, &admin, 0).unwrap();
        let expect = Expectations {
            gate: "gate-1",
            audience: "executor-1",
            now,
            floor: &floor,
            approvers: &approvers,
            gate_key: gate.public_key(),
            action: order.action,
            grant: approval::GrantBook::default(),
        };
        let token = Token::parse(&order.token).unwrap();
        assert_eq!(
            approval::verify(permitted, &token, &expect).unwrap().action(),
            Action::Execute
        );
    };
    println!("one order of {} bytes, {ROUNDS} rounds, in ms:", envelope.len());
    time("verification of one order", verify);
    time("  of it the gate's signature", || {
        drop(Order::verify(&envelope, &gate_key).unwrap())
    });
    let order = Order::verify(&envelope, &gate_key).unwrap();
    time("  of it the plan, rendered again", || {
        drop(Plan::admit(order.plan.as_bytes(), &catalog).unwrap())
    });
    time("  of it that and the policy", || {
        let plan = Plan::admit(order.plan.as_bytes(), &catalog).unwrap();
        let context = policy_context(&plan);
        drop(policy.evaluate(plan, &context).unwrap());
    });
    time("  of it the list of approvers", || {
        drop(Approvers::verify(&list, &admin, 0).unwrap())
    });
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

fn plan(catalog: &Catalog, policy: &Policy, now: Timestamp) -> Plan {
    let root = json!({
        "pid": 4711, "backend_start": "2026-11-25 10:00:00.123456+00", "xact_start": "2026-11-25 10:00:01.123456+00",
        "state": "idle in transaction", "usename": "batch",
    });
    let result = json!({"trees": [{"root": root, "waiters_count": 1}]});
    let evidence = Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), now, result).unwrap();
    let parameters = [
        ("blocker_pid", "/trees/0/root/pid"),
        ("blocker_backend_start", "/trees/0/root/backend_start"),
        ("blocker_xact_start", "/trees/0/root/xact_start"),
        ("blocker_state", "/trees/0/root/state"),
        ("blocker_role", "/trees/0/root/usename"),
        ("waiters", "/trees/0/waiters_count"),
    ]
    .map(|(name, pointer)| {
        let value = DraftValue::Evidence {
            evidence: "E1".to_owned(),
            pointer: pointer.to_owned(),
        };
        (name.to_owned(), value)
    });
    let draft = PlanDraft {
        runbook: "idle-in-transaction-blocker".to_owned(),
        version: 1,
        parameters: BTreeMap::from(parameters),
    };
    let context = PlanContext {
        incident: "inc-1".to_owned(),
        target: Target {
            name: "orders".to_owned(),
            environment: "test".to_owned(),
            system_identifier: "7000000000000000000".to_owned(),
            database: "orders".to_owned(),
        },
        requester: "orchestrator".to_owned(),
        policy_digest: policy.digest(),
        not_before: now.plus_s(-5),
        approve_by: now.plus_s(600),
        expires_at: now.plus_s(1200),
        nonce: "0".repeat(32),
    };
    Plan::fill(&draft, catalog, &[evidence], context).unwrap()
}

fn order(people: &people::People, gate: &GateKey, plan: &Plan, now: Timestamp) -> String {
    let document = plan.document();
    let statement = Statement {
        schema: Statement::SCHEMA.to_owned(),
        decision: Decision::Approve,
        request: "req-1".to_owned(),
        action: Action::Execute,
        plan_digest: plan.digest(),
        target: document.target.clone(),
        gate: "gate-1".to_owned(),
        audience: "executor-1".to_owned(),
        not_before: document.not_before,
        approve_by: document.approve_by,
        execute_by: document.expires_at,
        max_executions: 1,
        requester: document.requester.clone(),
        approver: "ana".to_owned(),
        key_id: people.key("ana").fingerprint(),
        method: Method::Ssh,
        policy_digest: document.policy_digest,
        nonce: "1".repeat(32),
    };
    let order = Order {
        schema: Order::SCHEMA.to_owned(),
        id: "exe-1".to_owned(),
        action: Action::Execute,
        gate: "gate-1".to_owned(),
        audience: "executor-1".to_owned(),
        environment: "test".to_owned(),
        plan: String::from_utf8(plan.bytes().to_vec()).unwrap(),
        token: people.token(&statement).encode().to_owned(),
        issued_at: now,
        standing: Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            plan_digest: Digest::of(plan.bytes()),
            state: StandingState::Valid,
            as_of: now,
        },
    };
    order.sign(gate).unwrap()
}

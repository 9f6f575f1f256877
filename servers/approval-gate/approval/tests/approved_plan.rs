//! The whole chain on a shipped runbook under the shipped policy: evidence, plan, permission, signature, approval.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use approval::{
    APPROVERS_NAMESPACE, Action, ApprovedPlan, Approvers, ApproversDocument, Decision, Expectations, Floor, GateKey,
    GrantBook, Key, Method, Person, Refusal, STATEMENT_NAMESPACE, Statement, Token, verify, verify_signature,
};
use policies::{PermittedPlan, Policy, PolicyContext};
use runbooks::{Catalog, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::json;

const NOW: i64 = 1_795_428_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

fn target() -> Target {
    Target {
        name: "orders".to_owned(),
        environment: "demo".to_owned(),
        system_identifier: "7301".to_owned(),
        database: "orders".to_owned(),
    }
}

pub fn permitted(nonce: &str) -> PermittedPlan {
    let policy = Policy::shipped().unwrap();
    let result = json!({"trees": [{"root": {"pid": 4242, "backend_start": "2026-11-23 10:11:12.123456+00",
        "xact_start": "2026-11-23 10:12:12.5+00", "state": "idle in transaction", "usename": "app"}, "waiters_count": 3}]});
    let evidence = Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), at(0), result).unwrap();
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
        parameters: parameters.into(),
    };
    let context = PlanContext {
        incident: "INC-1".to_owned(),
        target: target(),
        requester: "orchestrator-1".to_owned(),
        policy_digest: policy.digest(),
        not_before: at(0),
        approve_by: at(900),
        expires_at: at(2700),
        nonce: nonce.to_owned(),
    };
    let plan = Plan::fill(&draft, &Catalog::shipped().unwrap(), &[evidence], context).unwrap();
    let context = PolicyContext {
        now: at(60),
        requester: "orchestrator-1".to_owned(),
        target: target(),
        executions_last_day: 0,
        freeze: false,
    };
    policy.evaluate(plan, &context).unwrap()
}

pub const NONCE: &str = "0123456789abcdef0123456789abcdef";

pub struct Alice {
    key: GateKey,
    approvers: Approvers,
}

impl Alice {
    pub fn listed() -> Self {
        let (key, admin) = (GateKey::generate().unwrap(), GateKey::generate().unwrap());
        let document = ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version: 1,
            revoked_grants: Vec::new(),
            people: vec![Person {
                id: "alice".to_owned(),
                name: "Alice".to_owned(),
                groups: Vec::new(),
                agent: false,
                keys: vec![Key {
                    public_key: key.public_key().to_string(),
                    valid_from: at(-60),
                    valid_until: at(86_400),
                    hardware: false,
                }],
                accounts: Vec::new(),
            }],
        };
        let signature = admin
            .sign(APPROVERS_NAMESPACE, &document.signing_bytes().unwrap())
            .unwrap();
        let json = document.envelope(&signature).unwrap().to_json().unwrap();
        let approvers = Approvers::verify(&json, &admin.public_key().to_string(), 0).unwrap();
        Self { key, approvers }
    }

    pub fn signs(&self, plan: &Plan) -> Token {
        let statement = Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-1".to_owned(),
            action: Action::Execute,
            plan_digest: plan.digest(),
            target: target(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            not_before: at(0),
            approve_by: at(900),
            execute_by: at(2700),
            max_executions: 1,
            requester: "orchestrator-1".to_owned(),
            approver: "alice".to_owned(),
            key_id: self.key.public_key().fingerprint(),
            method: Method::Ssh,
            policy_digest: plan.document().policy_digest,
            nonce: NONCE.to_owned(),
        };
        let signature = self
            .key
            .sign(STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap())
            .unwrap();
        let vote = verify_signature(&statement.bytes().unwrap(), &signature, &self.approvers, at(60)).unwrap();
        Token::new(vec![vote.envelope().clone()]).unwrap()
    }

    /// What alice's gate and executor want of a token.
    pub fn with_expectations<T>(&self, f: impl FnOnce(&Expectations<'_>) -> T) -> T {
        let gate = GateKey::generate().unwrap();
        let floor = Floor {
            approvers: 1,
            hardware: 0,
            ssh: 0,
            attested: false,
            grants: true,
        };
        f(&Expectations {
            gate: "gate-1",
            audience: "executor-1",
            now: at(1000),
            floor: &floor,
            gate_key: gate.public_key(),
            approvers: &self.approvers,
            action: Action::Execute,
            grant: GrantBook::default(),
        })
    }

    fn verify(&self, permitted: PermittedPlan, token: &Token) -> Result<ApprovedPlan, Refusal> {
        self.with_expectations(|expect| verify(permitted, token, expect))
    }
}

#[test]
fn a_signed_plan_is_approved_until_its_window_ends() {
    let alice = Alice::listed();
    let plan = permitted(NONCE);
    let token = alice.signs(plan.plan());
    let digest = plan.plan().digest();
    let approved = alice.verify(plan, &token).unwrap();
    assert_eq!(approved.plan().digest(), digest);
    assert_eq!(approved.approvers(), ["alice"]);
    assert_eq!(approved.token_hash(), token.hash());
    assert_eq!(approved.action(), Action::Execute);
    assert_eq!(approved.execute_by(), at(2700));
    approved.check_time(at(2699)).unwrap();
    assert_eq!(approved.check_time(at(2700)).unwrap_err().code(), "execution_expired");
    assert_eq!(approved.check_time(at(-31)).unwrap_err().code(), "not_yet_valid");
}

#[test]
fn the_same_token_does_not_approve_the_same_fix_planned_again() {
    let alice = Alice::listed();
    let token = alice.signs(permitted(NONCE).plan());
    let again = permitted("ffffffffffffffffffffffffffffffff");
    assert_eq!(alice.verify(again, &token).unwrap_err().code(), "wrong_plan");
}

#[cfg(feature = "danger")]
#[test]
fn with_the_guard_off_nobody_need_sign() {
    let approved = approval::danger::approve_without_signature(permitted(NONCE), Action::Execute, at(2700));
    assert!(approved.approvers().is_empty());
}

#[test]
fn the_hours_of_a_grant_are_asked_for_at_every_step() {
    use approval::{Bound, GRANT_NAMESPACE, Grant, GrantTerms};
    use policies::WindowEntry;

    let alice = Alice::listed();
    let plan = permitted(NONCE);
    let document = plan.plan().document();
    // 10:10:00 in UTC; the window ends at 10:30.
    assert_eq!(at(0).to_string(), "2026-11-23T10:10:00Z");
    let parameters = document.parameters.keys().map(|name| (name.clone(), Bound::Any));
    let grant = Grant {
        terms: GrantTerms {
            schema: GrantTerms::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            runbook: document.runbook.clone(),
            targets: vec![target()],
            parameters: parameters.collect(),
            max_per_day: 1,
            windows: vec![WindowEntry {
                days: vec!["mon".to_owned()],
                from: "10:00".to_owned(),
                until: "10:30".to_owned(),
                time_zone: "UTC".to_owned(),
            }],
            not_before: at(0),
            until: at(86_400),
            reason: "known sessions".to_owned(),
            nonce: NONCE.to_owned(),
        },
        approver: "alice".to_owned(),
        key_id: alice.key.public_key().fingerprint(),
        method: Method::Ssh,
    };
    let signature = alice
        .key
        .sign(GRANT_NAMESPACE, &grant.signing_bytes().unwrap())
        .unwrap();
    let token = Token::new(vec![grant.envelope(&signature).unwrap()]).unwrap();
    let approved = alice.verify(plan, &token).unwrap();
    assert_eq!(approved.grant(), Some(&*grant.terms.id().unwrap()));
    approved.check_time(at(1199)).unwrap();
    assert_eq!(
        approved.check_time(at(1200)).unwrap_err().code(),
        "grant_outside_window"
    );
}

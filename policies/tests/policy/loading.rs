//! A policy with a fault is refused when it is loaded, before it decides anything.

use crate::support::{context, plan};
use policies::{Policy, PolicyContext};

const BLOCKER: &str = "idle-in-transaction-blocker";
const ALLOWS: &str = "package countersign\nobligations := {\"approvers\": 1, \"methods\": [\"ssh\"], \"approve_within_s\": 9, \"execute_within_s\": 9}\n\
    decision := {\"allow\": true, \"denials\": set(), \"obligations\": obligations}\n";

fn load(rego: &str) -> Result<Policy, policies::PolicyError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("policy.rego"), rego).unwrap();
    Policy::load(dir.path())
}

fn with(rule: &str) -> Result<Policy, &'static str> {
    load(&format!("{ALLOWS}{rule}\n")).map_err(|error| error.code())
}

#[test]
fn a_policy_is_pinned_by_its_rules_and_not_by_its_tests() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/rego");
    assert_eq!(
        Policy::load(shipped.as_ref()).unwrap().digest(),
        Policy::shipped().unwrap().digest()
    );
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.rego"), ALLOWS).unwrap();
    let alone = Policy::load(dir.path()).unwrap().digest();
    std::fs::write(
        dir.path().join("a_test.rego"),
        "package countersign_test\ntest_a if true\n",
    )
    .unwrap();
    assert_eq!(Policy::load(dir.path()).unwrap().digest(), alone);
    std::fs::write(dir.path().join("a.rego"), format!("{ALLOWS}# changed\n")).unwrap();
    assert_ne!(Policy::load(dir.path()).unwrap().digest(), alone);
}

#[test]
fn calls_that_do_not_only_compute_are_refused() {
    for call in [
        "http.send({\"method\": \"get\", \"url\": \"http://x\"})",
        "time.now_ns()",
        "rand.intn(\"a\", 9)",
        "uuid.rfc4122(\"a\")",
        "opa.runtime()",
        "net.lookup_ip_addr(\"x\")",
        "trace(\"x\")",
        "no_such_function(1)",
        "strings.no_such(1)",
        "data.other.f(1)",
    ] {
        assert_eq!(
            with(&format!("x := {call}")).unwrap_err(),
            "policy_unknown_call",
            "{call}"
        );
    }
    assert!(with("f(n) := n + 1\nx := f(count([1]))").is_ok());
}

#[test]
fn fields_that_the_input_does_not_have_are_refused() {
    for rule in [
        "x if input.plam.risk == \"low\"",
        "x if input.plan.rsik == \"low\"",
        "x if input.steps[0].statement == \"\"",
        "x if input[\"plan\"].riks == \"low\"",
        "x if { some step in input.steps; step.actoin.kind == \"sql\" }",
        "x(step) if step.action.sql.knid == \"select\"",
        "x if { every check in input.prechecks { check.query == \"\" } }",
        "x if input.plan.risk.low",
        "x if data.elsewhere.y",
        "x := data",
        "x := data[\"countersign\"][input.plan.risk]",
        "x if input.steps[input.no].id == \"\"",
        "x if data.countersign.no_such_rule",
    ] {
        assert_eq!(with(rule).unwrap_err(), "policy_unknown_path", "{rule}");
    }
    for rule in [
        "x if input.plan.runbook.version >= 1",
        "x if input[\"plan\"][\"risk\"] == \"low\"",
        "x if { some step in input.steps; step.action.calls[0].limit == 1 }",
        "x if data.countersign.obligations.approvers == 1",
    ] {
        assert!(with(rule).is_ok(), "{rule}: {:?}", with(rule).err());
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    for import in ["data.other", "input.plan as p", "future.keywords.every"] {
        let rego = ALLOWS.replacen('\n', &format!("\nimport {import}\n"), 1);
        assert_eq!(load(&rego).unwrap_err().code(), "policy_import", "{import}");
    }
    assert!(load(&ALLOWS.replacen('\n', "\nimport rego.v1\n", 1)).is_ok());
    assert_eq!(with("x if {").unwrap_err(), "policy_not_rego");
    assert_eq!(with("x if unknown_variable == 1").unwrap_err(), "policy_unprepared");
    assert_eq!(
        load("package countersign\nallow := true\n").unwrap_err().code(),
        "policy_missing_rule"
    );
    assert_eq!(
        Policy::load(tempfile::tempdir().unwrap().path()).unwrap_err().code(),
        "policy_empty"
    );
    assert_eq!(
        Policy::load("/no/such/folder".as_ref()).unwrap_err().code(),
        "policy_unreadable"
    );
}

#[test]
fn an_answer_that_is_not_a_whole_decision_refuses() {
    let answer = |decision: &str| -> Result<(bool, Vec<String>), &str> {
        let policy = load(&format!("package countersign\ndecision := {decision}\n")).map_err(|error| error.code())?;
        let decision = policy.judge(&plan(&policy, BLOCKER), &context());
        Ok((
            decision.allow,
            decision.denials.into_iter().map(|denial| denial.code).collect(),
        ))
    };
    let obligations = |approvers: u32, methods: &str| {
        format!(
            "{{\"approvers\": {approvers}, \"methods\": {methods}, \"approve_within_s\": 9, \"execute_within_s\": 9}}"
        )
    };
    let refused = |code: &str| Ok((false, vec![code.to_owned()]));
    let whole = format!(
        "{{\"allow\": true, \"denials\": set(), \"obligations\": {}}}",
        obligations(1, "[\"ssh\"]")
    );
    assert_eq!(answer(&whole), Ok((true, vec![])));
    for broken in [
        "true".to_owned(),
        "{}".to_owned(),
        "{\"allow\": true}".to_owned(),
        "{\"allow\": true, \"denials\": set(), \"obligations\": {}}".to_owned(),
        whole.replace("true", "\"true\""),
        whole.replace("set()", "null"),
        whole.replace("\"allow\"", "\"more\": 1, \"allow\""),
        whole.replace("\"approvers\": 1", "\"approvers\": -1"),
        whole.replace("\"approvers\": 1, ", ""),
        whole.replace("\"approvers\": 1", "\"approvers\": 1 / 0"),
        whole.replace("true", "to_number(\"x\") == 1"),
        whole.replace("true", "input.plan.max_executions + \"1\" == 2"),
    ] {
        let found = answer(&broken);
        // A rule that fails on any input fails when it is loaded; the others refuse when they are asked.
        assert!(
            found == Err("policy_unprepared") || found == refused("policy_error"),
            "{broken}: {found:?}"
        );
    }
    for empty in [obligations(0, "[\"ssh\"]"), obligations(1, "[]")] {
        let broken = format!("{{\"allow\": true, \"denials\": set(), \"obligations\": {empty}}}");
        assert_eq!(answer(&broken), refused("policy_error"), "{empty}");
    }
    assert_eq!(answer(&whole.replace("true", "false")), refused("not_proven"));
}

#[test]
fn an_allowance_with_a_denial_beside_it_refuses() {
    let denial = r#"{{"code": "x", "message": "", "step": "", "span": "", "allowed": ""}}"#;
    let policy = load(&ALLOWS.replace("set()", &denial.replace("{{", "{ {").replace("}}", "} }"))).unwrap();
    let decision = policy.judge(&plan(&policy, BLOCKER), &context());
    assert!(!decision.allow);
    assert_eq!(decision.obligations, None);
}

#[test]
fn a_policy_that_does_not_end_refuses() {
    let slow = "slow := count([1 | some step in input.steps; some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a * b < count(step.id) - 99])";
    let policy = load(
        &ALLOWS
            .replace("\"allow\": true", "\"allow\": slow == 0")
            .replace("decision :=", &format!("{slow}\ndecision :=")),
    );
    let policy = policy.unwrap();
    let started = std::time::Instant::now();
    let decision = policy.judge(
        &plan(&policy, BLOCKER),
        &PolicyContext {
            freeze: false,
            ..context()
        },
    );
    assert_eq!(
        decision.denials.first().map(|denial| denial.code.as_str()),
        Some("policy_error")
    );
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

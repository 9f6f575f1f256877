//! What a runbook must not lack: each fault that is put into a good one is found, at its place.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use runbooks::{Finding, Runbook};
use serde_json::{Value, json};

/// A pointer to what is changed, what stands there then (null: nothing), where the fault must be found, and a word of its
/// message.
fn seeded() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        ("/schema", json!("v2"), "/schema", "countersign.runbook.v1"),
        ("/id", json!("Cap Role"), "/id", "lower-case"),
        ("/version", json!(0), "/version", "starts at 1"),
        ("/version", json!("1"), "/version", "expected u32"),
        ("/title", json!(" "), "/title", "say it"),
        ("/root_cause", json!(""), "/root_cause", "say it"),
        ("/when", Value::Null, "", "missing field `when`"),
        ("/when_not", json!(""), "/when_not", "say it"),
        ("/risk", json!("none"), "/risk", "unknown variant"),
        ("/surprise", json!(1), "/surprise", "unknown field"),
        ("/prechecks", json!([]), "/prechecks", "at least one"),
        ("/blast_radius", json!([]), "/blast_radius", "at least one"),
        ("/steps", json!([]), "/steps", "at least one"),
        ("/permissions", json!([]), "/permissions", "at least one"),
        ("/permissions", Value::Null, "", "missing field `permissions`"),
        ("/sources", json!([]), "/sources", "at least one"),
        ("/verification", Value::Null, "", "missing field `verification`"),
        ("/verification/signal", json!(""), "/verification/signal", "say it"),
        ("/verification/hold_s", json!(0), "/verification/hold_s", "deadline_s"),
        (
            "/verification/hold_s",
            json!(9999),
            "/verification/hold_s",
            "deadline_s",
        ),
        (
            "/verification/interval_ms",
            json!(5),
            "/verification/interval_ms",
            "100",
        ),
        (
            "/verification/collateral",
            json!([]),
            "/verification/collateral",
            "at least one",
        ),
        (
            "/verification/query",
            json!("SELECT 1; SELECT 2"),
            "/verification/query",
            "one SQL statement",
        ),
        (
            "/verification/expect",
            json!({"at_most": "3"}),
            "/verification/expect",
            "invalid type",
        ),
        ("/steps/0/rollback", Value::Null, "/steps/0", "missing field `rollback`"),
        (
            "/steps/0/rollback/class",
            json!("maybe"),
            "/steps/0/rollback/class",
            "unknown variant",
        ),
        (
            "/steps/0/rollback/assert",
            json!([]),
            "/steps/0/rollback/assert",
            "at least one",
        ),
        ("/steps/0/assert", json!([]), "/steps/0/assert", "at least one"),
        (
            "/steps/0/action/timeout_s",
            json!(0),
            "/steps/0/action/timeout_s",
            "at least 1",
        ),
        (
            "/steps/0/action/lock_timeout_ms",
            json!(0),
            "/steps/0/action/lock_timeout_ms",
            "for ever",
        ),
        (
            "/steps/0/action/kind",
            json!("shell"),
            "/steps/0/action/kind",
            "unknown variant",
        ),
        (
            "/steps/0/action/statement",
            json!("ALTER ROLE ${role} CONNECTION LIMIT ${nobody}"),
            "/steps/0/action/statement",
            "nobody",
        ),
        (
            "/steps/0/action/statement",
            json!("ALTER ROLE '${role}' SUPERUSER"),
            "/steps/0/action/statement",
            "",
        ),
        (
            "/steps/0/action/statement",
            json!("ALTER ROLE ${role} CONNECTION LIMIT 5 /* ${new_limit} */"),
            "/steps/0/action/statement",
            "literal or identifier",
        ),
        (
            "/steps/0/action/statement",
            json!("ALTER ROLE ${role"),
            "/steps/0/action/statement",
            "placeholder",
        ),
        (
            "/steps/1/action/rows",
            json!({"at_least": 9, "at_most": 1}),
            "/steps/1/action/rows",
            "greater",
        ),
        ("/steps/1/id", json!("cap_role"), "/", "twice"),
        ("/steps/1/id", json!("End Sessions"), "/", "underscores"),
        (
            "/steps/1/rollback/reason",
            json!(""),
            "/steps/1/rollback/reason",
            "what is lost",
        ),
        (
            "/prechecks/0/query",
            json!("SELEC 1"),
            "/prechecks/0/query",
            "one SQL statement",
        ),
        ("/prechecks/0/why", Value::Null, "/prechecks/0", "missing field `why`"),
        (
            "/blast_radius/0/expected",
            json!("nobody"),
            "/blast_radius",
            "no parameter",
        ),
        (
            "/parameters/role/evidence",
            Value::Null,
            "/parameters/role",
            "exactly one",
        ),
        (
            "/parameters/role/default",
            json!("postgres"),
            "/parameters/role",
            "exactly one",
        ),
        (
            "/parameters/role/type",
            json!("person"),
            "/parameters/role/type",
            "unknown variant",
        ),
        (
            "/parameters/min_idle_s/max",
            Value::Null,
            "/parameters/min_idle_s",
            "bounds",
        ),
        (
            "/parameters/min_idle_s/default",
            json!(0),
            "/parameters/min_idle_s/default",
            "outside",
        ),
        (
            "/parameters/new_limit/derive/percent",
            json!(0),
            "/parameters/new_limit/derive/percent",
            "1 to 400",
        ),
        (
            "/parameters/new_limit/derive/percent_of",
            json!("role"),
            "/parameters/new_limit/derive/percent_of",
            "number",
        ),
    ]
}

#[test]
fn each_of_the_seeded_faults_is_found_at_its_place() {
    let good = include_str!("../catalog/connection-saturation/runbook.json");
    assert!(Runbook::parse(good).is_ok());
    let mut missed = Vec::new();
    for (pointer, value, place, word) in seeded() {
        let mut document: Value = serde_json::from_str(good).unwrap();
        put(&mut document, pointer, value.clone());
        let findings = Runbook::parse(&document.to_string()).unwrap_err();
        let found = |finding: &Finding| finding.pointer == place && finding.message.contains(word);
        if !findings.iter().any(found) {
            missed.push(format!(
                "{pointer} = {value}: wanted `{word}` at `{place}`, found {findings:?}"
            ));
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(parent.remove(name).unwrap()),
        value => drop(parent.insert(name.to_owned(), value)),
    }
}

/// Calls of a service in place of the first step's statement: what is wrong with each, and where.
#[test]
fn each_fault_of_a_call_is_found_at_its_place() {
    let good = include_str!("../catalog/connection-saturation/runbook.json");
    let git = json!({"kind": "git.change", "repository": "infra", "file": "prod/db.tfvars", "variable": "limit",
        "from": "${previous_limit}", "to": "${new_limit}", "timeout_s": 30});
    let ci = json!({"kind": "ci.dispatch", "repository": "infra", "workflow": "restart.yml", "git_ref": "main",
        "inputs": {"role": "${role}"}, "timeout_s": 30});
    let rds = json!({"kind": "aws.rds", "operation": "RebootDBInstance", "parameters": {"DBInstanceIdentifier": "orders-1"},
        "timeout_s": 30});
    let with_call = |call: &Value, rollback: &Value| {
        let mut document: Value = serde_json::from_str(good).unwrap();
        put(&mut document, "/steps/0/action", call.clone());
        put(&mut document, "/steps/0/assert", json!([]));
        put(&mut document, "/steps/0/rollback", rollback.clone());
        Runbook::parse(&document.to_string()).err().unwrap_or_default()
    };
    let none = json!({"class": "none", "reason": "none is needed"});
    for call in [&git, &ci, &rds] {
        assert_eq!(with_call(call, &none), []);
    }
    let mut missed = Vec::new();
    for (call, pointer, value, place, word) in [
        (&git, "/repository", json!("https://x"), "/repository", "letters"),
        (&git, "/file", json!("../x.tfvars"), "/file", "path"),
        (&git, "/file", json!("/etc/x.tf"), "/file", "path"),
        (&git, "/file", json!(".github/x.tf"), "/file", "path"),
        (&git, "/file", json!("main.sh"), "/file", ".tfvars"),
        (&git, "/variable", json!("1x"), "/variable", "Terraform"),
        (&git, "/to", json!("${previous_limit}"), "/to", "before"),
        (&git, "/to", json!("x${new_limit}"), "/to", "placeholder"),
        (&git, "/to", json!("${unknown}"), "/to", "not a parameter"),
        (&git, "/to", json!([1]), "/to", "whole number"),
        (&git, "/to", json!(1.5), "/to", "whole number"),
        (&git, "/to", json!("a\nb"), "/to", "control"),
        (&git, "/timeout_s", json!(0), "/timeout_s", "at least 1"),
        (&git, "/force", json!(true), "", "unknown field"),
        (&ci, "/workflow", json!("restart"), "/workflow", ".yml"),
        (&ci, "/workflow", json!("../x.yml"), "/workflow", ".yml"),
        (&ci, "/git_ref", json!("-x"), "/git_ref", "branch"),
        (
            &ci,
            "/inputs",
            json!({"countersign_id": "x"}),
            "/inputs/countersign_id",
            "executor gives",
        ),
        (&ci, "/inputs", json!({"a b": "x"}), "/inputs/a b", "letters"),
        (&ci, "/inputs", json!({"a": {}}), "/inputs/a", "whole number"),
        (
            &rds,
            "/operation",
            json!("DeleteDBInstance"),
            "/operation",
            "ModifyDBInstance",
        ),
        (
            &rds,
            "/parameters",
            json!({}),
            "/parameters/DBInstanceIdentifier",
            "DBInstanceIdentifier",
        ),
        (
            &rds,
            "/parameters",
            json!({"DBInstanceIdentifier": "orders-1", "ForceFailover": true}),
            "/parameters/ForceFailover",
            "ForceFailover",
        ),
    ] {
        let mut call = call.clone();
        put(&mut call, pointer, value.clone());
        let findings = with_call(&call, &none);
        let place = format!("/steps/0/action{place}");
        if !findings
            .iter()
            .any(|finding| finding.pointer == place && finding.message.contains(word))
        {
            missed.push(format!(
                "{pointer} = {value}: wanted `{word}` at `{place}`, found {findings:?}"
            ));
        }
    }
    assert_eq!(missed, Vec::<String>::new());

    let mut back = git.clone();
    back["from"] = git["to"].clone();
    back["to"] = git["from"].clone();
    let exact = |action: &Value| json!({"class": "exact", "summary": "As it was", "action": action, "assert": []});
    assert_eq!(with_call(&git, &exact(&back)), []);
    for other in [&git, &ci, &rds] {
        let findings = with_call(&git, &exact(other));
        assert!(
            findings.iter().any(|finding| finding.pointer == "/steps/0/rollback"),
            "{findings:?}"
        );
    }
    back["variable"] = json!("another");
    assert!(!with_call(&git, &exact(&back)).is_empty());
}

//! Prove-OK: the input of every shipped plan, with every field dropped, null, and of every other type, is refused.

use std::path::Path;

use policies::Policy;
use policies::damage::damages;
use serde_json::Value;

fn input(policy: &Policy, runbook: &str) -> Value {
    let plan = crate::support::plan(policy, runbook);
    serde_json::from_slice(&policy.input(plan.document(), &crate::support::context()).unwrap()).unwrap()
}

#[test]
fn no_damage_to_the_input_of_any_shipped_plan_is_allowed() {
    std::thread::scope(|scope| {
        let runbooks = crate::support::runbooks();
        let threads: Vec<_> = runbooks
            .into_iter()
            .map(|runbook| scope.spawn(move || no_damage_is_allowed(&runbook)))
            .collect();
        assert!(threads.len() >= 3);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn no_damage_to_the_input_of_a_sample_is_allowed() {
    let policy = Policy::shipped().unwrap();
    std::thread::scope(|scope| {
        // The other samples have the effects of shipped runbooks.
        for name in ["autovacuum-parameter", "reindex-index"] {
            let document = serde_json::from_value(crate::samples::sample(&policy, name)).unwrap();
            let input = policy.input(&document, &crate::support::context()).unwrap();
            scope.spawn(move || no_damage_to_is_allowed(name, &serde_json::from_slice(&input).unwrap()));
        }
    });
}

fn no_damage_is_allowed(runbook: &str) {
    let policy = Policy::shipped().unwrap();
    no_damage_to_is_allowed(runbook, &input(&policy, runbook));
}

fn no_damage_to_is_allowed(runbook: &str, input: &Value) {
    let policy = Policy::shipped().unwrap();
    let judge = |input: &Value| policy.judge_input(&serde_json::to_vec(input).unwrap());
    assert!(judge(input).allow, "{runbook}: the undamaged input is allowed");
    let mut count = 0;
    for damage in damages(input) {
        count += 1;
        let decision = judge(&damage.input);
        assert!(!decision.allow, "{runbook}: {} {}", damage.pointer, damage.how);
        assert!(
            !decision.denials.is_empty(),
            "{} {} is refused without a reason",
            damage.pointer,
            damage.how
        );
        assert_eq!(decision.obligations, None);
    }
    assert!(count >= 1_000, "{count} damages");
}

/// The oracle can see harm: the same rules, turned into a list of what is forbidden, let damaged plans through.
#[test]
fn the_same_rules_as_a_deny_list_would_let_damage_through() {
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rego"))).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rego") {
            std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let allow = std::fs::read_to_string(dir.path().join("allow.rego")).unwrap();
    let deny_list = allow.replace("\"allow\": allow", "\"allow\": count(denials) == 0");
    assert_ne!(deny_list, allow);
    std::fs::write(dir.path().join("allow.rego"), deny_list).unwrap();
    let policy = Policy::load(dir.path()).unwrap();
    let input = input(&policy, "ddl-lock-queue");
    let mut harm =
        damages(&input).filter(|damage| policy.judge_input(&serde_json::to_vec(&damage.input).unwrap()).allow);
    assert!(harm.next().is_some());
}

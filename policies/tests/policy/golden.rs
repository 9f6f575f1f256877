//! What others read: the schema of the input, and the inputs that the Rego tests start from. With UPDATE_GOLDEN=1 they are
//! written anew.

use std::path::Path;

use policies::{Policy, input_schema};
use runbooks::{PlanDocument, canonical_json};
use serde_json::{Value, json};

#[test]
fn the_schema_of_the_input_is_the_published_one() {
    same_as("input.schema.json", &input_schema().to_value());
}

#[test]
fn the_fixtures_are_the_inputs_of_shipped_plans_and_of_the_samples() {
    let policy = Policy::shipped().unwrap();
    for runbook in crate::support::FIXTURES {
        fixture(&policy, runbook, crate::support::plan(&policy, runbook).document());
    }
    for (name, document) in crate::samples::samples(&policy) {
        fixture(&policy, name, &document);
    }
}

fn fixture(policy: &Policy, name: &str, document: &PlanDocument) {
    let bytes = policy.input(document, &crate::support::context()).unwrap();
    let mut input: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(bytes, canonical_json(&input).unwrap(), "the input is canonical JSON");
    // The fixtures are input to the tests of this very policy: with its digest, no rule could ever be changed.
    for holder in ["plan", "context"] {
        assert_eq!(input[holder]["policy_digest"], json!(policy.digest()));
        input[holder]["policy_digest"] = json!("sha256:of-the-policy");
    }
    same_as(&format!("fixtures/{name}.json"), &input);
}

fn same_as(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rego").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(&golden, value, "{name}: UPDATE_GOLDEN=1 writes it anew");
}

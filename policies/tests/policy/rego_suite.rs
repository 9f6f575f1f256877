//! The tests beside the shipped rules: they hold, they reach every line, and no rule could be deleted unnoticed.

use std::path::Path;

use policies::testing::{Parts, Suite, Survivor};

fn suite() -> Suite {
    Suite::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rego"))).unwrap()
}

#[test]
fn every_test_holds_and_every_line_of_every_rule_is_reached() {
    let report = suite().run().unwrap();
    assert_eq!(report.failed, []);
    assert!(report.uncovered.is_empty(), "{:?}", report.uncovered);
    assert!(report.passed.len() >= 30, "{} tests", report.passed.len());
}

#[test]
fn no_rule_could_be_deleted_unnoticed() {
    assert_eq!(told(suite().survivors(Parts::Rules).unwrap()), [""; 0]);
}

#[test]
fn no_condition_of_a_rule_could_be_deleted_unnoticed() {
    assert_eq!(told(suite().survivors(Parts::Conditions).unwrap()), [""; 0]);
}

fn told(survivors: Vec<Survivor>) -> Vec<String> {
    survivors
        .into_iter()
        .map(|part| format!("{}:{} `{}`", part.file, part.line, part.text))
        .collect()
}

//! Recorded incidents stay diagnosed, and a fault that is made now is found now.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::suite::binary;

fn below_orchestrator(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../orchestrator").join(name)
}

fn orchestrator(arguments: &[&str]) -> (Option<i32>, String, String) {
    let out = Command::new(binary("orchestrator"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn recorded_incidents_stay_diagnosed() {
    let cases = below_orchestrator("cases");
    let (code, report, told) = orchestrator(&["eval", cases.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["dangerous"], 0, "{report:#}");
    assert!(report["cases"].as_u64().unwrap() >= 30, "{report:#}");
}

#[test]
fn a_case_that_was_touched_is_refused_and_one_that_expects_another_cause_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = below_orchestrator("cases").join("idle-blocker-billing.json");
    let text = std::fs::read_to_string(file).unwrap();
    let put = |text: String| std::fs::write(folder.path().join("one.json"), text).unwrap();

    put(text.replace("\"state\":\"idle in transaction\"", "\"state\":\"active\""));
    let (code, _, told) = orchestrator(&["eval", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("digest"), "{told}");

    put(text.replace(
        "\"root_causes\":[\"idle_in_transaction_blocker\"]",
        "\"root_causes\":[\"no_database_action\"]",
    ));
    let (code, report, _) = orchestrator(&["eval", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("expected no_database_action"), "{report}");
}

#[test]
fn a_fault_made_now_is_found_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let fault = below_orchestrator("faults").join("prepared-table-lock.toml");
    let into = folder.path().to_str().unwrap();
    let (code, report, told) = orchestrator(&["rehearse", fault.to_str().unwrap(), "--record", into]);
    assert_eq!(code, Some(0), "{report}{told}");
    let (code, report, told) = orchestrator(&["eval", into]);
    assert_eq!(code, Some(0), "{report}{told}");
    assert!(report.contains("right cause first 1"), "{report}");
}

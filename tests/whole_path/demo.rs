//! The demo, run as a user runs it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::suite::binary;

fn demo(incident: &str, dir: &Path) -> Value {
    let out = Command::new(binary("orchestrator"))
        .args(["demo", "--incident", incident, "--yes", "--json"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let timeline = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{timeline}");
    // One document, and nothing else on stdout.
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out.stdout)))
}

#[test]
fn the_demo_names_its_incidents() {
    let out = Command::new(binary("orchestrator"))
        .args(["demo", "--incident", "list"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout).unwrap();
    for name in ["idle-in-transaction-blocker", "ddl-lock-queue", "connection-saturation"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn each_demo_incident_is_recovered_and_leaves_a_post_mortem() {
    for incident in ["idle-in-transaction-blocker", "ddl-lock-queue", "connection-saturation"] {
        let dir = tempfile::tempdir().unwrap();
        let report = demo(incident, dir.path());
        assert_eq!(
            (&report["outcome"], &report["recovered"]),
            (&Value::from("resolved"), &Value::from(true)),
            "{report:#}"
        );
        let asked = report["asked_the_database"].as_array().unwrap();
        assert!(
            !asked.is_empty() && asked.iter().all(|answer| answer["holds"] == true),
            "{report:#}"
        );
        assert!(
            report["timings_ms"]["alert_to_awaiting_approval"].is_u64(),
            "{report:#}"
        );
        let post_mortem = dir.path().join(report["post_mortem"].as_str().unwrap());
        assert!(
            std::fs::read_to_string(post_mortem)
                .unwrap()
                .contains(report["plan"]["digest"].as_str().unwrap())
        );
    }
}

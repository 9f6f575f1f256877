//! The demo, run as a user runs it.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::suite::binary;

fn demo(incident: &str) -> Value {
    let out = Command::new(binary("orchestrator"))
        .args(["demo", "--incident", incident, "--yes", "--json"])
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
        let report = demo(incident);
        assert_eq!(report["incident"]["outcome"], "resolved", "{report:#}");
    }
}

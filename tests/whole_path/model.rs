//! A model behind a vendor's protocol diagnoses, plans and judges; a person reads on the page what it could not settle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::fault::IdleBlocker;
use crate::model_stand_in::{KEY, StandIn};
use crate::page::{approve, fire, started, waiting};
use crate::suite::{Role, Suite};

/// As `scripted.py` says it.
const UNANSWERED: &str = "whoever waits for this session loses its work a second time";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_debate_changes_the_plan_once_and_what_it_left_open_is_on_the_page() {
    let mut suite = Suite::new(&[]).await;
    let key = suite.path("model.key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    suite.edit(Role::Orchestrator, |config| {
        config["models"] = json!([{
            "name": "scripted", "provider": "anthropic", "model": "m", "key_file": key,
            "base_url": format!("http://127.0.0.1:{}/scripted/anthropic/v1", StandIn::port()),
        }]);
    });
    let (_driver, alice) = started(&mut suite).await;

    let fault = IdleBlocker::provoke(&suite.cluster).await;
    fire(&mut suite, 0).await;
    let request = waiting(&mut suite).await;
    // Whom the model first wanted to end lives, and so does everybody else.
    assert!(fault.blocks().await);
    let incident = suite.the_incident();
    assert_eq!(
        incident["revision"]["plan"]["draft"]["runbook"], "connection-saturation",
        "{incident:#}"
    );
    assert_eq!(incident["plan"]["draft"]["runbook"], "idle-in-transaction-blocker");
    let objecting = |opinion: &&Value| opinion["by"] == "scripted" && opinion["verdict"] == "object";
    let opinions = incident["opinions"].as_array().unwrap();
    assert_eq!(opinions.iter().filter(objecting).count(), 1, "{opinions:#?}");

    approve(&suite, &alice, &request, UNANSWERED).await;
    let closed = async |suite: &mut Suite| suite.closed_incidents(1);
    suite.until("the incident is closed", closed).await;
    fault.assert_mended(&suite.cluster).await;
}

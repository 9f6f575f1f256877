//! A model behind a vendor's protocol diagnoses, plans and judges; a person reads on the page what it could not settle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::fault::IdleBlocker;
use crate::model_stand_in::{KEY, StandIn};
use crate::page::{enrol, fire, pages, waiting};
use crate::suite::{Role, Suite};
use crate::webdriver::Driver;

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
    suite.start_all();
    let up = async |suite: &mut Suite| suite.get("/v1/gate").await.map(drop);
    suite.until("the gate is up", up).await;
    let driver = Driver::start().await;
    let alice = driver.browser().await;
    enrol(&suite, &alice).await;

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

    alice.open(&format!("{}/sign-in", pages(&suite))).await;
    alice.click("Sign in with passkey").await;
    alice.sees("Sign out").await;
    alice.open(&format!("{}/requests/{request}", pages(&suite))).await;
    alice.sees(UNANSWERED).await;
    alice.click("Approve with passkey").await;
    alice.sees("Every step was done").await;
    let closed = async |suite: &mut Suite| suite.closed_incidents(1);
    suite.until("the incident is closed", closed).await;
    fault.assert_mended(&suite.cluster).await;
}

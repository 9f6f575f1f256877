//! The whole path with a person at a browser: a passkey approves, the page follows a real executor to the end; then a grant
//! that the passkey signs lets the same incident be mended unasked.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::fault::{IdleBlocker, terminations};
use crate::suite::{Role, Suite, alert, binary};
use crate::webdriver::{Browser, Driver};

fn cli(suite: &Suite, args: &[&str]) -> String {
    let output = Command::new(binary("approval-gate"))
        .args(args)
        .env("COUNTERSIGN_GATE", pages(suite))
        .current_dir(suite.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let refused = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}{refused}");
    said
}

fn pages(suite: &Suite) -> String {
    suite.gate_url().replace("127.0.0.1", "localhost")
}

/// Starts everything, and Alice's browser with a passkey that counts. The driver lives as long as her browser must.
pub async fn started(suite: &mut Suite) -> (Driver, Browser) {
    suite.start_all();
    let up = async |suite: &mut Suite| suite.get("/v1/gate").await.map(drop);
    suite.until("the gate is up", up).await;
    let driver = Driver::start().await;
    let alice = driver.browser().await;
    enrol(suite, &alice).await;
    (driver, alice)
}

/// Alice opens the request, which says this among other things, approves it, and sees it through.
pub async fn approve(suite: &Suite, alice: &Browser, request: &str, says: &str) {
    alice.open(&format!("{}/sign-in", pages(suite))).await;
    alice.click("Sign in with passkey").await;
    alice.sees("Sign out").await;
    alice.open(&format!("{}/requests/{request}", pages(suite))).await;
    alice.sees(says).await;
    alice.click("Approve with passkey").await;
    // Nobody loads the page again: it follows the executor by itself.
    alice.sees("Every step was done").await;
}

/// Alice makes a passkey, the administrator lists it; gate and executor read the same file here.
async fn enrol(suite: &Suite, browser: &Browser) {
    let admin = suite.admin.file.to_str().unwrap();
    let invited = cli(suite, &["approvers", "invite", "alice", "--key", admin]);
    let address = invited.lines().find(|line| line.contains("/register/")).unwrap();
    browser.open(address).await;
    browser.click("Make passkey").await;
    browser.sees("Your passkey is made").await;
    let script = "return document.getElementById('fingerprint').textContent";
    let fingerprint = browser.run(script).await;
    let registered = format!("alice={}", fingerprint.as_str().unwrap());
    let add = ["--add-registered", &registered, "--out", "next.json"];
    cli(
        suite,
        &[&["approvers", "propose", "--current", "approvers.json"], &add[..]].concat(),
    );
    cli(
        suite,
        &["approvers", "sign", "next.json", "--key", admin, "--out", "signed.json"],
    );
    cli(suite, &["approvers", "apply", "signed.json"]);
}

pub async fn fire(suite: &mut Suite, number: usize) {
    let mut alert = alert("PostgresIdleInTransaction", "firing");
    alert["alerts"][0]["startsAt"] = Value::from(format!("2026-11-23T10:{number:02}:00Z"));
    alert["alerts"][0]["fingerprint"] = Value::from(format!("{number:016x}"));
    let taken = async |suite: &mut Suite| matches!(suite.post_alert(&alert).await, Some(200..=202)).then_some(());
    suite.until("the alert is taken", taken).await;
}

/// The request that waits, once there is one.
pub async fn waiting(suite: &mut Suite) -> String {
    let asked = async |suite: &mut Suite| {
        let list = suite.get("/v1/requests?status=pending").await?;
        Some(list.as_array()?.first()?["id"].as_str()?.to_owned())
    };
    suite.until("a person is asked", asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_approves_and_then_grants_what_a_real_executor_mends() {
    let mut suite = Suite::new(&[("log_statement", "none")]).await;
    let (_driver, alice) = started(&mut suite).await;

    let fault = IdleBlocker::provoke(&suite.cluster).await;
    fire(&mut suite, 0).await;
    let request = waiting(&mut suite).await;
    approve(&suite, &alice, &request, "The exact bytes").await;
    let closed = async |suite: &mut Suite| suite.closed_incidents(1);
    suite.until("the incident is closed", closed).await;
    fault.assert_mended(&suite.cluster).await;

    // Every value that the plan had is what the grant allows; more would be asked about.
    let view = suite.get(&format!("/v1/requests/{request}")).await.unwrap();
    let plan: Value = view["plan"].as_str().unwrap().parse().unwrap();
    let names = plan["parameters"].as_object().unwrap().keys();
    let allowed: Vec<String> = names.map(|name| format!("--allow={name}=any")).collect();
    let runbook = plan["runbook"]["id"].as_str().unwrap();
    let mut terms = vec![
        "grants",
        "propose",
        "--runbook",
        runbook,
        "--target",
        "orders",
        "--per-day",
        "1",
    ];
    terms.extend(["--reason", "known sessions", "--out", "grant.json"]);
    terms.extend(allowed.iter().map(String::as_str));
    cli(&suite, &terms);
    alice.open(&format!("{}/grants", pages(&suite))).await;
    let text = fs::read_to_string(suite.path("grant.json")).unwrap();
    alice.type_into("#terms", &text).await;
    alice.click("Read and sign …").await;
    alice.click("Grant with passkey").await;
    alice.sees("signed by alice").await;

    let fault = IdleBlocker::provoke(&suite.cluster).await;
    fire(&mut suite, 1).await;
    let closed = async |suite: &mut Suite| suite.closed_incidents(2);
    suite.until("the second incident is closed, unasked", closed).await;
    fault.assert_mended(&suite.cluster).await;
    assert_eq!(terminations(&suite.cluster), 2);
    let kinds = suite.journalled(Role::Gate);
    assert_eq!(
        kinds.iter().filter(|kind| kind.contains("request_approved")).count(),
        1,
        "{kinds:?}"
    );

    // It was for once a day.
    let fault = IdleBlocker::provoke(&suite.cluster).await;
    fire(&mut suite, 2).await;
    waiting(&mut suite).await;
    assert!(fault.blocks().await);
}

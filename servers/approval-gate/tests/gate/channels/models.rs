//! What the gate sends and what the stand-ins sign, before the vendors' own packages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::stand_in::{INTERACTIONS, StandIn, form, is_about, press};
use super::{SIGNING_SECRET, ask, configure, let_attested_count, plan_within, status};
use crate::world::{World, now, plan_with};

/// Asks the vendors' packages, and stops where they object.
fn vendors_say(question: &Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendors");
    let prepared = Command::new(folder.join("prepare")).output().unwrap();
    assert!(
        prepared.status.success(),
        "{}",
        String::from_utf8_lossy(&prepared.stderr)
    );
    let python = PathBuf::from(String::from_utf8(prepared.stdout).unwrap().trim());
    let mut asked = Command::new(python)
        .arg(folder.join("check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    asked
        .stdin
        .take()
        .unwrap()
        .write_all(question.to_string().as_bytes())
        .unwrap();
    let said = asked.wait_with_output().unwrap();
    assert!(said.status.success());
    serde_json::from_slice(&said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_packages_take_what_is_sent_and_sign_what_is_taken() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    let policy = let_attested_count(&world);
    configure(
        &world,
        &vendors,
        "remind_min = [1]\nescalate_min = 1",
        "escalation_channel = \"C0LEADS\"",
    );
    let gate = world.start().await;
    // Titles and names as long and as odd as they come.
    let plan = plan_with(|context| {
        context.policy_digest = policy.digest();
        context.incident = "*_~`<@U0ANA>&\u{202e}".repeat(100);
    });
    let mut late = plan_within(66);
    late = plan_with(|context| {
        context.policy_digest = policy.digest();
        context.incident = "inc-late".into();
        context.approve_by = late.document().approve_by;
    });
    let (request, late) = (ask(&gate, &plan).await, ask(&gate, &late).await);
    let (message, _) = vendors.posted(&request).await;
    vendors
        .wait("/api/chat.postMessage", |body| body["thread_ts"].is_string())
        .await;
    vendors
        .wait("/v2/enqueue", |body| body["payload"]["severity"] == "critical")
        .await;
    press(&gate, &vendors.click("ana", "approve", &message, 0)).await;
    vendors.wait("/api/chat.update", |body| is_about(body, &request)).await;
    vendors
        .wait("/v2/enqueue", |body| body["event_action"] == "resolve")
        .await;
    vendors.told(0).await;

    // One click is signed by Slack's package, one webhook by PagerDuty's published algorithm.
    let (message, _) = vendors.posted(&late).await;
    let body = form(&vendors.click("ben", "reject", &message, 1));
    let at = now().unix().to_string();
    // Messages as they must not be: an unknown key, a text too long, an argument of another method, an unknown action.
    let spoiled = |what: &str, path: &str, pointer: &str, value: Value| {
        let mut body = vendors.sent(path)[0].body.clone();
        match pointer.rsplit_once('/').unwrap() {
            (parent, key) if body.pointer(pointer).is_none() => body.pointer_mut(parent).unwrap()[key] = value,
            _ => *body.pointer_mut(pointer).unwrap() = value,
        }
        json!({"what": what, "path": path, "body": body})
    };
    let (post, update, event) = ("/api/chat.postMessage", "/api/chat.update", "/v2/enqueue");
    let wrong = [
        spoiled("unknown key", post, "/blocks/0/colour", json!("red")),
        spoiled("long title", post, "/blocks/0/text/text", json!("x".repeat(151))),
        spoiled(
            "long button",
            post,
            "/blocks/3/elements/1/text/text",
            json!("x".repeat(76)),
        ),
        spoiled("unknown block", post, "/blocks/0/type", json!("heading")),
        spoiled("another method's argument", update, "/unfurl_links", json!(false)),
        spoiled("unknown action", event, "/event_action", json!("open")),
        spoiled("unknown field", event, "/severity", json!("critical")),
    ];
    let said = vendors_say(&json!({
        "wrong": wrong,
        "sent": vendors.everything().iter().map(|sent| json!({"path": sent.path, "body": sent.body})).collect::<Vec<_>>(),
        "sign": {"secret": SIGNING_SECRET, "timestamp": at, "body": String::from_utf8(body.clone()).unwrap()},
        "click": vendors.click("ben", "reject", &message, 1),
    }));
    assert_eq!((&said["faults"], &said["overlooked"]), (&json!([]), &json!([])));
    for (kind, at_least) in [("slack", 5), ("pagerduty", 4), ("teams", 4)] {
        assert!(said["checked"][kind].as_u64().unwrap() >= at_least, "{said}");
    }
    let signature = said["signature"].as_str().unwrap().to_owned();
    let headers = [("x-slack-request-timestamp", at), ("x-slack-signature", signature)];
    assert_eq!(gate.send(INTERACTIONS, &headers, &body).await.status().as_u16(), 200);
    assert_eq!(status(&gate, &late).await, "rejected");
}

//! PagerDuty: an incident while a request waits, and notes of listed people on it.

use serde_json::{Value, json};

use super::stand_in::{StandIn, WEBHOOK, deliver, hmac, note};
use super::{WEBHOOK_SECRETS, ask, configure, leaked, let_attested_count, refused, status};
use crate::world::{World, account, plan, plan_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_a_listed_person_rejects_and_the_incident_is_resolved() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan();
    let request = ask(&gate, &plan).await;
    let paged = vendors
        .wait("/v2/enqueue", |body| body["dedup_key"] == request.as_str())
        .await;
    assert_eq!(
        (&paged["event_action"], &paged["payload"]["severity"]),
        (&json!("trigger"), &json!("warning"))
    );
    assert_eq!(paged["links"][0]["href"], format!("{}/requests/{request}", gate.url));
    let code = plan.digest().hex()[..8].to_owned();
    let words = format!("{request} {code}");
    let told = paged["payload"]["custom_details"]["To answer here"].as_str().unwrap();
    assert!(
        told.contains(&format!("`reject {words}`")) && !told.contains("`approve"),
        "{told}"
    );

    type Edit<'a> = &'a dyn Fn(&mut Value);
    let with = |content: String, edit: Edit<'_>, id: &str| {
        let mut webhook = note("ana", &content, id);
        edit(&mut webhook["event"]);
        webhook
    };
    let cases: [(&str, String, Edit<'_>); 9] = [
        ("account_not_listed", format!("reject {words}"), &|event| {
            event["agent"]["id"] = json!("PNOBODY")
        }),
        ("account_not_listed", format!("reject {words}"), &|event| {
            event["agent"] = json!({"id": "PTWIN", "summary": "ana", "type": "user_reference"});
        }),
        ("channel_bot", format!("reject {words}"), &|event| {
            event["agent"] = Value::Null
        }),
        ("channel_bot", format!("reject {words}"), &|event| {
            event["agent"]["type"] = json!("integration_reference")
        }),
        ("channel_stale", format!("reject {words}"), &|event| {
            event["occurred_at"] = json!("2026-01-01T00:00:00.000Z")
        }),
        ("channel_other_plan", format!("reject {request} 01234567"), &|_| {}),
        ("malformed_note", format!("reject {request}"), &|_| {}),
        ("malformed_note", format!("reject {words}"), &|event| {
            event["data"]["trimmed"] = json!(true)
        }),
        ("method_not_allowed", format!("approve {words}"), &|_| {}),
    ];
    for (nth, (code, content, edit)) in cases.iter().enumerate() {
        let answer = deliver(&gate, &with(content.clone(), edit, &format!("event-{nth}"))).await;
        assert_eq!(answer["code"], *code, "{content}: {answer}");
    }
    let chat = deliver(&gate, &note("ana", "looking at it, will reject soon", "event-chat")).await;
    assert_eq!(chat, json!({"decided": null}));
    assert_eq!(status(&gate, &request).await, "pending");

    // Whoever decides is answered on the incident; whoever just talks is not.
    let answers = "/incidents/PGR0VU2/notes";
    let answered = |words: &'static str| move |body: &Value| body["note"]["content"].as_str().unwrap().contains(words);
    let told = vendors.wait(answers, answered("(method_not_allowed)")).await;
    assert!(
        told["note"]["content"]
            .as_str()
            .unwrap()
            .starts_with("Countersign: This changed nothing: ")
    );
    assert!(
        vendors
            .sent(answers)
            .iter()
            .all(|sent| sent.bearer == "Token token=y_NbAkKc66ryYTWUXYEu")
    );

    // As a phone writes it.
    let no = note("ana", &format!("Reject {words}\n"), "event-no");
    assert_eq!(deliver(&gate, &no).await["decided"]["status"], "rejected");
    vendors.wait(answers, answered("Your rejection was taken")).await;
    vendors
        .wait("/v2/enqueue", |body| {
            body["dedup_key"] == request.as_str() && body["event_action"] == "resolve"
        })
        .await;
    vendors
        .wait("/api/chat.update", |body| {
            body.to_string().contains("Rejected by ana (pagerduty)")
        })
        .await;
    gate.kill().await;

    // What was taken is known after a restart too.
    let gate = world.start().await;
    assert_eq!(deliver(&gate, &no).await["code"], "channel_replayed");
    let again = note("ana", &format!("reject {words}"), "event-again");
    assert_eq!(deliver(&gate, &again).await["decided"]["already"], true);
    gate.kill().await;
    let codes: Vec<String> = refused(&world).into_iter().map(|(code, _)| code).collect();
    let expected: Vec<&str> = cases.iter().map(|case| case.0).chain(["channel_replayed"]).collect();
    assert_eq!(codes, expected);
    let heard: Value = world.journal("channel_heard")[1].parse().unwrap();
    assert_eq!(
        heard["data"]["account"],
        json!({"channel": "pagerduty", "user": account("ana")})
    );
    assert_eq!(leaked(&world, ""), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pagerduty_did_not_sign_is_not_looked_at() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan();
    let request = ask(&gate, &plan).await;
    let no = note(
        "ana",
        &format!("reject {request} {}", &plan.digest().hex()[..8]),
        "event-1",
    );
    let body = no.to_string().into_bytes();
    let right = hmac(WEBHOOK_SECRETS[0], &body);
    for signatures in [
        String::new(),
        format!("v1={}", hmac("another-webhook-secret", &body)),
        format!("v0={right}"),
        right.clone(),
        format!("v1={}", hmac(WEBHOOK_SECRETS[0], b"{}")),
    ] {
        let answer = gate
            .send(WEBHOOK, &[("x-pagerduty-signature", signatures.clone())], &body)
            .await;
        assert_eq!(answer.status().as_u16(), 403, "{signatures}");
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["code"], "channel_bad_signature", "{signatures}");
        assert!(!said.to_string().contains(&right));
    }
    assert_eq!(status(&gate, &request).await, "pending");
    // The older secret still counts while it is being replaced.
    let answer = gate
        .send(WEBHOOK, &[("x-pagerduty-signature", format!("v1={right}"))], &body)
        .await;
    assert_eq!(answer.json::<Value>().await.unwrap()["decided"]["status"], "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_by_note_counts_where_policy_and_floor_say_so() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    let policy = let_attested_count(&world);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan_with(|context| context.policy_digest = policy.digest());
    let request = ask(&gate, &plan).await;
    let words = format!("approve {request} {}", &plan.digest().hex()[..8]);
    let paged = vendors
        .wait("/v2/enqueue", |body| body["dedup_key"] == request.as_str())
        .await;
    assert!(
        paged["payload"]["custom_details"]["To answer here"]
            .as_str()
            .unwrap()
            .contains(&words)
    );
    for (who, code) in [("bot", "agent_approves"), ("orchestrator-1", "requester_approves")] {
        assert_eq!(
            deliver(&gate, &note(who, &words, &format!("event-{who}"))).await["code"],
            code
        );
    }
    let decided = deliver(&gate, &note("ben", &words, "event-1")).await;
    assert_eq!(
        (&decided["decided"]["status"], &decided["decided"]["approver"]),
        (&json!("approved"), &json!("ben"))
    );
}

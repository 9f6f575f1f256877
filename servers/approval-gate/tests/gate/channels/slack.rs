//! Slack over HTTP: what is posted and corrected, whose click counts, and what is not even looked at.

use serde_json::{Value, json};

use super::stand_in::{INTERACTIONS, StandIn, button, buttons, form, is_about, press, slack_headers};
use super::{SIGNING_SECRET, ask, configure, leaked, let_attested_count, plan_within, refused, slack_account, status};
use crate::world::{World, account, now, plan, plan_with, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_told_once_and_corrected_after_a_restart() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan_with(|context| context.incident = "<!channel> *inc* <https://evil.example|x> &".into());
    let request = ask(&gate, &plan).await;

    let (message, ts) = vendors.posted(&request).await;
    assert_eq!(message["channel"], "C0PROD");
    let shown = message["blocks"].to_string();
    let hex = plan.digest().hex();
    let grouped: Vec<&str> = (0..8).map(|i| &hex[i * 8..i * 8 + 8]).collect();
    for part in [
        "orders (demo)",
        "idle-in-transaction-blocker",
        "Blast radius",
        "at most",
        &grouped.join(" "),
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // Foreign text stands where Slack knows no markup, and escaped where it knows some.
    assert!(!shown.contains("mrkdwn") && !message["text"].to_string().contains("<!channel>"));
    // Nobody can approve here: floor and policy say so.
    let ids: Vec<Value> = buttons(&message)
        .iter()
        .map(|button| button["action_id"].clone())
        .collect();
    assert_eq!(ids, ["open", "reject"]);
    let reject = button(&message, "reject").unwrap();
    assert_eq!(reject["value"], format!("{request} {}", &hex[..16]));
    assert!(reject["confirm"]["text"]["text"].as_str().unwrap().contains(&hex[..8]));
    let card = vendors
        .wait("/teams/workflow", |body| body.to_string().contains(&request))
        .await;
    assert_eq!(
        card["attachments"][0]["content"]["actions"][0]["type"],
        "Action.OpenUrl"
    );

    // A click waits until the message is written down; a crash before that would post it a second time.
    press(&gate, &vendors.click("nobody", "reject", &message, 0)).await;
    assert!(vendors.told(0).await.ends_with("(account_not_listed)."));
    gate.kill().await;
    let gate = world.start().await;
    let no = gate.decide(&world, &request, "ben", "reject").await;
    assert_eq!(no["status"], "rejected", "{no}");
    let corrected = vendors.wait("/api/chat.update", |body| body["ts"] == ts).await;
    assert!(corrected["blocks"].to_string().contains("Rejected by ben (ssh) at "));
    let ids: Vec<Value> = buttons(&corrected)
        .iter()
        .map(|button| button["action_id"].clone())
        .collect();
    assert_eq!(ids, ["open"]);
    vendors
        .wait("/teams/workflow", |body| body.to_string().contains("Rejected by ben"))
        .await;
    assert_eq!(vendors.sent("/api/chat.postMessage").len(), 1);
    assert!(
        vendors
            .sent("/api/chat.update")
            .iter()
            .all(|sent| sent.bearer == "Bearer xoxb-this-is-the-bot-token")
    );
    gate.kill().await;
    assert_eq!(leaked(&world, ""), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_followed_to_its_end() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan();
    let request = ask(&gate, &plan).await;
    let (_, ts) = vendors.posted(&request).await;
    let (_, token) = gate.approved(&world, &plan).await;
    let corrected = async |words: &str| {
        let says = |body: &Value| body["ts"] == ts && body["blocks"].to_string().contains(words);
        vendors.wait("/api/chat.update", says).await
    };
    let approved = corrected("Approved by ana (ssh) at ").await;
    // Nobody is asked to approve any more; what was approved can still be stopped.
    assert_eq!(button(&approved, "reject").unwrap()["text"]["text"], "Stop");
    assert!(button(&approved, "approve").is_none());
    let execution = gate.execute(text(&plan), Some(&token)).await["execution_id"]
        .as_str()
        .unwrap()
        .to_owned();
    corrected(&format!("Execution {execution}: queued")).await;
    gate.claim().await.unwrap();
    gate.report(&execution, "done").await;
    let over = corrected(&format!("Execution {execution}: done")).await;
    assert!(button(&over, "reject").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_stopped_by_a_click_before_it_runs() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan();
    let request = ask(&gate, &plan).await;
    let (_, ts) = vendors.posted(&request).await;
    let (_, token) = gate.approved(&world, &plan).await;
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["status"], "queued");
    let says = |body: &Value| body["ts"] == ts && body["blocks"].to_string().contains("queued");
    let shown = vendors.wait("/api/chat.update", says).await;
    press(&gate, &vendors.click("ben", "reject", &shown, 0)).await;
    assert_eq!(status(&gate, &request).await, "rejected");
    assert!(gate.claim().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_rejects_once_and_says_who_was_first() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let request = ask(&gate, &plan()).await;
    let (message, ts) = vendors.posted(&request).await;

    // A link is clicked too, and decides nothing.
    press(&gate, &vendors.click("ana", "open", &message, 9)).await;
    assert_eq!(status(&gate, &request).await, "pending");
    press(&gate, &vendors.click("ana", "reject", &message, 0)).await;
    assert_eq!(status(&gate, &request).await, "rejected");
    assert_eq!(
        vendors.told(0).await,
        "Your rejection was taken; the request is rejected, 0 of 1 have signed."
    );
    let corrected = vendors.wait("/api/chat.update", |body| body["ts"] == ts).await;
    assert!(corrected["blocks"].to_string().contains("Rejected by ana (slack) at "));

    // The double click, and somebody else's.
    press(&gate, &vendors.click("ana", "reject", &message, 1)).await;
    assert_eq!(
        vendors.told(1).await,
        "Your rejection was taken before; the request is rejected."
    );
    press(&gate, &vendors.click("ben", "reject", &message, 2)).await;
    let told = vendors.told(2).await;
    assert!(told.contains("ana") && told.ends_with("(denied)."), "{told}");

    gate.kill().await;
    let heard: Vec<Value> = world
        .journal("channel_heard")
        .iter()
        .map(|leaf| leaf.parse().unwrap())
        .collect();
    assert_eq!(heard[0]["data"]["account"], slack_account("ana"));
    assert_eq!(
        (&heard[0]["data"]["approver"], &heard[0]["data"]["via"]["message"]),
        (&json!("ana"), &json!(ts))
    );
    assert_eq!(world.journal("request_rejected").len(), 1);
    assert_eq!(refused(&world), [("denied".to_owned(), slack_account("ben"))]);
    assert!(vendors.sent("/reply/9").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_did_not_sign_just_now_is_not_looked_at() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let request = ask(&gate, &plan()).await;
    let (message, _) = vendors.posted(&request).await;
    let body = form(&vendors.click("ana", "reject", &message, 0));
    let send = async |headers: Vec<(&'static str, String)>, body: &[u8]| {
        let answer = gate.send(INTERACTIONS, &headers, body).await;
        let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
        let code = said.parse::<Value>().unwrap_or_default()["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (status, code, said)
    };
    let at = now().unix();
    let right = slack_headers(SIGNING_SECRET, at, &body);
    let signature = right[2].1.clone();

    let mut twice = right.clone();
    twice.push(("x-slack-signature", signature.clone()));
    let edited = [body.as_slice(), b"&x=1"].concat();
    for (what, headers, body, code) in [
        (
            "wrong secret",
            slack_headers("another-signing-secret", at, &body),
            &body,
            "channel_bad_signature",
        ),
        ("edited body", right.clone(), &edited, "channel_bad_signature"),
        ("no signature", right[..2].to_vec(), &body, "channel_bad_signature"),
        ("two signatures", twice, &body, "channel_bad_signature"),
        (
            "stale",
            slack_headers(SIGNING_SECRET, at - 301, &body),
            &body,
            "channel_stale",
        ),
        (
            "ahead",
            slack_headers(SIGNING_SECRET, at + 310, &body),
            &body,
            "channel_stale",
        ),
        (
            "no number",
            vec![
                right[0].clone(),
                ("x-slack-request-timestamp", "now".into()),
                right[2].clone(),
            ],
            &body,
            "channel_bad_signature",
        ),
    ] {
        let (status, got, said) = send(headers, body).await;
        assert_eq!((status, got.as_str()), (403, code), "{what}");
        // An answer that held the right signature would hand it to whoever asks.
        assert!(!said.contains(&signature[3..]), "{what}: {said}");
    }
    assert_eq!(status(&gate, &request).await, "pending");

    // Slack's own is taken; the same bytes again are not, however the signature is spelled.
    assert_eq!(send(right.clone(), &body).await.0, 200);
    assert_eq!(status(&gate, &request).await, "rejected");
    let mut upper = right.clone();
    upper[2].1 = format!("v0={}", signature[3..].to_uppercase());
    for again in [right, upper] {
        assert_eq!(send(again, &body).await.1, "channel_replayed");
    }
    gate.kill().await;
    // Strangers are noted, but cannot fill the journal.
    assert_eq!(refused(&world).len(), 1);
    assert_eq!(world.journal("request_rejected").len(), 1);
    assert_eq!(leaked(&world, ""), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_listed_decides_nothing() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    let policy = let_attested_count(&world);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan_with(|context| context.policy_digest = policy.digest());
    let other = plan_with(|context| {
        context.policy_digest = policy.digest();
        context.incident = "inc-other".into();
    });
    let (request, other) = (ask(&gate, &plan).await, ask(&gate, &other).await);
    let (message, _) = vendors.posted(&request).await;
    let (of_other, _) = vendors.posted(&other).await;

    type Edit<'a> = &'a dyn Fn(&mut Value);
    let cases: [(&str, &str, &str, Edit<'_>); 12] = [
        ("unlisted", "approve", "account_not_listed", &|click| {
            click["user"]["id"] = json!("U0NOBODY")
        }),
        ("display-name twin", "approve", "account_not_listed", &|click| {
            click["user"] = json!({"id": "U0TWIN", "username": "ana", "name": "ana", "team_id": "T0TEAM"});
        }),
        ("display-name twin rejects", "reject", "account_not_listed", &|click| {
            click["user"]["id"] = json!("U0TWIN")
        }),
        ("another team", "approve", "channel_other_team", &|click| {
            click["user"]["team_id"] = json!("T0OTHER")
        }),
        ("no team", "approve", "channel_other_team", &|click| {
            click["user"].as_object_mut().unwrap().remove("team_id");
        }),
        ("bot", "approve", "channel_bot", &|click| {
            click["user"]["is_bot"] = json!(true)
        }),
        ("listed agent", "approve", "agent_approves", &|click| {
            click["user"]["id"] = json!(account("bot"))
        }),
        ("requester", "approve", "requester_approves", &|click| {
            click["user"]["id"] = json!(account("orchestrator-1"));
        }),
        ("empty user", "approve", "malformed_click", &|click| {
            click["user"]["id"] = json!("")
        }),
        ("message edited meanwhile", "approve", "channel_other_plan", &|click| {
            let value = click["actions"][0]["value"].as_str().unwrap().to_owned();
            click["actions"][0]["value"] = json!(format!("{} {}", &value[..20], "0123456789abcdef"));
        }),
        (
            "another message over the same button",
            "approve",
            "channel_other_message",
            &|click| {
                click["container"]["message_ts"] = json!("1700000000.999999");
            },
        ),
        (
            "the button of another message",
            "approve",
            "channel_other_message",
            &|click| {
                click["actions"][0]["value"] = button(&of_other, "approve").unwrap()["value"].clone();
            },
        ),
    ];
    for (nth, (what, action, code, edit)) in cases.iter().enumerate() {
        let mut click = vendors.click("ana", action, &message, nth);
        edit(&mut click);
        press(&gate, &click).await;
        let told = vendors.told(nth).await;
        assert!(
            told.starts_with("This changed nothing: ") && told.ends_with(&format!("({code}).")),
            "{what}: {told}"
        );
    }
    // An answer goes to Slack and nowhere else.
    let mut click = vendors.click("ana", "approve", &message, 98);
    click["user"]["id"] = json!("U0NOBODY");
    for url in [
        vendors.url.replace("127.0.0.1", "localhost") + "/reply/98",
        "http://hooks.slack.com.evil.example/".into(),
    ] {
        click["response_url"] = json!(url);
        press(&gate, &click).await;
    }
    assert_eq!(
        (status(&gate, &request).await, status(&gate, &other).await),
        ("pending".into(), "pending".into())
    );
    assert!(vendors.sent("/reply/98").is_empty());

    gate.kill().await;
    let journalled: Vec<String> = refused(&world).into_iter().map(|(code, _)| code).collect();
    let expected: Vec<&str> = cases
        .iter()
        .map(|case| case.2)
        .chain(["account_not_listed"; 2])
        .collect();
    assert_eq!(journalled, expected);
    assert!(refused(&world).iter().all(|(_, account)| account.is_object()));
    assert_eq!(
        world.journal("request_approved").len() + world.journal("request_rejected").len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_only_where_policy_and_floor_say_so() {
    // Without the policy's word, and without the floor's.
    for policy_names_it in [false, true] {
        let (world, vendors) = (World::new(), StandIn::start().await);
        let policy = policy_names_it.then(|| let_attested_count(&world));
        configure(&world, &vendors, "", "");
        let config = std::fs::read_to_string(world.path("gate.toml")).unwrap();
        let attested = if policy_names_it {
            "attested = false"
        } else {
            "attested = true"
        };
        let config = config
            .replace("attested = true\n", "")
            .replace("[floor]\n", &format!("[floor]\n{attested}\n"));
        std::fs::write(world.path("gate.toml"), config).unwrap();
        let gate = world.start().await;
        let plan = plan_with(|context| {
            if let Some(policy) = &policy {
                context.policy_digest = policy.digest();
            }
        });
        let request = ask(&gate, &plan).await;
        let (message, _) = vendors.posted(&request).await;
        assert!(button(&message, "approve").is_none());
        // There is no such button, but whoever has the secret can say that there was.
        press(&gate, &vendors.click("ana", "approve", &message, 0)).await;
        assert!(vendors.told(0).await.ends_with("(method_not_allowed)."));
        assert_eq!(status(&gate, &request).await, "pending");
        gate.kill().await;
        assert_eq!(
            refused(&world),
            [("method_not_allowed".to_owned(), slack_account("ana"))]
        );
    }

    let (world, vendors) = (World::new(), StandIn::start().await);
    let policy = let_attested_count(&world);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let plan = plan_with(|context| context.policy_digest = policy.digest());
    let request = ask(&gate, &plan).await;
    let (message, ts) = vendors.posted(&request).await;
    let confirm = &button(&message, "approve").unwrap()["confirm"];
    assert_eq!(confirm["style"], "primary");
    press(&gate, &vendors.click("ana", "approve", &message, 0)).await;
    assert_eq!(
        vendors.told(0).await,
        "Your approval was taken; the request is approved, 1 of 1 have signed."
    );
    let corrected = vendors.wait("/api/chat.update", |body| body["ts"] == ts).await;
    assert!(corrected["blocks"].to_string().contains("Approved by ana (slack) at "));
    press(&gate, &vendors.click("ben", "approve", &message, 1)).await;
    assert!(vendors.told(1).await.contains("ana approved it already"));
    let token = gate.execute(text(&plan), None).await["approval_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_keeps_the_gate_shut() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    for (name, key) in [
        ("bot-token", "slack.bot_token_file"),
        ("webhook-secret-1", "pagerduty.webhook_secret_files"),
    ] {
        let secret = std::fs::read(world.path(name)).unwrap();
        for unusable in ["", "short", "xoxb-two\nlines-of-a-secret"] {
            std::fs::write(world.path(name), unusable).unwrap();
            let said = world.refused_start().await;
            assert!(
                said.contains(&format!("`channels.{key}`")) && !said.contains("xoxb"),
                "{said}"
            );
        }
        std::fs::write(world.path(name), secret).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_is_down_holds_up_nothing() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    vendors.fail_next("/api/chat.postMessage", 429, json!({}));
    vendors.fail_next("/api/chat.update", 200, json!({"ok": false, "error": "internal_error"}));
    let gate = world.start().await;
    let request = ask(&gate, &plan()).await;
    let (_, ts) = vendors.posted(&request).await;
    let no = gate.decide(&world, &request, "ana", "reject").await;
    assert_eq!(no["status"], "rejected", "{no}");
    let corrected = vendors.wait("/api/chat.update", |body| body["ts"] == ts).await;
    assert!(corrected["blocks"].to_string().contains("Rejected by ana (ssh)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_waits_is_reminded_of_escalated_and_ends() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    configure(
        &world,
        &vendors,
        "remind_min = [1]\nescalate_min = 1",
        "escalation_channel = \"C0LEADS\"",
    );
    let gate = world.start().await;
    // Made right before they are asked for; the rest is time for a slow machine.
    let late = ask(&gate, &plan_within(65)).await;
    let short = ask(&gate, &plan_within(5)).await;
    let (_, ts) = vendors.posted(&late).await;

    let reminder = vendors
        .wait("/api/chat.postMessage", |body| body["thread_ts"] == ts)
        .await;
    assert_eq!(
        (&reminder["reply_broadcast"], &reminder["channel"]),
        (&json!(true), &json!("C0PROD"))
    );
    let is_escalation = |body: &Value| body["channel"] == "C0LEADS" && is_about(body, &late);
    let escalated = vendors.wait("/api/chat.postMessage", is_escalation).await;
    let key = format!("{late}/escalation");
    let paged = vendors
        .wait("/v2/enqueue", |body| body["dedup_key"] == key.as_str())
        .await;
    assert_eq!(
        (&paged["event_action"], &paged["payload"]["severity"]),
        (&json!("trigger"), &json!("critical"))
    );

    // What has less time than that from the start is not reminded of; it just ends.
    let ended = vendors.wait("/api/chat.update", |body| is_about(body, &short)).await;
    assert!(ended["blocks"].to_string().contains("Nobody decided in time"));
    vendors
        .wait("/v2/enqueue", |body| {
            body["dedup_key"] == short.as_str() && body["event_action"] == "resolve"
        })
        .await;

    // Those above may answer on their own message; all messages and both incidents are corrected.
    press(&gate, &vendors.click("ben", "reject", &escalated, 0)).await;
    for channel in ["C0PROD", "C0LEADS"] {
        let is_it = |body: &Value| body["channel"] == channel && is_about(body, &late);
        let corrected = vendors.wait("/api/chat.update", is_it).await;
        assert!(corrected["blocks"].to_string().contains("Rejected by ben (slack)"));
    }
    for key in [&late, &key] {
        vendors
            .wait("/v2/enqueue", |body| {
                body["dedup_key"] == key.as_str() && body["event_action"] == "resolve"
            })
            .await;
    }
}

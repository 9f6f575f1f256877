//! Before people are asked, the executor is: what it says reaches them, or keeps the plan from them.

use std::fs;
use std::time::{Duration, Instant};

use runbooks::Plan;
use serde_json::{Value, json};

use crate::world::{BEARER, Gate, World, plan, text};

fn found(plan: &Plan, findings: Value) -> Value {
    json!({"plan_digest": plan.digest(), "executor": "executor-1", "at": "2026-11-23T10:00:00Z", "findings": findings})
}

fn finding(code: &str, message: &str, severity: &str) -> Value {
    json!({"code": code, "message": message, "severity": severity})
}

/// An executor that answers one question.
async fn answer(gate: &Gate, plan: &Plan, findings: Value) {
    let claimed = gate.claim_preflight(20).await;
    assert_eq!(claimed.as_deref(), Some(text(plan)));
    assert_eq!(gate.tell_preflight(&found(plan, findings)).await["ok"], true);
}

fn configure(world: &World, preflight: &str) {
    let config = fs::read_to_string(world.path("gate.toml")).unwrap();
    fs::write(world.path("gate.toml"), format!("{config}\n[preflight]\n{preflight}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_run_reaches_nobody() {
    let world = World::new();
    configure(&world, "required = true\nwait_s = 20");
    let gate = world.start().await;
    let plan = plan();
    let findings = json!([
        finding("lock_wait", "somebody holds a lock", "warns"),
        finding("missing_privilege", "role `x` lacks CREATEROLE", "blocks"),
    ]);
    let (refused, ()) = tokio::join!(gate.execute(text(&plan), None), answer(&gate, &plan, findings));
    assert_eq!(
        (&refused["code"], &refused["retryable"]),
        (&json!("preflight_failed"), &json!(false)),
        "{refused}"
    );
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("role `x` lacks CREATEROLE (missing_privilege)"),
        "{message}"
    );
    assert_eq!(gate.requests().await, 0, "somebody was asked");

    // Once it is mended, the same plan may be offered again.
    let (asked, ()) = tokio::join!(gate.execute(text(&plan), None), answer(&gate, &plan, json!([])));
    assert_eq!(asked["code"], "approval_required", "{asked}");
    gate.kill().await;
    assert_eq!(world.journal("preflighted").len(), 2);
    assert_eq!(world.journal("plan_refused").len(), 1);
    let story = world.journal("%").join("\n");
    let at = |text: &str| story.find(text).unwrap();
    assert!(at("preflighted") < at("plan_refused") && at("plan_refused") < at("request_opened"));
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_shown_and_cannot_become_markup() {
    let world = World::new();
    configure(&world, "required = true\nwait_s = 20");
    let gate = world.start().await;
    let plan = plan();
    let findings = json!([finding("lock_wait", "held by <b>`\u{202e}app`</b>", "warns")]);
    let (asked, ()) = tokio::join!(gate.execute(text(&plan), None), answer(&gate, &plan, findings.clone()));
    let request = asked["request_id"].as_str().unwrap().to_owned();

    // Nobody is asked again by a later call.
    let started = Instant::now();
    assert_eq!(gate.execute(text(&plan), None).await["code"], "approval_required");
    assert!(started.elapsed() < Duration::from_secs(10));

    let page = gate.get(&format!("/requests/{request}")).await.text().await.unwrap();
    assert!(
        page.contains("held by &lt;b&gt;`\\u{202e}app`&lt;/b&gt; (lock_wait)"),
        "{page}"
    );
    let show = world.run(&["show", &request, "--gate", &gate.url]).await;
    let show = String::from_utf8(show.stdout).unwrap();
    assert!(
        show.contains("warning: held by <b>`\\u{202e}app`</b> (lock_wait)"),
        "{show}"
    );
    let seen = gate.json(&format!("/v1/requests/{request}")).await;
    assert_eq!(seen["preflight"], found(&plan, findings));

    // What was shown is still shown after a crash.
    gate.kill().await;
    let gate = world.start().await;
    let again = gate.json(&format!("/v1/requests/{request}")).await;
    assert_eq!(again["preflight"], seen["preflight"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_costs_no_time_and_is_shown_as_not_checked() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let started = Instant::now();
    let asked = gate.execute(text(&plan), None).await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "nobody listens, and it waited"
    );
    assert_eq!(asked["code"], "approval_required", "{asked}");
    let request = asked["request_id"].as_str().unwrap().to_owned();
    let seen = gate.json(&format!("/v1/requests/{request}")).await;
    assert_eq!(seen["preflight"], Value::Null);
    let page = gate.get(&format!("/requests/{request}")).await.text().await.unwrap();
    assert!(page.contains("Not checked: no executor said"), "{page}");
    gate.kill().await;
    assert!(world.journal("preflighted").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_listens_and_says_nothing_is_waited_for_no_longer_than_configured() {
    let world = World::new();
    configure(&world, "wait_s = 1");
    let gate = world.start().await;
    let plan = plan();
    // It was heard of a moment ago; then the question is taken, and the executor dies over it.
    assert_eq!(gate.claim_preflight(0).await, None);
    let listening = gate.claim_preflight(20);
    let offered = async {
        let started = Instant::now();
        (gate.execute(text(&plan), None).await, started.elapsed())
    };
    let (claimed, (asked, took)) = tokio::join!(listening, offered);
    assert_eq!(claimed.as_deref(), Some(text(&plan)));
    assert_eq!(asked["code"], "approval_required", "{asked}");
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(10),
        "{took:?}"
    );
    // Too late: people have been asked, and the journal is not for what nobody waits for.
    let late = gate.tell_preflight(&found(&plan, json!([]))).await;
    assert_eq!(late["code"], "unknown_preflight", "{late}");
    gate.kill().await;
    assert!(world.journal("preflighted").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_required_silence_refuses() {
    let world = World::new();
    configure(&world, "required = true\nwait_s = 1");
    let gate = world.start().await;
    let refused = gate.execute(text(&plan()), None).await;
    assert_eq!(
        (&refused["code"], &refused["retryable"]),
        (&json!("preflight_missing"), &json!(true)),
        "{refused}"
    );
    assert_eq!(gate.requests().await, 0, "somebody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_executor_may_claim_or_tell_and_only_what_fits() {
    let world = World::new();
    configure(&world, "required = true\nwait_s = 20");
    let gate = world.start().await;
    let plan = plan();
    let good = found(&plan, json!([]));
    assert_eq!(gate.post_preflight("", "wrong", &good).await["code"], "no_bearer");
    let claim = json!({"executor": "executor-2", "environments": ["demo"], "wait_s": 0});
    assert_eq!(
        gate.post_preflight("/claim", BEARER, &claim).await["code"],
        "wrong_audience"
    );
    assert_eq!(gate.tell_preflight(&good).await["code"], "unknown_preflight");

    let hostile = async {
        assert!(gate.claim_preflight(20).await.is_some());
        let mut other = good.clone();
        other["executor"] = json!("executor-2");
        assert_eq!(gate.tell_preflight(&other).await["code"], "wrong_audience");
        let long = found(&plan, json!([finding("a", &"m".repeat(601), "warns")]));
        assert_eq!(gate.tell_preflight(&long).await["code"], "malformed_preflight");
        let many: Vec<_> = (0..33).map(|_| finding("a", "m", "warns")).collect();
        let many = found(&plan, json!(many));
        assert_eq!(gate.tell_preflight(&many).await["code"], "malformed_preflight");
        assert_eq!(gate.tell_preflight(&good).await["ok"], true);
    };
    let (asked, ()) = tokio::join!(gate.execute(text(&plan), None), hostile);
    assert_eq!(asked["code"], "approval_required", "{asked}");
    gate.kill().await;
    assert_eq!(world.journal("preflighted").len(), 1);
}

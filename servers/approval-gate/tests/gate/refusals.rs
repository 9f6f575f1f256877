//! Denial is the default: every way to be wrong, each with its own code, and nothing ordered.

use std::fs;
use std::time::Duration;

use approval::{Action, Decision};
use runbooks::{Digest, canonical_json};
use serde_json::{Value, json};

use crate::world::{BEARER, World, blocking_tree, now, plan, plan_with, slot_plan, text};

#[tokio::test(flavor = "multi_thread")]
async fn both_tools_take_a_token_and_there_are_no_others() {
    let world = World::new();
    let gate = world.start().await;
    let listed = gate.mcp("tools/list", None, json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["execute_plan", "rollback_plan"]);
    for tool in tools {
        assert_eq!(
            tool["inputSchema"]["properties"]["approval_token"]["type"], "string",
            "{tool}"
        );
        assert_eq!(tool["annotations"]["readOnlyHint"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_token_is_refused_with_its_code() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, good) = gate.approved(&world, &plan).await;
    let other = plan_with(|context| context.incident = "inc-2".into());
    let (_, for_another) = gate.approved(&world, &other).await;

    let forged = |signer: &str, edit: fn(&mut approval::Statement)| world.forge(&plan, signer, edit);
    let late = forged("ana", |s| {
        s.not_before = now().plus_s(-400);
        s.approve_by = now().plus_s(-300);
        s.execute_by = now().plus_s(-200);
    });
    let cases = [
        ("no_token", String::new()),
        ("malformed_token", "not a token".to_owned()),
        ("malformed_token", format!("{good}A")),
        ("wrong_plan", for_another),
        ("unknown_key", forged("stranger", |_| {})),
        ("unknown_key", forged("stranger", |s| s.approver = "ana".into())),
        ("bad_signature", stolen_name(&world, &plan)),
        ("requester_approves", forged("orchestrator-1", |_| {})),
        ("agent_approves", forged("bot", |_| {})),
        ("wrong_gate", forged("ana", |s| s.gate = "gate-2".into())),
        ("wrong_audience", forged("ana", |s| s.audience = "executor-2".into())),
        (
            "wrong_target",
            forged("ana", |s| s.target.environment = "production".into()),
        ),
        (
            "wrong_policy",
            forged("ana", |s| s.policy_digest = Digest::of(b"older")),
        ),
        ("wrong_action", forged("ana", |s| s.action = Action::Rollback)),
        ("denied", forged("ana", |s| s.decision = Decision::Reject)),
        (
            "window_outside_plan",
            forged("ana", |s| s.execute_by = s.execute_by.plus_s(60)),
        ),
        ("window_outside_plan", late),
    ];
    for (code, token) in &cases {
        let answer = gate.execute(text(&plan), Some(token)).await;
        assert_eq!(answer["code"], *code, "{answer}");
        assert!(!answer.to_string().contains("eyJ"), "a refusal repeats a token");
    }
    assert!(gate.claim().await.is_none());
    // The right one still works, once.
    assert_eq!(gate.execute(text(&plan), Some(&good)).await["status"], "queued");
    let replayed = gate.execute(text(&plan), Some(&good)).await;
    assert_eq!(replayed["code"], "already_used", "{replayed}");
    assert!(replayed["execution_id"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_of_the_plan_changed_is_another_plan_or_none() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    let edits = [
        ("a.pid = 4242", "a.pid = 4243", "not_an_instance"),
        ("\"title\":\"End", "\"title\":\"end", "not_an_instance"),
        ("\"incident\":\"inc-1\"", "\"incident\":\"inc-3\"", "wrong_plan"),
        ("\"max_executions\":1", "\"max_executions\":2", "not_an_instance"),
        ("{\"approve_by\"", "{ \"approve_by\"", "not_an_instance"),
        ("}", "", "not_a_plan"),
    ];
    for (from, to, code) in edits {
        let edited = text(&plan).replacen(from, to, 1);
        assert_ne!(edited, text(&plan), "{from}");
        let answer = gate.execute(&edited, Some(&token)).await;
        assert_eq!(answer["code"], code, "{from} → {to}: {answer}");
    }
    assert!(gate.claim().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_does_not_render_never_reaches_a_person() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let edited = |pointer: &str, value: Value| {
        let mut document: Value = serde_json::from_slice(plan.bytes()).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        String::from_utf8(canonical_json(&document).unwrap()).unwrap()
    };
    let unknown_target = plan_with(|context| context.target.name = "payments".into());
    let elsewhere = plan_with(|context| context.target.environment = "production".into());
    let other_policy = plan_with(|context| context.policy_digest = Digest::of(b"mine"));
    let long = plan_with(|context| context.expires_at = now().plus_s(40_000));
    let cases = [
        (
            "not_an_instance",
            edited("/steps/0/action/statement", json!("DROP TABLE orders")),
        ),
        ("not_an_instance", edited("/steps/0/action/timeout_s", json!(1))),
        ("not_an_instance", edited("/prechecks/0/query", json!("SELECT 1"))),
        ("not_an_instance", edited("/blast_radius/0/limit", json!(1000))),
        ("unknown_runbook", edited("/runbook/id", json!("drop-everything"))),
        ("not_a_plan", "DROP TABLE orders".to_owned()),
        ("unknown_target", text(&unknown_target).to_owned()),
        ("policy_denied", text(&elsewhere).to_owned()),
        ("policy_denied", text(&other_policy).to_owned()),
        ("policy_denied", text(&long).to_owned()),
    ];
    for (code, bytes) in &cases {
        let answer = gate.execute(bytes, None).await;
        assert_eq!(answer["code"], *code, "{answer}");
        assert!(answer["request_id"].is_null());
    }
    let mut lying = blocking_tree();
    lying.result["trees"][0]["root"]["pid"] = json!(1);
    let answer = gate
        .call("execute_plan", json!({"plan": text(&plan), "evidence": [lying]}))
        .await;
    assert_eq!(answer["code"], "evidence_mismatch", "{answer}");
    let answer = gate
        .call("execute_plan", json!({"plan": text(&plan), "evidence": []}))
        .await;
    assert_eq!(answer["code"], "unknown_evidence", "{answer}");
    assert_eq!(gate.requests().await, 0);
    gate.kill().await;
    assert_eq!(world.journal("plan_refused").len(), cases.len() + 2);
    assert!(world.journal("request_%").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_counts_once_and_two_are_two() {
    let world = World::with_floor(2);
    let gate = world.start().await;
    let plan = plan();
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(asked["approvals"]["need"], 2);
    let request = asked["request_id"].as_str().unwrap();
    assert_eq!(
        gate.decide(&world, request, "ana", "approve").await["status"],
        "pending"
    );
    let again = gate.decide(&world, request, "ana", "approve").await;
    assert_eq!(
        (&again["status"], &again["already"]),
        (&json!("pending"), &json!(true)),
        "{again}"
    );
    let alone = world.forge(&plan, "ana", |_| {});
    assert_eq!(
        gate.execute(text(&plan), Some(&alone)).await["code"],
        "not_enough_approvers"
    );
    assert_eq!(
        gate.decide(&world, request, "ben", "approve").await["status"],
        "approved"
    );
    let token = gate.execute(text(&plan), None).await["approval_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_by_the_wrong_hand_changes_nothing() {
    let world = World::new();
    let gate = world.start().await;
    let request = gate.execute(text(&plan()), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (signer, code) in [
        ("stranger", "unknown_key"),
        ("orchestrator-1", "requester_approves"),
        ("bot", "agent_approves"),
    ] {
        let answer = gate.decide(&world, &request, signer, "approve").await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    let statement = gate
        .statement(&world, &request, "ana", "approve")
        .await
        .bytes()
        .await
        .unwrap();
    let cases = [
        ("malformed_signature", "ana", "not a signature".to_owned()),
        (
            "bad_signature",
            "ana",
            world.sign("ana", "approval@countersign", b"something else"),
        ),
        ("bad_signature", "ana", world.sign("ana", "file", &statement)),
        (
            "unknown_key",
            "ana",
            world.sign("ben", "approval@countersign", &statement),
        ),
        (
            "bad_signature",
            "ben",
            world.sign("ben", "approval@countersign", &statement),
        ),
    ];
    for (code, approver, armored) in cases {
        let answer = gate.send_decision(&request, approver, armored).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    assert_eq!(gate.json(&format!("/v1/requests/{request}")).await["have"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_late_is_too_late() {
    let world = World::new();
    let gate = world.start().await;
    let soon = plan_with(|context| {
        context.approve_by = now().plus_s(10);
        context.expires_at = now().plus_s(12);
    });
    let missed = plan_with(|context| {
        context.incident = "inc-2".into();
        context.approve_by = now().plus_s(10);
    });
    let (_, token) = gate.approved(&world, &soon).await;
    let asked = gate.execute(text(&missed), None).await;
    let request = asked["request_id"].as_str().unwrap();
    let statement = gate
        .statement(&world, request, "ana", "approve")
        .await
        .bytes()
        .await
        .unwrap();
    let signature = world.sign("ana", "approval@countersign", &statement);

    // The timer journals it; nobody has to look.
    until(async || gate.json(&format!("/v1/requests/{request}")).await["status"] == "expired").await;
    assert_eq!(
        gate.send_decision(request, "ana", signature).await["code"],
        "approval_expired"
    );
    let answer = gate.execute(text(&missed), None).await;
    assert_eq!(
        (&answer["status"], &answer["retryable"]),
        (&json!("expired"), &json!(false)),
        "{answer}"
    );
    let alone = world.forge(&missed, "ana", |_| {});
    assert_eq!(
        gate.execute(text(&missed), Some(&alone)).await["code"],
        "approval_expired"
    );

    until(async || now() >= soon.document().expires_at).await;
    let answer = gate.execute(text(&soon), Some(&token)).await;
    assert_eq!(answer["code"], "execution_expired", "{answer}");
    assert!(gate.claim().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_operators_change_windows_nothing_is_asked_of_anybody() {
    let world = World::new();
    let config = std::fs::read_to_string(world.path("gate.toml")).unwrap();
    let config = format!("{config}\n[policy]\nwindows = \"windows.toml\"\n");
    std::fs::write(world.path("gate.toml"), config).unwrap();
    std::fs::write(world.path("windows.toml"), window_in_days(3)).unwrap();
    let gate = world.start().await;
    let answer = gate.execute(text(&plan()), None).await;
    assert_eq!(answer["code"], "policy_denied", "{answer}");
    assert!(answer.to_string().contains("outside_change_window"), "{answer}");
    drop(gate);

    std::fs::write(world.path("windows.toml"), window_in_days(0)).unwrap();
    let gate = world.start().await;
    let answer = gate.execute(text(&plan()), None).await;
    assert!(answer["request_id"].is_string(), "{answer}");
}

/// Windows of three whole days around the one that is so many days from now.
fn window_in_days(days: i64) -> String {
    let day = |days: i64| {
        let at = chrono::Utc::now() + chrono::TimeDelta::days(days);
        at.format("%a").to_string().to_lowercase()
    };
    [days - 1, days, days + 1]
        .map(|days| {
            format!(
                "[[window]]\ndays = [\"{}\"]\nfrom = \"00:00\"\nuntil = \"00:00\"\ntime_zone = \"UTC\"\n",
                day(days)
            )
        })
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_no_ends_it_whoever_else_said_yes() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (request, token) = gate.approved(&world, &plan).await;
    assert_eq!(
        gate.decide(&world, &request, "ben", "reject").await["status"],
        "rejected"
    );
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["code"], "denied");
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        (&asked["status"], &asked["retryable"]),
        (&json!("rejected"), &json!(false)),
        "{asked}"
    );
    assert!(asked["approval_token"].is_null());
    assert_eq!(gate.decide(&world, &request, "ana", "approve").await["code"], "denied");
    assert!(gate.claim().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_executor_with_its_bearer_gets_orders() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    gate.execute(text(&plan), Some(&token)).await;
    for (executor, bearer, status) in [
        ("executor-1", "wrong", 401),
        ("executor-1", "", 401),
        ("executor-2", BEARER, 403),
    ] {
        assert_eq!(gate.claim_as(executor, bearer, 0).await.status().as_u16(), status);
    }
    assert_eq!(
        gate.get(&format!("/v1/executor/standing/{}", plan.digest()))
            .await
            .status()
            .as_u16(),
        401
    );
    assert_eq!(gate.report("exe-none", "done").await, 404);
    assert!(gate.claim().await.is_some());
}

/// ben signs a statement that says it is ana's, with ana's key id.
fn stolen_name(world: &World, plan: &runbooks::Plan) -> String {
    use approval::{Envelope, EnvelopeSignature, Token};
    let honest = world.forge(plan, "ana", |_| {});
    let other = world.forge(plan, "ana", |s| s.nonce = "cd".repeat(16));
    let (honest, other) = (Token::parse(&honest).unwrap(), Token::parse(&other).unwrap());
    let signature: EnvelopeSignature = other.envelopes()[0].signatures[0].clone();
    let moved = Envelope {
        signatures: vec![signature],
        ..honest.envelopes()[0].clone()
    };
    Token::new(vec![moved]).unwrap().encode().to_owned()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it did not happen in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Production and high risk: one of each group, two people, however many of one group sign.
#[tokio::test(flavor = "multi_thread")]
async fn each_group_that_the_policy_asks_for_is_waited_for() {
    let world = World::new();
    let config = fs::read_to_string(world.path("gate.toml")).unwrap();
    let production = config.replace("environment = \"demo\"", "environment = \"production\"");
    fs::write(world.path("gate.toml"), production).unwrap();
    let gate = world.start().await;
    let plan = slot_plan();
    let apply = |list: String| gate.post("/v1/approvers", list);

    // Of the groups, one has nobody, or nobody but the one who asks: no request is opened.
    let dba: &[&str] = &["dba"];
    let owner: &[&str] = &["service-owner"];
    for (version, people) in [
        (2, vec![("ana", dba)]),
        (3, vec![("ana", dba), ("orchestrator-1", owner)]),
    ] {
        let applied = apply(world.approvers_in(version, &people)).await;
        assert_eq!(applied["version"], version, "{applied}");
        let refused = gate.execute(text(&plan), None).await;
        assert_eq!(refused["code"], "nobody_in_group", "{refused}");
        assert!(
            refused["message"].as_str().unwrap().contains("service-owner"),
            "{refused}"
        );
    }
    assert_eq!(gate.requests().await, 0);

    let people = [
        ("ana", dba),
        ("ben", dba),
        ("stranger", owner),
        ("orchestrator-1", owner),
    ];
    apply(world.approvers_in(4, &people)).await;
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        asked["approvals"]["missing_groups"],
        json!(["dba", "service-owner"]),
        "{asked}"
    );
    let request = asked["request_id"].as_str().unwrap();
    gate.decide(&world, request, "ana", "approve").await;
    let decided = gate.decide(&world, request, "ben", "approve").await;
    assert_eq!(decided["status"], "pending", "{decided}");
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        asked["approvals"],
        json!({"have": 2, "need": 2, "missing_groups": ["service-owner"]})
    );
    assert!(
        asked["message"]
            .as_str()
            .unwrap()
            .contains("nobody yet for service-owner"),
        "{asked}"
    );
    // Who asked is in the group, and counts for nothing.
    let own = gate.decide(&world, request, "orchestrator-1", "approve").await;
    assert_eq!(own["code"], "requester_approves", "{own}");
    let decided = gate.decide(&world, request, "stranger", "approve").await;
    assert_eq!(decided["status"], "approved", "{decided}");
    let asked = gate.execute(text(&plan), None).await;
    let token = asked["approval_token"].as_str().unwrap();

    // Whoever left the group meanwhile no longer stands for it.
    apply(world.approvers_in(5, &[("ana", dba), ("ben", dba), ("stranger", dba)])).await;
    let refused = gate.execute(text(&plan), Some(token)).await;
    assert_eq!(refused["code"], "group_missing", "{refused}");
    apply(world.approvers_in(6, &people)).await;
    let queued = gate.execute(text(&plan), Some(token)).await;
    assert_eq!(queued["status"], "queued", "{queued}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_of_the_policy_is_journalled_before_it_counts() {
    let world = World::new();
    let gate = world.start().await;
    let good = plan();
    let bad = plan_with(|context| context.policy_digest = Digest::of(b"mine"));
    gate.execute(text(&good), None).await;
    gate.execute(text(&bad), None).await;
    gate.kill().await;
    let said: Vec<Value> = world
        .journal("policy_evaluated")
        .iter()
        .map(|leaf| leaf.parse().unwrap())
        .collect();
    let [allowed, denied] = said.as_slice() else {
        panic!("{said:?}")
    };
    for (leaf, allow, codes) in [(allowed, true, json!([])), (denied, false, json!(["wrong_policy"]))] {
        let data = &leaf["data"];
        assert_eq!((&data["allow"], &data["codes"]), (&json!(allow), &codes), "{leaf}");
        assert_eq!(data["asked_by"], "orchestrator-1");
        assert!(data["took_us"].as_u64().unwrap() > 0);
        assert_eq!(
            data["policy_digest"],
            json!(policies::Policy::shipped().unwrap().digest())
        );
        assert!(data["input_digest"].as_str().unwrap().starts_with("sha256:"));
    }
    assert_eq!(allowed["subject"], json!(good.digest().to_string()));

    // What cannot be journalled is not decided: nobody is asked.
    let config = fs::read_to_string(world.path("gate.toml")).unwrap();
    let script = "case $COUNTERSIGN_EVENT_KIND in policy_evaluated) exit 1;; esac; true";
    let journal = format!("[journal]\npublish_command = ['sh', '-c', '{script}']\n");
    fs::write(world.path("gate.toml"), format!("{config}\n{journal}")).unwrap();
    let gate = world.start().await;
    let refused = gate.execute(text(&plan()), None).await;
    assert!(refused["code"].as_str().unwrap().starts_with("journal"), "{refused}");
    assert_eq!(gate.requests().await, 1, "the one from before");
}

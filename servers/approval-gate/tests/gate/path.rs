//! The way that is meant: asked, read, signed, handed over, claimed, reported, rolled back.

use approval::{Action, Order, Standing, StandingState, Token};
use runbooks::Digest;
use serde_json::json;

use crate::world::{BEARER, World, plan, plan_with, text, undoable_plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_plan_becomes_one_order_for_its_executor() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();

    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(asked["code"], "approval_required", "{asked}");
    assert_eq!(
        (&asked["status"], &asked["retryable"]),
        (&json!("pending"), &json!(true))
    );
    assert_eq!(asked["plan_digest"], json!(plan.digest()));
    assert_eq!(asked["approvals"], json!({"have": 0, "need": 1, "missing_groups": []}));
    let request = asked["request_id"].as_str().unwrap();
    assert_eq!(asked["approval_url"], format!("{}/requests/{request}", gate.url));
    assert!(asked["approval_token"].is_null());

    let decided = gate.decide(&world, request, "ana", "approve").await;
    assert_eq!(
        (&decided["status"], &decided["already"]),
        (&json!("approved"), &json!(false)),
        "{decided}"
    );
    let again = gate.decide(&world, request, "ana", "approve").await;
    assert_eq!(again["code"], "already_decided", "{again}");

    let approved = gate.execute(text(&plan), None).await;
    assert_eq!(
        (&approved["code"], &approved["status"]),
        (&json!("approval_required"), &json!("approved"))
    );
    let token = approved["approval_token"].as_str().unwrap();
    let queued = gate.execute(text(&plan), Some(token)).await;
    assert_eq!(queued["status"], "queued", "{queued}");
    let execution = queued["execution_id"].as_str().unwrap();

    let key = std::fs::read_to_string(world.path("state/gate_key.pub")).unwrap();
    let order = Order::verify(&gate.claim().await.unwrap(), &key).unwrap();
    order.check_addressed("gate-1", "executor-1", "demo").unwrap();
    assert_eq!(
        (order.id.as_str(), order.action, order.plan.as_bytes()),
        (execution, Action::Execute, plan.bytes())
    );
    assert_eq!(order.token, token);
    assert_eq!(order.standing.state, StandingState::Valid);
    Token::parse(&order.token).unwrap();

    // The answer was lost: the same executor gets the same order, until it has reported on it.
    let same = Order::verify(&gate.claim().await.unwrap(), &key).unwrap();
    assert_eq!(
        (&same.id, &same.plan, &same.token, same.issued_at),
        (&order.id, &order.plan, &order.token, order.issued_at)
    );
    assert_eq!(gate.report(execution, "step_started").await, 200);
    assert_eq!(gate.report(execution, "step_started").await, 200);
    assert!(gate.claim().await.is_none());
    assert_eq!(gate.report(execution, "done").await, 200);

    let seen = gate.resource(&format!("approval://executions/{execution}")).await;
    assert_eq!(
        (&seen["status"], &seen["outcome"]),
        (&json!("done"), &json!("done")),
        "{seen}"
    );
    assert_eq!(seen["reports"].as_array().unwrap().len(), 2);
    let request = gate.resource(&format!("approval://requests/{request}")).await;
    assert_eq!(
        (&request["status"], &request["execution_id"]),
        (&json!("used"), &json!(execution))
    );
    assert!(!seen.to_string().contains(token) && !request.to_string().contains(token));

    // The journal holds the whole story, and the token only by its hash.
    gate.kill().await;
    let story = world.journal("%").join("\n");
    for kind in [
        "request_opened",
        "request_approved",
        "request_used",
        "order_queued",
        "order_claimed",
        "execution_reported",
    ] {
        assert!(story.contains(&format!("\"kind\":\"{kind}\"")), "{story}");
    }
    let envelope = Token::parse(token).unwrap().envelopes()[0].signatures[0].sig.clone();
    assert!(story.contains(&Digest::of(token.as_bytes()).to_string()));
    assert!(!story.contains(token) && !story.contains(&envelope));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_executor_is_woken_by_the_order() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    let waiting = gate.claim_as("executor-1", BEARER, 20);
    let (claimed, queued) = tokio::join!(waiting, gate.execute(text(&plan), Some(&token)));
    assert_eq!(queued["status"], "queued");
    assert_eq!(claimed.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_token_at_once_makes_one_order() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    let calls = (0..6).map(|_| gate.execute(text(&plan), Some(&token)));
    let mut queued = 0;
    for answer in join_all(calls).await {
        match answer["code"].as_str() {
            None => queued += 1,
            Some(code) => assert_eq!(code, "already_used", "{answer}"),
        }
    }
    assert_eq!(queued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executed_plan_is_rolled_back_only_by_a_signature_for_that() {
    let world = World::new();
    let gate = world.start().await;
    let plan = undoable_plan();
    let rollback = |token: Option<&str>| {
        let mut arguments = json!({"plan_digest": plan.digest()});
        if let Some(token) = token {
            arguments["approval_token"] = json!(token);
        }
        arguments
    };
    assert_eq!(gate.call("rollback_plan", rollback(None)).await["code"], "not_executed");

    let (_, to_execute) = gate.approved(&world, &plan).await;
    let execution = gate.execute(text(&plan), Some(&to_execute)).await["execution_id"]
        .as_str()
        .unwrap()
        .to_owned();
    gate.claim().await.unwrap();
    assert_eq!(gate.report(&execution, "done").await, 200);

    let asked = gate.call("rollback_plan", rollback(None)).await;
    assert_eq!(asked["code"], "approval_required", "{asked}");
    let request = asked["request_id"].as_str().unwrap().to_owned();
    assert_eq!(
        gate.call("rollback_plan", rollback(Some(&to_execute))).await["code"],
        "wrong_action"
    );
    assert_eq!(
        gate.decide(&world, &request, "ben", "approve").await["status"],
        "approved"
    );
    let approved = gate.call("rollback_plan", rollback(None)).await;
    let token = approved["approval_token"].as_str().unwrap();
    let queued = gate.call("rollback_plan", rollback(Some(token))).await;
    assert_eq!(queued["status"], "queued", "{queued}");
    assert_ne!(queued["execution_id"], json!(execution));

    let key = std::fs::read_to_string(world.path("state/gate_key.pub")).unwrap();
    let order = Order::verify(&gate.claim().await.unwrap(), &key).unwrap();
    assert_eq!((order.action, order.plan.as_bytes()), (Action::Rollback, plan.bytes()));
    let page = gate.get(&format!("/requests/{request}")).await.text().await.unwrap();
    assert!(page.contains("Signing this undoes an execution") && page.contains("CONNECTION LIMIT -1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_roll_back_what_has_no_way_back() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    let execution = gate.execute(text(&plan), Some(&token)).await["execution_id"]
        .as_str()
        .unwrap()
        .to_owned();
    gate.claim().await.unwrap();
    gate.report(&execution, "done").await;
    let answer = gate.call("rollback_plan", json!({"plan_digest": plan.digest()})).await;
    assert_eq!(answer["code"], "no_rollback", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_will_be_done_and_runs_nothing() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan_with(|context| context.incident = "inc-<script>\u{202e}1".into());
    let request = gate.execute(text(&plan), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let page = gate.get(&format!("/requests/{request}")).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    let html = page.text().await.unwrap();
    let step = plan.document().steps.first().unwrap();
    let action = step.action.sql().unwrap();
    let grouped = plan
        .digest()
        .hex()
        .as_bytes()
        .chunks(8)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(" ");
    for part in [
        action
            .statement
            .replace('\'', "&#39;")
            .replace('<', "&lt;")
            .replace('>', "&gt;"),
        grouped,
        "system identifier".into(),
        "7301".into(),
        "E1 /trees/0/root/pid".into(),
        "4242".into(),
        "way back".into(),
        "at most".into(),
        "without a break for".into(),
        "policy".into(),
        "0 of 1 signed".into(),
        "left".into(),
        format!("approval-gate approve {request} --gate {}", gate.url),
        "ssh-keygen -Y sign".into(),
        "inc-&lt;script&gt;\\u{202e}1".into(),
    ] {
        assert!(html.contains(&part), "the page lacks {part:?}");
    }
    // Our own script file and nothing else; nobody is signed in, so there is no form.
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script src=\"/requests/script.js\" defer></script>"));
    assert!(!html.contains('\u{202e}') && !html.contains("<form"));

    let queue = gate.get("/requests").await.text().await.unwrap();
    assert!(queue.contains(&request) && queue.contains("pending"));
    assert_eq!(
        gate.get("/requests/style.css").await.headers()["content-type"],
        "text/css; charset=utf-8"
    );
    assert_eq!(gate.get("/requests/req-none").await.status().as_u16(), 404);
    // Looking changed nothing.
    let view = gate.json(&format!("/v1/requests/{request}")).await;
    assert_eq!((&view["status"], &view["have"]), (&json!("pending"), &json!(0)));
    assert_eq!(Digest::of(view["plan"].as_str().unwrap().as_bytes()), plan.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_can_be_asked_for_again_and_is_the_same() {
    let world = World::new();
    let gate = world.start().await;
    let request = gate.execute(text(&plan()), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = gate
        .statement(&world, &request, "ana", "approve")
        .await
        .bytes()
        .await
        .unwrap();
    let second = gate
        .statement(&world, &request, "ana", "approve")
        .await
        .bytes()
        .await
        .unwrap();
    let no = gate
        .statement(&world, &request, "ana", "reject")
        .await
        .bytes()
        .await
        .unwrap();
    assert_eq!(first, second);
    assert_ne!(first, no);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_follows_the_freeze_and_the_revocation() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (request, token) = gate.approved(&world, &plan).await;
    gate.execute(text(&plan), Some(&token)).await;
    let key = std::fs::read_to_string(world.path("state/gate_key.pub")).unwrap();
    let state = async || Standing::verify(&gate.standing(&plan).await, &key).unwrap().state;
    assert_eq!(state().await, StandingState::Valid);

    let ana = world.key("ana");
    let word = |word: &'static str| {
        [
            word,
            "--gate",
            &gate.url,
            "--key",
            ana.to_str().unwrap(),
            "--reason",
            "drill",
        ]
        .map(str::to_owned)
    };
    let frozen = world.run(&word("freeze").each_ref().map(String::as_str)).await;
    assert!(frozen.status.success(), "{}", String::from_utf8_lossy(&frozen.stderr));
    assert_eq!(state().await, StandingState::Frozen);
    assert!(gate.claim().await.is_none());
    assert_eq!(
        gate.execute(text(&plan_with(|c| c.incident = "inc-2".into())), None)
            .await["code"],
        "policy_denied"
    );

    let thawed = world.run(&word("thaw").each_ref().map(String::as_str)).await;
    assert!(thawed.status.success(), "{}", String::from_utf8_lossy(&thawed.stderr));
    assert_eq!(state().await, StandingState::Valid);
    assert!(gate.claim().await.is_some());

    let no = gate.decide(&world, &request, "ben", "reject").await;
    assert_eq!(no["status"], "rejected", "{no}");
    assert_eq!(state().await, StandingState::Revoked);
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["code"], "denied");
}

async fn join_all<F: std::future::Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

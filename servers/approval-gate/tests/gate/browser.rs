//! People at the pages, in a real browser with a passkey: every change is made by clicks alone.

use serde_json::{Value, json};

use crate::webdriver::{Browser, Driver};
use crate::world::{BEARER, Gate, World, now, plan, plan_with, shown, text};

/// The administrator invites somebody, who makes a passkey; the administrator signs a list with it.
async fn enrol(world: &World, gate: &Gate, browser: &Browser, who: &str, version: u64) {
    let (admin, url) = (shown(&world.key("admin")), pages(gate));
    let invited = world
        .run(&["approvers", "invite", who, "--gate", &url, "--key", &admin])
        .await;
    let said = String::from_utf8(invited.stdout).unwrap();
    assert!(
        invited.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&invited.stderr)
    );
    let address = said.lines().find(|line| line.contains("/register/")).unwrap();

    browser.open(address).await;
    browser.sees(who).await;
    if version == 2 {
        browser.picture("register").await;
    }
    browser.click("Make passkey").await;
    browser.sees("Your passkey is made").await;
    let fingerprint = browser
        .run("return document.getElementById('fingerprint').textContent")
        .await;
    // The same invitation is good for one passkey.
    browser.open(address).await;
    browser.sees("this invitation was followed").await;

    let registered = format!("{who}={}", fingerprint.as_str().unwrap());
    let (current, proposal, signed) = (
        shown(&world.path("approvers.json")),
        shown(&world.path("proposal.json")),
        shown(&world.path("signed.json")),
    );
    let steps: [&[&str]; 3] = [
        &[
            "approvers",
            "propose",
            "--current",
            &current,
            "--gate",
            &url,
            "--add-registered",
            &registered,
            "--hardware",
            "--out",
            &proposal,
        ],
        &["approvers", "sign", &proposal, "--key", &admin, "--out", &signed],
        &["approvers", "apply", &signed, "--gate", &url],
    ];
    for step in steps {
        let done = world.run(step).await;
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(
            done.status.success(),
            "{step:?}: {said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    assert_eq!(gate.json("/v1/approvers").await["version"], version);
}

async fn sign_in(gate: &Gate, browser: &Browser, who: &str) {
    browser.open(&format!("{}/sign-in", pages(gate))).await;
    browser.click("Sign in with passkey").await;
    browser.sees("Sign out").await;
    browser.sees(who).await;
}

/// Where people reach the gate: passkeys need a name, not a number.
fn pages(gate: &Gate) -> String {
    gate.url.replace("127.0.0.1", "localhost")
}

async fn asked(gate: &Gate, plan: &runbooks::Plan) -> String {
    let asked = gate.execute(text(plan), None).await;
    asked["request_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"))
        .to_owned()
}

fn journalled(world: &World, kind: &str) -> Vec<Value> {
    world.journal(kind).iter().map(|leaf| leaf.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_registers_reads_approves_watches_and_freezes() {
    let world = World::with_pages(1);
    let gate = world.start().await;
    let driver = Driver::start().await;
    let ana = driver.browser().await;
    enrol(&world, &gate, &ana, "ana", 2).await;

    let plan = plan();
    let request = asked(&gate, &plan).await;
    ana.open(&format!("{}/requests/{request}", pages(&gate))).await;
    ana.sees("Sign in with your passkey").await;
    ana.click("Sign in with your passkey").await;
    ana.picture("sign-in").await;
    ana.click("Sign in with passkey").await;
    ana.sees("Sign out").await;
    ana.picture("requests").await;
    ana.click(&plan.document().title).await;
    for part in [
        "The script",
        "If it fails",
        "Blast radius",
        "How recovery is recognised",
        "The exact bytes",
    ] {
        ana.sees(part).await;
    }
    ana.picture("request").await;

    // An authenticator that does not know its person signs nothing that counts.
    ana.recognise(false).await;
    ana.click("Approve with passkey").await;
    ana.sees("Nothing was signed").await;
    ana.recognise(true).await;
    // Nor does a page whose plan is not the one that would be signed.
    ana.run("document.getElementById('plan').textContent += ' '").await;
    ana.click("Approve with passkey").await;
    ana.sees("the plan on this page is not the one that would be signed")
        .await;
    ana.open(&format!("{}/requests/{request}", pages(&gate))).await;
    ana.click("Approve with passkey").await;
    ana.sees("approved").await;

    let asked_again = gate.execute(text(&plan), None).await;
    let token = asked_again["approval_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked_again}"));
    let queued = gate.execute(text(&plan), Some(token)).await;
    let execution = queued["execution_id"].as_str().unwrap_or_else(|| panic!("{queued}"));
    assert!(ana.has("Stop it …").await);
    // Nobody loads the page again: it follows by itself.
    ana.sees("The order waits for its executor").await;
    assert!(gate.claim().await.is_some());
    ana.sees("The executor has it").await;
    assert_eq!(gate.report(execution, "step_done").await, 200);
    ana.sees("step done").await;
    ana.picture("executing").await;
    assert_eq!(gate.report(execution, "done").await, 200);
    ana.sees("Every step was done").await;
    ana.picture("done").await;

    ana.open(&format!("{}/freeze", pages(&gate))).await;
    ana.type_into("#reason", "a deploy went wrong").await;
    ana.picture("freeze").await;
    ana.click("Freeze …").await;
    ana.click("Freeze with passkey").await;
    ana.sees("The gate is frozen").await;
    assert_eq!(gate.json("/v1/gate").await["freeze"]["is"], "frozen");
    ana.picture("frozen").await;
    ana.type_into("#reason", "it is over").await;
    ana.click("Thaw …").await;
    ana.click("Thaw with passkey").await;
    ana.sees("Freeze the gate").await;
    assert_eq!(gate.json("/v1/gate").await["freeze"]["is"], "thawed");

    let metrics = gate.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("countersign_gate_review_seconds{runbook=\"idle-in-transaction-blocker\"}"),
        "{metrics}"
    );

    // What may run without asking her once more, and that it no longer may.
    crate::grants::proposed(&world, &gate).await;
    let terms = std::fs::read_to_string(world.path("grant.json")).unwrap();
    ana.open(&format!("{}/grants", pages(&gate))).await;
    ana.type_into("#terms", &terms).await;
    ana.click("Read and sign …").await;
    ana.sees("batch sessions that forgot to commit").await;
    ana.sees("nobody yet").await;
    ana.picture("grant").await;
    ana.click("Grant with passkey").await;
    ana.sees("signed by ana").await;
    assert_eq!(gate.json("/v1/grants").await[0]["status"], "signed");
    ana.type_into("#reason", "not needed any more").await;
    ana.click("Revoke …").await;
    ana.click("Revoke with passkey").await;
    ana.sees("by ana at").await;
    ana.open(&format!("{}/grants", pages(&gate))).await;
    ana.sees("revoked").await;
    ana.picture("grants").await;
    assert_eq!(gate.json("/v1/grants").await[0]["status"], "revoked");

    ana.click("Sign out").await;
    ana.sees("Sign in").await;
    gate.kill().await;
    let approved = journalled(&world, "request_approved");
    let signed = &approved[0]["data"]["with"];
    assert_eq!(
        (&signed["method"], &signed["hardware"]),
        (&json!("passkey"), &json!(true)),
        "{signed}"
    );
    assert!(signed["review"]["took_s"].is_u64(), "{signed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_two_people_and_one_no_ends_it() {
    let world = World::with_pages(2);
    let gate = world.start().await;
    let driver = Driver::start().await;
    let (ana, ben) = (driver.browser().await, driver.browser().await);
    enrol(&world, &gate, &ana, "ana", 2).await;
    enrol(&world, &gate, &ben, "ben", 3).await;
    sign_in(&gate, &ana, "ana").await;
    sign_in(&gate, &ben, "ben").await;

    let request = asked(&gate, &plan()).await;
    let page = format!("{}/requests/{request}", pages(&gate));
    ana.open(&page).await;
    ben.open(&page).await;
    ana.click("Approve with passkey").await;
    ana.sees("You approved this").await;
    ana.sees("1 of 2 signed").await;
    assert!(ana.has("Reject with passkey").await);
    assert!(!ana.has("Approve with passkey").await);
    ana.picture("first-of-two").await;
    // Ben's page is older than ana's signature, and still good.
    ben.click("Approve with passkey").await;
    ben.sees("2 of 2 signed").await;
    ana.open(&page).await;

    // What is approved and not executed yet can still be stopped, by who approved it too, and no page runs away meanwhile.
    ana.sees("2 of 2 signed").await;
    ana.click("Stop it …").await;
    ana.type_into("#reason", "I looked again").await;
    ana.click("Reject with passkey").await;
    ana.sees("I looked again").await;
    assert_eq!(
        gate.json(&format!("/v1/requests/{request}")).await["status"],
        "rejected"
    );

    // Too late, by a page that was loaded in time.
    let second = asked(&gate, &plan()).await;
    let page = format!("{}/requests/{second}", pages(&gate));
    ana.open(&page).await;
    ben.open(&page).await;
    ben.type_into("#reason", "not during the sale").await;
    ben.click("Reject with passkey").await;
    ben.sees("rejected").await;
    ben.sees("not during the sale").await;
    ben.picture("rejected").await;
    ana.click("Approve with passkey").await;
    ana.sees("`ben` rejected this plan").await;

    let short = plan_with(|context| context.approve_by = now().plus_s(5));
    let third = asked(&gate, &short).await;
    ana.open(&format!("{}/requests/{third}", pages(&gate))).await;
    ana.sees("Approve with passkey").await;
    ben.open(&format!("{}/requests/{third}", pages(&gate))).await;
    while gate.json(&format!("/v1/requests/{third}")).await["status"] != "expired" {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    ana.click("Approve with passkey").await;
    ana.sees("approval_expired").await;
    ben.open(&format!("{}/requests/{third}", pages(&gate))).await;
    ben.sees("expired").await;
    assert!(!ben.has("Approve with passkey").await);
    ben.picture("expired").await;

    // Whoever is taken off the list is signed out at once, and signs nothing more.
    let fourth = asked(&gate, &plan()).await;
    ben.open(&format!("{}/requests/{fourth}", pages(&gate))).await;
    ben.sees("Approve with passkey").await;
    gate.post("/v1/approvers", world.approvers(4, &["ana"])).await;
    ben.click("Approve with passkey").await;
    ben.sees("you are not signed in any more").await;
    let status = gate.json(&format!("/v1/requests/{fourth}")).await;
    assert_eq!((&status["status"], &status["have"]), (&json!("pending"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_passkey_is_found_out() {
    let world = World::with_pages(1);
    let gate = world.start().await;
    let driver = Driver::start().await;
    let (ana, thief) = (driver.browser().await, driver.browser().await);
    enrol(&world, &gate, &ana, "ana", 2).await;
    // As it is now: the copy counts on from here, and so does the original.
    thief.receive(ana.credentials().await).await;
    for _ in 0..2 {
        sign_in(&gate, &ana, "ana").await;
    }
    thief.open(&format!("{}/sign-in", pages(&gate))).await;
    thief.click("Sign in with passkey").await;
    thief.sees("sign_count_went_back").await;
    gate.kill().await;
    assert_eq!(journalled(&world, "passkey_cloned").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_sends_a_form_in_somebodys_name() {
    let world = World::with_pages(1);
    let gate = world.start().await;
    let request = asked(&gate, &plan()).await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let ours = pages(&gate);
    for (origin, expected) in [
        (None, "wrong_origin"),
        (Some("http://evil.example"), "origin_not_allowed"),
        (Some("http://localhost:1"), "wrong_origin"),
        (Some("null"), "origin_not_allowed"),
        (Some(ours.as_str()), "not_signed_in"),
    ] {
        for (path, body) in [
            (
                format!("/requests/{request}/decision"),
                "csrf=x&credential=&client_data=&authenticator_data=&signature=&shown_at=0&parts=[]",
            ),
            ("/freeze".to_owned(), "csrf=x&state=frozen&reason=x"),
            (
                "/freeze/signed".to_owned(),
                "csrf=x&payload=&credential=&client_data=&authenticator_data=&signature=",
            ),
            ("/sign-out".to_owned(), "csrf=x"),
        ] {
            let mut post = http.post(format!("{ours}{path}")).body(body);
            post = post.header("content-type", "application/x-www-form-urlencoded");
            if let Some(origin) = origin {
                post = post.header("origin", origin);
            }
            let answer = post.send().await.unwrap();
            let (status, said) = (answer.status(), answer.text().await.unwrap());
            assert!(
                status.is_client_error() && said.contains(expected),
                "{origin:?} {path}: {status} {said}"
            );
        }
    }
    let page = http.get(format!("{ours}/requests/{request}")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(gate.json("/v1/gate").await["freeze"]["is"], "never");
    assert_eq!(gate.claim_as("executor-1", BEARER, 0).await.status(), 204);
}

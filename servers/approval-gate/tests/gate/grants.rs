//! Standing grants: signed ahead of time on the command line, found by the gate, counted, told of, ended.

use std::fs;

use approval::{Order, Standing, StandingState};
use serde_json::{Value, json};

use crate::channels::{configure, stand_in::StandIn};
use crate::world::{Gate, World, plan, shown, text};

/// A gate's world in which grants count.
fn world() -> World {
    let world = World::new();
    let file = world.path("gate.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace("[floor]", "[floor]\n            grants = true")).unwrap();
    world
}

/// Runs `grants …` and returns its exit code and all that it said.
async fn grants(world: &World, gate: &Gate, args: &[&str]) -> (Option<i32>, String) {
    let args: Vec<&str> = ["grants"]
        .iter()
        .chain(args)
        .chain(&["--gate", &gate.url])
        .copied()
        .collect();
    let output = world.run(&args).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Writes terms under which the plan of these tests may run so often a day; `more` narrows them.
async fn propose(world: &World, gate: &Gate, per_day: &str, more: &[&str]) -> (Option<i32>, String) {
    let out = shown(&world.path("grant.json"));
    let args = [
        "propose",
        "--runbook",
        "idle-in-transaction-blocker",
        "--target",
        "orders",
        "--per-day",
        per_day,
        "--reason",
        "batch sessions that forgot to commit",
        "--out",
        &out,
    ];
    grants(world, gate, &[&args, more].concat()).await
}

const ALLOW: &[&str] = &[
    "--allow",
    "blocker_pid=any",
    "--allow",
    "blocker_backend_start=any",
    "--allow",
    "blocker_xact_start=any",
    "--allow",
    "blocker_state=any",
    "--allow",
    "blocker_role=one-of:app",
    "--allow",
    "waiters=range:1..100",
    "--allow",
    "min_idle_s=range:1..3600",
];

/// The same in a file, for others to sign.
pub async fn proposed(world: &World, gate: &Gate) {
    let (code, said) = propose(world, gate, "3", ALLOW).await;
    assert_eq!(code, Some(0), "{said}");
}

async fn sign(world: &World, gate: &Gate, what: &str, who: &str) -> (Option<i32>, String) {
    let key = shown(&world.key(who));
    grants(world, gate, &["sign", what, "--key", &key, "--yes"]).await
}

/// A grant of ana's, in force.
async fn granted(world: &World, gate: &Gate, per_day: &str, allow: &[&str]) -> String {
    let (code, said) = propose(world, gate, per_day, allow).await;
    assert_eq!(code, Some(0), "{said}");
    let id = said
        .split_whitespace()
        .find(|word| word.starts_with("grt-"))
        .unwrap()
        .to_owned();
    let (code, said) = sign(world, gate, &shown(&world.path("grant.json")), "ana").await;
    assert_eq!(code, Some(0), "{said}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_runs_unasked_as_often_as_granted_until_somebody_ends_it() {
    let (world, vendors) = (world(), StandIn::start().await);
    configure(&world, &vendors, "", "");
    let gate = world.start().await;
    let (code, said) = propose(&world, &gate, "1", &ALLOW[2..]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("say what `blocker_pid` may be"), "{said}");
    let id = granted(&world, &gate, "1", ALLOW).await;
    let (_, listed) = grants(&world, &gate, &["list"]).await;
    assert!(
        listed.contains(&format!("{id}  signed")) && listed.contains("0 of 1 uses in 24 h"),
        "{listed}"
    );

    // Refused without a token all the same; the token is people's, from before.
    let plan = plan();
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        (&asked["code"], &asked["status"]),
        (&json!("approval_required"), &json!("approved")),
        "{asked}"
    );
    let token = asked["approval_token"].as_str().unwrap();
    // Another plan's token: this one was not approved by it.
    let other = crate::world::plan();
    let lent = gate.execute(text(&other), Some(token)).await;
    assert_eq!(lent["code"], "grant_spent", "{lent}");
    assert_eq!(gate.execute(text(&plan), Some(token)).await["status"], "queued");
    let (message, _) = vendors.posted(asked["request_id"].as_str().unwrap()).await;
    assert!(
        message["blocks"]
            .to_string()
            .contains(&format!("Approved ahead of time: grant {id}, signed by ana"))
    );
    let page = gate
        .get(&format!("/requests/{}", asked["request_id"].as_str().unwrap()))
        .await;
    assert!(page.text().await.unwrap().contains("approved ahead of time"));

    // Once a day was once; people are asked, and the journal says why.
    let again = gate.execute(text(&other), None).await;
    assert_eq!(again["status"], "pending", "{again}");
    let order = gate.claim().await.unwrap();
    let public = fs::read_to_string(world.path("state/gate_key.pub")).unwrap();
    let order = Order::verify(&order, public.trim()).unwrap();
    assert_eq!(order.token, token);
    let standing = async || {
        Standing::verify(&gate.standing(&plan).await, public.trim())
            .unwrap()
            .state
    };
    assert_eq!(standing().await, StandingState::Valid);

    // An agent may end it. Nobody who is not listed may.
    let revoke = async |who: &str| {
        let key = shown(&world.key(who));
        grants(
            &world,
            &gate,
            &["revoke", &id, "--key", &key, "--reason", "the batch is mended"],
        )
        .await
    };
    let (code, said) = revoke("stranger").await;
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = revoke("bot").await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(standing().await, StandingState::Revoked);
    let (code, said) = sign(&world, &gate, &id, "ben").await;
    assert_eq!(code, Some(4), "{said}");
    let view = gate.json(&format!("/v1/grants/{id}")).await;
    assert_eq!(
        (&view["status"], &view["uses_last_day"]),
        (&json!("revoked"), &json!(1)),
        "{view}"
    );

    gate.kill().await;
    let why: Vec<Value> = world
        .journal("grant_not_used")
        .iter()
        .map(|leaf| leaf.parse().unwrap())
        .collect();
    assert_eq!((why.len(), &why[0]["data"]["code"]), (1, &json!("grant_spent")));
    // State is what the journal says, grants too.
    world.start().await.kill().await;
    let sql = rusqlite::Connection::open(world.path("state/gate.db")).unwrap();
    sql.execute(
        "UPDATE grants SET state = replace(state, '\"max_per_day\":1', '\"max_per_day\":9')",
        [],
    )
    .unwrap();
    drop(sql);
    assert!(world.refused_start().await.contains("the row of grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_covers_nothing_beyond_its_words() {
    let world = world();
    let gate = world.start().await;
    for allow in ["blocker_role=one-of:reports", "min_idle_s=range:1..2"] {
        let name = allow.split_once('=').unwrap().0;
        let mut bounds: Vec<&str> = Vec::new();
        for pair in ALLOW.chunks(2) {
            let bound = if pair[1].starts_with(name) { allow } else { pair[1] };
            bounds.extend(["--allow", bound]);
        }
        granted(&world, &gate, "5", &bounds).await;
        let asked = gate.execute(text(&plan()), None).await;
        assert_eq!(asked["status"], "pending", "{allow}: {asked}");
        assert!(asked["approval_token"].is_null());
    }
    // Nobody but listed people grants: an agent does not, the gate's word does not, whoever asks does not.
    let terms = shown(&world.path("grant.json"));
    for (who, code) in [("bot", "agent_approves"), ("stranger", "unknown_key")] {
        let (exit, said) = sign(&world, &gate, &terms, who).await;
        assert_eq!(exit, Some(4));
        assert!(said.contains(code), "{said}");
    }
    let (_, said) = sign(&world, &gate, &terms, "orchestrator-1").await;
    assert!(said.contains("signed"), "{said}");
    let asked = gate.execute(text(&plan()), None).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    // Unread, unsigned.
    let key = shown(&world.key("ana"));
    let (code, _) = grants(&world, &gate, &["sign", &terms, "--key", &key]).await;
    assert_eq!(code, Some(4));
    // What is not this gate's world is not kept.
    let foreign = fs::read_to_string(&terms).unwrap().replace("\"7301\"", "\"7302\"");
    fs::write(&terms, foreign).unwrap();
    let (code, said) = sign(&world, &gate, &terms, "ana").await;
    assert_eq!(code, Some(4));
    assert!(said.contains("grant_wrong_target"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_floor_knows_no_grants_people_are_asked() {
    let world = World::new();
    let gate = world.start().await;
    granted(&world, &gate, "5", ALLOW).await;
    let asked = gate.execute(text(&plan()), None).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    gate.kill().await;
    let why: Value = world.journal("grant_not_used")[0].parse().unwrap();
    assert_eq!(why["data"]["code"], "grant_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_leaves_people_to_decide_and_withdraws_what_nobody_took() {
    let world = world();
    let gate = world.start().await;
    let asked_first = plan();
    assert_eq!(gate.execute(text(&asked_first), None).await["status"], "pending");
    let id = granted(&world, &gate, "9", ALLOW).await;
    // Whoever asks has signed too: that must not spoil what ana signed.
    let (_, said) = sign(&world, &gate, &id, "orchestrator-1").await;
    assert!(said.contains("by 2 people"), "{said}");
    let (queued, waiting) = (plan(), plan());
    let token = gate.execute(text(&queued), None).await["approval_token"].clone();
    let token = token.as_str().unwrap();
    assert_eq!(gate.execute(text(&queued), Some(token)).await["status"], "queued");
    assert_eq!(gate.execute(text(&waiting), None).await["status"], "approved");
    // A request goes the way that it was approved by.
    let (_, peoples) = gate.approved(&world, &asked_first).await;
    assert_eq!(
        gate.execute(text(&asked_first), Some(token)).await["code"],
        "other_token"
    );
    assert_eq!(
        gate.execute(text(&asked_first), Some(&peoples)).await["status"],
        "queued"
    );
    let first = gate.claim().await.unwrap();

    // The administrator ends it in the list, whatever the gate would say.
    let (admin, current) = (shown(&world.key("admin")), shown(&world.path("approvers.json")));
    let (next, signed) = (shown(&world.path("next.json")), shown(&world.path("signed.json")));
    for step in [
        vec![
            "approvers",
            "propose",
            "--current",
            &current,
            "--revoke-grant",
            &id,
            "--out",
            &next,
        ],
        vec!["approvers", "sign", &next, "--key", &admin, "--out", &signed],
        vec!["approvers", "apply", &signed, "--gate", &gate.url],
    ] {
        let done = world.run(&step).await;
        assert!(
            done.status.success(),
            "{step:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    assert_eq!(gate.json(&format!("/v1/grants/{id}")).await["status"], "revoked");
    let public = fs::read_to_string(world.path("state/gate_key.pub")).unwrap();
    let standing = Standing::verify(&gate.standing(&queued).await, public.trim()).unwrap();
    assert_eq!(standing.state, StandingState::Revoked);
    // What it covered and nobody ordered yet waits for people, who can still say yes.
    let again = gate.execute(text(&waiting), None).await;
    assert_eq!(again["status"], "pending", "{again}");
    let decided = gate
        .decide(&world, again["request_id"].as_str().unwrap(), "ana", "approve")
        .await;
    assert_eq!(decided["status"], "approved", "{decided}");

    let key = shown(&world.key("ben"));
    let (code, said) = grants(&world, &gate, &["revoke", &id, "--key", &key, "--reason", "over"]).await;
    assert_eq!(code, Some(0), "{said}");
    let first = Order::verify(&first, public.trim()).unwrap();
    let withdrawn = async |plan: &runbooks::Plan| {
        let used = gate.execute(text(plan), None).await;
        let id = used["execution_id"].as_str().unwrap().to_owned();
        (
            id.clone(),
            gate.resource(&format!("approval://executions/{id}")).await["status"].clone(),
        )
    };
    let (id, status) = withdrawn(&queued).await;
    if first.id == id {
        // Taken already: the standing says so before each step.
        assert_eq!(status, "claimed");
    } else {
        assert_eq!(status, "lapsed");
    }
}

//! A person at a terminal.

use serde_json::json;

use crate::world::{World, plan, shown, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_and_signs_on_the_command_line() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let request = gate.execute(text(&plan), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let pending = world.run(&["pending", "--gate", &gate.url]).await;
    assert!(String::from_utf8(pending.stdout).unwrap().contains(&request));
    let show = world.run(&["show", &request, "--gate", &gate.url]).await;
    assert!(
        String::from_utf8(show.stdout)
            .unwrap()
            .contains("countersign.terminate_backend")
    );

    let key = shown(&world.key("ana"));
    // Nobody at a terminal has read it, and nobody said that it is to be signed all the same.
    let unread = world
        .run(&["approve", &request, "--gate", &gate.url, "--key", &key])
        .await;
    assert_eq!(unread.status.code(), Some(4), "{unread:?}");
    let approved = world
        .run(&["approve", &request, "--gate", &gate.url, "--key", &key, "--yes"])
        .await;
    let said = String::from_utf8(approved.stdout).unwrap();
    assert_eq!(
        approved.status.code(),
        Some(0),
        "{said}{}",
        String::from_utf8_lossy(&approved.stderr)
    );
    for part in [
        "countersign.terminate_backend",
        "CHECKED HERE",
        "WHAT YOU SIGN",
        &plan.digest().to_string(),
        "is approved, 1 of 1",
    ] {
        assert!(said.contains(part), "the terminal lacks {part:?}: {said}");
    }
    let token = gate.execute(text(&plan), None).await["approval_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_agent_signs_as_well() {
    let world = World::new();
    let gate = world.start().await;
    let request = gate.execute(text(&plan()), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let public = format!("{}.pub", shown(&world.key("ana")));
    let args = [
        "approve",
        &request,
        "--gate",
        &gate.url,
        "--key",
        &public,
        "--approver",
        "ana",
        "--yes",
    ];
    let approved = world.run_with_agent("ana", &args).await;
    assert_eq!(
        approved.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&approved.stderr)
    );
    assert_eq!(
        gate.json(&format!("/v1/requests/{request}")).await["status"],
        "approved"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_its_exit_code() {
    let world = World::new();
    let gate = world.start().await;
    let request = gate.execute(text(&plan()), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let approve = async |key: &str| {
        let key = shown(&world.key(key));
        world
            .run(&["approve", &request, "--gate", &gate.url, "--key", &key])
            .await
    };
    let stranger = approve("stranger").await;
    assert_eq!(stranger.status.code(), Some(4));
    assert!(String::from_utf8(stranger.stderr).unwrap().contains("unknown_key"));
    assert_eq!(approve("orchestrator-1").await.status.code(), Some(4));

    let key = shown(&world.key("ben"));
    let reject = [
        "reject",
        &request,
        "--gate",
        &gate.url,
        "--key",
        &key,
        "--reason",
        "not now & not like this",
    ];
    let rejected = world.run(&reject).await;
    assert_eq!(
        rejected.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&rejected.stderr)
    );
    let view = gate.json(&format!("/v1/requests/{request}")).await;
    assert_eq!(view["rejected"]["remark"], "not now & not like this");
    assert_eq!(approve("ana").await.status.code(), Some(4));

    assert_eq!(
        world
            .run(&["show", "req-none", "--gate", &gate.url])
            .await
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        world
            .run(&["pending", "--gate", "http://127.0.0.1:1"])
            .await
            .status
            .code(),
        Some(1)
    );
    assert_eq!(world.run(&["pending"]).await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_changes_the_list() {
    let world = World::new();
    let gate = world.start().await;
    let (list, proposal, signed) = (
        shown(&world.path("approvers.json")),
        shown(&world.path("proposal.json")),
        shown(&world.path("next.json")),
    );
    let stranger = format!("zoe={}.pub", shown(&world.key("stranger")));
    let propose = [
        "approvers",
        "propose",
        "--current",
        &list,
        "--remove",
        "ben",
        "--add",
        &stranger,
        "--out",
        &proposal,
    ];
    let proposed = world.run(&propose).await;
    assert_eq!(
        proposed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&proposed.stderr)
    );

    let sign = async |key: &str| {
        let key = shown(&world.key(key));
        world
            .run(&["approvers", "sign", &proposal, "--key", &key, "--out", &signed])
            .await
    };
    let apply = ["approvers", "apply", &signed, "--gate", &gate.url];
    assert!(sign("ana").await.status.success());
    assert_eq!(
        world.run(&apply).await.status.code(),
        Some(7),
        "only the administrator changes the list"
    );
    assert!(sign("admin").await.status.success());
    assert_eq!(world.run(&apply).await.status.code(), Some(0));

    let people = gate.json("/v1/approvers").await;
    let ids: Vec<_> = people["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["id"].clone())
        .collect();
    assert_eq!(
        (&people["version"], ids),
        (
            &json!(2),
            vec![json!("ana"), json!("orchestrator-1"), json!("bot"), json!("zoe")]
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_can_be_made_before_the_gate_first_runs() {
    let world = World::new();
    let config = shown(&world.path("gate.toml"));
    let printed = world.run(&["key", "--config", &config]).await;
    let line = String::from_utf8(printed.stdout).unwrap();
    approval::PublicKey::parse(&line).unwrap();
    let gate = world.start().await;
    assert_eq!(gate.json("/v1/gate").await["public_key"], line.trim());
}

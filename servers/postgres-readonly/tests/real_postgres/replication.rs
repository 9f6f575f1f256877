//! `replication` on a primary and on its streaming standby.

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, with_reader_and},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_its_slot_and_its_lag_are_seen_from_both_ends() {
    let (cluster, admin) = with_reader_and(&["wal_level = logical"]).await;
    let standby = cluster.standby("follower").await;
    for statement in [
        "SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')",
        "CREATE PUBLICATION all_orders FOR TABLE public.orders",
        "CREATE SUBSCRIPTION elsewhere CONNECTION 'host=nowhere password=hunter2' PUBLICATION p WITH (connect = false)",
        "ALTER SYSTEM SET synchronous_standby_names = 'follower'",
        "SELECT pg_reload_conf()",
    ] {
        admin.batch_execute(statement).await.unwrap();
    }
    let mut primary = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the standby is synchronous", async || {
        answer = primary.ok("replication", json!({})).await;
        answer["synchronous_satisfied"] == true
    })
    .await;
    let follower = &answer["standbys"][0];
    assert_eq!(
        (
            &follower["application_name"],
            &follower["state"],
            &follower["sync_state"]
        ),
        (&json!("follower"), &json!("streaming"), &json!("sync")),
        "{answer:#}"
    );
    assert!(follower["pid"].is_i64() && follower["backend_start"].is_string());
    let slot = |answer: &Value, name: &str| {
        let mut slots = answer["slots"].as_array().unwrap().iter();
        slots.find(|slot| slot["slot_name"] == name).unwrap().clone()
    };
    let physical = slot(&answer, "follower");
    assert_eq!(
        (&physical["slot_type"], &physical["active"], &physical["active_pid"]),
        (&json!("physical"), &json!(true), &follower["pid"])
    );
    let logical = slot(&answer, "left_behind");
    assert_eq!(
        (&logical["plugin"], &logical["active"], &logical["database"]),
        (&json!("pgoutput"), &json!(false), &json!("postgres"))
    );
    assert!(logical["retained_wal_bytes"].as_i64().unwrap() > 0 && logical["catalog_xmin_age"].is_i64());
    assert_eq!(
        (&answer["publications"], &answer["subscriptions"][0]["enabled"]),
        (&json!(1), &json!(false)),
        "{answer:#}"
    );
    let codes: Vec<_> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| &finding["code"])
        .collect();
    assert_eq!(codes, [&json!("slot_inactive")], "{answer:#}");
    assert!(answer["wal"]["bytes_per_s"].is_i64() && !answer.to_string().contains("hunter2"));

    // Replay stands still: what is written meanwhile is the lag.
    let other = standby.connect("postgres", "operator").await;
    other.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    admin
        .batch_execute("INSERT INTO public.orders SELECT g FROM generate_series(1000, 21000) g")
        .await
        .unwrap();
    let mut secondary = Mcp::start(&standby.dsn(READER), &[]).await;
    eventually("the lag is seen on both sides", async || {
        answer = secondary.ok("replication", json!({})).await;
        let there = primary.ok("replication", json!({})).await["standbys"][0]["replay_lag_bytes"].clone();
        let lag = |value: &Value| value.as_i64().is_some_and(|bytes| bytes > 100_000);
        lag(&answer["receiver"]["replay_lag_bytes"]) && lag(&there) && answer["receiver"]["replay_paused"] == true
    })
    .await;
    assert_eq!(
        (
            &answer["in_recovery"],
            &answer["receiver"]["status"],
            &answer["receiver"]["slot_name"]
        ),
        (&json!(true), &json!("streaming"), &json!("follower"))
    );
    assert!(answer["receiver"]["conflicts"]["snapshot"].is_i64(), "{answer:#}");
    assert_eq!(answer["findings"][0]["code"], "replay_paused", "{answer:#}");
    let overview = secondary.ok("overview", json!({})).await;
    assert_eq!(overview["in_recovery"], true);
    for tool in ["sessions", "settings", "storage", "vacuum_horizon", "blocking_tree"] {
        secondary.ok(tool, json!({})).await;
    }

    // A standby that goes away leaves a slot that keeps WAL, and commits that wait.
    other.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    drop(standby);
    eventually("the primary misses it", async || {
        answer = primary.ok("replication", json!({})).await;
        answer["synchronous_satisfied"] == false
    })
    .await;
    assert_eq!(answer["findings"][0]["code"], "no_synchronous_standby", "{answer:#}");
    assert_eq!(slot(&answer, "follower")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_command_that_hangs_is_seen_by_what_waits_for_it() {
    let (cluster, admin) = with_reader_and(&["archive_mode = on", "archive_command = 'sleep 600'"]).await;
    admin
        .batch_execute("CREATE TABLE public.written (id integer); SELECT pg_switch_wal()")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the archiver is seen to stand still", async || {
        answer = mcp.ok("replication", json!({})).await;
        answer["findings"][0]["code"] == "archiver_stands_still"
    })
    .await;
    assert_eq!(answer["archiver"]["failed_count"], 0, "{answer:#}");
    assert!(
        answer["archive_waiting"]["segments"].as_i64().unwrap() > 0,
        "{answer:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_waits_for_a_reader_is_a_tree() {
    let (cluster, admin) = with_reader_and(&["max_standby_streaming_delay = -1"]).await;
    let standby = cluster.standby("follower").await;
    let report = standby.connect("postgres", "report").await;
    report
        .batch_execute("BEGIN; SELECT count(*) FROM public.orders")
        .await
        .unwrap();
    let holder: i32 = report.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    admin
        .batch_execute("ALTER TABLE public.orders ADD COLUMN note text")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&standby.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the replay waits", async || {
        answer = mcp.ok("blocking_tree", json!({})).await;
        answer["trees"][0].is_object()
    })
    .await;
    let tree = &answer["trees"][0];
    assert_eq!(tree["root"]["pid"], holder, "{answer:#}");
    let waiter = &tree["waiters"][0];
    assert_eq!(
        (
            &waiter["backend_type"],
            &waiter["relation"],
            &waiter["blocked_by"],
            &waiter["is_ddl"]
        ),
        (
            &json!("startup"),
            &json!("public.orders"),
            &json!([holder]),
            &json!(true)
        ),
        "{answer:#}"
    );
    // Who comes now waits behind the replay.
    let _behind = standby.hang("web", "SELECT count(*) FROM public.orders").await;
    eventually("the reader waits behind it", async || {
        answer = mcp.ok("blocking_tree", json!({})).await;
        answer["trees"][0]["waiters_count"] == 2
    })
    .await;
    assert_eq!(answer["trees"][0]["root"]["pid"], holder, "{answer:#}");
    assert_eq!(answer["trees"][0]["waiters"][1]["depth"], 2, "{answer:#}");
}

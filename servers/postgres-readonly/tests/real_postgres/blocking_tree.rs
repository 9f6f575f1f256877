//! `blocking_tree`: roots in any state, chains, schema changes that wait.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    cluster::{Hanging, eventually},
    mcp::Mcp,
    scene::{READER, waiting, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_tree_has_its_root_and_its_chain() {
    let (cluster, admin) = with_reader().await;
    let root = cluster.connect("postgres", "batch").await;
    root.batch_execute("BEGIN; UPDATE public.orders SET state = 'held' WHERE id = 1")
        .await
        .unwrap();
    let first = cluster
        .hang("web", "UPDATE public.orders SET state = 'a' WHERE id = 1")
        .await;
    waiting(&admin, 1).await;
    let middle = cluster.hang("web", "BEGIN; UPDATE public.orders SET state = 'b' WHERE id = 2; UPDATE public.orders SET state = 'b' WHERE id = 1").await;
    waiting(&admin, 2).await;
    let last = cluster
        .hang("web", "UPDATE public.orders SET state = 'c' WHERE id = 2")
        .await;
    waiting(&admin, 3).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    assert_eq!(answer["waiters_total"], 3, "{answer:#}");
    assert_eq!(answer["trees"].as_array().unwrap().len(), 1, "{answer:#}");
    let tree = &answer["trees"][0];
    let holder = &tree["root"];
    assert_eq!(holder["pid"], root.pid);
    assert_eq!(
        (&holder["kind"], &holder["state"], &holder["application_name"]),
        (&json!("session"), &json!("idle in transaction"), &json!("batch"))
    );
    assert_eq!((&tree["waiters_count"], &tree["victims_count"]), (&json!(3), &json!(3)));
    let waiters: Vec<_> = tree["waiters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["pid"].as_i64(), w["depth"].as_u64()))
        .collect();
    let pid = |session: &Hanging| Some(i64::from(session.pid));
    assert_eq!(waiters[0], (pid(&first), Some(1)), "{answer:#}");
    assert!(waiters.contains(&(pid(&middle), Some(2))), "{answer:#}");
    assert!(waiters.contains(&(pid(&last), Some(3))), "{answer:#}");
    for waiter in tree["waiters"].as_array().unwrap() {
        assert_eq!(
            (&waiter["relation"], &waiter["is_ddl"]),
            (&json!("public.orders"), &json!(false)),
            "{waiter:#}"
        );
    }
    let same = admin
        .query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::text::timestamptz AND xact_start = $3::text::timestamptz",
            &[&root.pid, &holder["backend_start"].as_str(), &holder["xact_start"].as_str()],
        )
        .await
        .unwrap();
    assert_eq!(same.get::<_, i64>(0), 1, "times must go back into SQL exactly");

    let idle = mcp.ok("sessions", json!({"state": "idle in transaction"})).await;
    assert_eq!(
        (&idle["total"], &idle["sessions"][0]["pid"]),
        (&json!(1), &json!(root.pid)),
        "{idle:#}"
    );
    let identity = mcp.ok("overview", json!({})).await;
    let number: i64 = admin
        .query_one("SELECT system_identifier FROM pg_control_system()", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        (&identity["system_identifier"], &identity["current_role"]),
        (&json!(number.to_string()), &json!(READER))
    );

    root.batch_execute("ROLLBACK").await.unwrap();
    // The one in the middle has what it wanted now, and holds it: its transaction is still open.
    drop(middle);
    eventually("the tree is gone", async || {
        mcp.ok("blocking_tree", json!({})).await["waiters_total"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_may_be_prepared_or_plainly_idle() {
    let (cluster, admin) = with_reader().await;
    let session = cluster.connect("postgres", "two-phase").await;
    session
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'p' WHERE id = 1; PREPARE TRANSACTION 'stuck'")
        .await
        .unwrap();
    drop(session);
    let advisory = cluster.connect("postgres", "locker").await;
    advisory.batch_execute("SELECT pg_advisory_lock(42)").await.unwrap();
    let on_prepared = cluster
        .hang("web", "UPDATE public.orders SET state = 'a' WHERE id = 1")
        .await;
    let on_advisory = cluster.hang("web", "SELECT pg_advisory_lock(42)").await;
    waiting(&admin, 2).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    let trees = answer["trees"].as_array().unwrap();
    let of = |kind: &str| {
        trees
            .iter()
            .find(|tree| tree["root"]["kind"] == kind)
            .unwrap_or_else(|| panic!("{answer:#}"))
    };
    let prepared = of("prepared_transaction");
    assert_eq!(
        (&prepared["root"]["gid"], &prepared["root"]["pid"]),
        (&json!("stuck"), &json!(0)),
        "{answer:#}"
    );
    assert_eq!(prepared["waiters"][0]["pid"], on_prepared.pid);
    let idle = of("session");
    assert_eq!(
        (&idle["root"]["pid"], &idle["root"]["state"]),
        (&json!(advisory.pid), &json!("idle")),
        "{answer:#}"
    );
    assert_eq!(idle["waiters"][0]["pid"], on_advisory.pid);
    admin.batch_execute("ROLLBACK PREPARED 'stuck'").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_schema_change_is_shown_with_its_queue_and_stops_no_tool() {
    let (cluster, admin) = with_reader().await;
    let reader = cluster.connect("postgres", "report").await;
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM public.items")
        .await
        .unwrap();
    let ddl = cluster
        .hang("migration", "ALTER TABLE public.items ADD COLUMN note text")
        .await;
    waiting(&admin, 1).await;
    let _queue = [
        cluster.hang("web", "SELECT * FROM public.items").await,
        cluster.hang("web", "SELECT * FROM public.items").await,
    ];
    waiting(&admin, 3).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("ddl_waiters", json!({})).await;
    assert_eq!(answer["relations"].as_array().unwrap().len(), 1, "{answer:#}");
    let waiting = &answer["relations"][0];
    assert_eq!(
        (&waiting["schema"], &waiting["relation"], &waiting["queued_behind"]),
        (&json!("public"), &json!("items"), &json!(2)),
        "{answer:#}"
    );
    assert_eq!(
        (&waiting["ddl"]["pid"], &waiting["ddl"]["mode"]),
        (&json!(ddl.pid), &json!("AccessExclusiveLock"))
    );
    assert_eq!(waiting["blocked_by"].as_array().unwrap().len(), 1, "{answer:#}");
    let blocker = &waiting["blocked_by"][0];
    assert_eq!(
        (&blocker["pid"], &blocker["state"]),
        (&json!(reader.pid), &json!("idle in transaction"))
    );

    let tree = &mcp.ok("blocking_tree", json!({})).await["trees"][0];
    assert_eq!(
        (&tree["root"]["pid"], &tree["waiters_count"]),
        (&json!(reader.pid), &json!(3)),
        "{tree:#}"
    );
    let depths: Vec<_> = tree["waiters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["is_ddl"] == true, w["depth"].as_u64()))
        .collect();
    assert_eq!(depths, [(true, Some(1)), (false, Some(2)), (false, Some(2))]);

    let refusal = mcp.refused("query", json!({"sql": "SELECT * FROM public.items"})).await;
    assert_eq!(refusal["code"], "lock_timeout", "{refusal:#}");
    let started = Instant::now();
    for tool in [
        "sessions",
        "blocking_tree",
        "ddl_waiters",
        "overview",
        "replication",
        "settings",
        "storage",
        "vacuum_horizon",
    ] {
        mcp.ok(tool, json!({})).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "a tool joined the queue: {:?}",
        started.elapsed()
    );
}

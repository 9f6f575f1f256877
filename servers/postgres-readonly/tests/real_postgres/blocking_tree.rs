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
    let held = &holder["holds"][0];
    assert_eq!(
        (&held["locktype"], &held["mode"], &held["waiters"]),
        (&json!("transactionid"), &json!("ExclusiveLock"), &json!(1)),
        "{answer:#}"
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
    session
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'p' WHERE id = 50; PREPARE TRANSACTION 'harmless'")
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
    assert_eq!(prepared["root"]["holds"][0]["waiters"], 1, "{answer:#}");
    let listed: Vec<_> = answer["prepared_transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["gid"].as_str(),
                one["blocks"].as_u64(),
                one["locks_held"].as_u64() >= Some(2),
                one["owner"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            (Some("stuck"), Some(1), true, Some("postgres")),
            (Some("harmless"), Some(0), true, Some("postgres"))
        ],
        "{answer:#}"
    );
    let idle = of("session");
    assert_eq!(
        (&idle["root"]["pid"], &idle["root"]["state"]),
        (&json!(advisory.pid), &json!("idle")),
        "{answer:#}"
    );
    assert_eq!(idle["waiters"][0]["pid"], on_advisory.pid);
    assert_eq!(
        (&idle["root"]["holds"][0]["locktype"], &idle["root"]["holds"][0]["mode"]),
        (&json!("advisory"), &json!("ExclusiveLock")),
        "{answer:#}"
    );
    for gid in ["stuck", "harmless"] {
        admin
            .batch_execute(&format!("ROLLBACK PREPARED '{gid}'"))
            .await
            .unwrap();
    }
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
    let answer = mcp.ok("blocking_tree", json!({})).await;
    assert_eq!(answer["ddl_queues"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(answer["ddl_queues_truncated"], false);
    let waiting = &answer["ddl_queues"][0];
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

    let tree = &answer["trees"][0];
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
        "overview",
        "sessions",
        "blocking_tree",
        "replication",
        "schema",
        "settings",
        "storage",
        "table_health",
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

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_one_tree_and_says_so() {
    let (cluster, admin) = with_reader().await;
    let patient = "SET deadlock_timeout = '10min'; BEGIN;";
    let one = cluster.connect("postgres", "one").await;
    let two = cluster.connect("postgres", "two").await;
    one.batch_execute(&format!("{patient} UPDATE public.orders SET state = '1' WHERE id = 1"))
        .await
        .unwrap();
    two.batch_execute(&format!("{patient} UPDATE public.orders SET state = '2' WHERE id = 2"))
        .await
        .unwrap();
    let pids = [one.pid, two.pid];
    let _first = tokio::spawn(async move {
        one.batch_execute("UPDATE public.orders SET state = '1' WHERE id = 2")
            .await
    });
    waiting(&admin, 1).await;
    let _second = tokio::spawn(async move {
        two.batch_execute("UPDATE public.orders SET state = '2' WHERE id = 1")
            .await
    });
    waiting(&admin, 2).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    assert_eq!(answer["trees"].as_array().unwrap().len(), 1, "{answer:#}");
    let tree = &answer["trees"][0];
    assert_eq!((&tree["deadlock"], &tree["waiters_count"]), (&json!(true), &json!(1)));
    let both = [&tree["root"]["pid"], &tree["waiters"][0]["pid"]].map(|pid| pid.as_i64());
    assert!(
        pids.iter().all(|pid| both.contains(&Some(i64::from(*pid)))),
        "{answer:#}"
    );
    assert_eq!(tree["waiters"][0]["holds"][0]["waiters"], 1, "{answer:#}");
    admin
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('one', 'two')",
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_see_of_other_sessions_is_told() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute("CREATE ROLE blind LOGIN").await.unwrap();
    let root = cluster.connect("postgres", "batch").await;
    root.batch_execute("BEGIN; LOCK TABLE public.items IN SHARE MODE")
        .await
        .unwrap();
    let _waiter = cluster.hang("web", "INSERT INTO public.items VALUES (1)").await;
    waiting(&admin, 1).await;

    let mut mcp = Mcp::start(&cluster.dsn("blind"), &[]).await;
    let answer = mcp.ok("blocking_tree", json!({})).await;
    let tree = &answer["trees"][0];
    assert_eq!(tree["root"]["pid"], root.pid, "{answer:#}");
    assert_eq!(
        (&tree["root"]["holds"][0]["mode"], &tree["root"]["holds"][0]["relation"]),
        (&json!("ShareLock"), &json!("public.items")),
        "{answer:#}"
    );
    assert_eq!(tree["waiters"][0]["mode"], "RowExclusiveLock");
    assert!(
        answer["hidden"][0]
            .as_str()
            .unwrap()
            .contains("GRANT pg_read_all_stats TO blind"),
        "{answer:#}"
    );
}

//! `overview`: identity, load, and each risk that can be provoked at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, waiting, with_reader, with_reader_and},
};

fn severity<'a>(answer: &'a Value, code: &str) -> Option<&'a str> {
    risk(answer, code)?["severity"].as_str()
}

fn risk<'a>(answer: &'a Value, code: &str) -> Option<&'a Value> {
    let mut risks = answer["risks"].as_array().unwrap().iter();
    risks.find(|risk| risk["code"] == code)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_finds_what_is_wrong_now_and_the_worst_first() {
    let (cluster, admin) = with_reader_and(&[
        "archive_mode = on",
        "archive_command = '/bin/false'",
        "deadlock_timeout = '20ms'",
    ])
    .await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let before = mcp.ok("overview", json!({})).await;
    for code in [
        "archiver_failing",
        "slot_inactive",
        "invalid_indexes",
        "sequence_near_end",
        "sessions_blocked",
        "connections_near_max",
        "deadlocks",
        "no_synchronous_standby",
    ] {
        assert_eq!(severity(&before, code), None, "{before:#}");
    }
    // The test cluster is run like this.
    assert_eq!(severity(&before, "fsync_off"), Some("critical"));
    assert_eq!(severity(&before, "autovacuum_off"), Some("warning"));

    admin
        .batch_execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
        .await
        .unwrap();
    // A unique index over what is not unique is left behind invalid.
    admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY orders_state ON public.orders (state)")
        .await
        .unwrap_err();
    admin
        .batch_execute(
            "CREATE SEQUENCE public.nearly AS smallint START 29500;
             CREATE SEQUENCE public.down AS smallint INCREMENT -1 MINVALUE -100 MAXVALUE -1 START -97;
             SELECT nextval('public.nearly'), nextval('public.down');
             CREATE SEQUENCE public.tickets START 2100000000;
             CREATE TABLE public.rides (id integer DEFAULT nextval('public.tickets'), line bigint);
             INSERT INTO public.rides (line) VALUES (1);
             ANALYZE public.rides;
             SELECT pg_switch_wal()",
        )
        .await
        .unwrap();
    deadlock(&cluster).await;
    let prepared = cluster.connect("postgres", "two-phase").await;
    prepared
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'p' WHERE id = 1; PREPARE TRANSACTION 'stuck'")
        .await
        .unwrap();
    let _blocked = cluster
        .hang("web", "UPDATE public.orders SET state = 'a' WHERE id = 1")
        .await;
    waiting(&admin, 1).await;
    let idle = cluster.connect("postgres", "forgetful").await;
    idle.batch_execute("BEGIN; SELECT 1 FROM public.items").await.unwrap();
    let mut leaked = Vec::new();
    for _ in 0..36 {
        leaked.push(cluster.connect("app", "leaky").await);
    }
    // From now on nobody's commit comes back unless it does not ask for a standby.
    admin.batch_execute("SET synchronous_commit = local").await.unwrap();
    admin
        .batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await
        .unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();

    let mut answer = Value::Null;
    eventually("every risk is found", async || {
        answer = mcp.ok("overview", json!({})).await;
        ["archiver_failing", "deadlocks", "no_synchronous_standby"]
            .iter()
            .all(|code| severity(&answer, code).is_some())
    })
    .await;
    for (code, expected) in [
        ("archiver_failing", "warning"),
        ("slot_inactive", "warning"),
        ("invalid_indexes", "warning"),
        ("connections_near_max", "warning"),
        ("deadlocks", "info"),
        ("no_synchronous_standby", "critical"),
    ] {
        assert_eq!(severity(&answer, code), Some(expected), "{code}: {answer:#}");
    }
    assert!(severity(&answer, "sessions_blocked").is_some(), "{answer:#}");
    let order: Vec<_> = answer["risks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|risk| match risk["severity"].as_str().unwrap() {
            "critical" => 0,
            "warning" => 1,
            _ => 2,
        })
        .collect();
    assert!(order.is_sorted(), "{answer:#}");

    let sequences: Vec<_> = answer["risks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|risk| risk["code"] == "sequence_near_end")
        .map(|risk| (risk["evidence"]["sequence"].clone(), risk["severity"].clone()))
        .collect();
    assert_eq!(
        sequences,
        [
            // Its own end is that of a bigint; its column's is near.
            (json!("public.tickets"), json!("critical")),
            (json!("public.down"), json!("critical")),
            (json!("public.nearly"), json!("warning"))
        ],
        "{answer:#}"
    );
    assert_eq!(
        risk(&answer, "invalid_indexes").unwrap()["evidence"]["indexes"],
        json!(["public.orders_state"])
    );
    let load = &answer["load"];
    assert_eq!(
        (&load["prepared_transactions"], &load["oldest_prepared"]["gid"]),
        (&json!(1), &json!("stuck"))
    );
    assert_eq!(
        (
            &load["idle_in_transaction"],
            &load["longest_idle_in_transaction"]["pid"]
        ),
        (&json!(1), &json!(idle.pid))
    );
    assert_eq!(load["waiting_on_locks"], 1);
    assert_eq!(answer["replication"]["inactive_slots"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_is_the_clusters_own_and_a_locked_sequence_stops_nothing() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE SEQUENCE public.locked AS smallint START 32000; SELECT nextval('public.locked');
             CREATE ROLE blind LOGIN",
        )
        .await
        .unwrap();
    let asked = admin
        .query_one(
            "SELECT system_identifier::text, to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'
             FROM pg_control_system()",
            &[],
        )
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("overview", json!({})).await;
    assert_eq!(answer["system_identifier"], asked.get::<_, String>(0));
    assert_eq!(answer["started_at"], asked.get::<_, String>(1));
    assert_eq!(
        (
            &answer["database"],
            &answer["current_role"],
            &answer["in_recovery"],
            &answer["flavor"]
        ),
        (&json!("postgres"), &json!(READER), &json!(false), &json!("postgres"))
    );
    assert_eq!(severity(&answer, "sequence_near_end"), Some("critical"), "{answer:#}");

    admin
        .batch_execute("BEGIN; ALTER SEQUENCE public.locked INCREMENT 2")
        .await
        .unwrap();
    let started = Instant::now();
    let answer = mcp.ok("overview", json!({})).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(severity(&answer, "sequence_near_end"), None);
    let hidden = |answer: &Value| answer["hidden"].to_string();
    assert!(hidden(&answer).contains("somebody has locked them"), "{answer:#}");
    admin.batch_execute("ROLLBACK").await.unwrap();

    // Without pg_monitor and without a right to anything it still answers, and says what is missing.
    let mut blind = Mcp::start(&cluster.dsn("blind"), &[]).await;
    for tool in [
        "overview",
        "replication",
        "sessions",
        "settings",
        "storage",
        "vacuum_horizon",
    ] {
        let answer = blind.ok(tool, json!({})).await;
        assert!(answer["warning"].as_str().unwrap().contains("pg_monitor"), "{answer:#}");
    }
    let answer = blind.ok("overview", json!({})).await;
    assert!(hidden(&answer).contains("cannot be read by this role"), "{answer:#}");
}

async fn deadlock(cluster: &crate::cluster::Cluster) {
    let first = cluster.connect("postgres", "first").await;
    let second = cluster.connect("postgres", "second").await;
    let take = |id: u32| format!("BEGIN; UPDATE public.orders SET state = 'd' WHERE id = {id}");
    first.batch_execute(&take(11)).await.unwrap();
    second.batch_execute(&take(12)).await.unwrap();
    let (one, two) = tokio::join!(
        first.batch_execute("UPDATE public.orders SET state = 'd' WHERE id = 12; COMMIT"),
        second.batch_execute("UPDATE public.orders SET state = 'd' WHERE id = 11; COMMIT")
    );
    assert!(one.is_err() || two.is_err());
}

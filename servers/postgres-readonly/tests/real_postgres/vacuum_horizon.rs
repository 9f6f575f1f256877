//! `vacuum_horizon`: ages that are counted, and who holds the horizon back.

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, burn_transactions, with_reader_and},
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_horizon_back_is_named_oldest_first() {
    let (cluster, admin) = with_reader_and(&["wal_level = logical"]).await;
    for statement in [
        "CREATE TABLE public.strict (id int) WITH (autovacuum_freeze_max_age = 100000, autovacuum_enabled = off)",
        "CREATE DATABASE elsewhere",
        "SELECT pg_create_logical_replication_slot('decoder', 'pgoutput')",
    ] {
        admin.batch_execute(statement).await.unwrap();
    }
    burn_transactions(&admin, 100).await;
    let snapshot = cluster.connect("postgres", "report").await;
    snapshot
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM public.orders LIMIT 1")
        .await
        .unwrap();
    burn_transactions(&admin, 100).await;
    let two_phase = cluster.connect("postgres", "two-phase").await;
    two_phase
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'p' WHERE id = 1; PREPARE TRANSACTION 'stuck'")
        .await
        .unwrap();
    burn_transactions(&admin, 100).await;

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("vacuum_horizon", json!({})).await;
    let holders: Vec<_> = answer["holders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            (
                of["kind"].as_str().unwrap(),
                of["holds"].as_str().unwrap(),
                of["holds_horizon"] == true,
            )
        })
        .collect();
    assert_eq!(
        holders,
        [
            ("replication_slot", "catalogs", true),
            ("session", "tables", true),
            ("prepared_transaction", "tables", false)
        ],
        "{answer:#}"
    );
    let of = |at: usize| &answer["holders"][at];
    for (at, burnt) in [(0, 300), (1, 200), (2, 100)] {
        let age = of(at)["xmin_age"].as_i64().unwrap();
        assert!((burnt..burnt + 20).contains(&age), "{answer:#}");
    }
    assert_eq!(of(0)["slot_name"], "decoder");
    assert_eq!(
        (&of(1)["pid"], &of(1)["application_name"]),
        (&json!(snapshot.pid), &json!("report"))
    );
    assert!(of(1)["backend_start"].is_string() && of(1)["age_s"].is_i64());
    assert_eq!(
        (&of(2)["gid"], &of(2)["database"]),
        (&json!("stuck"), &json!("postgres"))
    );

    let age: i64 = admin
        .query_one(
            "SELECT age(datfrozenxid)::int8 FROM pg_database WHERE datname = 'postgres'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let databases = answer["databases"].as_array().unwrap();
    let here = databases.iter().find(|of| of["database"] == "postgres").unwrap();
    assert!((here["xid_age"].as_i64().unwrap() - age).abs() < 10, "{answer:#}");
    let strict = &answer["tables"][0];
    assert_eq!(
        (&strict["table"], &strict["freeze_max_age"], &strict["autovacuum_off"]),
        (&json!("strict"), &json!(100_000), &json!(true)),
        "its own limit is nearest: {answer:#}"
    );
    let slru: Vec<_> = answer["slru"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["name"].as_str().unwrap())
        .collect();
    assert!(slru.contains(&"Subtrans"), "{answer:#}");

    // The snapshot ends; the prepared transaction is the oldest now.
    snapshot.batch_execute("COMMIT").await.unwrap();
    let answer = mcp.ok("vacuum_horizon", json!({})).await;
    assert_eq!(
        (&answer["holders"][1]["gid"], &answer["holders"][1]["holds_horizon"]),
        (&json!("stuck"), &json!(true)),
        "{answer:#}"
    );
    admin.batch_execute("ROLLBACK PREPARED 'stuck'").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_vacuum_is_shown_and_holds_nothing_back() {
    let (cluster, admin) = with_reader_and(&[]).await;
    admin
        .batch_execute(
            "CREATE TABLE public.slow AS SELECT g AS id, repeat('x', 500) AS filler FROM generate_series(1, 20000) g;
             ALTER ROLE postgres SET vacuum_cost_delay = '100ms';
             ALTER ROLE postgres SET vacuum_cost_limit = 10",
        )
        .await
        .unwrap();
    let vacuum = cluster.hang("vacuum", "VACUUM public.slow").await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the vacuum runs", async || {
        answer = mcp.ok("vacuum_horizon", json!({})).await;
        answer["vacuums"][0]["percent"].is_f64()
    })
    .await;
    let running = &answer["vacuums"][0];
    assert_eq!(
        (
            &running["pid"],
            &running["table"],
            &running["automatic"],
            &running["prevents_wraparound"]
        ),
        (&json!(vacuum.pid), &json!("public.slow"), &json!(false), &json!(false)),
        "{answer:#}"
    );
    let mut holders = answer["holders"].as_array().unwrap().iter();
    assert!(!holders.any(|holder| holder["pid"] == vacuum.pid), "{answer:#}");
}

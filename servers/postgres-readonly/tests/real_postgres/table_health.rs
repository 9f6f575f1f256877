//! `table_health`: dead rows, bloat, statistics, and vacuums that are held up.

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, with_reader},
};

fn codes(table: &Value) -> Vec<&str> {
    table["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sick_table_is_found_for_its_own_reason() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE TABLE public.dead (id int PRIMARY KEY, note text) WITH (autovacuum_vacuum_threshold = 10, autovacuum_vacuum_scale_factor = 0.1);
             INSERT INTO public.dead SELECT g, 'n' FROM generate_series(1, 5000) g;
             ANALYZE public.dead;
             DELETE FROM public.dead WHERE id % 2 = 0;
             CREATE TABLE public.bloated (id int, note text) WITH (autovacuum_enabled = off);
             INSERT INTO public.bloated SELECT g, repeat('x', 100) FROM generate_series(1, 200000) g;
             DELETE FROM public.bloated WHERE id % 10 <> 0;
             CREATE TABLE public.unknown (id int);
             INSERT INTO public.unknown SELECT generate_series(1, 1000);
             CREATE TABLE public.healthy (id int);
             INSERT INTO public.healthy SELECT generate_series(1, 1000);
             CREATE TABLE public.cold (id int PRIMARY KEY, seen int);
             CREATE INDEX ON public.cold (seen);
             INSERT INTO public.cold SELECT g, g FROM generate_series(1, 20000) g;
             UPDATE public.cold SET seen = seen + 1",
        )
        .await
        .unwrap();
    // What a session counted and has not told yet must not arrive after the vacuum that answers it.
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    for table in ["bloated", "healthy", "cold"] {
        admin
            .batch_execute(&format!("VACUUM ANALYZE public.{table}"))
            .await
            .unwrap();
    }

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the statistics have arrived", async || {
        answer = mcp.ok("table_health", json!({"schema": "public"})).await;
        let tables = answer["tables"].as_array().unwrap();
        tables
            .iter()
            .any(|table| table["table"] == "dead" && table["n_dead_tup"] == 2500)
    })
    .await;
    let of = |name: &str| {
        let tables = answer["tables"].as_array().unwrap();
        tables
            .iter()
            .find(|table| table["table"] == name)
            .unwrap_or_else(|| panic!("{name}: {answer:#}"))
    };
    assert_eq!(answer["tables"][0]["table"], "dead", "most dead rows first: {answer:#}");
    let dead = of("dead");
    // The server of the tests has autovacuum off.
    assert_eq!(
        codes(dead),
        ["dead_tuples", "stale_statistics", "autovacuum_disabled"],
        "{dead:#}"
    );
    assert_eq!(
        (&dead["dead_pct"], &dead["autovacuum"]["vacuum_at_dead_tup"]),
        (&json!(50.0), &json!(510)),
        "its own threshold counts: {dead:#}"
    );
    assert!(!codes(of("bloated")).contains(&"dead_tuples"));
    assert!(codes(of("bloated")).contains(&"bloat"), "{:#}", of("bloated"));
    let bloat = &of("bloated")["bloat"];
    assert!(
        (85.0..=92.0).contains(&bloat["pct"].as_f64().unwrap()),
        "nine of ten rows are gone: {bloat}"
    );
    assert!(codes(of("unknown")).contains(&"never_analyzed"), "{:#}", of("unknown"));
    assert_eq!(of("unknown")["estimated_rows"], Value::Null);
    assert_eq!(codes(of("healthy")), ["autovacuum_disabled"], "{:#}", of("healthy"));
    assert!(codes(of("cold")).contains(&"low_hot_ratio"), "{:#}", of("cold"));
    assert_eq!(answer["autovacuum"]["enabled"], false);

    let by_bloat = mcp.ok("table_health", json!({"order_by": "bloat", "limit": 1})).await;
    assert_eq!(by_bloat["tables"][0]["table"], "bloated", "{by_bloat:#}");
    assert_eq!(
        (by_bloat["tables"].as_array().unwrap().len(), &by_bloat["truncated"]),
        (1, &json!(true))
    );
    for order in ["dead_pct", "modified", "xid_age", "size"] {
        let answer = mcp.ok("table_health", json!({"order_by": order, "limit": 2})).await;
        assert_eq!(answer["tables"].as_array().unwrap().len(), 2, "{order}: {answer:#}");
    }
    let none = mcp.ok("table_health", json!({"table": "nowhere"})).await;
    assert_eq!((&none["total"], &none["tables"]), (&json!(0), &json!([])));

    // Who may not read a table does not see its column statistics, and is told so.
    admin.batch_execute("CREATE ROLE blind LOGIN").await.unwrap();
    let mut blind = Mcp::start(&cluster.dsn("blind"), &[]).await;
    let answer = blind.ok("table_health", json!({"table": "bloated"})).await;
    assert_eq!(answer["tables"][0]["bloat"], Value::Null, "{answer:#}");
    assert!(
        answer["hidden"][0].as_str().unwrap().contains("pg_read_all_data"),
        "{answer:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_that_waits_or_sleeps_says_why_and_a_lock_stops_no_answer() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE TABLE public.slow (id int, note text);
             INSERT INTO public.slow SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g;
             DELETE FROM public.slow WHERE id % 2 = 0",
        )
        .await
        .unwrap();
    let vacuum = cluster.connect("postgres", "vacuum").await;
    vacuum
        .batch_execute("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1")
        .await
        .unwrap();
    let pid = vacuum.pid;
    let _running = tokio::spawn(async move { vacuum.batch_execute("VACUUM public.slow").await });

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the vacuum sleeps", async || {
        answer = mcp.ok("table_health", json!({"table": "slow"})).await;
        codes(&answer["tables"][0]).contains(&"vacuum_throttled")
    })
    .await;
    let run = &answer["running"][0];
    assert_eq!(
        (&run["command"], &run["pid"], &run["table"], &run["autovacuum"]),
        (&json!("vacuum"), &json!(pid), &json!("slow"), &json!(false)),
        "{answer:#}"
    );
    admin.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();

    let holder = cluster.connect("postgres", "migration").await;
    holder
        .batch_execute("BEGIN; LOCK TABLE public.slow IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let answer = mcp.ok("table_health", json!({"table": "slow"})).await;
    let blocked = answer["tables"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "vacuum_blocked")
        .unwrap_or_else(|| panic!("{answer:#}"));
    assert!(
        blocked["says"].as_str().unwrap().contains(&holder.pid.to_string()),
        "{blocked}"
    );
    assert!(
        answer["cost_ms"].as_f64().unwrap() < 250.0,
        "it did not wait: {}",
        answer["cost_ms"]
    );

    // Prepared, the transaction keeps the lock and has no session.
    holder.batch_execute("PREPARE TRANSACTION 'unfinished'").await.unwrap();
    let answer = mcp.ok("table_health", json!({"table": "slow"})).await;
    let findings = answer["tables"][0]["findings"].to_string();
    assert!(findings.contains("held by a prepared transaction"), "{answer:#}");
    holder.batch_execute("ROLLBACK PREPARED 'unfinished'").await.unwrap();
}

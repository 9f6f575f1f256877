//! `top_queries`: totals, what happened since, and what is said when the extension is missing.

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, with_reader},
};

fn of<'a>(answer: &'a Value, text: &str) -> Option<&'a Value> {
    let all = answer["statements"].as_array().unwrap();
    all.iter()
        .find(|row| row["query"].as_str().is_some_and(|query| query.contains(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_ranked_in_total_and_since_the_last_look() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE SCHEMA \"Stats\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Stats\"; GRANT USAGE ON SCHEMA \"Stats\" TO reader")
        .await
        .unwrap();
    let worker = cluster.connect("postgres", "worker").await;
    let heavy = "SELECT count(*) FROM generate_series(1, 200000) AS heavy(n) WHERE n > 0";
    for _ in 0..3 {
        worker.query(heavy, &[]).await.unwrap();
    }
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let first = mcp.ok("top_queries", json!({"limit": 50})).await;
    let row = of(&first, "heavy").unwrap();
    assert_eq!(
        (&row["calls"], &row["datname"], &row["usename"]),
        (&json!(3), &json!("postgres"), &json!("postgres"))
    );
    assert!(row["queryid"].as_str().unwrap().parse::<i64>().is_ok(), "{row:#}");
    assert!(
        row["query"].as_str().unwrap().contains("$1"),
        "constants are gone: {row:#}"
    );
    assert!(row["total_ms"].as_f64().unwrap() >= 3.0 * 0.9 * row["mean_ms"].as_f64().unwrap());
    assert!(row["total_pct"].as_f64().unwrap() > 0.0 && row["max_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&first["since"], row.get("delta")), (&Value::Null, None), "{first:#}");
    assert!(first["stats_reset"].is_string());

    worker.query(heavy, &[]).await.unwrap();
    let second = mcp.ok("top_queries", json!({"order_by": "rows", "limit": 50})).await;
    let row = of(&second, "heavy").unwrap();
    assert_eq!(
        (&row["calls"], &row["delta"]["calls"]),
        (&json!(4), &json!(1)),
        "{row:#}"
    );
    assert_eq!(second["since"], first["taken_at"]);

    // Over an interval only what ran in it is ranked.
    let id = mcp
        .send("top_queries", json!({"interval_s": 2, "order_by": "calls", "limit": 3}))
        .await;
    eventually("the first of two looks was taken", async || {
        let row = admin
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'countersign%' AND state = 'idle' AND query LIKE 'SET search_path%'", &[])
            .await
            .unwrap();
        row.get::<_, i64>(0) == 1
    })
    .await;
    let until = std::time::Instant::now() + std::time::Duration::from_millis(1500);
    while std::time::Instant::now() < until {
        worker.query("SELECT 'busy'::text AS interval_only", &[]).await.unwrap();
    }
    let during = mcp.answered(id).await;
    let row = of(&during, "interval_only").unwrap_or_else(|| panic!("{during:#}"));
    assert!(row["delta"]["calls"].as_u64().unwrap() > 10, "{row:#}");
    assert!((1.9..4.0).contains(&during["since_s"].as_f64().unwrap()), "{during:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_interval_holds_no_transaction_and_can_be_cancelled() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE EXTENSION pg_stat_statements")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    mcp.ok("top_queries", json!({})).await;
    let started = std::time::Instant::now();
    let id = mcp.send("top_queries", json!({"interval_s": 20})).await;
    mcp.ok("sessions", json!({})).await;
    // The first look may still be under way.
    eventually("no transaction is open", async || {
        let open = admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'countersign%' AND xact_start IS NOT NULL",
                &[],
            )
            .await
            .unwrap();
        open.get::<_, i64>(0) == 0
    })
    .await;
    assert!(
        started.elapsed().as_secs() < 10,
        "and this long before the interval ends"
    );
    mcp.notify("notifications/cancelled", json!({"requestId": id})).await;
    mcp.ok("sessions", json!({})).await;
    let (code, _) = mcp.end().await;
    assert_eq!(code, Some(0));
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_extension_it_says_why_and_shows_what_runs() {
    let (cluster, admin) = with_reader().await;
    let _one = cluster.hang("app", "SELECT pg_sleep(100) /* nap */").await;
    let _two = cluster.hang("app", "SELECT pg_sleep(100) /* nap */").await;
    eventually("both sleep", async || {
        let row = admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, i64>(0) == 2
    })
    .await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("top_queries", json!({})).await;
    assert!(
        answer["hidden"][0]
            .as_str()
            .unwrap()
            .contains("CREATE EXTENSION pg_stat_statements"),
        "{answer:#}"
    );
    assert_eq!(answer["running"][0]["sessions"], json!(2), "{answer:#}");
    // Without pg_monitor the statements of others stay hidden, and it says so.
    admin
        .batch_execute("CREATE EXTENSION pg_stat_statements; REVOKE pg_monitor FROM reader")
        .await
        .unwrap();
    let answer = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .ok("top_queries", json!({}))
        .await;
    assert!(answer["hidden"].to_string().contains("pg_read_all_stats"), "{answer:#}");
}

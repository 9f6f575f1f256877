//! Cancellation, loss and refusal of connections.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    cluster::eventually,
    mcp::{self, Mcp},
    scene::{READER, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_its_statement_and_leaves_the_session_clean() {
    let (cluster, admin) = with_reader().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &["--statement-timeout-ms", "20000"]).await;
    let pid = mcp.ok("query", json!({"sql": "SELECT pg_backend_pid()"})).await["rows"][0][0].clone();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%6000%' AND pid <> pg_backend_pid()";
    let count = async || admin.query_one(running, &[]).await.unwrap().get::<_, i64>(0);
    let id = mcp
        .send(
            "query",
            json!({"sql": "SELECT count(md5(a::text || b::text)) FROM generate_series(1, 6000) a, generate_series(1, 6000) b"}),
        )
        .await;
    eventually("the statement runs", async || count().await == 1).await;
    mcp.notify("notifications/cancelled", json!({"requestId": id})).await;
    eventually("the statement has ended", async || count().await == 0).await;
    // The held connection is not given up for a cancelled call: in an incident there might be no other.
    let again = mcp
        .ok(
            "query",
            json!({"sql": "SELECT pg_backend_pid(), current_setting('transaction_read_only')"}),
        )
        .await;
    assert_eq!(again["rows"], json!([[pid, "on"]]), "the same session goes on");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'countersign/%' AND (state <> 'idle' OR xact_start IS NOT NULL)";
    eventually("nothing is left open", async || {
        admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    // A client that goes away takes its statement with it.
    mcp.send(
        "query",
        json!({"sql": "SELECT count(md5(a::text || b::text)) FROM generate_series(1, 6000) a, generate_series(1, 6000) b"}),
    )
    .await;
    eventually("the statement runs again", async || count().await == 1).await;
    let started = Instant::now();
    assert_eq!(mcp.end().await.0, Some(0));
    eventually("the statement has ended with its client", async || count().await == 0).await;
    // Its own timeout would have ended it only after 20 s.
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_or_says_no_is_told_in_one_sentence() {
    let (mut cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE ROLE locked LOGIN PASSWORD 'open sesame' IN ROLE pg_monitor")
        .await
        .unwrap();
    let dsn = cluster.dsn(READER);
    let code_of = async |dsn: &str| {
        let mut mcp = Mcp::start(dsn, &[]).await;
        let refusal = mcp.refused("overview", json!({})).await;
        let (_, stderr) = mcp.end().await;
        assert!(
            !stderr.contains("hunter2") && !refusal.to_string().contains("hunter2"),
            "{stderr} {refusal}"
        );
        assert!(!refusal["message"].as_str().unwrap().contains('\n'));
        refusal["code"].as_str().unwrap().to_owned()
    };
    let locked = |password: &str| cluster.dsn("locked").replace("locked@", &format!("locked:{password}@"));
    assert_eq!(code_of(&locked("hunter2")).await, "authentication_failed");
    assert_eq!(code_of(&cluster.dsn("locked")).await, "authentication_failed");
    assert_eq!(code_of(&dsn.replace("/postgres", "/nowhere")).await, "unknown_database");
    assert_eq!(
        code_of("postgres://reader:hunter2@127.0.0.1:1/postgres").await,
        "database_unreachable"
    );
    assert_eq!(code_of(&format!("{dsn}?sslmode=require")).await, "tls_failed");
    Mcp::start(&locked("open%20sesame"), &[])
        .await
        .ok("overview", json!({}))
        .await;

    let mut mcp = Mcp::start(&dsn, &[]).await;
    mcp.ok("overview", json!({})).await;
    drop(admin);
    cluster.stop();
    assert_eq!(mcp.refused("overview", json!({})).await["code"], "database_unreachable");
    cluster.start_again().await;
    mcp.ok("overview", json!({})).await;

    let faulty = |dsn: &str| mcp::stdout(&[], &[("DATABASE_URL", dsn)]);
    for dsn in [
        "",
        "mysql://a:hunter2@b/c",
        "postgres://a:hunter2@db.example.com/c?sslmode=disable",
    ] {
        let (code, said) = faulty(dsn);
        assert_eq!((code, said.as_str()), (2, ""), "{dsn}");
    }
}

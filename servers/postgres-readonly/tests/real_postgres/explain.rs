//! `explain`: plans, generic ones too, what hypothetical indexes would do, and that nothing runs unless asked.

use serde_json::json;

use crate::{
    cluster::{Cluster, Pg},
    mcp::Mcp,
    scene::{READER, with_reader},
};

async fn with_events() -> (Cluster, Pg) {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE EXTENSION hypopg; CREATE EXTENSION pg_stat_statements;
             CREATE TABLE public.events (id bigint, customer int, kind text, at timestamptz, body text);
             INSERT INTO public.events SELECT g, g % 1000, 'k' || g % 5, now() - g * interval '1 s', repeat('x', 50) FROM generate_series(1, 50000) g;
             ANALYZE public.events",
        )
        .await
        .unwrap();
    (cluster, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_with_what_is_wrong_in_it_and_what_would_help() {
    let (cluster, admin) = with_events().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let sql = "SELECT * FROM public.events WHERE customer = 7";
    let answer = mcp.ok("explain", json!({"sql": sql})).await;
    assert_eq!(answer["findings"][0]["code"], "seq_scan_selective", "{answer:#}");
    assert_eq!(
        (&answer["executed"], &answer["generic"]),
        (&json!(false), &json!(false))
    );
    assert!(
        answer["text"]
            .as_str()
            .unwrap()
            .starts_with("Seq Scan on public.events"),
        "{answer:#}"
    );

    // Normalised text, as pg_stat_statements has it, is planned without values.
    for sql in [
        "SELECT * FROM public.events WHERE customer = $1 AND at > now() - interval $2 ORDER BY at LIMIT $3",
        "SELECT count(*) FROM public.events WHERE customer IN ($1, $2) AND kind = $3",
    ] {
        let generic = mcp.ok("explain", json!({"sql": sql})).await;
        assert_eq!(generic["generic"], json!(true));
        assert!(generic.to_string().contains("$1"), "no value was put in: {generic:#}");
    }

    let wanted = json!([{"table": "public.events", "columns": ["customer"]}, {"table": "public.events", "columns": ["kind"], "method": "hash"}]);
    let answer = mcp
        .ok(
            "explain",
            json!({"sql": "SELECT * FROM public.events WHERE customer = $1", "hypothetical_indexes": wanted}),
        )
        .await;
    let with = &answer["hypothetical"];
    assert_eq!(
        (&with["indexes"][0]["used"], &with["indexes"][1]["used"]),
        (&json!(true), &json!(false)),
        "{with:#}"
    );
    assert!(with["cost_change_pct"].as_f64().unwrap() < -50.0, "{with:#}");
    assert!(with["indexes"][0]["size_bytes"].as_i64().unwrap() > 100_000, "{with:#}");
    assert_eq!(
        with["indexes"][0]["ddl"],
        "CREATE INDEX CONCURRENTLY ON \"public\".\"events\" USING btree (\"customer\")"
    );
    // Neither in the database nor in the server process is anything left of them.
    let after = mcp.ok("explain", json!({"sql": sql})).await;
    assert!(after["text"].as_str().unwrap().starts_with("Seq Scan"), "{after:#}");
    let indexes = admin
        .query_one(
            "SELECT count(*) FROM pg_index WHERE indrelid = 'public.events'::regclass",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(indexes.get::<_, i64>(0), 0);

    for (arguments, said) in [
        (
            json!({"sql": sql, "analyze": true, "hypothetical_indexes": [{"table": "public.events", "columns": ["id"]}]}),
            "not executed",
        ),
        (json!({"sql": "SELECT $1::int", "analyze": true}), "$1"),
        (
            json!({"sql": sql, "hypothetical_indexes": [{"table": "public.events", "columns": ["nope"]}]}),
            "no column `nope`",
        ),
        (
            json!({"sql": sql, "hypothetical_indexes": [{"table": "public.events\" (id)); DROP TABLE public.events; --", "columns": ["id"]}]}),
            "no table",
        ),
        (
            json!({"sql": "DELETE FROM public.events", "analyze": true}),
            "never executed",
        ),
        (json!({"sql": "INSERT INTO public.events VALUES (1)"}), "reads nothing"),
        (json!({"sql": "CREATE TABLE t (a int)"}), "only SELECT"),
        (json!({"sql": "EXPLAIN ANALYZE SELECT 1"}), "already an EXPLAIN"),
        (json!({"sql": "SELECT nextval('public.s')"}), "nextval"),
        (json!({"sql": "SELECT 1; SELECT 2"}), "2 statements"),
    ] {
        let refusal = mcp.refused("explain", arguments).await;
        assert!(refusal["message"].as_str().unwrap().contains(said), "{refusal:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_change_the_part_that_finds_its_rows_is_planned() {
    let (cluster, _admin) = with_events().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for sql in [
        "UPDATE public.events SET kind = $1 WHERE customer = $2",
        "DELETE FROM public.events WHERE customer = 7",
        "SELECT * FROM public.events WHERE customer = $1 FOR UPDATE SKIP LOCKED",
        "INSERT INTO public.events SELECT * FROM public.events WHERE customer = $1",
    ] {
        let wanted = json!([{"table": "public.events", "columns": ["customer"]}]);
        let answer = mcp
            .ok("explain", json!({"sql": sql, "hypothetical_indexes": wanted}))
            .await;
        let instead = answer["planned_instead"].as_str().unwrap();
        assert!(instead.starts_with("SELECT"), "{answer:#}");
        assert!(
            answer["text"].as_str().unwrap().contains("Seq Scan on public.events"),
            "{answer:#}"
        );
        assert_eq!(answer["hypothetical"]["indexes"][0]["used"], json!(true), "{answer:#}");
    }
    let plain = mcp
        .ok(
            "explain",
            json!({"sql": "SELECT * FROM public.events WHERE customer = 7"}),
        )
        .await;
    assert!(plain.get("planned_instead").is_none(), "{plain:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_executed_unless_it_is_asked_for() {
    let (cluster, admin) = with_events().await;
    let scans = async || {
        admin.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        let row = admin
            .query_one("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events'", &[])
            .await
            .unwrap();
        row.get::<_, i64>(0)
    };
    let before = scans().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let sql = "SELECT count(*) FROM public.events WHERE kind = 'k1' AND body LIKE '%y'";
    mcp.ok("explain", json!({"sql": sql})).await;
    mcp.ok(
        "explain",
        json!({"sql": "SELECT * FROM public.events WHERE customer = $1"}),
    )
    .await;
    let hypothetical = json!([{"table": "public.events", "columns": ["kind"]}]);
    mcp.ok("explain", json!({"sql": sql, "hypothetical_indexes": hypothetical}))
        .await;
    let _ = mcp.end().await;
    // A session reports its counters at its end at the latest.
    assert_eq!(scans().await, before);

    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("explain", json!({"sql": sql, "analyze": true})).await;
    assert_eq!(answer["executed"], json!(true));
    assert!(answer["execution_ms"].as_f64().unwrap() > 0.0, "{answer:#}");
    assert!(answer["text"].as_str().unwrap().contains("actual rows=0"), "{answer:#}");
    let _ = mcp.end().await;
    crate::cluster::eventually("the scan is counted", async || scans().await > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_name_spills_misestimates_partitions_and_missing_statistics() {
    let (cluster, admin) = with_events().await;
    admin
        .batch_execute(
            "CREATE TABLE public.parts (id int, k int) PARTITION BY RANGE (id);
             CREATE TABLE public.p1 PARTITION OF public.parts FOR VALUES FROM (0) TO (10);
             CREATE TABLE public.p2 PARTITION OF public.parts FOR VALUES FROM (10) TO (20);
             CREATE TABLE public.p3 PARTITION OF public.parts FOR VALUES FROM (20) TO (30);
             CREATE TABLE public.p4 PARTITION OF public.parts FOR VALUES FROM (30) TO (40);
             ALTER ROLE reader SET work_mem = '64kB'",
        )
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for (sql, analyze, code) in [
        ("SELECT * FROM public.events ORDER BY body, id", true, "sort_spills"),
        ("SELECT * FROM public.events ORDER BY body, id", false, "sort_spills"),
        (
            "SELECT * FROM public.events WHERE customer % 2 = 0",
            true,
            "row_misestimate",
        ),
        ("SELECT * FROM public.parts WHERE k = 3", false, "partitions_not_pruned"),
        ("SELECT * FROM public.parts WHERE id = 3", false, "missing_statistics"),
        ("SELECT * FROM generate_series(1, 10)", false, "function_scan"),
    ] {
        let answer = mcp.ok("explain", json!({"sql": sql, "analyze": analyze})).await;
        let codes: Vec<&str> = answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["code"].as_str().unwrap())
            .collect();
        assert!(codes.contains(&code), "{sql}: {codes:?} {answer:#}");
        assert_eq!(
            codes.contains(&"partitions_not_pruned"),
            code == "partitions_not_pruned",
            "{sql}: {codes:?}"
        );
    }
}

//! What `index_health` advises: the index that helps, verified, and nothing where nothing helps.

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Pg},
    mcp::Mcp,
    scene::{READER, with_reader},
};

async fn with_shop() -> (Cluster, Pg) {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE EXTENSION hypopg; CREATE EXTENSION pg_stat_statements;
             CREATE TABLE public.sales (id int PRIMARY KEY, customer int, region int, state text, placed timestamptz, email text, tags jsonb, note text);
             INSERT INTO public.sales SELECT g, g % 2000, g % 4, CASE WHEN g % 50 = 0 THEN 'open' ELSE 'done' END,
                 now() - (g * 7919 % 40000) * interval '1 min', 'User' || g || '@x', jsonb_build_object('k', g % 1000), repeat('n', 60)
                 FROM generate_series(1, 40000) g;
             CREATE TABLE public.lines (sale_id int, product int, amount int, pad text);
             INSERT INTO public.lines SELECT g % 40000 + 1, g % 500, 1, repeat('p', 40) FROM generate_series(1, 80000) g;
             CREATE TABLE public.tiny (id int, k int);
             INSERT INTO public.tiny SELECT g, g FROM generate_series(1, 50) g;
             ANALYZE public.sales; ANALYZE public.lines; ANALYZE public.tiny;
             SELECT pg_stat_statements_reset()",
        )
        .await
        .unwrap();
    // The table's counters are evidence, and a session tells them late.
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    (cluster, admin)
}

async fn advice(mcp: &mut Mcp, queries: &[&str]) -> Value {
    mcp.ok("index_health", json!({"queries": queries})).await["advice"].clone()
}

fn suggested(advice: &Value) -> Vec<(String, String)> {
    let all = advice["suggestions"].as_array().unwrap();
    let told = |row: &Value| {
        let columns: Vec<&str> = row["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column.as_str().unwrap())
            .collect();
        (
            row["table"].as_str().unwrap().to_owned(),
            columns.join(",").replace('"', ""),
        )
    };
    all.iter().map(told).collect()
}

fn one(table: &str, columns: &str) -> Vec<(String, String)> {
    vec![(table.to_owned(), columns.to_owned())]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_that_helps_a_statement_is_the_one_that_is_advised() {
    let (cluster, _admin) = with_shop().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for (sql, expected) in [
        ("SELECT * FROM sales WHERE customer = $1", one("sales", "customer")),
        // Equality first, then what orders.
        (
            "SELECT * FROM public.sales s WHERE s.region = 2 ORDER BY s.placed DESC LIMIT 10",
            one("sales", "region,placed"),
        ),
        (
            "SELECT * FROM sales WHERE state = 'open' AND placed > now() - interval '1 hour'",
            one("sales", "state,placed"),
        ),
        (
            "SELECT * FROM sales WHERE lower(email) = $1",
            one("sales", "lower(email)"),
        ),
        (
            "UPDATE sales SET note = $1 WHERE customer = $2 AND region = $3",
            one("sales", "customer,region"),
        ),
        // Nothing is gained by a second column after one that is nearly unique.
        (
            "SELECT * FROM sales WHERE email = $1 AND customer = $2 AND region = 3",
            one("sales", "email"),
        ),
        (
            "SELECT * FROM sales WHERE customer = $1 FOR UPDATE",
            one("sales", "customer"),
        ),
        (
            "SELECT s.id, l.amount FROM sales s JOIN lines l ON l.sale_id = s.id WHERE s.id = $1",
            one("lines", "sale_id"),
        ),
        (
            "SELECT id FROM sales s WHERE s.id < 50 AND EXISTS (SELECT 1 FROM lines WHERE sale_id = s.id)",
            one("lines", "sale_id"),
        ),
        (
            "SELECT * FROM sales WHERE id IN (SELECT sale_id FROM lines WHERE product = 7)",
            one("lines", "product"),
        ),
        (
            "SELECT * FROM sales ORDER BY placed DESC, id LIMIT 20",
            one("sales", "placed,id DESC"),
        ),
    ] {
        let advice = advice(&mut mcp, &[sql]).await;
        assert_eq!(suggested(&advice), expected, "{sql}: {advice:#}");
        let suggestion = &advice["suggestions"][0];
        assert_eq!(suggestion["verified"], json!(true), "{suggestion:#}");
        let evidence = &suggestion["evidence"][0];
        assert!(
            evidence["cost_after"].as_f64().unwrap() <= 0.8 * evidence["cost_before"].as_f64().unwrap(),
            "{suggestion:#}"
        );
        assert!(suggestion["size_bytes"].as_i64().unwrap() > 100_000, "{suggestion:#}");
        assert!(
            suggestion["table_writes"]["n_tup_ins"].as_i64().unwrap() >= 40_000,
            "{suggestion:#}"
        );
    }
    // Two arms of OR need an index each; an inverted one is only estimated.
    let both = advice(
        &mut mcp,
        &["SELECT * FROM sales WHERE customer = 7 OR email = 'User9@x'"],
    )
    .await;
    assert_eq!(suggested(&both).len(), 2, "{both:#}");
    let inverted = advice(&mut mcp, &["SELECT * FROM sales WHERE tags @> '{\"k\": 7}'"]).await;
    assert_eq!(suggested(&inverted), one("sales", "tags"), "{inverted:#}");
    assert_eq!(
        (
            &inverted["suggestions"][0]["method"],
            &inverted["suggestions"][0]["verified"]
        ),
        (&json!("gin"), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_index_helps_none_is_advised() {
    let (cluster, admin) = with_shop().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for sql in [
        "SELECT * FROM tiny WHERE k = 7",
        "SELECT * FROM sales WHERE state = 'done'",
        "SELECT count(*) FROM sales WHERE note LIKE '%x%'",
        "SELECT * FROM sales WHERE id = 5",
        "SELECT * FROM sales WHERE customer = region",
        "SELECT * FROM pg_class WHERE relpages = 5",
    ] {
        let advice = advice(&mut mcp, &[sql]).await;
        assert_eq!(suggested(&advice), [], "{sql}: {advice:#}");
    }
    let told = advice(
        &mut mcp,
        &["DROP TABLE sales", "SELECT nonsense(", "SELECT pg_sleep(9) FROM sales"],
    )
    .await;
    assert_eq!(told["skipped"].as_array().unwrap().len(), 3, "{told:#}");
    // Once it exists it is not advised again.
    admin
        .batch_execute("CREATE INDEX ON public.sales (customer, region)")
        .await
        .unwrap();
    let covered = advice(&mut mcp, &["SELECT * FROM sales WHERE customer = 1"]).await;
    assert_eq!(suggested(&covered), [], "{covered:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workload_brings_its_own_evidence_and_one_index_serves_several() {
    let (cluster, admin) = with_shop().await;
    let app = cluster.connect("postgres", "app").await;
    for n in 0..5_i32 {
        app.query("SELECT note FROM sales WHERE customer = $1", &[&n])
            .await
            .unwrap();
        app.query(
            "SELECT note FROM sales WHERE customer = $1 ORDER BY placed DESC LIMIT 3",
            &[&n],
        )
        .await
        .unwrap();
    }
    app.batch_execute("DELETE FROM lines WHERE product = 3 AND sale_id < 100")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("index_health", json!({})).await;
    let advice = &answer["advice"];
    let mut all = suggested(advice);
    all.sort();
    assert_eq!(all.len(), 2, "{advice:#}");
    assert_eq!(all[1].0, "sales");
    assert!(all[1].1.starts_with("customer"), "{advice:#}");
    let sales = advice["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["table"] == "sales")
        .unwrap();
    let evidence = sales["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 2, "{sales:#}");
    assert!(
        evidence
            .iter()
            .all(|row| row["calls"] == 5 && row["queryid"].is_string()),
        "{sales:#}"
    );

    // Without hypopg the same is estimated from statistics, and said to be.
    admin.batch_execute("DROP EXTENSION hypopg").await.unwrap();
    let answer = mcp.ok("index_health", json!({})).await;
    assert!(answer["hidden"].to_string().contains("hypopg"), "{answer:#}");
    let estimated = &answer["advice"];
    let sales = estimated["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["table"] == "sales")
        .unwrap();
    assert_eq!(
        (&sales["verified"], &sales["columns"][0]),
        (&json!(false), &json!("\"customer\"")),
        "{estimated:#}"
    );
    // A role that may not read the tables cannot plan, and it says what would help.
    admin
        .batch_execute("REVOKE pg_read_all_data FROM reader")
        .await
        .unwrap();
    let answer = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .ok("index_health", json!({}))
        .await;
    assert!(
        answer["hidden"].to_string().contains("GRANT pg_read_all_data"),
        "{answer:#}"
    );
    assert_eq!(suggested(&answer["advice"]), []);
}

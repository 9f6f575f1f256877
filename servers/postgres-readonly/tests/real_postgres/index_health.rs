//! `index_health`: indexes that are in the way, each kind provoked.

use serde_json::{Value, json};

use crate::{
    mcp::Mcp,
    scene::{READER, with_reader},
};

fn names(section: &Value) -> Vec<&str> {
    let rows = section["rows"].as_array().unwrap();
    rows.iter().map(|row| row["index"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bloated_index_is_told_to_whom_may_read_it_and_as_hidden_to_others() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE TABLE public.shrunk (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
             INSERT INTO public.shrunk SELECT generate_series(1, 500000);
             DELETE FROM public.shrunk WHERE id % 20 <> 0",
        )
        .await
        .unwrap();
    admin.batch_execute("VACUUM ANALYZE public.shrunk").await.unwrap();
    let mut reader = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = reader.ok("index_health", json!({"advise": false})).await;
    assert_eq!(names(&answer["bloated"]), ["shrunk_pkey"], "{answer:#}");
    assert_eq!(answer.get("hidden"), None, "{answer:#}");

    admin.batch_execute("CREATE ROLE blind LOGIN").await.unwrap();
    let mut blind = Mcp::start(&cluster.dsn("blind"), &[]).await;
    let answer = blind.ok("index_health", json!({"advise": false})).await;
    assert_eq!(answer["bloated"]["total"], 0, "{answer:#}");
    let hidden = answer["hidden"][0].as_str().unwrap();
    assert!(hidden.starts_with("bloat of 1 large index"), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_in_the_way_are_named_by_kind_and_those_that_matter_are_not() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE TABLE public.big (id int PRIMARY KEY, a int, b int, c text, \"We\"\"ird\" int);
             INSERT INTO public.big SELECT g, g % 100, g % 7, 'c' || g % 3, g FROM generate_series(1, 20000) g;
             CREATE INDEX big_a ON public.big (a);
             CREATE INDEX big_ab ON public.big (a, b);
             CREATE INDEX big_ab_again ON public.big (a, b);
             CREATE INDEX big_ab_incl ON public.big (b, a) INCLUDE (c);
             CREATE INDEX big_b_part ON public.big (b) WHERE a > 5;
             CREATE INDEX big_lower ON public.big (lower(c));
             CREATE INDEX big_lower2 ON public.big (   lower(c));
             CREATE INDEX big_a_desc ON public.big (a DESC NULLS LAST);
             CREATE UNIQUE INDEX big_weird ON public.big (\"We\"\"ird\");
             CREATE INDEX big_weird_plain ON public.big (\"We\"\"ird\");
             CREATE TABLE public.child (id int PRIMARY KEY, big_id int REFERENCES public.big, other int REFERENCES public.big);
             CREATE INDEX child_other ON public.child (other, id);
             INSERT INTO public.child SELECT g, g, g FROM generate_series(1, 1000) g;
             DELETE FROM public.child WHERE id > 900",
        )
        .await
        .unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("index_health", json!({"advise": false})).await;
    let sorted = |kind: &str| {
        let mut names = names(&answer[kind]);
        names.sort_unstable();
        names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        sorted("duplicate"),
        ["big_ab_again", "big_lower2", "big_weird_plain"],
        "{answer:#}"
    );
    assert_eq!(sorted("redundant"), ["big_a"], "{answer:#}");
    assert_eq!(
        sorted("unused"),
        [
            "big_a_desc",
            "big_ab",
            "big_ab_incl",
            "big_b_part",
            "big_lower",
            "child_other"
        ],
        "{answer:#}"
    );
    let covered = &answer["duplicate"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["index"] == "big_weird_plain")
        .unwrap()["covered_by"];
    assert_eq!(covered, "big_weird");
    let unused = &answer["unused"]["rows"][0];
    assert!(
        unused["size_bytes"].as_i64().unwrap() > 100_000 && unused["idx_scan"] == 0,
        "{unused:#}"
    );
    assert_eq!(
        unused["ddl"],
        format!(
            "DROP INDEX CONCURRENTLY \"public\".\"{}\"",
            unused["index"].as_str().unwrap()
        )
    );
    assert!(answer["notes"][0].as_str().unwrap().contains("days old"), "{answer:#}");

    let keys = &answer["foreign_keys_without_index"];
    assert_eq!(
        (&keys["total"], &keys["rows"][0]["columns"]),
        (&json!(1), &json!(["big_id"])),
        "{keys:#}"
    );
    assert_eq!(
        keys["rows"][0]["ddl"],
        "CREATE INDEX CONCURRENTLY ON \"public\".\"child\" (\"big_id\")"
    );
    assert_eq!(keys["rows"][0]["referenced"], "public.big");

    // An index that is read leaves the list; a table that is read whole comes into the other.
    admin
        .batch_execute(
            "SET enable_seqscan = off; SELECT count(*) FROM public.big WHERE a = 3 AND b = 2; RESET enable_seqscan",
        )
        .await
        .unwrap();
    for _ in 0..12 {
        admin
            .query("SELECT max(b) FROM public.big WHERE c = 'x'", &[])
            .await
            .unwrap();
    }
    crate::cluster::eventually("the scans are counted", async || {
        let answer = mcp.ok("index_health", json!({"advise": false})).await;
        let scanned = &answer["seq_scanned_tables"]["rows"];
        scanned
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["table"] == "big" && row["rows_per_seq_scan"].as_i64().unwrap() >= 19_000)
    })
    .await;
    // A lock on everything keeps nobody waiting.
    let locker = cluster.connect("postgres", "locker").await;
    locker
        .batch_execute("BEGIN; LOCK TABLE public.big, public.child")
        .await
        .unwrap();
    mcp.ok("index_health", json!({"advise": false})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_indexes_are_told_from_those_that_are_being_built() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute("CREATE TABLE public.twice (x int); INSERT INTO public.twice VALUES (1), (1)")
        .await
        .unwrap();
    admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY twice_x ON public.twice (x)")
        .await
        .unwrap_err();
    // A build waits for a transaction that is older than it.
    let holder = cluster.connect("app", "holder").await;
    holder
        .batch_execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1")
        .await
        .unwrap();
    let _building = cluster
        .hang(
            "builder",
            "CREATE INDEX CONCURRENTLY orders_state ON public.orders (state)",
        )
        .await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    crate::cluster::eventually("the build is seen", async || {
        answer = mcp.ok("index_health", json!({"advise": false})).await;
        answer["invalid"]["total"] == 2
    })
    .await;
    let rows = answer["invalid"]["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|row| row["index"] == name).unwrap();
    assert_eq!(of("twice_x").get("build_phase"), None, "{answer:#}");
    assert!(
        of("twice_x")["ddl"]
            .as_str()
            .unwrap()
            .starts_with("REINDEX INDEX CONCURRENTLY \"public\".\"twice_x\"")
    );
    assert!(of("orders_state")["build_phase"].is_string(), "{answer:#}");
    assert_eq!(of("orders_state").get("ddl"), None);
    assert!(answer.get("advice").is_none());
}

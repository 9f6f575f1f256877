//! `storage`: sizes against the server's own, and growth between two calls.

use serde_json::{Value, json};

use crate::{
    cluster::Pg,
    mcp::Mcp,
    scene::{READER, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_biggest_table_comes_first_and_its_growth_is_told() {
    let (cluster, admin) = with_reader().await;
    admin
        .batch_execute(
            "CREATE TABLE public.big (id int PRIMARY KEY, small text, long text);
             ALTER TABLE public.big ALTER COLUMN long SET STORAGE EXTERNAL",
        )
        .await
        .unwrap();
    fill(&admin, 0).await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let first = mcp.ok("storage", json!({"limit": 5})).await;
    assert_eq!(first["relations"].as_array().unwrap().len(), 5);
    assert_eq!(first["truncated"], true);
    let big = &first["relations"][0];
    assert_eq!(
        (&big["schema"], &big["relation"]),
        (&json!("public"), &json!("big")),
        "{first:#}"
    );
    let sizes = admin
        .query_one(
            "SELECT pg_relation_size('public.big'), pg_indexes_size('public.big'),
                    pg_relation_size(c.reltoastrelid) + pg_indexes_size(c.reltoastrelid), c.oid::int8
             FROM pg_class c WHERE c.oid = 'public.big'::regclass",
            &[],
        )
        .await
        .unwrap();
    for (at, member) in ["table_bytes", "index_bytes", "toast_bytes", "oid"].iter().enumerate() {
        let (told, measured): (i64, i64) = (big[member].as_i64().unwrap(), sizes.get(at));
        // VACUUM without dead rows does not count the TOAST table's index anew.
        let off = if *member == "toast_bytes" { measured / 20 } else { 0 };
        assert!((told - measured).abs() <= off, "{member} {measured}: {first:#}");
    }
    assert_eq!((first.get("growth"), first.get("databases")), (None, None));
    assert!(
        first["wal_directory"]["bytes"].as_i64().unwrap() >= 16 << 20,
        "{first:#}"
    );
    assert!(first["database_bytes"].as_i64() > big["total_bytes"].as_i64());

    fill(&admin, 10_000).await;
    // Over less than a tenth of a second no growth is told.
    admin
        .batch_execute("SET work_mem = '64kB'; SELECT count(*) FROM (SELECT g FROM generate_series(1, 200000) g ORDER BY -g OFFSET 0) s;
             SELECT pg_stat_force_next_flush(), pg_sleep(0.1)")
        .await
        .unwrap();
    let second = mcp.ok("storage", json!({"limit": 5, "exact": true})).await;
    let growth = &second["growth"];
    assert_eq!(growth["since"], first["taken_at"], "{second:#}");
    let grows = |value: &Value| value.as_i64().is_some_and(|bytes| bytes > 0);
    for member in ["database_bytes_per_s", "wal_bytes_per_s", "temp_bytes_per_s"] {
        assert!(grows(&growth[member]), "{member}: {second:#}");
    }
    assert!(grows(&second["relations"][0]["bytes_per_s"]), "{second:#}");
    let measured: i64 = admin
        .query_one("SELECT pg_database_size('postgres')", &[])
        .await
        .unwrap()
        .get(0);
    let told = second["databases"][0]["bytes"].as_i64().unwrap();
    assert_eq!(second["databases"][0]["database"], "postgres");
    assert!((told - measured).abs() < 4 << 20, "{told} {measured}");
}

async fn fill(admin: &Pg, from: i32) {
    let insert = format!(
        "INSERT INTO public.big SELECT g, 'x', repeat(md5(g::text), 100) FROM generate_series({from}, {from} + 999) g"
    );
    admin.batch_execute(&insert).await.unwrap();
    admin.batch_execute("VACUUM ANALYZE public.big").await.unwrap();
}

//! Statements that must be answered.

use serde_json::json;

use crate::{
    mcp::Mcp,
    scene::{READER, TRAPS, with_reader},
};

const LEGITIMATE: &[&str] = &[
    "SELECT 1",
    "SHOW max_connections",
    "SHOW ALL",
    "VALUES (1, 'drop table x'), (2, 'delete')",
    "TABLE public.orders",
    "SELECT 'DROP TABLE orders; COMMIT' AS \"delete\" -- update",
    "SELECT pid, state, wait_event_type, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start",
    "SELECT pg_blocking_pids(pid) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0",
    "SELECT relation::regclass, mode, granted FROM pg_locks WHERE relation IS NOT NULL",
    "SELECT datname, xact_commit, xact_rollback, blks_hit::float8 / nullif(blks_hit + blks_read, 0) FROM pg_stat_database",
    "SELECT relname, n_dead_tup, last_autovacuum FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 10",
    "SELECT schemaname, relname, indexrelname, idx_scan FROM pg_stat_user_indexes WHERE idx_scan = 0",
    "SELECT c.relname, pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' LIMIT 5",
    "SELECT pg_database_size(current_database()), pg_is_in_recovery(), pg_current_wal_lsn()",
    "SELECT slot_name, active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots",
    "SELECT name, setting, unit FROM pg_settings WHERE name LIKE 'autovacuum%'",
    "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index WHERE NOT indisvalid",
    "SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database",
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT count(*), max(id), percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM public.orders",
    "SELECT state, count(*) FILTER (WHERE id > 10) FROM public.orders GROUP BY ROLLUP (state)",
    "SELECT id, row_number() OVER (PARTITION BY state ORDER BY id) FROM public.orders LIMIT 3",
    "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
    "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::int",
    "SELECT date_trunc('hour', now()), to_char(now(), 'HH24:MI'), now() AT TIME ZONE 'UTC', make_interval(secs => 5)",
    "SELECT * FROM public.orders TABLESAMPLE bernoulli (10) REPEATABLE (1)",
    "SELECT * FROM jsonb_to_recordset('[{\"a\":1}]') AS r (a int)",
    "SELECT string_agg(proname, ',') FROM pg_proc WHERE proname LIKE 'pg_terminate%'",
    "SELECT * FROM pg_available_extensions WHERE name = 'hypopg'",
    "SELECT * FROM public.good_days",
    "SELECT 'good'::public.mood",
    "SELECT calls, left(query, 40) FROM public.pg_stat_statements ORDER BY total_exec_time DESC LIMIT 5",
    "SELECT last_value FROM public.numbers",
    "SELECT state, count(*) FROM orders GROUP BY state",
    "WITH orders AS (SELECT 1 AS id) SELECT o.id, p.state FROM orders o JOIN public.orders p USING (id)",
    "SELECT calls FROM pg_stat_statements ORDER BY calls DESC LIMIT 1",
    "SELECT d.mood::mood, mood('good') FROM days d WHERE d.mood = 'good'",
    "EXPLAIN ANALYZE SELECT count(*) FROM orders",
    "EXPLAIN (ANALYZE, BUFFERS, TIMING off) SELECT * FROM orders WHERE id = 1",
    "SELECT * FROM public.totals",
    "EXPLAIN SELECT * FROM public.orders WHERE id = 1",
    "EXPLAIN (VERBOSE, COSTS off, FORMAT json) SELECT * FROM public.orders o JOIN public.items i USING (id)",
    "SELECT rolname, rolsuper, rolconnlimit FROM pg_roles",
    "SELECT gid, prepared FROM pg_prepared_xacts",
    "SELECT random() < 2, gen_random_uuid() IS NOT NULL",
    "SELECT * FROM pg_stat_wal, pg_stat_bgwriter, pg_stat_archiver",
    "SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[3, 1, 2]) WITH ORDINALITY u (x, n)",
    "SELECT coalesce(NULL, 'a') || 'b', greatest(1, 2), CASE WHEN true THEN 1 END, 'a' ~ 'b', 'a' LIKE 'a%' ESCAPE '!'",
];

#[tokio::test(flavor = "multi_thread")]
async fn legitimate_statements_are_answered() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(TRAPS).await.unwrap();
    admin
        .batch_execute("REVOKE ALL ON FUNCTION public.evil() FROM PUBLIC")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    for sql in LEGITIMATE {
        let answer = mcp.call("query", json!({"sql": sql})).await;
        assert_eq!(answer.get("code"), None, "{sql}: {answer:#}");
    }
    let typed = mcp.ok("query", json!({"sql": "SELECT 1::int8 AS a, NULL::text AS b, true AS c, 1.25 AS d, '{\"k\": [1]}'::jsonb AS e, 'good'::public.mood AS f, E'a\\u200bb\\n' AS g, 9007199254740993 AS h"})).await;
    assert_eq!(
        typed["rows"],
        json!([[1, null, true, 1.25, {"k": [1]}, "good", "ab\n", "9007199254740993"]])
    );
    assert_eq!(typed["columns"][5], json!({"name": "f", "type": "public.mood"}));
    assert_eq!((&typed["row_count"], &typed["truncated"]), (&json!(1), &json!(false)));

    let cut = mcp
        .ok(
            "query",
            json!({"sql": "SELECT g FROM generate_series(1, 1000000) g", "max_rows": 7}),
        )
        .await;
    assert_eq!((&cut["row_count"], &cut["truncated"]), (&json!(7), &json!(true)));
    let exact = mcp
        .ok(
            "query",
            json!({"sql": "SELECT g FROM generate_series(1, 7) g", "max_rows": 7}),
        )
        .await;
    assert_eq!((&exact["row_count"], &exact["truncated"]), (&json!(7), &json!(false)));
    let huge = mcp
        .ok(
            "query",
            json!({"sql": "SELECT repeat('x', 50000000) FROM generate_series(1, 3)"}),
        )
        .await;
    assert_eq!(
        (&huge["row_count"], &huge["truncated"]),
        (&json!(0), &json!(true)),
        "longer than any message is kept"
    );
    let wide = mcp
        .ok(
            "query",
            json!({"sql": "SELECT repeat('x', 7000) FROM generate_series(1, 900)", "max_rows": 1000}),
        )
        .await;
    assert_eq!(wide["truncated"], true);
    assert!(wide.to_string().len() < 256 * 1024);
    let secret = mcp.refused("query", json!({"sql": "SELECT * FROM pg_shadow"})).await;
    assert_eq!(
        (&secret["code"], &secret["reason"]),
        (&json!("statement_refused"), &json!("relation"))
    );
    let missing = mcp.refused("query", json!({"sql": "SELECT * FROM nowhere"})).await;
    assert_eq!(
        (&missing["code"], &missing["sqlstate"]),
        (&json!("sql_error"), &json!("42P01"))
    );
    let slow = mcp
        .refused(
            "query",
            json!({"sql": "SELECT count(md5(a::text || b::text)) FROM generate_series(1, 6000) a, generate_series(1, 6000) b"}),
        )
        .await;
    assert_eq!(slow["code"], "statement_timeout");
}

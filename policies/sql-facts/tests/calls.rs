//! Where a call stands and what guards it: the shapes that guard nothing are told apart from the one that does.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use sql_facts::{Call, Statement};

const ONE_SESSION: &str = "SELECT countersign.terminate_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a \
     WHERE a.pid = 4711 AND a.backend_start = '2026-11-23 10:11:12.123456+00' AND a.state = 'idle'";

#[test]
fn a_guarded_call_is_seen_with_its_guard() {
    let expected = Call {
        function: "countersign.terminate_backend".into(),
        first_argument: Some("pid".into()),
        second_argument: Some("backend_start".into()),
        constant: None,
        clause: "target_list".into(),
        in_root: true,
        relations: vec!["pg_catalog.pg_stat_activity".into()],
        pinned_columns: vec!["backend_start".into(), "pid".into(), "state".into()],
        bounded_columns: vec!["backend_start".into(), "pid".into(), "state".into()],
        limit: None,
    };
    assert_eq!(calls(ONE_SESSION), [expected]);
}

#[test]
fn one_plain_subquery_is_seen_through() {
    let call = only_call(
        "SELECT f(t.it, t.since) FROM (SELECT a.pid AS it, a.backend_start AS since FROM pg_catalog.pg_stat_activity a \
         WHERE a.usename = 'app' AND '2026-01-01' >= a.backend_start AND a.query_start < now() LIMIT 500) t LIMIT 900",
    );
    assert_eq!(call.first_argument.as_deref(), Some("pid"));
    assert_eq!(call.second_argument.as_deref(), Some("backend_start"));
    assert_eq!(call.relations, ["pg_catalog.pg_stat_activity"]);
    assert_eq!(call.pinned_columns, ["usename"]);
    assert_eq!(call.bounded_columns, ["backend_start", "usename"]);
    assert_eq!(call.limit, Some(500));
}

#[test]
fn another_argument_than_the_guarded_column_is_no_column() {
    for sql in [
        "SELECT pg_terminate_backend(4712) FROM pg_stat_activity a WHERE a.pid = 4711",
        "SELECT pg_terminate_backend(a.pid + 1) FROM pg_stat_activity a WHERE a.pid = 4711",
        "SELECT pg_terminate_backend(timeout => 1, pid => a.pid) FROM pg_stat_activity a WHERE a.pid = 4711",
        "SELECT pg_terminate_backend(t.pid) FROM (SELECT 4712 AS pid FROM pg_stat_activity a WHERE a.pid = 4711) t",
        "SELECT pg_terminate_backend(t.pid) FROM (SELECT a.pid + 1 AS pid FROM pg_stat_activity a WHERE a.pid = 4711) t",
    ] {
        assert_eq!(only_call(sql).first_argument, None, "{sql}");
    }
    let renamed = "SELECT pg_terminate_backend(t.pid) FROM (SELECT a.leader_pid AS pid FROM pg_stat_activity a WHERE a.pid = 1) t";
    assert_eq!(only_call(renamed).first_argument.as_deref(), Some("leader_pid"));
}

#[test]
fn a_guard_that_can_be_true_otherwise_pins_nothing() {
    for condition in [
        "a.pid = 1 OR a.backend_start = '2026-01-01'",
        "NOT (a.pid = 1 AND a.backend_start = '2026-01-01')",
        "a.pid = a.pid AND a.backend_start IS NOT NULL",
        "a.pid <> 1 AND a.backend_start > '2026-01-01'",
        "a.pid = NULL",
        "a.pid = ANY (ARRAY[1, 2]) AND a.pid IN (1, 2)",
        "a.pid OPERATOR(evil.=) 1",
        "(a.pid = 1) IS NOT FALSE",
        "a.pid = (SELECT 1)",
        "a.pid IS NOT DISTINCT FROM 1",
    ] {
        let call = only_call(&format!(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE {condition}"
        ));
        assert_eq!(call.pinned_columns, [""; 0], "{condition}");
    }
}

#[test]
fn whatever_is_no_plain_relation_is_not_named_as_one() {
    for (sql, relations) in [
        (
            "WITH pg_stat_activity AS (SELECT 1 AS pid) SELECT f(pid) FROM pg_stat_activity WHERE pid = 1",
            vec!["?"],
        ),
        (
            "SELECT f(a.pid) FROM pg_catalog.pg_stat_activity a(pid, x) WHERE a.pid = 1",
            vec!["?"],
        ),
        (
            "SELECT f(t.pid) FROM (SELECT 1, a.pid FROM pg_stat_activity a WHERE a.pid = 1) t(pid)",
            vec!["?"],
        ),
        (
            "SELECT f(t.pid) FROM (SELECT pid FROM a WHERE pid = 1 UNION SELECT pid FROM b) t",
            vec!["?"],
        ),
        ("SELECT f(a.pid) FROM a CROSS JOIN b WHERE b.pid = 1", vec!["a", "b"]),
        ("SELECT f(g) FROM generate_series(1, 9) g", vec!["?"]),
    ] {
        let call = calls(sql).into_iter().find(|call| call.function == "f").unwrap();
        assert_eq!(call.relations, relations, "{sql}");
    }
}

#[test]
fn a_call_outside_the_roots_own_target_list_is_said_to_be() {
    for (sql, clause, in_root) in [
        (
            "SELECT 1 FROM pg_stat_activity WHERE pid = 1 AND f(pid)",
            "where_clause",
            true,
        ),
        ("SELECT 1 FROM f(1) WHERE true", "from_clause", true),
        ("SELECT 1 FROM t ORDER BY f(pid)", "sort_clause", true),
        (
            "SELECT (SELECT f(a.pid) FROM t WHERE t.pid = 1) FROM a",
            "target_list",
            false,
        ),
        (
            "WITH x AS (SELECT f(pid) FROM t WHERE pid = 1) SELECT * FROM x",
            "target_list",
            false,
        ),
        (
            "SELECT 1 UNION SELECT f(pid) FROM t WHERE pid = 1",
            "target_list",
            false,
        ),
        (
            "EXPLAIN ANALYZE SELECT f(pid) FROM t WHERE pid = 1",
            "target_list",
            false,
        ),
        ("UPDATE t SET a = f(pid) WHERE pid = 1", "", false),
    ] {
        let call = only_call(sql);
        assert_eq!((call.clause.as_str(), call.in_root), (clause, in_root), "{sql}");
    }
}

#[test]
fn a_limit_counts_only_where_it_is_a_constant_without_ties() {
    for (tail, limit) in [
        ("LIMIT 3", Some(3)),
        ("FETCH FIRST 3 ROWS ONLY", Some(3)),
        ("ORDER BY pid FETCH FIRST 3 ROWS WITH TIES", None),
        ("LIMIT 1 + 2", None),
        ("LIMIT ALL", None),
        ("OFFSET 3", None),
    ] {
        assert_eq!(
            only_call(&format!("SELECT f(pid) FROM t {tail}")).limit,
            limit,
            "{tail}"
        );
    }
}

fn calls(sql: &str) -> Vec<Call> {
    Statement::parse(sql).unwrap().facts().calls.clone()
}

fn only_call(sql: &str) -> Call {
    let mut calls: Vec<Call> = calls(sql).into_iter().filter(|call| call.function != "now").collect();
    assert_eq!(calls.len(), 1, "{sql}");
    calls.remove(0)
}

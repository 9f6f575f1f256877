//! Evidence as the postgres-readonly server gives it, for the tests of this crate.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use runbooks::{Evidence, Timestamp};
use serde_json::{Value, json};

pub(crate) fn record(id: &str, tool: &str, result: Value) -> Evidence {
    let at = Timestamp::from_unix(1_795_000_000);
    Evidence::record(id, "postgres-readonly", tool, json!({}), at, result).unwrap()
}

/// Evidence as one of AWS's servers gives it.
pub(crate) fn of_aws(id: &str, server: &str, tool: &str, result: Value) -> Evidence {
    let at = Timestamp::from_unix(1_795_000_000);
    Evidence::record(id, server, tool, json!({}), at, result).unwrap()
}

pub(crate) fn without(evidence: Vec<Evidence>, tool: &str) -> Vec<Evidence> {
    evidence.into_iter().filter(|piece| piece.tool != tool).collect()
}

pub(crate) fn healthy() -> Vec<Evidence> {
    let web =
        json!([{"usename": "app", "application_name": "web", "total": 8, "idle": 6, "active": 2, "oldest_idle_s": 2}]);
    vec![
        record(
            "E1",
            "overview",
            json!({"system_identifier": "7400000000000000001", "database": "orders", "in_recovery": false, "risks": []}),
        ),
        record(
            "E2",
            "blocking_tree",
            json!({"waiters_total": 0, "truncated": false, "trees": [], "ddl_queues": []}),
        ),
        record("E4", "sessions", sessions(10, &web)),
        record("E5", "vacuum_horizon", json!({"holders": [], "tables": []})),
        tables("E6", "dead_tuples", &json!([])),
        tables("E7", "modified", &json!([])),
        record(
            "E8",
            "index_health",
            json!({"invalid": {"total": 0, "rows": []}, "seq_scanned_tables": {"total": 0, "rows": []}}),
        ),
        record("E10", "replication", json!({"slots": [], "findings": []})),
        record("E12", "settings", json!({"findings": []})),
        record("E11", "storage", json!({"temp_directory": {"files": 0, "bytes": 0}})),
    ]
}

/// What `table_health` says of these tables in this order.
pub(crate) fn tables(id: &str, order_by: &str, tables: &Value) -> Evidence {
    let at = Timestamp::from_unix(1_795_000_000);
    let result = json!({"tables": tables, "running": []});
    Evidence::record(
        id,
        "postgres-readonly",
        "table_health",
        json!({"order_by": order_by}),
        at,
        result,
    )
    .unwrap()
}

pub(crate) fn idle_blocker() -> Vec<Evidence> {
    let mut evidence = without(healthy(), "blocking_tree");
    evidence.push(record(
        "E2",
        "blocking_tree",
        blocking_tree("session", Some("idle in transaction"), 42.5, 3),
    ));
    evidence
}

pub(crate) fn saturated() -> Vec<Evidence> {
    let groups = json!([
        {"usename": "reports", "application_name": "report-worker", "total": 29, "idle": 29, "active": 0,
         "idle_in_transaction": 0, "oldest_idle_s": 33.0, "rolconnlimit": -1},
        {"usename": "app", "application_name": "web", "total": 8, "idle": 6, "active": 2, "oldest_idle_s": 2.0, "rolconnlimit": -1},
    ]);
    let mut evidence = without(healthy(), "sessions");
    evidence.push(record("E4", "sessions", sessions(37, &groups)));
    evidence
}

/// An ALTER TABLE behind a reader in this state, and two SELECTs behind the ALTER TABLE.
pub(crate) fn ddl_queue(reader: &str) -> Vec<Evidence> {
    let waiter = |pid: i64, blocked_by: i64, is_ddl: bool| {
        json!({"pid": pid, "backend_start": "2026-11-23 10:00:00.5+00", "blocked_by": [blocked_by], "depth": 1, "wait_age_s": 12.0,
               "is_ddl": is_ddl})
    };
    let root = json!({"pid": 601, "state": reader, "state_age_s": 90.0, "kind": "session", "usename": "reports", "application_name": "report"});
    let tree = json!({"root": root, "waiters": [waiter(602, 601, true), waiter(603, 602, false), waiter(604, 602, false)],
                      "waiters_count": 3, "victims_count": 3});
    let ddl = json!({"pid": 602, "backend_start": "2026-11-23 10:00:00.5+00", "query_start": "2026-11-23 10:00:01.5+00",
                     "usename": "migrator", "mode": "AccessExclusiveLock", "wait_age_s": 12.0, "query": "ALTER TABLE orders ADD note text"});
    let mut evidence = without(healthy(), "blocking_tree");
    evidence.push(record(
        "E2",
        "blocking_tree",
        json!({"waiters_total": 3, "truncated": false, "trees": [tree],
               "ddl_queues": [{"relation": "orders", "schema": "public", "ddl": ddl, "blocked_by": [{"pid": 601}], "queued_behind": 2}]}),
    ));
    evidence
}

/// One tree: session 501 in this state for so long, and so many waiters behind it.
pub(crate) fn blocking_tree(kind: &str, state: Option<&str>, state_age_s: f64, waiters: i64) -> Value {
    let waiting: Vec<Value> = (0..waiters)
        .map(|n| {
            json!({"pid": 510 + n, "backend_start": "2026-11-23 10:00:00.25+00", "blocked_by": [501], "depth": 1,
                   "wait_age_s": 12.25, "is_ddl": false})
        })
        .collect();
    let root = json!({"pid": if kind == "session" { json!(501) } else { Value::Null }, "backend_start": "2026-11-23 10:00:00.125+00",
                      "xact_start": "2026-11-23 10:00:05.125+00", "state": state, "state_age_s": state_age_s, "usename": "app",
                      "application_name": "checkout", "kind": kind, "holds": []});
    let tree = json!({"root": root, "waiters": waiting, "waiters_count": waiters, "victims_count": waiters});
    json!({"waiters_total": waiters, "truncated": false, "trees": [tree], "ddl_queues": []})
}

#[expect(clippy::cast_precision_loss, reason = "a test's counts are small")]
pub(crate) fn sessions(used: i64, groups: &Value) -> Value {
    let connections = json!({"max_connections": 40, "reserved": 3, "used": used, "used_pct": used as f64 * 2.5, "by_state": {}, "groups": groups});
    json!({"taken_at": "2026-11-23 10:01:00.5+00", "total": 0, "truncated": false, "sessions": [], "connections": connections})
}

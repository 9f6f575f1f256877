//! One plan's content for each effect that the shipped policy knows besides signals and limits of roles: a shipped plan
//! with its step, evidence and prechecks replaced. No plan any more, but content that can be judged.

use policies::Policy;
use runbooks::{Digest, PlanDocument};
use serde_json::{Value, json};

/// The statement that proves an index to be invalid.
pub const INVALID: &str = "SELECT count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = 'public' AND c.relname = 'orders_total' AND NOT i.indisvalid";

const SLOT: &str = "SELECT pg_catalog.pg_drop_replication_slot('cdc') FROM pg_catalog.pg_replication_slots s \
     WHERE s.slot_name = 'cdc' AND NOT s.active";

/// Every sample by name.
pub fn samples(policy: &Policy) -> Vec<(&'static str, PlanDocument)> {
    let table = || evidence(&[("table", "schema", "public"), ("table", "table", "orders")]);
    let index = || evidence(&[("index", "schema", "public"), ("index", "index", "orders_total")]);
    let role = || evidence(&[("role", "usename", "app")]);
    let maintain = |statement: &str, parameters: Value| {
        let mut plan = plain(policy);
        plan["parameters"] = parameters;
        plan["steps"][0]["action"] = action("non_transactional", statement);
        plan
    };
    let set = |statement: &str, undo: &str, parameters: Value| {
        let mut plan = maintain(statement, parameters);
        plan["steps"][0]["action"]["class"] = json!("transactional");
        let assertion = plan["steps"][0]["assert"].clone();
        plan["steps"][0]["rollback"] = json!({"class": "exact", "summary": "As it was",
            "action": action("transactional", undo), "assert": assertion});
        plan
    };
    let mut drop_index = maintain("DROP INDEX CONCURRENTLY public.orders_total", index());
    drop_index["prechecks"] = json!([{"id": "invalid", "query": INVALID, "expect": {"equals": 1}, "why": ""}]);
    let mut slot = maintain(SLOT, evidence(&[("slot", "slot_name", "cdc")]));
    slot["risk"] = json!("high");
    slot["steps"][0]["irreversible"] = json!(true);
    slot["steps"][0]["action"]["rows"] = json!({"at_least": 1, "at_most": 1});
    let call = |risk: &str, action: Value, rollback: Value, parameters: Value| {
        let mut plan = plain(policy);
        plan["risk"] = json!(risk);
        plan["parameters"] = parameters;
        plan["steps"][0]["action"] = action;
        plan["steps"][0]["assert"] = json!([]);
        plan["steps"][0]["rollback"] = rollback;
        plan
    };
    let none = || json!({"class": "none", "reason": "storage never shrinks"});
    let instance = || evidence(&[("instance", "instance", "orders-1")]);
    let variable = |from: u32, to: u32| {
        json!({"kind": "git.change", "repository": "infrastructure", "file": "prod/orders.tfvars", "timeout_s": 60,
            "variable": "allocated_storage", "from": from, "to": to})
    };
    let back = || json!({"class": "exact", "summary": "As it was", "action": variable(120, 100), "assert": []});
    let storage = json!({"kind": "aws.rds", "operation": "ModifyDBInstance", "timeout_s": 60, "parameters":
        {"DBInstanceIdentifier": "orders-1", "AllocatedStorage": 120, "ApplyImmediately": true}});
    let restart = json!({"kind": "ci.dispatch", "repository": "infrastructure", "workflow": "restart.yml", "timeout_s": 60,
        "git_ref": "main", "inputs": {"service": "checkout", "drain": true, "batch": 2}});
    let work_mem = "ALTER ROLE app SET work_mem TO \"64MB\"";
    let autovacuum = "ALTER TABLE public.orders SET (autovacuum_vacuum_scale_factor=0.01)";
    [
        ("vacuum-analyze", maintain("VACUUM (ANALYZE) public.orders", table())),
        (
            "vacuum-freeze",
            maintain(
                "VACUUM (FREEZE, INDEX_CLEANUP off, TRUNCATE off) public.orders",
                table(),
            ),
        ),
        ("analyze", maintain("ANALYZE public.orders", table())),
        (
            "reindex-index",
            maintain("REINDEX INDEX CONCURRENTLY public.orders_total", index()),
        ),
        ("drop-invalid-index", drop_index),
        ("role-setting", set(work_mem, "ALTER ROLE app RESET work_mem", role())),
        (
            "autovacuum-parameter",
            set(
                autovacuum,
                "ALTER TABLE public.orders RESET (autovacuum_vacuum_scale_factor)",
                table(),
            ),
        ),
        ("drop-replication-slot", slot),
        ("rds-storage", call("high", storage, none(), instance())),
        (
            "terraform-variable",
            call("medium", variable(100, 120), back(), json!({})),
        ),
        ("workflow", call("medium", restart, none(), json!({}))),
    ]
    .into_iter()
    .map(|(name, plan)| (name, canonical(plan)))
    .collect()
}

/// The sample of this name, as JSON.
pub fn sample(policy: &Policy, name: &str) -> Value {
    let (_, document) = samples(policy).into_iter().find(|(other, _)| *other == name).unwrap();
    serde_json::to_value(document).unwrap()
}

/// A statement as the parser writes it, or as it is where the parser refuses it.
pub fn canonical_text(sql: &str) -> String {
    sql_facts::Statement::parse(sql).map_or_else(|_| sql.to_owned(), |statement| statement.canonical().to_owned())
}

fn plain(policy: &Policy) -> Value {
    serde_json::from_slice(crate::support::plan(policy, "ddl-lock-queue").bytes()).unwrap()
}

fn action(class: &str, statement: &str) -> Value {
    json!({"kind": "sql", "class": class, "statement": statement, "timeout_s": 600, "lock_timeout_ms": 1000})
}

/// Parameters that come from one place of the evidence: row, field, text.
fn evidence(fields: &[(&str, &str, &str)]) -> Value {
    fields
        .iter()
        .map(|(row, field, text)| {
            let source =
                json!({"evidence": {"id": "E1", "digest": Digest::of(b""), "pointer": format!("/{row}/0/{field}")}});
            ((*field).to_owned(), json!({"value": text, "source": source}))
        })
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

fn canonical(mut plan: Value) -> PlanDocument {
    for pointer in [
        "/steps/0/action/statement",
        "/steps/0/rollback/action/statement",
        "/prechecks/0/query",
    ] {
        if let Some(place) = plan.pointer_mut(pointer) {
            *place = canonical_text(place.as_str().unwrap()).into();
        }
    }
    serde_json::from_value(plan).unwrap()
}

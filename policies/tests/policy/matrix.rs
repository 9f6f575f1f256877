//! The policy as a table for people: what may be done where, when, and asked for by whom.

use std::fmt::Write;
use std::path::Path;

use policies::{ChangeCalendar, Obligations, Policy, PolicyContext, Preapproval};
use runbooks::PlanDocument;
use serde_json::{Value, json};

use crate::samples::samples;
use crate::support::{context, now, plan};

const ENVIRONMENTS: [&str; 4] = ["demo", "staging", "production", "prodution"];

const INTRODUCTION: &str = "# The policy as a table\n\n\
    What the shipped policy says to one plan of each kind: who must approve, or the codes of the denials. `README.md` explains\n\
    the codes. The plan's window is the time from `not_before` until `expires_at`; its requester is the one who asked for it.\n\
    A change window is the operator's own; without any it is always open.\n\
    Groups in brackets must each be represented, by different people; `or a grant`: people may approve this class ahead of time,\n\
    by signing a grant.\n\
    `prodution` is a misspelt environment: what is not known to be a lesser one counts as production.\n\n\
    Made by `cargo test -p policies matrix`; with `UPDATE_GOLDEN=1` written anew.\n\n";

#[test]
fn the_matrix_of_the_policy_is_the_published_one() {
    let policy = Policy::shipped().unwrap();
    let closed = Policy::shipped().unwrap().with_calendar(closed());
    let mut table = String::from(INTRODUCTION);
    table.push_str(
        "| Statement | Environment | In its window | Before it | After it | While frozen | Outside the change windows | Asked by somebody else |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, document) in rows(&policy) {
        for environment in ENVIRONMENTS {
            let [open, before, after, frozen, another] = contexts(environment);
            let cells = [
                cell(&policy, &document, environment, &open),
                cell(&policy, &document, environment, &before),
                cell(&policy, &document, environment, &after),
                cell(&policy, &document, environment, &frozen),
                cell(&closed, &document, environment, &open),
                cell(&policy, &document, environment, &another),
            ];
            writeln!(table, "| {name} | {environment} | {} |", cells.join(" | ")).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy_matrix.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(golden, table, "policy_matrix.md: UPDATE_GOLDEN=1 writes it anew");
}

/// A calendar whose only window is in the night, and the plans are of the day.
fn closed() -> ChangeCalendar {
    let windows = "[[window]]\ndays = [\"sat\"]\nfrom = \"22:00\"\nuntil = \"06:00\"\ntime_zone = \"Europe/Berlin\"\n";
    ChangeCalendar::parse(windows, None).unwrap()
}

/// In the plan's window, before it, after it, frozen, and asked by another.
fn contexts(environment: &str) -> [PolicyContext; 5] {
    let mut context = context();
    environment.clone_into(&mut context.target.environment);
    let at = |seconds| PolicyContext {
        now: now().plus_s(seconds),
        ..context.clone()
    };
    let frozen = PolicyContext {
        freeze: true,
        ..context.clone()
    };
    let asked_by_another = PolicyContext {
        requester: "somebody-else".into(),
        ..context.clone()
    };
    [at(60), at(-60), at(86_400), frozen, asked_by_another]
}

fn cell(policy: &Policy, document: &PlanDocument, environment: &str, context: &PolicyContext) -> String {
    let mut document = document.clone();
    environment.clone_into(&mut document.target.environment);
    let decision = policy.judge_document(&document, context);
    match decision.obligations {
        Some(obligations) => asked(&obligations),
        None => {
            let mut codes: Vec<&str> = decision.denials.iter().map(|denial| denial.code.as_str()).collect();
            codes.sort_unstable();
            codes.dedup();
            format!("denied: {}", codes.join(", "))
        }
    }
}

/// Whom a plan asks for.
fn asked(obligations: &Obligations) -> String {
    let mut asked = match obligations.approvers {
        1 => "1 approver".to_owned(),
        several => format!("{several} approvers"),
    };
    if !obligations.groups.is_empty() {
        write!(asked, " ({})", obligations.groups.join(" and ")).unwrap();
    }
    if obligations.preapproval == Preapproval::Grant {
        asked.push_str(", or a grant");
    }
    asked
}

/// Each kind of statement with a plan around it that fits.
fn rows(policy: &Policy) -> Vec<(String, PlanDocument)> {
    let shipped = |runbook: &str| -> Value { serde_json::from_slice(plan(policy, runbook).bytes()).unwrap() };
    let content = |plan: Value| -> PlanDocument { serde_json::from_value(plan).unwrap() };
    let mut cap = shipped("connection-saturation");
    cap["steps"].as_array_mut().unwrap().truncate(1);
    let mut group = shipped("connection-saturation");
    group["steps"].as_array_mut().unwrap().remove(0);
    let mut rows = vec![
        ("Cancel one statement".to_owned(), content(shipped("ddl-lock-queue"))),
        (
            "End one session".to_owned(),
            content(shipped("idle-in-transaction-blocker")),
        ),
        ("End a group of sessions".to_owned(), content(group)),
        ("Limit the connections of a role".to_owned(), content(cap)),
    ];
    for (name, document) in samples(policy) {
        let statement = match name {
            "vacuum-analyze" => "VACUUM (ANALYZE) of one table",
            "rds-storage" => "More storage of an RDS instance",
            "terraform-variable" => "A Terraform variable",
            "workflow" => "A run of a workflow",
            "vacuum-freeze" => "VACUUM (FREEZE) of one table",
            "analyze" => "ANALYZE of one table",
            "reindex-index" => "REINDEX INDEX CONCURRENTLY",
            "drop-invalid-index" => "DROP INDEX CONCURRENTLY, invalid",
            "role-setting" => "Set work_mem of a role",
            "autovacuum-parameter" => "Set autovacuum of one table",
            "drop-replication-slot" => "Drop an unused replication slot",
            other => other,
        };
        rows.push((statement.to_owned(), document));
    }
    for statement in [
        "DELETE FROM orders WHERE id = 1",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "GRANT admin TO app",
        "ALTER SYSTEM SET max_connections TO 1",
        "CREATE INDEX CONCURRENTLY ix ON public.orders USING btree (total)",
        "VACUUM (FULL) public.orders",
        "DO $$ BEGIN END $$",
    ] {
        let mut plan = shipped("ddl-lock-queue");
        plan["steps"][0]["action"]["statement"] = json!(statement);
        plan["steps"][0]["action"]["rows"] = Value::Null;
        rows.push((format!("`{statement}`"), content(plan)));
    }
    rows
}

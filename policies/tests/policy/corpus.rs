//! Scripts in disguise and harmless ones that look forbidden, each judged as the statement of a step and as a check.

use std::fmt::Write;
use std::path::Path;

use policies::{Decision, Policy};
use runbooks::PlanDocument;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::samples::{canonical_text, sample};

/// One script a line.
const SCRIPTS: &str = include_str!("../corpus/scripts.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    category: String,
    sql: String,
    step: Verdict,
    check: Verdict,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Allowed,
    Refused,
}

#[derive(Default)]
struct Row {
    scripts: u32,
    allowed_as_step: u32,
    allowed_as_check: u32,
    refused: u32,
    wrong: u32,
}

#[test]
fn every_script_gets_its_verdict_as_a_step_and_as_a_check() {
    let policy = Policy::shipped().unwrap();
    let generous = generous(&policy);
    let scripts = scripts();
    let verdicts = |part: &[Script]| {
        part.iter()
            .map(|script| {
                (
                    as_step(&policy, &generous, &script.sql),
                    as_check(&policy, &generous, &script.sql),
                )
            })
            .collect::<Vec<_>>()
    };
    let (first, second) = scripts.split_at(scripts.len() / 2);
    let found = std::thread::scope(|scope| {
        let other = scope.spawn(|| verdicts(second));
        [verdicts(first), other.join().unwrap()].concat()
    });
    let mut rows: Vec<(String, Row)> = Vec::new();
    let mut wrong = Vec::new();
    for (script, (step, check)) in scripts.iter().zip(found) {
        if rows.last().is_none_or(|(category, _)| *category != script.category) {
            rows.push((script.category.clone(), Row::default()));
        }
        let (_, row) = rows.last_mut().unwrap();
        row.scripts += 1;
        row.allowed_as_step += u32::from(step == Verdict::Allowed);
        row.allowed_as_check += u32::from(check == Verdict::Allowed);
        row.refused += u32::from(step == Verdict::Refused && check == Verdict::Refused);
        if (step, check) != (script.step, script.check) {
            row.wrong += 1;
            wrong.push(format!("step {step:?}, check {check:?}: {}", script.sql));
        }
    }
    let table = table(&rows);
    println!("{table}");
    assert_eq!(wrong, [""; 0]);
    assert!(scripts.len() >= 300, "{} scripts", scripts.len());
    same_in_readme(&table);
}

/// Sorted by category, so that each is one row of the table; the file itself may be in any order.
fn scripts() -> Vec<Script> {
    let mut scripts: Vec<Script> = SCRIPTS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    scripts.sort_by(|a, b| a.category.cmp(&b.category));
    scripts
}

/// Allowed if any class of step would let it through, a SELECT with one row expected of it.
fn as_step(policy: &Policy, generous: &Value, sql: &str) -> Verdict {
    let statement = canonical_text(sql);
    let rows = match statement.starts_with("SELECT") {
        true => json!({"at_least": 1, "at_most": 1}),
        false => Value::Null,
    };
    let allowed = ["transactional", "non_transactional"].iter().any(|class| {
        let mut plan = generous.clone();
        plan["steps"][0]["action"] = json!({"kind": "sql", "class": class, "statement": statement, "rows": rows,
            "timeout_s": 60, "lock_timeout_ms": 1000});
        judge(policy, plan, sql).allow
    });
    match allowed {
        true => Verdict::Allowed,
        false => Verdict::Refused,
    }
}

fn as_check(policy: &Policy, generous: &Value, sql: &str) -> Verdict {
    let mut plan = generous.clone();
    let check = json!({"id": "script", "query": canonical_text(sql), "expect": "is_true", "why": ""});
    plan["prechecks"].as_array_mut().unwrap().push(check);
    match judge(policy, plan, sql).allow {
        true => Verdict::Allowed,
        false => Verdict::Refused,
    }
}

fn judge(policy: &Policy, plan: Value, sql: &str) -> Decision {
    let document: PlanDocument = serde_json::from_value(plan).unwrap();
    let decision = policy.judge_document(&document, &crate::support::context());
    // A policy that breaks refuses too; that would be the right answer for a wrong reason.
    let broken = decision.denials.iter().find(|denial| denial.code == "policy_error");
    assert!(broken.is_none(), "{sql}: {broken:?}");
    decision
}

/// A plan around the statement that leaves nothing else to refuse: the highest risk, evidence for a table, an index, a
/// role and a slot, and a precheck that proves the index to be invalid.
fn generous(policy: &Policy) -> Value {
    let mut plan = sample(policy, "drop-replication-slot");
    let parameters = plan["parameters"].as_object_mut().unwrap();
    let source = parameters["slot_name"]["source"]["evidence"].clone();
    for (field, text) in [
        ("schema", "public"),
        ("table", "orders"),
        ("index", "orders_total"),
        ("usename", "app"),
    ] {
        let mut source = source.clone();
        source["pointer"] = json!(format!("/rows/0/{field}"));
        parameters.insert(field.into(), json!({"value": text, "source": {"evidence": source}}));
    }
    let invalid = sample(policy, "drop-invalid-index")["prechecks"][0].clone();
    plan["prechecks"].as_array_mut().unwrap().push(invalid);
    plan
}

fn table(rows: &[(String, Row)]) -> String {
    let mut table = String::from(
        "| Category | Scripts | Allowed as a step | Allowed as a check | Refused as both | Wrong |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let mut sum = Row::default();
    let mut line = |category: &str, row: &Row| {
        let Row {
            scripts,
            allowed_as_step,
            allowed_as_check,
            refused,
            wrong,
        } = row;
        writeln!(
            table,
            "| {category} | {scripts} | {allowed_as_step} | {allowed_as_check} | {refused} | {wrong} |"
        )
        .unwrap();
    };
    for (category, row) in rows {
        line(category, row);
        sum.scripts += row.scripts;
        sum.allowed_as_step += row.allowed_as_step;
        sum.allowed_as_check += row.allowed_as_check;
        sum.refused += row.refused;
        sum.wrong += row.wrong;
    }
    line("all", &sum);
    table
}

fn same_in_readme(table: &str) {
    const START: &str = "<!-- corpus: made by the test -->\n";
    const END: &str = "<!-- /corpus -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(START).unwrap();
    let (told, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{START}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(told, table, "README.md: UPDATE_GOLDEN=1 writes the table anew");
}

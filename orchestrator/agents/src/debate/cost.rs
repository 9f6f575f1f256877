//! What the plan costs those who are hit: sessions and statements lost, money spent.

use incident::Opinion;
use runbooks::{Action, Evidence};
use serde_json::Value;

use super::{Case, opinion, reason};

/// More than this share of all used connections ended at once is an outage of its own.
const MASS_SHARE: f64 = 0.5;

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let mut support = Vec::new();
    let mut objections = Vec::new();
    for (index, radius) in case.plan.blast_radius.iter().enumerate() {
        let cite = format!("/blast_radius/{index}");
        let expected = radius.expected.as_ref().and_then(Value::as_i64);
        let unit = &radius.unit;
        match (expected, used_connections(case.evidence)) {
            (Some(expected), _) if expected > radius.limit => {
                objections.push(reason(
                    format!(
                        "{expected} {unit} are expected, more than the limit of {}",
                        radius.limit
                    ),
                    &[&cite],
                ));
            }
            (Some(expected), Some((used, id))) if unit == "sessions" && is_mass(expected, used) => {
                objections.push(reason(
                    format!("{expected} of {used} sessions would end at once; their clients come back together"),
                    &[&cite, id],
                ));
            }
            (Some(expected), _) => support.push(reason(
                format!("{expected} {unit} are hit, within the limit of {}", radius.limit),
                &[&cite],
            )),
            (None, _) => support.push(reason(format!("at most {} {unit} are hit", radius.limit), &[&cite])),
        }
    }
    let calls = case.plan.steps.iter().enumerate();
    let calls: Vec<_> = calls
        .filter(|(_, step)| matches!(step.action, Action::AwsRds(_)))
        .collect();
    for (index, step) in &calls {
        objections.push(reason(
            format!(
                "step `{}` may cost money for as long as it stays: {}",
                step.id, step.summary
            ),
            &[&format!("/steps/{index}")],
        ));
    }
    if calls.is_empty() {
        support.push(reason(
            "no step buys, resizes or restarts anything: no money is spent",
            &["/steps"],
        ));
    }
    opinion("cost", support, objections)
}

fn used_connections(evidence: &[Evidence]) -> Option<(i64, &str)> {
    let piece = evidence.iter().rev().find(|piece| piece.tool == "sessions")?;
    Some((piece.result.pointer("/connections/used")?.as_i64()?, piece.id.as_str()))
}

#[expect(clippy::cast_precision_loss, reason = "counts of sessions are far below 2^52")]
fn is_mass(expected: i64, used: i64) -> bool {
    used > 0 && expected as f64 > MASS_SHARE * used as f64
}

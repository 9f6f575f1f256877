//! Whether the plan can only do what it says: values from untouched evidence, guards, no privilege beyond need.

use incident::Opinion;
use runbooks::Source;

use super::{Case, opinion, reason};

/// Words in a runbook's permissions that hand over far more than one step needs.
const TOO_MUCH: [&str; 4] = ["superuser", "rds_superuser", "pg_write_all_data", "bypassrls"];

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let mut support = Vec::new();
    let mut objections = Vec::new();

    let mut bound = 0_u32;
    for (name, parameter) in &case.plan.parameters {
        let Source::Evidence { id, digest, pointer } = &parameter.source else {
            continue;
        };
        let cite = format!("/parameters/{name}");
        let found = case.evidence.iter().find(|piece| piece.id == *id);
        let stands = found.is_some_and(|piece| {
            piece.digest == *digest && piece.is_intact() && piece.result.pointer(pointer) == Some(&parameter.value)
        });
        if stands {
            bound = bound.saturating_add(1);
        } else {
            objections.push(reason(
                format!("the value of `{name}` is not what evidence {id} says"),
                &[&cite, id],
            ));
        }
    }
    if bound > 0 {
        support.push(reason(
            format!("{bound} values are what untouched evidence says"),
            &["/parameters"],
        ));
    }

    for (index, permission) in case.plan.permissions.iter().enumerate() {
        let word = permission
            .split([':', ' ', ','])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if TOO_MUCH.contains(&word.as_str()) {
            objections.push(reason(
                format!("`{word}` is more than any step needs"),
                &[&format!("/permissions/{index}")],
            ));
        }
    }
    for (index, step) in case.plan.steps.iter().enumerate() {
        if step.assert.is_empty() && step.action.sql().is_some() {
            objections.push(reason(
                format!("step `{}` proves nothing by state", step.id),
                &[&format!("/steps/{index}")],
            ));
        }
        let rows = step.action.sql().and_then(|action| action.rows);
        if rows.is_some_and(|rows| rows.at_least == 0) {
            objections.push(reason(
                format!("step `{}` calls it success when its guard matches nothing", step.id),
                &[&format!("/steps/{index}")],
            ));
        }
    }
    if objections.is_empty() {
        support.push(reason(
            "every step is proven by state, and asks for no broad privilege",
            &["/steps", "/permissions"],
        ));
    }
    opinion("security", support, objections)
}

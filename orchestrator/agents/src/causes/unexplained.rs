//! Something waits, is full, or could not be seen, and no cause fits: says what, so that a human starts from there.

use std::collections::BTreeMap;

use incident::{Hypothesis, RootCause, Signal};
use runbooks::Evidence;

use super::signal;
use crate::telemetry::Telemetry;

/// `None`: there is no evidence at all that it could stand on.
pub(crate) fn explain(telemetry: &Telemetry, evidence: &[Evidence]) -> Option<Hypothesis> {
    let mut signals_for = observations(telemetry);
    let unseen = telemetry.unseen();
    if signals_for.is_empty() {
        let anchor = evidence.first()?;
        signals_for.push(signal(&anchor.id, "nothing that was seen explains the alert"));
    }
    let explanation = if unseen.is_empty() {
        "The symptoms fit none of the causes that runbooks exist for. A human has to look.".to_owned()
    } else {
        format!(
            "Not everything could be seen: {} gave no answer. Without it no cause can be named and none ruled out.",
            unseen.join(", ")
        )
    };
    Some(Hypothesis {
        root_cause: RootCause::Unexplained,
        confidence_pct: 50,
        explanation,
        signals_for,
        signals_against: Vec::new(),
        objects: BTreeMap::new(),
    })
}

fn observations(telemetry: &Telemetry) -> Vec<Signal> {
    let mut seen = Vec::new();
    if let Some(blocking) = telemetry
        .blocking
        .as_ref()
        .filter(|blocking| blocking.value.waiters_total > 0)
    {
        seen.push(signal(
            &blocking.id,
            format!("{} sessions wait for locks", blocking.value.waiters_total),
        ));
        if let Some(tree) = blocking.value.trees.iter().find(|tree| tree.root.kind != "session") {
            seen.push(signal(
                &blocking.id,
                format!("the root of a tree is a {}", tree.root.kind.replace('_', " ")),
            ));
        }
    }
    if let Some(ddl) = telemetry.ddl.as_ref().filter(|ddl| !ddl.value.ddl_queues.is_empty()) {
        seen.push(signal(
            &ddl.id,
            format!("{} DDL statements wait", ddl.value.ddl_queues.len()),
        ));
    }
    seen.extend(
        telemetry
            .replication_troubles()
            .map(|(evidence, trouble)| signal(evidence, trouble)),
    );
    if let Some(connections) = &telemetry.connections {
        let usage = &connections.value;
        seen.push(signal(
            &connections.id,
            format!("{} of {} connections are used", usage.used, usage.max_connections),
        ));
    }
    seen
}

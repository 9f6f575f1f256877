//! Nothing waits and there is room: the database needs no action. Never said while anything is unseen or blocked.

use std::collections::BTreeMap;

use incident::{Hypothesis, RootCause};

use super::{confidence, signal};
use crate::telemetry::Telemetry;
use crate::thresholds::Thresholds;

/// `None`: something waits, is full, or could not be seen.
pub(crate) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Option<Hypothesis> {
    let (blocking, ddl, connections) = (
        telemetry.blocking.as_ref()?,
        telemetry.ddl.as_ref()?,
        telemetry.connections.as_ref()?,
    );
    if !telemetry.unseen().is_empty() {
        return None;
    }
    let usage = &connections.value;
    let nothing_waits =
        blocking.value.waiters_total == 0 && blocking.value.trees.is_empty() && ddl.value.ddl_queues.is_empty();
    if !nothing_waits || usage.used_pct() >= thresholds.saturated_used_pct {
        return None;
    }
    if telemetry.replication_troubles().next().is_some() {
        return None;
    }
    let idle_in_transaction: i64 = usage
        .by_state
        .iter()
        .filter(|(state, _)| state.starts_with("idle in transaction"))
        .map(|(_, n)| n)
        .sum();
    let mut signals_against = Vec::new();
    if let Some(overview) = &telemetry.overview {
        let hidden = overview.value.hidden.iter().take(3);
        signals_against.extend(hidden.map(|what| signal(&overview.id, format!("not seen: {what}"))));
    }
    Some(Hypothesis {
        root_cause: RootCause::NoDatabaseAction,
        confidence_pct: confidence(
            85,
            &[(idle_in_transaction > 0, -15), (!signals_against.is_empty(), -10)],
        ),
        explanation:
            "Nobody waits for a lock, no DDL is queued and there are connections to spare. Whatever raised the \
                      alert is over, or lies outside this database."
                .to_owned(),
        signals_for: vec![
            signal(&blocking.id, "no session waits for a lock"),
            signal(&ddl.id, "no DDL statement waits"),
            signal(
                &connections.id,
                format!("{} of {} connections are used", usage.used, usage.max_connections),
            ),
        ],
        signals_against,
        objects: BTreeMap::new(),
    })
}

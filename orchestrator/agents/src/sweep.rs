//! What a senior DBA looks at first, whatever the alert is called.

use std::time::Duration;

use runbooks::Evidence;
use serde_json::{Map, Value, json};

use crate::diagnose::diagnose;
use crate::thresholds::THRESHOLDS;

/// One question to one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The kind of server, as `postgres-readonly`.
    pub server: &'static str,
    pub tool: &'static str,
    pub arguments: Map<String, Value>,
    /// Without this answer there is no diagnosis at all.
    pub required: bool,
}

pub(crate) const POSTGRES: &str = "postgres-readonly";

pub(crate) const BY_DEAD_ROWS: &str = "dead_tuples";
pub(crate) const BY_CHANGES: &str = "modified";

/// The first sweep. It is the same for every alert: one alert name stands for many causes.
#[must_use]
pub fn first_sweep() -> Vec<Probe> {
    let mut sweep = vec![
        probe("overview", json!({})),
        probe("blocking_tree", json!({})),
        probe("sessions", sessions()),
        probe("vacuum_horizon", json!({})),
        probe("table_health", json!({"order_by": BY_DEAD_ROWS})),
        probe("table_health", json!({"order_by": BY_CHANGES})),
        probe("index_health", json!({})),
        probe("replication", json!({})),
        probe("storage", json!({})),
        probe("settings", json!({})),
    ];
    if let Some(overview) = sweep.first_mut() {
        overview.required = true;
    }
    sweep
}

/// Questions to ask again after a pause, where the first sweep alone leaves the cause open.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    pub after: Duration,
    pub probes: Vec<Probe>,
}

/// What sessions wait for, one look does not tell from chance, and a counter says nothing until it is read twice. Empty
/// where the first sweep shows a cause that no second look would change.
#[must_use]
pub fn second_look(evidence: &[Evidence]) -> Vec<Round> {
    let is_sure = diagnose(evidence).is_ok_and(|diagnosis| {
        let best = diagnosis.best();
        best.root_cause.is_found() && best.confidence_pct >= THRESHOLDS.sure_pct
    });
    if is_sure {
        return Vec::new();
    }
    let after = Duration::from_millis(THRESHOLDS.between_looks_ms);
    let sample = Round {
        after,
        probes: vec![probe("sessions", sessions())],
    };
    let last = Round {
        after,
        probes: vec![
            probe("overview", json!({})),
            probe("blocking_tree", json!({})),
            probe("sessions", sessions()),
        ],
    };
    vec![sample.clone(), sample, last]
}

/// Parallel workers too: who keeps the disk busy often does so with several.
fn sessions() -> Value {
    json!({"include_background": true, "max_rows": 200})
}

fn probe(tool: &'static str, arguments: Value) -> Probe {
    Probe {
        server: POSTGRES,
        tool,
        arguments: match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        },
        required: false,
    }
}

//! What a senior DBA looks at first, whatever the alert is called.

use serde_json::{Map, Value, json};

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
        probe("sessions", json!({})),
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

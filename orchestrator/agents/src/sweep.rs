//! What a senior DBA looks at first, whatever the alert is called.

use serde_json::{Map, Value};

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

/// The first sweep. It is the same for every alert: one alert name stands for many causes.
#[must_use]
pub fn first_sweep() -> Vec<Probe> {
    [("overview", true), ("blocking_tree", false), ("sessions", false)]
        .into_iter()
        .map(|(tool, required)| Probe {
            server: POSTGRES,
            tool,
            arguments: Map::new(),
            required,
        })
        .collect()
}

//! What is said of a fault: its circumstances, who takes part, and what is right about it.

use serde::Deserialize;

use crate::eval::Expectation;

/// `NAME.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// What happens, and why its cause is the one expected.
    pub about: String,
    /// Of the server, as `max_connections=40`.
    #[serde(default)]
    pub settings: Vec<String>,
    /// Login roles beside the shop's own.
    #[serde(default)]
    pub roles: Vec<String>,
    /// SQL of the administrator, before anything looks: tables, rows, grants.
    #[serde(default)]
    pub setup: Option<String>,
    /// A bash script for what SQL cannot do, as a standby. It is through when it ends, or when it makes the file `ready` in
    /// its working folder and stays. It may write the port of another server to look at into `observe.port`.
    #[serde(default)]
    pub prepare: Option<String>,
    /// SQL of the administrator that makes the fault.
    #[serde(default)]
    pub fault: Option<String>,
    /// Clients of pgbench, started before the sessions and at work until the end.
    #[serde(default)]
    pub load: Vec<Load>,
    /// Opened in this order.
    #[serde(default, rename = "session")]
    pub sessions: Vec<Part>,
    /// How long the fault stands before it is looked at.
    #[serde(default)]
    pub settle_s: u64,
    pub expect: Expectation,
}

/// Sessions that run statements and stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub sql: String,
    pub role: String,
    pub application: String,
    #[serde(default = "one")]
    pub copies: usize,
}

/// Clients of pgbench that run a script over and over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Load {
    pub sql: String,
    pub role: String,
    pub application: String,
    #[serde(default = "one")]
    pub clients: usize,
    /// Transactions per second of all clients together; without it as fast as they can.
    #[serde(default)]
    pub rate: Option<u32>,
}

const fn one() -> usize {
    1
}

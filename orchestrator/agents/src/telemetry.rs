//! The evidence as the rules read it: typed, lenient about fields they do not need, and each part with its evidence id.

use std::collections::BTreeMap;

use runbooks::Evidence;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sweep::POSTGRES;

/// What the first sweep saw. A part that was not taken, or could not be read, is `None`: unknown, not healthy.
pub(crate) struct Telemetry {
    pub blocking: Option<Seen<Blocking>>,
    pub ddl: Option<Seen<DdlQueues>>,
    pub connections: Option<Seen<ConnectionUse>>,
}

/// A reading and the evidence it was read from.
pub(crate) struct Seen<T> {
    pub id: String,
    pub value: T,
}

#[derive(Deserialize)]
pub(crate) struct Blocking {
    pub waiters_total: i64,
    pub trees: Vec<Tree>,
}

#[derive(Deserialize)]
pub(crate) struct Tree {
    pub root: Root,
    pub waiters: Vec<Waiter>,
    pub victims_count: i64,
}

#[derive(Deserialize)]
pub(crate) struct Root {
    /// Absent for a prepared transaction: there is no session to end.
    pub pid: Option<i64>,
    pub state: Option<String>,
    #[serde(default)]
    pub state_age_s: Option<f64>,
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    pub kind: String,
}

#[derive(Deserialize)]
pub(crate) struct Waiter {
    pub pid: i64,
    pub blocked_by: Vec<i64>,
    #[serde(default)]
    pub wait_age_s: Option<f64>,
    #[serde(default)]
    pub is_ddl: bool,
}

#[derive(Deserialize)]
pub(crate) struct DdlQueues {
    pub ddl_queues: Vec<DdlQueue>,
}

#[derive(Deserialize)]
pub(crate) struct DdlQueue {
    pub relation: String,
    pub ddl: DdlSession,
    pub blocked_by: Vec<serde_json::Value>,
    pub queued_behind: i64,
}

#[derive(Deserialize)]
pub(crate) struct DdlSession {
    pub pid: i64,
    #[serde(default)]
    pub wait_age_s: Option<f64>,
    #[serde(default)]
    pub mode: Option<String>,
}

#[derive(Deserialize)]
struct Sessions {
    connections: ConnectionUse,
}

#[derive(Deserialize)]
pub(crate) struct ConnectionUse {
    pub max_connections: i64,
    pub used: i64,
    pub used_pct: f64,
    #[serde(default)]
    pub by_state: BTreeMap<String, i64>,
    pub groups: Vec<Client>,
}

#[derive(Deserialize)]
pub(crate) struct Client {
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    pub total: i64,
    pub idle: i64,
    #[serde(default)]
    pub oldest_idle_s: Option<f64>,
}

impl Telemetry {
    pub fn read(evidence: &[Evidence]) -> Self {
        Self {
            blocking: read_tool(evidence, "blocking_tree"),
            ddl: read_tool(evidence, "blocking_tree"),
            connections: read_tool(evidence, "sessions").map(|seen: Seen<Sessions>| Seen {
                id: seen.id,
                value: seen.value.connections,
            }),
        }
    }

    /// The tools whose answers are needed to call a database healthy, and are not there.
    pub fn unseen(&self) -> Vec<&'static str> {
        let seen = [
            ("blocking_tree", self.blocking.is_some() && self.ddl.is_some()),
            ("sessions", self.connections.is_some()),
        ];
        seen.into_iter()
            .filter(|(_, seen)| !seen)
            .map(|(tool, _)| tool)
            .collect()
    }
}

impl Tree {
    /// Waiters that the root blocks, directly or through one another, and that would not go on if some DDL in between
    /// were withdrawn. Of three sessions that want one row, only the first waits for the root itself.
    pub fn blocked_by_root(&self) -> usize {
        let Some(root) = self.root.pid else {
            return self.waiters.len();
        };
        let waiters: Vec<&Waiter> = self.waiters.iter().filter(|waiter| !waiter.is_ddl).collect();
        reached_from(&[root], &waiters)
    }

    /// Waiters that queue behind a DDL statement which itself waits.
    pub fn blocked_by_ddl(&self) -> usize {
        let ddl: Vec<i64> = self
            .waiters
            .iter()
            .filter(|waiter| waiter.is_ddl)
            .map(|waiter| waiter.pid)
            .collect();
        let waiters: Vec<&Waiter> = self.waiters.iter().filter(|waiter| !waiter.is_ddl).collect();
        reached_from(&ddl, &waiters)
    }

    pub fn longest_wait_s(&self) -> i64 {
        self.waiters
            .iter()
            .filter_map(|waiter| waiter.wait_age_s)
            .map(whole_s)
            .max()
            .unwrap_or(0)
    }
}

/// How many of these wait for one of the roots, over any number of others of these.
fn reached_from(roots: &[i64], waiters: &[&Waiter]) -> usize {
    let mut reached: Vec<i64> = roots.to_vec();
    loop {
        let next = |waiter: &&&Waiter| {
            !reached.contains(&waiter.pid) && waiter.blocked_by.iter().any(|pid| reached.contains(pid))
        };
        let Some(pid) = waiters.iter().find(next).map(|waiter| waiter.pid) else {
            break;
        };
        reached.push(pid);
    }
    reached.len().saturating_sub(roots.len())
}

/// Whole seconds, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates; ages are far below its bounds"
)]
pub(crate) fn whole_s(age_s: f64) -> i64 {
    age_s.floor() as i64
}

/// A name that may be missing, for a sentence.
pub(crate) fn name(of: Option<&String>) -> &str {
    of.map(String::as_str)
        .filter(|name| !name.is_empty())
        .unwrap_or("(no name)")
}

/// The newest answer of the tool. A later take is listed later.
fn read_tool<T: DeserializeOwned>(evidence: &[Evidence], tool: &str) -> Option<Seen<T>> {
    let piece = evidence
        .iter()
        .rev()
        .find(|piece| piece.server == POSTGRES && piece.tool == tool)?;
    let value = T::deserialize(&piece.result).ok()?;
    Some(Seen {
        id: piece.id.clone(),
        value,
    })
}

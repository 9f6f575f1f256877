//! What one look at the locks brought: sessions, prepared transactions, and the locks that others wait for.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{LockGraph, Node, modes::conflict};

/// Everybody who waits for a lock or holds one that is waited for.
#[derive(Debug, Default)]
pub struct Facts {
    pub sessions: BTreeMap<i32, SessionFact>,
    pub prepared: Vec<PreparedFact>,
    held: Vec<HeldFact>,
    /// Per session, its places in `held`.
    held_by: HashMap<i32, Vec<usize>>,
    wanted: HashMap<String, Vec<Wanted>>,
}

/// One row of the statement.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Fact {
    Session(Box<SessionFact>),
    Prepared(PreparedFact),
    Held(HeldFact),
}

#[derive(Debug, Clone, Deserialize)]
pub struct SessionFact {
    pub pid: i32,
    pub backend_start: Option<String>,
    pub xact_start: Option<String>,
    pub query_start: Option<String>,
    pub state: Option<String>,
    pub state_age_s: Option<i64>,
    pub xact_age_s: Option<i64>,
    pub usename: Option<String>,
    pub application_name: Option<String>,
    pub datname: Option<String>,
    /// None for a client's session.
    pub backend_type: Option<String>,
    pub wait_event_type: Option<String>,
    pub wait_event: Option<String>,
    pub query: Option<String>,
    /// As pg_blocking_pids says; none for one who does not wait.
    #[serde(deserialize_with = "pids")]
    pub blocked_by: Option<Vec<i32>>,
    pub locktype: Option<String>,
    pub mode: Option<String>,
    target: Option<String>,
    pub on_a_table_here: Option<bool>,
    pub relation_oid: Option<u32>,
    pub schema: Option<String>,
    pub relation: Option<String>,
    pub wait_age_s: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PreparedFact {
    pub gid: String,
    pub prepared: Option<String>,
    pub age_s: Option<i64>,
    pub owner: Option<String>,
    pub database: Option<String>,
    pub locks_held: u64,
    virtualtransaction: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct HeldFact {
    pid: Option<i32>,
    virtualtransaction: Option<String>,
    locktype: String,
    mode: String,
    target: String,
    schema: Option<String>,
    relation: Option<String>,
}

#[derive(Debug)]
struct Wanted {
    pid: i32,
    mode: String,
    /// A prepared transaction stands in its way.
    by_prepared: bool,
}

/// A lock that others wait for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Hold {
    locktype: String,
    mode: String,
    /// schema.table, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<String>,
    /// Sessions whose wish conflicts with it.
    waiters: usize,
}

impl Facts {
    pub fn new(rows: Vec<Fact>) -> Self {
        let mut facts = Self::default();
        for row in rows {
            match row {
                Fact::Session(session) => {
                    facts.sessions.insert(session.pid, *session);
                }
                Fact::Prepared(prepared) => facts.prepared.push(prepared),
                Fact::Held(held) => {
                    if let Some(pid) = held.pid {
                        facts.held_by.entry(pid).or_default().push(facts.held.len());
                    }
                    facts.held.push(held);
                }
            }
        }
        for session in facts.sessions.values() {
            let (Some(blocked_by), Some(target), Some(mode)) = (&session.blocked_by, &session.target, &session.mode)
            else {
                continue;
            };
            facts.wanted.entry(target.clone()).or_default().push(Wanted {
                pid: session.pid,
                mode: mode.clone(),
                by_prepared: blocked_by.contains(&0),
            });
        }
        facts
    }

    pub fn graph(&self) -> LockGraph {
        let by_prepared = self.blocked_by_prepared();
        let mut graph = LockGraph::default();
        for session in self.sessions.values() {
            let Some(blocked_by) = &session.blocked_by else {
                continue;
            };
            let holders = blocked_by.iter().flat_map(|blocker| match blocker {
                0 => by_prepared
                    .get(&session.pid)
                    .cloned()
                    .unwrap_or_else(|| vec![Node::UnknownPrepared]),
                blocker => vec![Node::Session(*blocker)],
            });
            graph.add(session.pid, session.wait_age_s.unwrap_or(0), holders);
        }
        graph
    }

    /// Returns the sessions that wait for this prepared transaction itself.
    pub fn blocked_by(&self, prepared: &PreparedFact) -> Vec<i32> {
        let mut blocked: Vec<i32> = self
            .held_by_prepared(prepared)
            .flat_map(|held| self.in_conflict(held))
            .filter(|wanted| wanted.by_prepared)
            .map(|wanted| wanted.pid)
            .collect();
        blocked.sort_unstable();
        blocked.dedup();
        blocked
    }

    /// Returns the locks of one node that others wait for, those with most waiters first.
    pub fn holds(&self, node: Node, max: usize) -> Vec<Hold> {
        let held: Vec<&HeldFact> = match node {
            Node::Session(pid) => self.held_by.get(&pid).map_or_else(Vec::new, |places| {
                places.iter().filter_map(|at| self.held.get(*at)).collect()
            }),
            Node::Prepared(at) => self
                .prepared
                .get(at)
                .map_or_else(Vec::new, |prepared| self.held_by_prepared(prepared).collect()),
            Node::UnknownPrepared => Vec::new(),
        };
        let holder = match node {
            Node::Session(pid) => Some(pid),
            Node::Prepared(_) | Node::UnknownPrepared => None,
        };
        let mut holds: Vec<Hold> = held
            .into_iter()
            .map(|held| Hold {
                locktype: held.locktype.clone(),
                mode: held.mode.clone(),
                relation: qualified(held.schema.as_deref(), held.relation.as_deref()),
                waiters: self
                    .in_conflict(held)
                    .filter(|wanted| Some(wanted.pid) != holder)
                    .count(),
            })
            .filter(|hold| hold.waiters > 0)
            .collect();
        holds.sort_by_key(|hold| std::cmp::Reverse(hold.waiters));
        holds.truncate(max);
        holds
    }

    fn blocked_by_prepared(&self) -> HashMap<i32, Vec<Node>> {
        let mut by_prepared: HashMap<i32, Vec<Node>> = HashMap::new();
        for (at, prepared) in self.prepared.iter().enumerate() {
            for pid in self.blocked_by(prepared) {
                by_prepared.entry(pid).or_default().push(Node::Prepared(at));
            }
        }
        by_prepared
    }

    fn held_by_prepared<'a>(&'a self, prepared: &'a PreparedFact) -> impl Iterator<Item = &'a HeldFact> {
        self.held.iter().filter(|held| {
            held.pid.is_none()
                && held.virtualtransaction.is_some()
                && held.virtualtransaction == prepared.virtualtransaction
        })
    }

    fn in_conflict<'a>(&'a self, held: &'a HeldFact) -> impl Iterator<Item = &'a Wanted> {
        let wanted = self.wanted.get(&held.target).into_iter().flatten();
        wanted.filter(|wanted| conflict(&held.mode, &wanted.mode))
    }
}

impl SessionFact {
    /// Returns `schema.table` of what it waits for, where one is known.
    pub fn qualified_relation(&self) -> Option<String> {
        qualified(self.schema.as_deref(), self.relation.as_deref())
    }
}

fn qualified(schema: Option<&str>, relation: Option<&str>) -> Option<String> {
    Some(format!("{}.{}", schema?, relation?))
}

/// Reads pids with spaces between: of a deep queue there are as many as its square, and JSON makes them dear.
fn pids<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<i32>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let pids: Result<Vec<i32>, _> = text.split_ascii_whitespace().map(str::parse).collect();
    pids.map(Some).map_err(serde::de::Error::custom)
}

//! `blocking_tree`: who blocks whom.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, json_bytes},
    lock_graph::{LockGraph, Node, Tree},
    state::{MAX_RESULT_BYTES, State, misshapen},
    tools::Target,
};

const MAX_TREES: usize = 50;
const MAX_WAITERS_PER_TREE: usize = 100;
const MAX_ROWS: u32 = 5000;
/// In a deep queue everybody waits for everybody ahead, too: lists that grow with the square of the queue.
const MAX_BLOCKERS: usize = 20;
/// What is left of a tree that does not fit as a whole.
const FEW_WAITERS: usize = 5;
/// Waiters are many, and their statements resemble each other.
const MAX_WAITER_QUERY_CHARS: usize = 300;

pub struct BlockingTree;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Sessions that wait for a lock, shown or not.
    waiters_total: usize,
    /// Not every tree or waiter is shown.
    truncated: bool,
    /// At most 50, longest wait first.
    trees: Vec<BlockedTree>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct BlockedTree {
    root: Root,
    /// Nearest to the root first, then the longest wait; at most 100.
    waiters: Vec<Waiter>,
    /// Sessions that wait for the root, directly or behind one another, shown or not.
    waiters_count: usize,
    /// Those among them that wait for no other root as well: they go on when this root ends.
    victims_count: usize,
}

/// Who waits for nobody (or, in a deadlock, has waited longest) and holds what others wait for. In any state: idle in
/// transaction, active, plain idle with a session lock, or a prepared transaction, which has no session (pid 0).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Root {
    kind: Kind,
    #[serde(flatten)]
    session: RootSession,
    /// The name of a prepared transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Session,
    PreparedTransaction,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct RootSession {
    pid: i32,
    /// With the pid it names one session for ever: pids are used again.
    backend_start: Option<String>,
    xact_start: Option<String>,
    query_start: Option<String>,
    state: Option<String>,
    state_age_s: Option<i64>,
    xact_age_s: Option<i64>,
    usename: Option<String>,
    application_name: Option<String>,
    datname: Option<String>,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
    /// Its last statement: the client's own text, and not always the one that took the lock.
    query: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Waiter {
    pid: i32,
    backend_start: Option<String>,
    /// As pg_blocking_pids says, 0 being a prepared transaction; those who do not wait themselves first, at most 20.
    blocked_by: Vec<i32>,
    /// 1 waits for the root itself.
    depth: u32,
    wait_age_s: Option<i64>,
    usename: Option<String>,
    application_name: Option<String>,
    /// The lock that it asks for.
    mode: Option<String>,
    /// schema.table, where one is known.
    relation: Option<String>,
    locktype: Option<String>,
    query: Option<String>,
    query_start: Option<String>,
    /// It asks for a strong lock on a whole table: a schema change, by its lock and not by its text.
    is_ddl: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Row {
    #[serde(flatten)]
    session: RootSession,
    gid: Option<String>,
    blocks: Option<Vec<i32>>,
    blocked_by: Option<Vec<i32>>,
    locktype: Option<String>,
    mode: Option<String>,
    relation: Option<String>,
    wait_age_s: Option<i64>,
}

#[async_trait]
impl Tool for BlockingTree {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "blocking_tree";
    const TITLE: &'static str = "Blocking tree";
    const DESCRIPTION: &'static str = "Who blocks whom, as trees whose roots wait for nobody: the root in whatever state (idle in transaction, active, idle, or a prepared transaction), \
        and everybody who waits for it with what they want and for how long. Use it when statements hang or wait events are of type Lock. \
        At most 50 trees, longest wait first; no trees means that nobody waits for a lock.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/blocking_tree.sql"), vec![], MAX_ROWS, call)
            .await?;
        let rows: Vec<Row> = reading.decode().map_err(misshapen)?;
        let mut output = plant(rows);
        output.truncated |= reading.truncated();
        Ok(reading.answer(output))
    }
}

fn plant(rows: Vec<Row>) -> Output {
    let (prepared, sessions): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.blocks.is_some());
    let sessions: BTreeMap<i32, Row> = sessions.into_iter().map(|row| (row.session.pid, row)).collect();
    let graph = graph_of(&sessions, &prepared);
    let all = graph.trees();
    let mut truncated = all.len() > MAX_TREES || all.iter().any(|tree| tree.waiters.len() > MAX_WAITERS_PER_TREE);
    let mut trees = Vec::new();
    let mut left = MAX_RESULT_BYTES;
    for tree in all.iter().take(MAX_TREES) {
        let mut tree = show(tree, &sessions, &prepared);
        if json_bytes(&tree) > left {
            truncated = true;
            tree.waiters.truncate(FEW_WAITERS);
        }
        let bytes = json_bytes(&tree);
        if bytes > left {
            break;
        }
        left -= bytes;
        trees.push(tree);
    }
    Output {
        waiters_total: graph.waiters(),
        truncated,
        trees,
    }
}

fn graph_of(sessions: &BTreeMap<i32, Row>, prepared: &[Row]) -> LockGraph {
    let mut graph = LockGraph::default();
    for (pid, row) in sessions {
        let Some(blocked_by) = &row.blocked_by else { continue };
        let holders = blocked_by.iter().flat_map(|blocker| match blocker {
            0 => prepared_blockers_of(*pid, prepared),
            blocker => vec![Node::Session(*blocker)],
        });
        graph.add(*pid, row.wait_age_s.unwrap_or(0), holders);
    }
    graph
}

fn prepared_blockers_of(pid: i32, prepared: &[Row]) -> Vec<Node> {
    let blocks = |row: &Row| row.blocks.as_ref().is_some_and(|blocks| blocks.contains(&pid));
    let found: Vec<Node> = prepared
        .iter()
        .enumerate()
        .filter(|(_, row)| blocks(row))
        .map(|(at, _)| Node::Prepared(at))
        .collect();
    if found.is_empty() {
        vec![Node::UnknownPrepared]
    } else {
        found
    }
}

fn show(tree: &Tree, sessions: &BTreeMap<i32, Row>, prepared: &[Row]) -> BlockedTree {
    let row = match tree.root {
        Node::Session(pid) => sessions.get(&pid),
        Node::Prepared(at) => prepared.get(at),
        Node::UnknownPrepared => None,
    };
    let session = match (tree.root, row) {
        (_, Some(row)) => row.session.clone(),
        // The session ended while the query ran: what is left of it is its pid.
        (Node::Session(pid), None) => RootSession {
            pid,
            ..RootSession::default()
        },
        (Node::Prepared(_) | Node::UnknownPrepared, None) => RootSession {
            state: Some("prepared".to_owned()),
            ..RootSession::default()
        },
    };
    let kind = if matches!(tree.root, Node::Session(_)) {
        Kind::Session
    } else {
        Kind::PreparedTransaction
    };
    let shown = tree.waiters.iter().take(MAX_WAITERS_PER_TREE);
    BlockedTree {
        root: Root {
            kind,
            session,
            gid: row.and_then(|row| row.gid.clone()),
        },
        waiters: shown
            .filter_map(|(pid, depth)| Some(waiter(sessions.get(pid)?, *depth, sessions)))
            .collect(),
        waiters_count: tree.waiters.len(),
        victims_count: tree.victims,
    }
}

fn waiter(row: &Row, depth: u32, sessions: &BTreeMap<i32, Row>) -> Waiter {
    let waits = |pid: &i32| sessions.get(pid).is_some_and(|row| row.blocked_by.is_some());
    let mut blocked_by = row.blocked_by.clone().unwrap_or_default();
    blocked_by.sort_by_key(|pid| (waits(pid), *pid));
    blocked_by.truncate(MAX_BLOCKERS);
    let session = row.session.clone();
    let strong = matches!(
        row.mode.as_deref(),
        Some(
            "ShareUpdateExclusiveLock"
                | "ShareLock"
                | "ShareRowExclusiveLock"
                | "ExclusiveLock"
                | "AccessExclusiveLock"
        )
    );
    Waiter {
        pid: session.pid,
        backend_start: session.backend_start,
        blocked_by,
        depth,
        wait_age_s: row.wait_age_s,
        usename: session.usename,
        application_name: session.application_name,
        is_ddl: strong && row.locktype.as_deref() == Some("relation"),
        mode: row.mode.clone(),
        relation: row.relation.clone(),
        locktype: row.locktype.clone(),
        query: session
            .query
            .map(|query| kit::text::clean(&query, MAX_WAITER_QUERY_CHARS)),
        query_start: session.query_start,
    }
}

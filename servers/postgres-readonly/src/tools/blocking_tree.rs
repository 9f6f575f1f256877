//! `blocking_tree`: who blocks whom.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    db::{Answer, Reading, bounded_rows, json_bytes},
    locks::{DdlQueue, Fact, Facts, Hold, Node, SessionFact, Tree, ddl_queues, is_strong},
    state::{MAX_RESULT_BYTES, State, misshapen},
    tools::Target,
};

const MAX_TREES: usize = 50;
const MAX_WAITERS_PER_TREE: usize = 100;
const MAX_DDL_QUEUES: usize = 50;
const MAX_PREPARED: usize = 100;
const MAX_HOLDS: usize = 10;
const MAX_WAITER_HOLDS: usize = 3;
const MAX_ROWS: u32 = 10_000;
/// What the lists beside the trees may take of the answer.
const MAX_DDL_BYTES: usize = 60 * 1024;
const MAX_PREPARED_BYTES: usize = 20 * 1024;
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
    /// Not every tree, waiter or prepared transaction is shown.
    truncated: bool,
    /// At most 50, longest wait first.
    trees: Vec<BlockedTree>,
    /// Statements that wait for a strong lock on a table of this database; longest queue first, at most 50.
    ddl_queues: Vec<DdlQueue>,
    /// There are more queues than are shown.
    ddl_queues_truncated: bool,
    /// Of the whole server, oldest first, at most 100. They hold their locks, and the vacuum horizon, until somebody ends them.
    prepared_transactions: Vec<Prepared>,
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
    /// Present and true when the root waits, too: a cycle that the server has not yet ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deadlock: bool,
}

/// A transaction without a session, after PREPARE TRANSACTION.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Prepared {
    gid: String,
    prepared: Option<String>,
    age_s: Option<i64>,
    owner: Option<String>,
    /// It can be ended only from this database.
    database: Option<String>,
    locks_held: u64,
    /// Sessions that wait for one of its locks directly.
    blocks: usize,
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
    /// Its locks that others wait for, most wanted first, at most 10.
    holds: Vec<Hold>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Session,
    PreparedTransaction,
}

#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
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
    /// Left out of a client's session: `autovacuum worker`, `startup` (a standby's replay) and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_type: Option<String>,
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
    /// Left out of a client's session: `startup` is a standby's replay, which stands still meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_type: Option<String>,
    /// The lock that it asks for.
    mode: Option<String>,
    /// schema.table, where one is known.
    relation: Option<String>,
    locktype: Option<String>,
    query: Option<String>,
    query_start: Option<String>,
    /// It asks for a strong lock on a whole table: a schema change, by its lock and not by its text.
    is_ddl: bool,
    /// Its own locks that others wait for, at most 3.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Hold>,
}

#[async_trait]
impl Tool for BlockingTree {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "blocking_tree";
    const TITLE: &'static str = "Blocking tree";
    const DESCRIPTION: &'static str = "Who blocks whom, as trees whose roots wait for nobody: the root in whatever state (idle in transaction, active, idle, or a prepared transaction) with \
        what it holds, and everybody who waits for it with what they want and for how long. `ddl_queues`: schema changes that wait, whom for, and how many queue behind each. \
        `prepared_transactions`: all of them. Use it when statements hang or wait events are of type Lock. No trees: nobody waits for a lock.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/blocking_tree.sql"), vec![], MAX_ROWS, call)
            .await?;
        let rows: Vec<Fact> = reading.decode().map_err(misshapen)?;
        let facts = Facts::new(rows);
        let mut output = output(&facts);
        output.truncated |= reading.truncated();
        Ok(reading.answer(output).hiding(hidden(&facts, &reading)))
    }
}

/// Without pg_read_all_stats the server shows of other roles' sessions little more than their pids.
fn hidden(facts: &Facts, reading: &Reading) -> Option<String> {
    let hides = |session: &SessionFact| session.query.as_deref() == Some("<insufficient privilege>");
    let count = facts.sessions.values().filter(|session| hides(session)).count();
    (count > 0).then(|| {
        format!(
            "states, ages and statements of {count} session(s) of other roles: GRANT pg_read_all_stats TO {} shows them",
            reading.role.role
        )
    })
}

fn output(facts: &Facts) -> Output {
    let (queues, more_queues) = ddl_queues(facts, MAX_DDL_QUEUES);
    let (queues, cut_queues) = bounded_rows(queues, MAX_DDL_BYTES);
    let prepared = facts.prepared.iter().take(MAX_PREPARED);
    let prepared = prepared.map(|fact| Prepared {
        gid: fact.gid.clone(),
        prepared: fact.prepared.clone(),
        age_s: fact.age_s,
        owner: fact.owner.clone(),
        database: fact.database.clone(),
        locks_held: fact.locks_held,
        blocks: facts.blocked_by(fact).len(),
    });
    let (prepared, cut_prepared) = bounded_rows(prepared.collect(), MAX_PREPARED_BYTES);
    let graph = facts.graph();
    let room = MAX_RESULT_BYTES.saturating_sub(json_bytes(&queues) + json_bytes(&prepared));
    let (trees, cut_trees) = plant(&graph.trees(), facts, room);
    Output {
        waiters_total: graph.waiters(),
        truncated: cut_trees || cut_prepared || facts.prepared.len() > MAX_PREPARED,
        trees,
        ddl_queues: queues,
        ddl_queues_truncated: more_queues || cut_queues,
        prepared_transactions: prepared,
    }
}

/// Returns as many trees as there is room for, and whether anything of them was left out.
fn plant(all: &[Tree], facts: &Facts, room: usize) -> (Vec<BlockedTree>, bool) {
    let mut truncated = all.len() > MAX_TREES || all.iter().any(|tree| tree.waiters.len() > MAX_WAITERS_PER_TREE);
    let mut trees = Vec::new();
    let mut left = room;
    for tree in all.iter().take(MAX_TREES) {
        let mut tree = show(tree, facts);
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
    (trees, truncated)
}

fn show(tree: &Tree, facts: &Facts) -> BlockedTree {
    let shown = tree.waiters.iter().take(MAX_WAITERS_PER_TREE);
    BlockedTree {
        root: root(tree.root, facts),
        waiters: shown
            .filter_map(|(pid, depth)| Some(waiter(facts.sessions.get(pid)?, *depth, facts)))
            .collect(),
        waiters_count: tree.waiters.len(),
        victims_count: tree.victims,
        deadlock: tree.deadlock,
    }
}

fn root(node: Node, facts: &Facts) -> Root {
    let holds = facts.holds(node, MAX_HOLDS);
    match node {
        Node::Session(pid) => Root {
            kind: Kind::Session,
            session: facts.sessions.get(&pid).map_or_else(
                // The session ended while the query ran: what is left of it is its pid.
                || RootSession {
                    pid,
                    ..RootSession::default()
                },
                root_session,
            ),
            gid: None,
            holds,
        },
        Node::Prepared(_) | Node::UnknownPrepared => {
            let fact = match node {
                Node::Prepared(at) => facts.prepared.get(at),
                Node::Session(_) | Node::UnknownPrepared => None,
            };
            Root {
                kind: Kind::PreparedTransaction,
                session: RootSession {
                    state: Some("prepared".to_owned()),
                    xact_start: fact.and_then(|fact| fact.prepared.clone()),
                    state_age_s: fact.and_then(|fact| fact.age_s),
                    xact_age_s: fact.and_then(|fact| fact.age_s),
                    usename: fact.and_then(|fact| fact.owner.clone()),
                    datname: fact.and_then(|fact| fact.database.clone()),
                    ..RootSession::default()
                },
                gid: fact.map(|fact| fact.gid.clone()),
                holds,
            }
        }
    }
}

fn root_session(fact: &SessionFact) -> RootSession {
    RootSession {
        pid: fact.pid,
        backend_start: fact.backend_start.clone(),
        xact_start: fact.xact_start.clone(),
        query_start: fact.query_start.clone(),
        state: fact.state.clone(),
        state_age_s: fact.state_age_s,
        xact_age_s: fact.xact_age_s,
        usename: fact.usename.clone(),
        application_name: fact.application_name.clone(),
        datname: fact.datname.clone(),
        backend_type: fact.backend_type.clone(),
        wait_event_type: fact.wait_event_type.clone(),
        wait_event: fact.wait_event.clone(),
        query: fact.query.clone(),
    }
}

fn waiter(fact: &SessionFact, depth: u32, facts: &Facts) -> Waiter {
    let waits = |pid: &i32| {
        facts
            .sessions
            .get(pid)
            .is_some_and(|session| session.blocked_by.is_some())
    };
    let mut blocked_by = fact.blocked_by.clone().unwrap_or_default();
    blocked_by.sort_by_key(|pid| (waits(pid), *pid));
    blocked_by.truncate(MAX_BLOCKERS);
    let query = fact.query.as_deref();
    Waiter {
        pid: fact.pid,
        backend_start: fact.backend_start.clone(),
        blocked_by,
        depth,
        wait_age_s: fact.wait_age_s,
        usename: fact.usename.clone(),
        application_name: fact.application_name.clone(),
        backend_type: fact.backend_type.clone(),
        mode: fact.mode.clone(),
        relation: fact.qualified_relation(),
        locktype: fact.locktype.clone(),
        query: query.map(|query| kit::text::clean(query, MAX_WAITER_QUERY_CHARS)),
        query_start: fact.query_start.clone(),
        is_ddl: fact.mode.as_deref().is_some_and(is_strong) && fact.locktype.as_deref() == Some("relation"),
        holds: facts.holds(Node::Session(fact.pid), MAX_WAITER_HOLDS),
    }
}

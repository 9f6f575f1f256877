//! Schema changes that wait for a lock, and the queues behind them.

use std::{cmp::Reverse, collections::HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Facts, SessionFact, is_strong};

const MAX_BLOCKERS: usize = 20;
/// Blockers are many; the statement of the schema change itself is shown longer.
const MAX_BLOCKER_QUERY_CHARS: usize = 300;

/// One statement that waits for a strong lock on one relation of this database.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DdlQueue {
    relation: String,
    schema: Option<String>,
    ddl: Ddl,
    /// Whom it waits for, oldest transaction first, at most 20; pid 0 is a prepared transaction.
    blocked_by: Vec<Blocker>,
    /// Sessions that wait behind this statement, as pg_blocking_pids says.
    queued_behind: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ddl {
    pid: i32,
    backend_start: Option<String>,
    query_start: Option<String>,
    usename: Option<String>,
    application_name: Option<String>,
    /// The lock that it asks for.
    mode: String,
    wait_age_s: Option<i64>,
    query: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Blocker {
    pid: i32,
    backend_start: Option<String>,
    state: Option<String>,
    xact_age_s: Option<i64>,
    usename: Option<String>,
    application_name: Option<String>,
    query: Option<String>,
}

/// Returns the longest queues, and whether there are more. A schema change is told by the lock that it asks for, never by
/// its text.
pub fn ddl_queues(facts: &Facts, max: usize) -> (Vec<DdlQueue>, bool) {
    let mut behind: HashMap<i32, u64> = HashMap::new();
    for session in facts.sessions.values() {
        let mut blockers = session.blocked_by.clone().unwrap_or_default();
        blockers.sort_unstable();
        blockers.dedup();
        for pid in blockers {
            *behind.entry(pid).or_default() += 1;
        }
    }
    let waits_here = |session: &&SessionFact| {
        session.blocked_by.is_some()
            && session.on_a_table_here == Some(true)
            && session.mode.as_deref().is_some_and(is_strong)
    };
    let mut waiting: Vec<(&SessionFact, u64)> = facts
        .sessions
        .values()
        .filter(waits_here)
        .map(|session| (session, behind.get(&session.pid).copied().unwrap_or(0)))
        .collect();
    waiting.sort_by_key(|(session, behind)| (Reverse(*behind), Reverse(session.wait_age_s), session.pid));
    let more = waiting.len() > max;
    let shown = waiting.into_iter().take(max);
    let queues = shown.map(|(session, queued_behind)| queue(session, queued_behind, facts));
    (queues.collect(), more)
}

fn queue(session: &SessionFact, queued_behind: u64, facts: &Facts) -> DdlQueue {
    let unnamed = || format!("oid {}", session.relation_oid.unwrap_or(0));
    DdlQueue {
        relation: session.relation.clone().unwrap_or_else(unnamed),
        schema: session.schema.clone(),
        ddl: Ddl {
            pid: session.pid,
            backend_start: session.backend_start.clone(),
            query_start: session.query_start.clone(),
            usename: session.usename.clone(),
            application_name: session.application_name.clone(),
            mode: session.mode.clone().unwrap_or_default(),
            wait_age_s: session.wait_age_s,
            query: session.query.clone(),
        },
        blocked_by: blockers(session, facts),
        queued_behind,
    }
}

fn blockers(session: &SessionFact, facts: &Facts) -> Vec<Blocker> {
    let mut pids = session.blocked_by.clone().unwrap_or_default();
    pids.sort_unstable();
    pids.dedup();
    let xact_age_s = |pid: &i32| facts.sessions.get(pid).and_then(|session| session.xact_age_s);
    pids.sort_by_key(|pid| (Reverse(xact_age_s(pid)), *pid));
    pids.truncate(MAX_BLOCKERS);
    pids.into_iter()
        .map(|pid| blocker(pid, facts.sessions.get(&pid)))
        .collect()
}

/// A session that ended meanwhile is left with its pid alone.
fn blocker(pid: i32, session: Option<&SessionFact>) -> Blocker {
    let prepared = (pid == 0).then(|| "prepared".to_owned());
    let query = session.and_then(|session| session.query.as_deref());
    Blocker {
        pid,
        backend_start: session.and_then(|session| session.backend_start.clone()),
        state: prepared.or_else(|| session.and_then(|session| session.state.clone())),
        xact_age_s: session.and_then(|session| session.xact_age_s),
        usename: session.and_then(|session| session.usename.clone()),
        application_name: session.and_then(|session| session.application_name.clone()),
        query: query.map(|query| kit::text::clean(query, MAX_BLOCKER_QUERY_CHARS)),
    }
}

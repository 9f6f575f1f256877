//! DDL waits behind a long transaction, and everyone who comes later queues behind the DDL.

use std::collections::BTreeMap;

use incident::{EvidencePointer, Hypothesis, RootCause, Signal};

use super::idle_in_transaction_blocker::is_idle_blocker;
use super::{Assessment, confidence, signal};
use crate::telemetry::{DdlQueue, Telemetry, name, whole_s};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::DdlLockQueue;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(ddl) = &telemetry.ddl else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "blocking_tree",
        };
    };
    let queues = ddl
        .value
        .ddl_queues
        .iter()
        .enumerate()
        .filter(|(_, relation)| is_queue(relation, thresholds));
    let Some((index, worst)) = queues.max_by_key(|(_, relation)| (relation.queued_behind, wait_s(relation))) else {
        let says = match ddl.value.ddl_queues.first() {
            None => "no DDL statement waits for a lock".to_owned(),
            Some(first) => format!(
                "DDL on `{}` waits for {} s with {} sessions behind it: no queue yet",
                first.relation,
                wait_s(first),
                first.queued_behind
            ),
        };
        return Assessment::Ruled {
            out: CAUSE,
            because: vec![signal(&ddl.id, says)],
        };
    };

    let waited_s = wait_s(worst);
    let signals_for = vec![
        signal(
            &ddl.id,
            format!(
                "session {} waits for `{}` on `{}` for {waited_s} s",
                worst.ddl.pid,
                name(worst.ddl.mode.as_ref()),
                worst.relation
            ),
        ),
        signal(&ddl.id, format!("{} sessions queue behind it", worst.queued_behind)),
        signal(
            &ddl.id,
            format!(
                "it waits for {} older transactions that hold weaker locks",
                worst.blocked_by.len()
            ),
        ),
    ];
    let elsewhere = telemetry.blocking.as_ref().map_or(0, |blocking| {
        let direct: usize = blocking
            .value
            .trees
            .iter()
            .map(crate::telemetry::Tree::blocked_by_root)
            .sum();
        i64::try_from(direct).unwrap_or(i64::MAX)
    });
    let mut signals_against = Vec::new();
    if let Some(blocking) = telemetry.blocking.as_ref().filter(|_| elsewhere > worst.queued_behind) {
        signals_against.push(signal(
            &blocking.id,
            format!("{elsewhere} sessions wait for a transaction directly, whatever the DDL does"),
        ));
    }
    let beginning = where_it_begins(telemetry, worst, thresholds);
    signals_against.extend(beginning.clone());
    let pointer = format!("/ddl_queues/{index}/ddl");
    Assessment::Likely(Box::new(Hypothesis {
        root_cause: CAUSE,
        confidence_pct: confidence(
            80,
            &[
                (worst.queued_behind >= thresholds.many_victims, 12),
                (elsewhere > worst.queued_behind || beginning.is_some(), -40),
            ],
        ),
        explanation: format!(
            "The DDL of session {} asks for a lock on `{}` that conflicts with everything, behind a transaction that is \
             still open. Each later query queues behind the DDL. Cancelling the DDL frees the queue at once and costs a \
             migration to be run again; the readers did nothing wrong.",
            worst.ddl.pid, worst.relation,
        ),
        signals_for,
        signals_against,
        objects: BTreeMap::from([(
            "ddl".to_owned(),
            EvidencePointer {
                evidence: ddl.id.clone(),
                pointer,
            },
        )]),
    }))
}

/// What stands at the root of this DDL's own tree, if it is no bystander: an idle session that others wait for directly, and
/// would without the DDL; or a prepared transaction, which no client comes back to.
fn where_it_begins(telemetry: &Telemetry, queue: &DdlQueue, thresholds: &Thresholds) -> Option<Signal> {
    let blocking = telemetry.blocking.as_ref()?;
    let mut trees = blocking.value.trees.iter();
    let own = trees.find(|tree| tree.waiters.iter().any(|waiter| waiter.pid == queue.ddl.pid))?;
    let victims = own.blocked_by_root();
    let says = if own.root.kind == "prepared_transaction" {
        format!(
            "it waits for the prepared transaction `{}`",
            name(own.root.gid.as_ref())
        )
    } else if victims > 0 && is_idle_blocker(own, thresholds) {
        format!("the idle session that it waits for blocks {victims} more without it: they all begin there")
    } else {
        return None;
    };
    Some(signal(&blocking.id, says))
}

fn is_queue(relation: &DdlQueue, thresholds: &Thresholds) -> bool {
    relation.queued_behind > 0 && !relation.blocked_by.is_empty() && wait_s(relation) >= thresholds.ddl_min_wait_s
}

fn wait_s(relation: &DdlQueue) -> i64 {
    relation.ddl.wait_age_s.map_or(0, whole_s)
}

//! The roots of lock waits that no idle transaction explains: sessions at work, advisory locks, prepared transactions.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Blocking, Seen, Telemetry, Tree, name, whole_s};
use crate::thresholds::Thresholds;

const ADVISORY: &str = "advisory";

pub(super) fn assess_active(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::ActiveBlocker;
    let is_active = |tree: &Tree| tree.root.kind == "session" && tree.root.state.as_deref() == Some("active");
    let (blocking, at, tree) = match worst(telemetry, thresholds, CAUSE, is_active) {
        Ok(found) => found,
        Err(none) => return none,
    };
    let (victims, behind_ddl) = (tree.blocked_by_root(), tree.blocked_by_ddl());
    let waits = tree.root.wait_event.as_deref().filter(|event| *event == "SyncRep");
    let mut signals_against = Vec::new();
    if behind_ddl > victims {
        let says = format!("{behind_ddl} sessions wait behind a DDL statement, not for it");
        signals_against.push(signal(&blocking.id, says));
    }
    if waits.is_some() {
        signals_against.push(signal(&blocking.id, "its commit waits for a synchronous standby"));
    }
    Case {
        cause: CAUSE,
        evidence: &blocking.id,
        confidence_pct: confidence(
            70,
            &[
                (is_many(victims, thresholds), 10),
                (behind_ddl > victims, -40),
                (waits.is_some(), -40),
            ],
        ),
        explanation: format!(
            "{} is at work in a transaction whose locks {victims} sessions wait for. It is doing something: whether that \
             may be cancelled, only its owner can say.",
            who(tree),
        ),
        signals_for: waiting(blocking, tree),
        signals_against,
        object: Some(("blocker", format!("/trees/{at}/root"))),
    }
    .weigh(thresholds)
}

pub(super) fn assess_advisory(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::AdvisoryLockHolder;
    // In a transaction it is a blocker like any other.
    let is_holder = |tree: &Tree| {
        tree.root.kind == "session"
            && tree.root.state.as_deref() == Some("idle")
            && tree.root.holds.iter().any(|hold| hold.locktype == ADVISORY)
    };
    let (blocking, at, tree) = match worst(telemetry, thresholds, CAUSE, is_holder) {
        Ok(found) => found,
        Err(none) => return none,
    };
    Case {
        cause: CAUSE,
        evidence: &blocking.id,
        confidence_pct: confidence(85, &[(is_many(tree.blocked_by_root(), thresholds), 7)]),
        explanation: format!(
            "{} is idle outside any transaction and holds a session-level advisory lock, which lives until it is unlocked or \
             the session ends. Behind a pooler it is often a client that is long gone.",
            who(tree),
        ),
        signals_for: waiting(blocking, tree),
        signals_against: Vec::new(),
        object: Some(("holder", format!("/trees/{at}/root"))),
    }
    .weigh(thresholds)
}

pub(super) fn assess_prepared(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::PreparedTransaction;
    let is_prepared = |tree: &Tree| tree.root.kind == "prepared_transaction";
    if let Ok((blocking, at, tree)) = worst(telemetry, thresholds, CAUSE, is_prepared) {
        return Case {
            cause: CAUSE,
            evidence: &blocking.id,
            confidence_pct: confidence(88, &[(is_many(tree.blocked_by_root(), thresholds), 7)]),
            explanation: format!(
                "The prepared transaction `{}` belongs to no session and keeps its locks until somebody commits or rolls it \
                 back. Which of the two is right, its transaction manager knows.",
                name(tree.root.gid.as_ref()),
            ),
            signals_for: waiting(blocking, tree),
            signals_against: Vec::new(),
            object: Some(("prepared", format!("/trees/{at}/root"))),
        }
        .weigh(thresholds);
    }
    let Some(blocking) = &telemetry.blocking else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "blocking_tree",
        };
    };
    let age = |prepared: &crate::telemetry::Prepared| prepared.age_s.map_or(0, whole_s);
    let prepared = blocking.value.prepared_transactions.iter().enumerate();
    let Some((at, oldest)) = prepared.max_by_key(|(_, prepared)| age(prepared)) else {
        return ruled(CAUSE, &blocking.id, "there is no prepared transaction");
    };
    let age_s = age(oldest);
    let holds_horizon = telemetry.horizon.as_ref().is_some_and(|horizon| {
        let mut holders = horizon.value.holders.iter();
        holders.any(|holder| {
            holder.holds_tables_back()
                && holder.gid.as_ref() == Some(&oldest.gid)
                && holder.xmin_age >= thresholds.holder_min_xids
        })
    });
    let old = age_s >= thresholds.old_transaction_s;
    Case {
        cause: CAUSE,
        evidence: &blocking.id,
        confidence_pct: confidence(40, &[(old, 25), (holds_horizon && age_s >= thresholds.holder_min_s, 25)]),
        explanation: format!(
            "The prepared transaction `{}` has been open for {age_s} s: nobody waits for it, but it keeps its locks and holds \
             vacuum back until somebody commits or rolls it back.",
            oldest.gid,
        ),
        signals_for: vec![signal(&blocking.id, format!("`{}` was prepared {age_s} s ago", oldest.gid))],
        signals_against: Vec::new(),
        object: Some(("prepared", format!("/prepared_transactions/{at}"))),
    }
    .weigh(thresholds)
}

fn worst<'a>(
    telemetry: &'a Telemetry,
    thresholds: &Thresholds,
    cause: RootCause,
    is_root: impl Fn(&Tree) -> bool,
) -> Result<(&'a Seen<Blocking>, usize, &'a Tree), Assessment> {
    let blocking = telemetry.blocking.as_ref().ok_or(Assessment::Blind {
        cause,
        tool: "blocking_tree",
    })?;
    let counts =
        |tree: &Tree| is_root(tree) && tree.victims_count > 0 && tree.longest_wait_s() >= thresholds.min_lock_wait_s;
    let trees = blocking.value.trees.iter().enumerate();
    let worst = trees
        .filter(|(_, tree)| counts(tree))
        .max_by_key(|(_, tree)| (tree.blocked_by_root(), tree.longest_wait_s()));
    match worst {
        Some((at, tree)) => Ok((blocking, at, tree)),
        None => Err(ruled(cause, &blocking.id, "no root of a lock wait is of this kind")),
    }
}

fn waiting(blocking: &Seen<Blocking>, tree: &Tree) -> Vec<incident::Signal> {
    let root = match tree.root.kind.as_str() {
        "session" => format!("{} is `{}`", who(tree), name(tree.root.state.as_ref())),
        _ => format!("`{}` is a prepared transaction", name(tree.root.gid.as_ref())),
    };
    let waits = format!(
        "{} sessions wait for it, the longest for {} s",
        tree.blocked_by_root(),
        tree.longest_wait_s()
    );
    vec![signal(&blocking.id, root), signal(&blocking.id, waits)]
}

fn who(tree: &Tree) -> String {
    format!(
        "session {} of `{}` (application `{}`)",
        tree.root.pid.unwrap_or_default(),
        name(tree.root.usename.as_ref()),
        name(tree.root.application_name.as_ref()),
    )
}

fn is_many(victims: usize, thresholds: &Thresholds) -> bool {
    i64::try_from(victims).is_ok_and(|victims| victims >= thresholds.many_victims)
}

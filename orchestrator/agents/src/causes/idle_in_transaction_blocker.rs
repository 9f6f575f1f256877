//! A session in an open transaction does nothing while others wait for its locks.

use std::collections::BTreeMap;

use incident::{EvidencePointer, Hypothesis, RootCause};

use super::{Assessment, confidence, signal};
use crate::telemetry::{Telemetry, Tree, name, whole_s};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::IdleInTransactionBlocker;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(blocking) = &telemetry.blocking else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "blocking_tree",
        };
    };
    let suspects = blocking
        .value
        .trees
        .iter()
        .enumerate()
        .filter(|(_, tree)| is_idle_blocker(tree, thresholds));
    let worst = suspects.max_by_key(|(_, tree)| (tree.blocked_by_root(), tree.longest_wait_s()));
    let Some((index, tree)) = worst else {
        let because = vec![signal(&blocking.id, why_not(&blocking.value.trees))];
        return Assessment::Ruled { out: CAUSE, because };
    };

    let idle_s = tree.root.state_age_s.map_or(0, whole_s);
    let victims = tree.blocked_by_root();
    let behind_ddl = tree.blocked_by_ddl();
    let who = format!(
        "session {} of `{}` (application `{}`)",
        tree.root.pid.unwrap_or_default(),
        name(tree.root.usename.as_ref()),
        name(tree.root.application_name.as_ref()),
    );
    let mut signals_for = vec![
        signal(
            &blocking.id,
            format!("{who} is `{}` for {idle_s} s", name(tree.root.state.as_ref())),
        ),
        signal(
            &blocking.id,
            format!(
                "{victims} sessions wait for it, the longest for {} s",
                tree.longest_wait_s()
            ),
        ),
        signal(&blocking.id, "it waits for nobody: it is the root of the tree"),
    ];
    if victims == 0 {
        // Only DDL waits for the root: the victims, if any, queue behind the DDL.
        signals_for.truncate(1);
    }
    let mut signals_against = Vec::new();
    if behind_ddl > victims {
        signals_against.push(signal(
            &blocking.id,
            format!("{behind_ddl} sessions wait behind a DDL statement, not for it"),
        ));
    }
    if idle_s < thresholds.abandoned_idle_s {
        signals_against.push(signal(
            &blocking.id,
            format!("{idle_s} s idle is short: its client may still come back"),
        ));
    }
    let many = i64::try_from(victims).is_ok_and(|victims| victims >= thresholds.many_victims);
    let confidence_pct = confidence(
        75,
        &[
            (idle_s >= thresholds.abandoned_idle_s, 12),
            (many, 10),
            (behind_ddl > victims, -8),
            // A DDL that is withdrawn frees all who wait, and costs nothing.
            (victims == 0, -67),
        ],
    );
    let pointer = format!("/trees/{index}/root");
    Assessment::Likely(Box::new(Hypothesis {
        root_cause: CAUSE,
        confidence_pct,
        explanation: format!(
            "{who} holds locks in a transaction that it opened and left idle. Cancelling does nothing to an idle session; \
             only its end frees the {victims} that wait. What it has not committed is lost.",
        ),
        signals_for,
        signals_against,
        objects: BTreeMap::from([(
            "blocker".to_owned(),
            EvidencePointer {
                evidence: blocking.id.clone(),
                pointer,
            },
        )]),
    }))
}

pub(super) fn is_idle_blocker(tree: &Tree, thresholds: &Thresholds) -> bool {
    let idle = tree
        .root
        .state
        .as_deref()
        .is_some_and(|state| state.starts_with("idle in transaction"));
    tree.root.kind == "session"
        && idle
        && tree.victims_count > 0
        && tree
            .root
            .state_age_s
            .is_some_and(|age| whole_s(age) >= thresholds.idle_blocker_min_idle_s)
        && tree.longest_wait_s() >= thresholds.min_lock_wait_s
}

fn why_not(trees: &[Tree]) -> String {
    let Some(first) = trees.first() else {
        return "nobody waits for a lock".to_owned();
    };
    if first.root.kind != "session" {
        return format!(
            "the root of the waits is a {}, not a session",
            first.root.kind.replace('_', " ")
        );
    }
    match first.root.state.as_deref() {
        Some(state) if state.starts_with("idle in transaction") => {
            "the waits, or the idleness, are too short to count".to_owned()
        }
        state => format!("the session that others wait for is `{}`", state.unwrap_or("unknown")),
    }
}

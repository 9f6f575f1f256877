//! A session's old transaction or snapshot keeps vacuum from removing the dead rows of the whole database.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Holder, Table, Telemetry, name, whole_s};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::LongTransactionHoldsXmin;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(horizon) = &telemetry.horizon else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "vacuum_horizon",
        };
    };
    let holders = horizon.value.holders.iter().enumerate();
    let Some((at, holder)) = holders.into_iter().find(|(_, holder)| holder.holds_tables_back()) else {
        return ruled(CAUSE, &horizon.id, "nothing holds rows back from vacuum");
    };
    if holder.kind != "session" {
        let says = format!(
            "what holds rows back is a {}, not a session",
            holder.kind.replace('_', " ")
        );
        return ruled(CAUSE, &horizon.id, says);
    }
    if is_root_of_waits(telemetry, holder) {
        return ruled(
            CAUSE,
            &horizon.id,
            "the session that holds rows back is one that others wait for: see there",
        );
    }
    let age_s = holder.age_s.map_or(0, whole_s);
    let idle = holder
        .state
        .as_deref()
        .is_some_and(|state| state.starts_with("idle in transaction"));
    let (kept, in_vain) = dead_rows(telemetry, thresholds, holder);
    let far_back = (holder.xmin_age >= thresholds.holder_min_xids || in_vain) && age_s >= thresholds.holder_min_s;
    let forgotten = far_back && idle && age_s >= thresholds.holder_forgotten_s;
    let old = age_s >= thresholds.old_transaction_s;
    let many = kept.as_ref().is_some_and(|kept| kept.is_many);
    let who = format!(
        "session {} of `{}` (application `{}`)",
        holder.pid.unwrap_or_default(),
        name(holder.usename.as_ref()),
        name(holder.application_name.as_ref()),
    );
    let mut signals_for = vec![signal(
        &horizon.id,
        format!(
            "{who} has been `{}` in a transaction for {age_s} s and holds back {} transactions",
            name(holder.state.as_ref()),
            holder.xmin_age
        ),
    )];
    if let Some(kept) = &kept {
        let says = format!("`{}` has {} dead rows, and is due for a vacuum", kept.table, kept.rows);
        signals_for.push(signal(kept.evidence, says));
        if in_vain {
            signals_for.push(signal(
                kept.evidence,
                "a vacuum came after it began, and left dead rows",
            ));
        }
    }
    Case {
        cause: CAUSE,
        evidence: &horizon.id,
        confidence_pct: confidence(
            30,
            &[
                (forgotten, 10),
                (far_back && kept.is_some(), if idle { 25 } else { 10 }),
                (far_back && many, 15),
                (far_back && in_vain, 15),
                (old, 30),
            ],
        ),
        explanation: format!(
            "{who} keeps a snapshot or transaction open. Until it ends, vacuum may run and removes nothing that died since. \
             Ending the session moves the horizon; what it has not committed is lost.",
        ),
        signals_for,
        signals_against: Vec::new(),
        object: Some(("holder", format!("/holders/{at}"))),
    }
    .weigh(thresholds)
}

struct Kept<'a> {
    evidence: &'a str,
    table: String,
    rows: i64,
    is_many: bool,
}

/// The worst table that is due for a vacuum, and whether a vacuum came meanwhile and left dead rows behind.
fn dead_rows<'a>(telemetry: &'a Telemetry, thresholds: &Thresholds, holder: &Holder) -> (Option<Kept<'a>>, bool) {
    let Some(seen) = &telemetry.by_dead_rows else {
        return (None, false);
    };
    let tables = &seen.value.tables;
    let in_vain = tables.iter().any(|table| table.was_vacuumed_in_vain(holder));
    let is_due = |table: &&Table| {
        let due_at = table
            .autovacuum
            .as_ref()
            .map_or(0, |autovacuum| autovacuum.vacuum_at_dead_tup);
        table.n_dead_tup >= due_at.max(thresholds.kept_dead_rows)
    };
    let worst = tables.iter().filter(is_due).max_by_key(|table| table.n_dead_tup);
    let kept = worst.map(|table| Kept {
        evidence: &seen.id,
        table: table.full_name(),
        rows: table.n_dead_tup,
        is_many: table.n_dead_tup >= thresholds.dead_rows && table.dead_pct >= thresholds.dead_pct,
    });
    (kept, in_vain)
}

fn is_root_of_waits(telemetry: &Telemetry, holder: &Holder) -> bool {
    telemetry.blocking.as_ref().is_some_and(|blocking| {
        let mut trees = blocking.value.trees.iter();
        trees.any(|tree| tree.root.pid.is_some() && tree.root.pid == holder.pid)
    })
}

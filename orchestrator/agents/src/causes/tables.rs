//! What a table suffers from when nobody tends it: dead rows, and statistics of another time.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Holder, Table, Telemetry, percent_of};
use crate::thresholds::Thresholds;

pub(super) fn assess_dead_rows(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::AutovacuumBehind;
    let Some(seen) = &telemetry.by_dead_rows else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "table_health",
        };
    };
    let tables = &seen.value;
    let least = |table: &Table| {
        if table.is_left_alone() {
            thresholds.dead_rows_left_alone
        } else {
            thresholds.dead_rows
        }
    };
    let piles = |table: &Table| table.n_dead_tup >= least(table) && table.dead_pct >= thresholds.dead_pct;
    let suspects = tables.tables.iter().enumerate().filter(|(_, table)| piles(table));
    let Some((at, table)) = suspects.max_by_key(|(_, table)| (table.is_left_alone(), table.n_dead_tup)) else {
        return ruled(CAUSE, &seen.id, "no table has many dead rows");
    };
    // A vacuum that left dead rows behind may also have come before they died.
    let holder = telemetry.horizon.as_ref().and_then(|horizon| {
        let mut holders = horizon.value.holders.iter();
        let holds = |holder: &&Holder| {
            holder.holds_tables_back()
                && (holder.xmin_age >= thresholds.holder_min_xids || table.was_vacuumed_in_vain(holder))
        };
        holders.find(holds).map(|_| horizon.id.as_str())
    });
    let held_back = table.has("vacuum_blocked") || holder.is_some();
    let tended = tables.is_tended(table);
    let mut signals_for = vec![signal(
        &seen.id,
        format!(
            "`{}` has {} dead rows ({:.0} %)",
            table.full_name(),
            table.n_dead_tup,
            table.dead_pct
        ),
    )];
    if table.is_left_alone() {
        signals_for.push(signal(&seen.id, "autovacuum is switched off for it"));
    }
    let mut signals_against = Vec::new();
    if held_back {
        let evidence = holder.unwrap_or(&seen.id);
        signals_against.push(signal(
            evidence,
            "a vacuum could not remove them: something holds it back",
        ));
    }
    if tended {
        signals_against.push(signal(&seen.id, "a vacuum is at work on it"));
    }
    Case {
        cause: CAUSE,
        evidence: &seen.id,
        confidence_pct: confidence(
            50,
            &[
                (table.is_left_alone(), 15),
                (table.dead_pct >= thresholds.mostly_dead_pct, 15),
                (held_back, -30),
                (tended, -20),
            ],
        ),
        explanation: format!(
            "Dead rows make up {:.0} % of `{}`, and autovacuum has not removed them. Every scan of it reads them all. A VACUUM \
             makes their space usable again; why autovacuum stayed behind is for afterwards.",
            table.dead_pct,
            table.full_name(),
        ),
        signals_for,
        signals_against,
        object: Some(("table", format!("/tables/{at}"))),
    }
    .weigh(thresholds)
}

pub(super) fn assess_statistics(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::StaleStatistics;
    let Some(seen) = &telemetry.by_changes else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "table_health",
        };
    };
    let is_stale = |table: &Table| {
        (table.has("stale_statistics") || table.has("never_analyzed"))
            && table.n_live_tup >= thresholds.stale_min_rows
            && percent_of(table.n_mod_since_analyze, table.n_live_tup) >= thresholds.stale_changed_pct
    };
    let suspects = seen
        .value
        .tables
        .iter()
        .enumerate()
        .filter(|(_, table)| is_stale(table));
    let Some((at, table)) = suspects.max_by_key(|(_, table)| (table.is_left_alone(), table.n_mod_since_analyze)) else {
        return ruled(CAUSE, &seen.id, "no large table has changed much since it was analyzed");
    };
    let misjudged = table.estimated_rows.is_some_and(|estimated| {
        let rows = table.n_live_tup.max(1) as f64;
        (rows / estimated.max(1.0)).max(estimated.max(1.0) / rows) >= thresholds.misjudged_rows_factor
    });
    let slow = telemetry
        .at_work(thresholds.slow_statement_s)
        .filter(|at_work| !at_work.value.is_empty());
    let mostly_dead = table.dead_pct >= thresholds.mostly_dead_pct;
    let mut signals_for = vec![signal(
        &seen.id,
        format!(
            "{} rows of `{}` changed since it was analyzed; it has {}",
            table.n_mod_since_analyze,
            table.full_name(),
            table.n_live_tup
        ),
    )];
    if table.is_left_alone() {
        signals_for.push(signal(
            &seen.id,
            "autovacuum, which would analyze it, is switched off for it",
        ));
    }
    if misjudged {
        signals_for.push(signal(
            &seen.id,
            format!(
                "the planner believes in {:.0} rows",
                table.estimated_rows.unwrap_or(0.0)
            ),
        ));
    }
    if let Some(slow) = &slow {
        signals_for.push(signal(
            &slow.id,
            format!("{} statements run for long", slow.value.len()),
        ));
    }
    Case {
        cause: CAUSE,
        evidence: &seen.id,
        confidence_pct: confidence(
            35,
            &[
                (table.is_left_alone(), 35),
                (misjudged, 15),
                (slow.is_some(), 10),
                (mostly_dead, -15),
            ],
        ),
        explanation: format!(
            "`{}` is no longer what its statistics say: plans over it rest on a guess. ANALYZE samples it anew; it takes no \
             lock that readers or writers wait for.",
            table.full_name(),
        ),
        signals_for,
        signals_against: Vec::new(),
        object: Some(("table", format!("/tables/{at}"))),
    }
    .weigh(thresholds)
}

//! Indexes that are in the way, and indexes that are missing.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{ScannedTable, Suggestion, Telemetry};
use crate::thresholds::Thresholds;

pub(super) fn assess_invalid(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::InvalidIndex;
    let Some(seen) = &telemetry.indexes else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "index_health",
        };
    };
    let mut invalid = seen.value.invalid.rows.iter().enumerate();
    let Some((at, index)) = invalid.find(|(_, index)| index.build_phase.is_none()) else {
        return ruled(CAUSE, &seen.id, "no index is invalid, but for one that is being built");
    };
    Case {
        cause: CAUSE,
        evidence: &seen.id,
        confidence_pct: confidence(55, &[]),
        explanation: format!(
            "Index `{}.{}` on `{}` is invalid: a concurrent build failed and left it behind. Every write keeps it up, and no \
             query reads it.",
            index.schema, index.index, index.table,
        ),
        signals_for: vec![signal(
            &seen.id,
            format!("`{}.{}` is invalid, and nothing builds it", index.schema, index.index),
        )],
        signals_against: Vec::new(),
        object: Some(("index", format!("/invalid/rows/{at}"))),
    }
    .weigh(thresholds)
}

pub(super) fn assess_missing(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::MissingIndex;
    let Some(seen) = &telemetry.indexes else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "index_health",
        };
    };
    let suggestions = seen.value.advice.as_ref().map_or(&[][..], |advice| &advice.suggestions);
    let suggested = |table: &ScannedTable| {
        suggestions
            .iter()
            .find(|suggestion: &&Suggestion| suggestion.schema == table.schema && suggestion.table == table.table)
    };
    let scanned = seen.value.seq_scanned_tables.rows.iter().enumerate();
    let read = |table: &ScannedTable| table.seq_scan.saturating_mul(table.rows_per_seq_scan);
    let costly = scanned.filter(|(_, table)| {
        table.seq_scan >= thresholds.seq_scans
            && table.table_rows >= thresholds.scanned_rows
            && read(table) >= thresholds.rows_read
    });
    let Some((at, table)) = costly.max_by_key(|(_, table)| (suggested(table).is_some(), read(table))) else {
        return ruled(CAUSE, &seen.id, "no large table is read whole again and again");
    };
    let name = format!("{}.{}", table.schema, table.table);
    let suggestion = suggested(table);
    let keys = seen.value.foreign_keys_without_index.rows.iter();
    let key = keys.into_iter().find(|key| {
        let is_checked = key.referenced_deletes.max(key.referenced_updates) >= thresholds.seq_scans;
        key.schema == table.schema && key.table == table.table && is_checked
    });
    let mostly_scanned = table.seq_scan > table.idx_scan;
    // The counters are as old as the statistics: an index may have come since.
    let goes_on = telemetry.is_under_load(thresholds.busy_commits);
    let mut signals_for = vec![signal(
        &seen.id,
        format!(
            "`{name}` was read whole {} times, {} rows each, and by index {} times",
            table.seq_scan, table.rows_per_seq_scan, table.idx_scan
        ),
    )];
    if let Some(suggestion) = suggestion {
        signals_for.push(signal(
            &seen.id,
            format!(
                "an index on ({}) would make costly statements cheaper",
                suggestion.columns.join(", ")
            ),
        ));
    }
    if let Some(key) = key {
        let says = format!(
            "each change of a key of `{}` looks for ({}) in it, and no index has them",
            key.referenced,
            key.columns.join(", ")
        );
        signals_for.push(signal(&seen.id, says));
    }
    Case {
        cause: CAUSE,
        evidence: &seen.id,
        confidence_pct: confidence(40, &[(mostly_scanned && goes_on, 12), (suggestion.is_some() || key.is_some(), 20)]),
        explanation: format!(
            "Statements read `{name}` whole for want of an index. An index is a part of the schema: its owners build it, \
             concurrently, by a migration.",
        ),
        signals_for,
        signals_against: Vec::new(),
        object: Some(("table", format!("/seq_scanned_tables/rows/{at}"))),
    }
    .weigh(thresholds)
}

//! Transaction or multixact ids of a table grow old, and no vacuum freezes them.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{AgedTable, Telemetry};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::TransactionIdWraparound;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(horizon) = &telemetry.horizon else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "vacuum_horizon",
        };
    };
    let forced = |table: &AgedTable| table.xid_forced_pct.max(table.mxid_forced_pct);
    let tables = horizon.value.tables.iter().enumerate();
    let oldest = tables
        .filter(|(_, table)| table.toast_of.is_none())
        .max_by(|(_, one), (_, other)| forced(one).total_cmp(&forced(other)));
    // Whoever raised the forced age has not moved the end.
    let is_old = |table: &AgedTable| {
        forced(table) >= thresholds.forced_vacuum_pct || table.wraparound_pct >= thresholds.near_wraparound_pct
    };
    let Some((at, table)) = oldest.filter(|(_, table)| is_old(table)) else {
        return ruled(CAUSE, &horizon.id, "no table is old enough for a forced vacuum");
    };
    let name = format!("{}.{}", table.schema, table.table);
    Case {
        cause: CAUSE,
        evidence: &horizon.id,
        confidence_pct: confidence(75, &[(table.wraparound_pct >= thresholds.near_wraparound_pct, 25)]),
        explanation: format!(
            "`{name}` has not been frozen for so long that a vacuum is forced, or should be. Left alone, the server refuses \
             to write in the end. VACUUM (FREEZE) makes it young again; it takes no lock that readers or writers wait for.",
        ),
        signals_for: vec![signal(
            &horizon.id,
            format!(
                "`{name}` is {} transactions old: {:.0} % of the age that forces a vacuum, {:.1} % of the way to wraparound",
                table.xid_age,
                forced(table),
                table.wraparound_pct
            ),
        )],
        signals_against: Vec::new(),
        object: Some(("table", format!("/tables/{at}"))),
    }
    .weigh(thresholds)
}

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
    // Where nothing was ever frozen, all are of one age: then it is the largest that takes the time, and none of the catalogs.
    let order = |table: &AgedTable| (forced(table).round(), table.schema != "pg_catalog", table.bytes);
    let oldest = tables
        .filter(|(_, table)| table.toast_of.is_none())
        .max_by(|(_, one), (_, other)| {
            let (one, other) = (order(one), order(other));
            one.0.total_cmp(&other.0).then((one.1, one.2).cmp(&(other.1, other.2)))
        });
    // Whoever raised the forced age has not moved the end.
    let is_old = |table: &AgedTable| {
        forced(table) >= thresholds.forced_vacuum_pct || table.wraparound_pct >= thresholds.near_wraparound_pct
    };
    let Some((at, table)) = oldest.filter(|(_, table)| is_old(table)) else {
        return ruled(CAUSE, &horizon.id, "no table is old enough for a forced vacuum");
    };
    let name = format!("{}.{}", table.schema, table.table);
    // A second vacuum would wait for the first: then that one is the object, and no runbook starts another.
    let mut vacuums = horizon.value.vacuums.iter();
    let at_work = vacuums.position(|vacuum| vacuum.table.as_ref() == Some(&name));
    let says = format!("a vacuum is at work on `{name}` already: see whether it is throttled, and leave it alone");
    let signals_against = at_work.map(|_| signal(&horizon.id, says)).into_iter().collect();
    let object = match at_work {
        Some(vacuum) => ("vacuum", format!("/vacuums/{vacuum}")),
        None => ("table", format!("/tables/{at}")),
    };
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
        signals_against,
        object: Some(object),
    }
    .weigh(thresholds)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;
    use crate::test_evidence::{healthy, record};
    use crate::thresholds::THRESHOLDS;

    #[test]
    fn of_tables_of_one_age_the_largest_is_named_or_the_vacuum_that_is_at_work_on_it() {
        let table = |schema: &str, table: &str, bytes: i64, forced_pct: f64| {
            json!({"schema": schema, "table": table, "bytes": bytes, "xid_age": 1_048_576_307, "xid_forced_pct": forced_pct,
                   "mxid_forced_pct": 0.0, "wraparound_pct": 48.83})
        };
        let named = |vacuums: &serde_json::Value| {
            let mut evidence = healthy();
            let tables = json!([
                table("pg_catalog", "pg_proc", 900_000_000, 524.3),
                table("public", "files", 14_000_000, 524.29),
                table("public", "notes", 8_192, 524.3),
                table("public", "young", 90_000_000, 10.0),
            ]);
            let horizon = json!({"holders": [], "tables": tables, "vacuums": vacuums});
            evidence.push(record("E20", "vacuum_horizon", horizon));
            let hypothesis = assess(&Telemetry::read(&evidence), &THRESHOLDS).likely().unwrap();
            hypothesis
                .objects
                .into_values()
                .map(|object| object.pointer)
                .collect::<Vec<_>>()
        };
        assert_eq!(named(&json!([{"table": "public.notes"}])), ["/tables/1"]);
        let at_work = json!([{"table": "public.notes"}, {"table": "public.files"}]);
        assert_eq!(
            named(&at_work),
            ["/vacuums/1"],
            "a second vacuum would only wait for it"
        );
    }
}

//! A session's old transaction or snapshot keeps vacuum from removing the dead rows of the whole database.

use incident::{RootCause, Signal};

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
    if holder.is_on_a_standby() {
        return on_a_standby(telemetry, thresholds, &horizon.id, holder);
    }
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
    // A name proves nothing; believed, it only makes us leave the session alone.
    let is_backup = !idle && holder.application_name.as_deref() == Some("pg_dump");
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
        signals_for.push(kept.signal());
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
                (is_backup && !old, -25),
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

/// A standby passes on what its own queries still see (`hot_standby_feedback`): it is always a little behind, so that dead
/// rows alone tell. It names no object: ending the connection would end replication, and the query goes on elsewhere.
fn on_a_standby(telemetry: &Telemetry, thresholds: &Thresholds, evidence: &str, holder: &Holder) -> Assessment {
    let (kept, _) = dead_rows(telemetry, thresholds, holder);
    let far_back = holder.xmin_age >= thresholds.holder_min_xids;
    let many = kept.as_ref().is_some_and(|kept| kept.is_many);
    let who = match &holder.slot_name {
        Some(slot) => format!("the standby behind slot `{slot}`"),
        None => format!("the standby `{}`", name(holder.application_name.as_ref())),
    };
    let says = format!("{who} holds back {} transactions by its feedback", holder.xmin_age);
    let mut signals_for = vec![signal(evidence, says)];
    signals_for.extend(kept.map(|kept| kept.signal()));
    Case {
        cause: CAUSE,
        evidence,
        confidence_pct: confidence(30, &[(far_back && many, 35)]),
        explanation: format!(
            "A query or transaction on {who} keeps an old snapshot, and `hot_standby_feedback` holds vacuum back here for it. \
             Look for the oldest `xact_start` on the standby, and end it there.",
        ),
        signals_for,
        signals_against: Vec::new(),
        object: None,
    }
    .weigh(thresholds)
}

struct Kept<'a> {
    evidence: &'a str,
    table: String,
    rows: i64,
    is_many: bool,
}

impl Kept<'_> {
    fn signal(&self) -> Signal {
        let says = format!("`{}` has {} dead rows, and is due for a vacuum", self.table, self.rows);
        signal(self.evidence, says)
    }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use runbooks::Evidence;
    use serde_json::{Value, json};

    use super::*;
    use crate::test_evidence::{healthy, record, tables};
    use crate::thresholds::THRESHOLDS;

    fn held_by(holder: &Value, dead: i64) -> Vec<Evidence> {
        let mut evidence = healthy();
        evidence.push(record(
            "E20",
            "vacuum_horizon",
            json!({"holders": [holder], "tables": []}),
        ));
        let table = json!([{"schema": "s", "table": "t", "findings": [], "n_live_tup": 3000, "n_dead_tup": dead, "dead_pct": 90.0,
                            "n_mod_since_analyze": 0, "autovacuum": {"vacuum_at_dead_tup": 650}}]);
        evidence.push(tables("E21", "dead_tuples", &table));
        evidence
    }

    #[test]
    fn what_a_standby_holds_back_is_named_and_points_at_no_session_to_end() {
        let feedback = json!({"kind": "standby_feedback", "holds": "tables", "holds_horizon": true, "pid": 65, "xmin_age": 90_000});
        let by_slot = json!({"kind": "replication_slot", "holds": "tables", "holds_horizon": true, "pid": 65, "xmin_age": 90_000,
                             "slot_name": "standby_a", "state": "active"});
        for holder in [&feedback, &by_slot] {
            let named = assess(&Telemetry::read(&held_by(holder, 98_000)), &THRESHOLDS).likely();
            let hypothesis = named.unwrap();
            assert_eq!((hypothesis.root_cause, hypothesis.objects.len()), (CAUSE, 0));
            // A standby is always a little behind: so are vacuums.
            let ordinary = assess(&Telemetry::read(&held_by(holder, 900)), &THRESHOLDS);
            assert!(matches!(ordinary, Assessment::Ruled { .. }));
        }
        let mut gone = by_slot;
        *gone.get_mut("state").unwrap() = json!("inactive");
        let of_the_slot = assess(&Telemetry::read(&held_by(&gone, 98_000)), &THRESHOLDS);
        assert!(
            matches!(of_the_slot, Assessment::Ruled { .. }),
            "that one is the slot's fault"
        );
    }

    #[test]
    fn a_backup_of_some_seconds_is_left_alone_and_one_of_minutes_is_not() {
        let named = |application: &str, age_s: i64| {
            let holder = json!({"kind": "session", "holds": "tables", "holds_horizon": true, "pid": 65, "xmin_age": 90_000,
                                "application_name": application, "state": "active", "age_s": age_s});
            matches!(
                assess(&Telemetry::read(&held_by(&holder, 98_000)), &THRESHOLDS),
                Assessment::Likely(_)
            )
        };
        assert_eq!(
            (named("report", 12), named("pg_dump", 12), named("pg_dump", 900)),
            (true, false, true)
        );
    }
}

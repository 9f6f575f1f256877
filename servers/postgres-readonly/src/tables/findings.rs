//! What is wrong with a table, each with its reason in one sentence.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Bloat, Effective, Run, TableFact};

/// Dead rows that a vacuum of the last so many seconds left.
const JUST_VACUUMED_S: i64 = 3600;
const BLOATED_PCT: f64 = 30.0;
const BLOATED_BYTES: i64 = 10 << 20;
const MANY_UPDATES: i64 = 10_000;
const LOW_HOT_PCT: f64 = 50.0;
const MANY_ROWS: f64 = 10_000.0;
const MANY_SEQ_SCANS: i64 = 1000;
/// Half of what transaction ids have room for.
const OLD_XID_AGE: i64 = 1_000_000_000;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    pub code: Code,
    says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    DeadTuples,
    VacuumIneffective,
    Bloat,
    NeverAnalyzed,
    StaleStatistics,
    AutovacuumDisabled,
    VacuumBlocked,
    VacuumThrottled,
    Wraparound,
    LowHotRatio,
    SequentialScans,
}

pub fn findings(table: &TableFact, effective: &Effective, bloat: Option<&Bloat>, runs: &[&Run]) -> Vec<Finding> {
    let all = [
        dead_tuples(table, effective),
        statistics(table, effective),
        disabled(table, effective),
        bloat.and_then(bloated),
        old(table, effective),
        locked(table),
        hot(table),
        scans(table),
    ];
    let of_runs = runs.iter().filter_map(|run| running(run));
    all.into_iter().flatten().chain(of_runs).collect()
}

fn finding(code: Code, says: String) -> Option<Finding> {
    Some(Finding { code, says })
}

fn dead_tuples(table: &TableFact, effective: &Effective) -> Option<Finding> {
    if table.n_dead_tup <= effective.vacuum_at_dead_tup {
        return None;
    }
    let level = format!(
        "{} dead rows ({} %); autovacuum starts at {}",
        table.n_dead_tup,
        table.dead_pct(),
        effective.vacuum_at_dead_tup
    );
    match table.vacuum_age_s {
        Some(age_s) if age_s < JUST_VACUUMED_S => finding(
            Code::VacuumIneffective,
            format!(
                "{level}, and a vacuum {age_s} s ago left them or they are new: see whether vacuum_horizon names who holds them"
            ),
        ),
        Some(age_s) => finding(Code::DeadTuples, format!("{level}; last vacuumed {age_s} s ago")),
        None => finding(
            Code::DeadTuples,
            format!("{level}; not vacuumed since the statistics were reset, or ever"),
        ),
    }
}

fn statistics(table: &TableFact, effective: &Effective) -> Option<Finding> {
    if !table.analyzed() {
        let has_rows = table.n_live_tup > 0 || table.pages > 0 || table.kind == "partitioned_table";
        let who = match table.kind.as_str() {
            "partitioned_table" => "autovacuum never analyzes a partitioned table itself; ANALYZE it",
            _ => "the planner guesses; ANALYZE it",
        };
        return has_rows
            .then(|| finding(Code::NeverAnalyzed, format!("no statistics: {who}")))
            .flatten();
    }
    if table.n_mod_since_analyze <= effective.analyze_at_mod_tup {
        return None;
    }
    let age = table
        .analyze_age_s
        .map_or("unknown".to_owned(), |age_s| format!("{age_s} s ago"));
    finding(
        Code::StaleStatistics,
        format!(
            "{} rows changed since the last ANALYZE ({age}); autovacuum analyzes at {}",
            table.n_mod_since_analyze, effective.analyze_at_mod_tup
        ),
    )
}

fn disabled(table: &TableFact, effective: &Effective) -> Option<Finding> {
    let switched_off = !effective.enabled && table.kind != "partitioned_table";
    let own = table
        .reloptions
        .iter()
        .flatten()
        .any(|option| option.starts_with("autovacuum_enabled="));
    let by = if own {
        "the table's own autovacuum_enabled"
    } else {
        "the server's settings"
    };
    switched_off
        .then(|| {
            finding(
                Code::AutovacuumDisabled,
                format!("autovacuum is off by {by}: it runs only to prevent wraparound"),
            )
        })
        .flatten()
}

fn bloated(bloat: &Bloat) -> Option<Finding> {
    if bloat.pct < BLOATED_PCT || bloat.bytes < BLOATED_BYTES {
        return None;
    }
    finding(
        Code::Bloat,
        format!(
            "about {} MB ({} %) of the heap hold no live row; VACUUM makes them usable again, only a rewrite gives them back",
            bloat.bytes >> 20,
            bloat.pct
        ),
    )
}

fn old(table: &TableFact, effective: &Effective) -> Option<Finding> {
    let xid_age = table.xid_age.max(table.toast_xid_age).unwrap_or(0);
    let mxid_age = table.mxid_age.unwrap_or(0);
    let (what, age, max) = if xid_age > effective.freeze_max_age {
        ("transaction ids", xid_age, effective.freeze_max_age)
    } else if mxid_age > effective.multixact_freeze_max_age {
        ("multixact ids", mxid_age, effective.multixact_freeze_max_age)
    } else {
        return None;
    };
    let urgent = if age > OLD_XID_AGE {
        "; writes stop near 2100000000"
    } else {
        ""
    };
    finding(
        Code::Wraparound,
        format!("unfrozen for {age} {what}, past freeze_max_age {max}: autovacuum must freeze it{urgent}"),
    )
}

fn locked(table: &TableFact) -> Option<Finding> {
    let holders = table.locked_by.as_ref()?;
    let named: Vec<String> = holders
        .iter()
        .take(5)
        .map(|pid| pid.map_or_else(|| "a prepared transaction".to_owned(), |pid| format!("session {pid}")))
        .collect();
    finding(
        Code::VacuumBlocked,
        format!(
            "autovacuum passes it over: locks on it that VACUUM conflicts with are held by {}",
            named.join(", ")
        ),
    )
}

fn hot(table: &TableFact) -> Option<Finding> {
    let pct = table.hot_update_pct()?;
    if table.n_tup_upd < MANY_UPDATES || pct >= LOW_HOT_PCT || table.indexes == 0 {
        return None;
    }
    finding(
        Code::LowHotRatio,
        format!(
            "only {pct} % of {} updates were HOT: they change indexed columns or find no room on the page (fillfactor); each writes to {} index(es)",
            table.n_tup_upd, table.indexes
        ),
    )
}

#[expect(clippy::cast_precision_loss, reason = "an average for a sentence")]
fn scans(table: &TableFact) -> Option<Finding> {
    let rows_per_scan = table.seq_tup_read as f64 / table.seq_scan.max(1) as f64;
    let often = table.seq_scan >= MANY_SEQ_SCANS && table.seq_scan > table.idx_scan.unwrap_or(0);
    if !often || rows_per_scan < MANY_ROWS {
        return None;
    }
    finding(
        Code::SequentialScans,
        format!(
            "{} sequential scans read {rows_per_scan:.0} rows each, beside {} index scans: see index_health",
            table.seq_scan,
            table.idx_scan.unwrap_or(0)
        ),
    )
}

fn running(run: &Run) -> Option<Finding> {
    let doing = format!(
        "{} by pid {} ({}, {} s)",
        run.command,
        run.pid,
        run.phase.as_deref().unwrap_or("unknown phase"),
        run.running_s.unwrap_or(0)
    );
    if let Some(blockers) = run.blocked_by.as_ref().filter(|blockers| !blockers.is_empty()) {
        let named: Vec<String> = blockers.iter().take(5).map(ToString::to_string).collect();
        return finding(
            Code::VacuumBlocked,
            format!("{doing} waits for a lock of session(s) {}", named.join(", ")),
        );
    }
    (run.wait_event.as_deref() == Some("VacuumDelay"))
        .then(|| finding(Code::VacuumThrottled, format!("{doing} sleeps for its cost limit")))
        .flatten()
}

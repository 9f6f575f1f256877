//! Risks of what is set, and of what is left at a default that suits nobody.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Risk, Severity, bytes, limits, load::judge_switches, rounded};
use crate::facts::settings::Settings;

/// A setting that is dangerous, or worth being told, at one value.
struct Rule {
    name: &'static str,
    value: &'static str,
    code: &'static str,
    severity: Severity,
    why: &'static str,
}

const fn rule(
    name: &'static str,
    value: &'static str,
    code: &'static str,
    severity: Severity,
    why: &'static str,
) -> Rule {
    Rule {
        name,
        value,
        code,
        severity,
        why,
    }
}

const RULES: [Rule; 11] = [
    rule(
        "zero_damaged_pages",
        "on",
        "zero_damaged_pages_on",
        Severity::Critical,
        "damaged pages are replaced by empty ones, and their rows are gone",
    ),
    rule(
        "ignore_system_indexes",
        "on",
        "ignore_system_indexes_on",
        Severity::Critical,
        "it is for repair only and makes every look into the catalog slow",
    ),
    rule(
        "ignore_checksum_failure",
        "on",
        "ignore_checksum_failure_on",
        Severity::Critical,
        "damaged pages are used as if they were sound",
    ),
    rule(
        "synchronous_commit",
        "off",
        "synchronous_commit_off",
        Severity::Warning,
        "the last commits that clients were told of can be lost in a crash",
    ),
    rule(
        "session_replication_role",
        "replica",
        "session_replication_role_replica",
        Severity::Warning,
        "triggers and foreign keys do not fire",
    ),
    rule(
        "wal_level",
        "minimal",
        "wal_level_minimal",
        Severity::Warning,
        "no standby, no archive and no point-in-time recovery are possible",
    ),
    rule(
        "password_encryption",
        "md5",
        "password_encryption_md5",
        Severity::Warning,
        "who reads an md5 hash can log in with it",
    ),
    rule(
        "track_activities",
        "off",
        "track_activities_off",
        Severity::Warning,
        "nobody sees what sessions do",
    ),
    rule(
        "track_io_timing",
        "off",
        "track_io_timing_off",
        Severity::Info,
        "statistics and plans do not tell how long reads took",
    ),
    rule(
        "log_lock_waits",
        "off",
        "log_lock_waits_off",
        Severity::Info,
        "waits for locks leave no trace in the log",
    ),
    rule(
        "data_checksums",
        "off",
        "data_checksums_off",
        Severity::Info,
        "damage on disk is not noticed when it is read",
    ),
];

pub fn judge(settings: &Settings) -> Vec<Risk> {
    let switches: BTreeMap<String, Option<String>> = ["fsync", "full_page_writes", "autovacuum", "track_counts"]
        .map(|name| (name.to_owned(), settings.text(name).map(str::to_owned)))
        .into();
    let aurora = settings.all.keys().any(|name| name.starts_with("aurora"));
    let mut risks = judge_switches(&switches, aurora);
    risks.extend(
        RULES
            .iter()
            .filter(|rule| settings.is(rule.name, rule.value))
            .map(|rule| {
                let evidence = Value::Object([(rule.name.to_owned(), rule.value.into())].into_iter().collect());
                let what = format!("{} is {}: {}", rule.name, rule.value, rule.why);
                Risk::new(rule.code, rule.severity, what, evidence, "settings")
            }),
    );
    let more = [
        judge_work_mem(settings),
        judge_timeouts(settings),
        judge_max_connections(settings),
        judge_page_cost(settings),
        judge_statements(settings),
    ];
    risks.extend(more.into_iter().flatten());
    risks.extend(judge_pending(settings));
    risks
}

fn judge_work_mem(settings: &Settings) -> Option<Risk> {
    let (work_mem, shared_buffers) = (settings.bytes("work_mem")?, settings.bytes("shared_buffers")?);
    let connections = settings.number("max_connections")?;
    let pct = 100.0 * work_mem * connections / shared_buffers.max(1.0);
    let severity = limits::WORK_MEM_PCT.judge(pct)?;
    let what = format!(
        "work_mem of {} in each of {connections} connections is {} times shared_buffers, and one statement may take several",
        bytes(work_mem as i64),
        rounded(pct / 100.0)
    );
    let evidence = json!({
        "work_mem_bytes": work_mem as i64,
        "max_connections": connections as i64,
        "shared_buffers_bytes": shared_buffers as i64,
        "times_shared_buffers": rounded(pct / 100.0),
    });
    Some(Risk::new("work_mem_high", severity, what, evidence, "settings"))
}

fn judge_timeouts(settings: &Settings) -> Option<Risk> {
    let idle = settings.number("idle_in_transaction_session_timeout");
    let statement = settings.number("statement_timeout");
    let (severity, what) = match (idle?, statement) {
        (0.0, Some(0.0)) => (
            Severity::Warning,
            "statement_timeout and idle_in_transaction_session_timeout are both 0: nothing ends a transaction that somebody forgot",
        ),
        (0.0, _) => (
            Severity::Info,
            "idle_in_transaction_session_timeout is 0: nothing ends an idle transaction that somebody forgot",
        ),
        _ => return None,
    };
    let evidence = json!({
        "statement_timeout_ms": statement.map(|ms| ms as i64),
        "idle_in_transaction_session_timeout_ms": idle.map(|ms| ms as i64),
    });
    Some(Risk::new("no_timeouts", severity, what, evidence, "settings"))
}

fn judge_max_connections(settings: &Settings) -> Option<Risk> {
    let connections = settings.number("max_connections")?;
    let severity = limits::MAX_CONNECTIONS.judge(connections)?;
    let what = format!("max_connections is {connections}: a pooler serves more clients with fewer server processes");
    Some(Risk::new(
        "max_connections_high",
        severity,
        what,
        json!({"max_connections": connections as i64}),
        "sessions",
    ))
}

fn judge_page_cost(settings: &Settings) -> Option<Risk> {
    let (random, sequential) = (settings.number("random_page_cost")?, settings.number("seq_page_cost")?);
    let evidence = json!({"random_page_cost": random, "seq_page_cost": sequential});
    let what = format!(
        "random_page_cost is {random}: that suits spinning disks; on SSD 1.1 to 2 makes the planner use indexes more"
    );
    (random >= 4.0 * sequential)
        .then(|| Risk::new("random_page_cost_of_disks", Severity::Info, what, evidence, "settings"))
}

fn judge_statements(settings: &Settings) -> Option<Risk> {
    let libraries = settings.text("shared_preload_libraries")?;
    let what = "pg_stat_statements is not in shared_preload_libraries: nobody can tell which statements cost most";
    (!libraries.contains("pg_stat_statements")).then(|| {
        let evidence = json!({"shared_preload_libraries": libraries});
        Risk::new(
            "pg_stat_statements_not_loaded",
            Severity::Info,
            what,
            evidence,
            "settings",
        )
    })
}

fn judge_pending(settings: &Settings) -> Option<Risk> {
    let waiting = settings.all.values().filter(|setting| setting.row.pending_restart);
    let names: Vec<&str> = waiting.map(|setting| setting.row.name.as_str()).collect();
    let severity = limits::PENDING_RESTART.judge(names.len() as f64)?;
    let what = format!(
        "{} setting(s) take effect only after a restart: {}",
        names.len(),
        names.join(", ")
    );
    Some(Risk::new(
        "pending_restart",
        severity,
        what,
        json!({"settings": names}),
        "settings",
    ))
}

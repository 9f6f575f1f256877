//! What AWS says of a cause that SQL has shown. It may strengthen it, and lower its rank; it alone rules none out.

use incident::{Hypothesis, RootCause, Signal};
use runbooks::Evidence;
use serde_json::Value;

use super::instance::risen_by;
use crate::causes::{Assessment, signal};
use crate::cloud::{Change, Cloud};
use crate::thresholds::Thresholds;

const AGREES_PCT: u8 = 5;
const DISAGREES_PCT: u8 = 5;
const MOST_PCT: u8 = 97;

/// Adds to a hypothesis what AWS knows of it. `own` is AWS's own assessment of the same cause.
pub(crate) fn bear_witness(
    hypothesis: &mut Hypothesis,
    own: Option<&Assessment>,
    cloud: &Cloud,
    evidence: &[Evidence],
    thresholds: &Thresholds,
) {
    let mut agreeing = of_locks(hypothesis, cloud, evidence);
    agreeing.extend(of_connections(hypothesis.root_cause, cloud));
    let mut disagreeing = Vec::new();
    match own {
        Some(Assessment::Likely(same)) => {
            hypothesis.confidence_pct = hypothesis.confidence_pct.max(same.confidence_pct);
            agreeing.extend(same.signals_for.iter().cloned());
        }
        Some(Assessment::Ruled { because, .. }) => disagreeing.extend(because.iter().cloned()),
        Some(Assessment::Blind { .. }) | None => {}
    }
    if !agreeing.is_empty() {
        let surer = hypothesis.confidence_pct.saturating_add(AGREES_PCT).min(MOST_PCT);
        hypothesis.confidence_pct = surer.max(hypothesis.confidence_pct);
    }
    if !disagreeing.is_empty() {
        // What SQL sees now may be younger than what AWS has averaged: it stays a hypothesis.
        let less = hypothesis.confidence_pct.saturating_sub(DISAGREES_PCT);
        hypothesis.confidence_pct = less.max(thresholds.likely_pct.min(hypothesis.confidence_pct));
    }
    hypothesis.signals_for.extend(agreeing);
    hypothesis.signals_against.extend(disagreeing);
}

/// That others wait, and for whom.
fn of_locks(hypothesis: &Hypothesis, cloud: &Cloud, evidence: &[Evidence]) -> Vec<Signal> {
    let is_lock = matches!(
        hypothesis.root_cause,
        RootCause::IdleInTransactionBlocker
            | RootCause::DdlLockQueue
            | RootCause::ActiveBlocker
            | RootCause::AdvisoryLockHolder
            | RootCause::PreparedTransaction
    );
    if !is_lock {
        return Vec::new();
    }
    let mut found = Vec::new();
    let objects = hypothesis
        .objects
        .values()
        .filter_map(|object| object.resolve(evidence));
    let pids: Vec<i64> = objects
        .filter_map(|object| object.get("pid").and_then(Value::as_i64))
        .collect();
    if let Some(locks) = &cloud.locks {
        let waits = locks.value.lock_waits.iter();
        let for_it: Vec<_> = waits
            .filter(|wait| wait.holder_pids.iter().any(|pid| pids.contains(pid)))
            .collect();
        if let Some(longest) = for_it.iter().map(|wait| wait.longest_ms).max_by(f64::total_cmp) {
            let count: u64 = for_it.iter().map(|wait| wait.waits).sum();
            let says = format!(
                "the log has {count} waits for a lock that this process holds, the longest of {:.0} s",
                longest / 1e3
            );
            found.push(signal(&locks.id, says));
        }
    }
    if let Some(compared) = &cloud.compared
        && let Some(wait) = compared.value.risen(|wait| wait.starts_with("Lock:"))
    {
        found.push(signal(&compared.id, risen_by(&wait.wait, wait.delta_aas)));
    }
    found
}

/// That clients are turned away.
fn of_connections(cause: RootCause, cloud: &Cloud) -> Option<Signal> {
    let failures = cloud
        .failures
        .as_ref()
        .filter(|_| cause == RootCause::ConnectionSaturation)?;
    let full = ["too_many_clients", "only_reserved_slots_left", "connection_limit"];
    let count = failures.value.count(&full);
    (count > 0).then(|| {
        signal(
            &failures.id,
            format!("the log has {count} clients that found no connection left"),
        )
    })
}

/// Of a database that SQL finds healthy: a load that did not rise speaks for it, and everything else against it.
pub(crate) fn for_healthy(hypothesis: &mut Hypothesis, cloud: &Cloud) {
    let before = hypothesis.signals_against.len();
    if let Some(compared) = &cloud.compared {
        let (now, then) = (compared.value.incident_aas, compared.value.baseline_aas);
        let says = signal(
            &compared.id,
            format!("{now:.1} sessions are active on average, {then:.1} an hour ago"),
        );
        match compared.value.change {
            Change::Same | Change::Fallen => hypothesis.signals_for.push(says),
            Change::Risen => hypothesis.signals_against.push(says),
            Change::NoData => {}
        }
    }
    hypothesis.signals_against.extend(of_errors(cloud));
    let anchor = hypothesis.signals_for.first().map(|first| first.evidence.clone());
    if let Some(anchor) = anchor {
        hypothesis.signals_against.extend(not_seen(cloud, &anchor));
    }
    if hypothesis.signals_against.len() > before {
        hypothesis.confidence_pct = hypothesis.confidence_pct.saturating_sub(10);
    }
}

/// Of what nobody can explain: what AWS saw, for whoever goes on.
pub(crate) fn for_unexplained(hypothesis: &mut Hypothesis, cloud: &Cloud) {
    if let Some(compared) = &cloud.compared
        && let Some(wait) = compared.value.risen(|_| true)
    {
        hypothesis
            .signals_for
            .push(signal(&compared.id, risen_by(&wait.wait, wait.delta_aas)));
    }
    hypothesis.signals_for.extend(of_errors(cloud));
    let anchor = hypothesis.signals_for.first().map(|first| first.evidence.clone());
    if let Some(anchor) = anchor {
        hypothesis.signals_against.extend(not_seen(cloud, &anchor));
    }
}

fn of_errors(cloud: &Cloud) -> Option<Signal> {
    let errors = cloud.errors.as_ref().filter(|errors| errors.value.errors_total > 0)?;
    let panics = errors.value.errors.iter().filter(|kind| kind.severity == "PANIC");
    let panics: u64 = panics.map(|kind| kind.count).sum();
    let mut says = format!("the log has {} errors within half an hour", errors.value.errors_total);
    if panics > 0 {
        says.push_str(&format!(", {panics} of them PANIC"));
    }
    Some(signal(&errors.id, says))
}

/// A signal needs evidence to stand on; what was not seen has none, and stands on what was.
fn not_seen(cloud: &Cloud, anchor: &str) -> Option<Signal> {
    let unseen: Vec<String> = cloud
        .unseen
        .iter()
        .map(|(tool, code)| format!("`{tool}` ({code})"))
        .collect();
    (!unseen.is_empty()).then(|| {
        signal(
            anchor,
            format!("not seen, for AWS gave no answer: {}", unseen.join(", ")),
        )
    })
}

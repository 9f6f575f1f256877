//! What changed between two windows: how much load, on which waits, by which statements. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    load::{Load, Wait, percent, two_digits},
    statements::{SqlLoad, SqlWait, Statements},
};

/// A change below this many active sessions is noise.
const NOISE_AAS: f64 = 0.25;
const MAX_CHANGES: usize = 10;

/// How the load of an instance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// In one of the windows no load was recorded, so nothing can be compared.
    NoData,
    Risen,
    Fallen,
    /// No more than noise.
    Same,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    pub change: Change,
    /// The answer in one sentence.
    pub summary: String,
    pub baseline_aas: f64,
    pub incident_aas: f64,
    pub delta_aas: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<f64>,
    /// Largest change first, at most ten, without those that are noise.
    pub waits: Vec<WaitChange>,
    /// Largest change first, at most ten, without those that are noise.
    pub statements: Vec<SqlChange>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WaitChange {
    pub wait: String,
    pub baseline_aas: f64,
    pub incident_aas: f64,
    pub delta_aas: f64,
    /// Part in the change of the whole load; more than 100 where others went the other way.
    pub share_of_change_pct: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SqlChange {
    pub digest_id: String,
    /// The text with literals replaced, as untrusted text; the API cuts it at 500 bytes.
    pub text: String,
    /// Where a statement is not among the baseline's largest, this much at most; 0 where it was not there at all.
    pub baseline_aas: f64,
    pub incident_aas: f64,
    pub delta_aas: f64,
    pub share_of_change_pct: f64,
    /// Not seen in the baseline; absent where the baseline has more statements than were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
    /// What it waits for in the window where it has more load, at most three.
    pub waits: Vec<SqlWait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_s: Option<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms_per_call: Option<Pair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Pair {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<f64>,
}

/// One window as read.
#[derive(Debug)]
pub struct Side {
    pub load: Load,
    pub statements: Statements,
}

impl Comparison {
    pub fn of(baseline: &Side, incident: &Side) -> Self {
        let delta = incident.load.aas - baseline.load.aas;
        let change = change(baseline, incident, delta);
        let waits = waits(&baseline.load.waits, &incident.load.waits, delta);
        let statements = statements(&baseline.statements, &incident.statements, delta);
        let vcpus = incident.load.vcpus.or(baseline.load.vcpus);
        Self {
            change,
            summary: sentence(change, baseline.load.aas, incident.load.aas, vcpus, &waits, &statements),
            baseline_aas: baseline.load.aas,
            incident_aas: incident.load.aas,
            delta_aas: two_digits(delta),
            vcpus,
            waits,
            statements,
        }
    }
}

fn change(baseline: &Side, incident: &Side, delta: f64) -> Change {
    match delta {
        _ if baseline.load.points == 0 || incident.load.points == 0 => Change::NoData,
        delta if delta >= NOISE_AAS => Change::Risen,
        delta if delta <= -NOISE_AAS => Change::Fallen,
        _ => Change::Same,
    }
}

fn waits(before: &[Wait], after: &[Wait], whole: f64) -> Vec<WaitChange> {
    let of = |waits: &[Wait], name: &str| waits.iter().find(|wait| wait.wait == name).map_or(0.0, |wait| wait.aas);
    let names: BTreeSet<&str> = before.iter().chain(after).map(|wait| wait.wait.as_str()).collect();
    let changes = names.into_iter().map(|name| {
        let (baseline_aas, incident_aas) = (of(before, name), of(after, name));
        WaitChange {
            wait: name.to_owned(),
            baseline_aas,
            incident_aas,
            delta_aas: two_digits(incident_aas - baseline_aas),
            share_of_change_pct: share(incident_aas - baseline_aas, whole),
        }
    });
    largest(changes, |change| change.delta_aas)
}

fn statements(before: &Statements, after: &Statements, whole: f64) -> Vec<SqlChange> {
    let by_digest = |all: &'_ Statements| -> BTreeMap<String, SqlLoad> {
        all.all.iter().map(|sql| (sql.digest_id.clone(), sql.clone())).collect()
    };
    let (old, new) = (by_digest(before), by_digest(after));
    let digests: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = digests.into_iter().filter_map(|digest| {
        let (was, is) = (old.get(digest), new.get(digest));
        let (baseline_aas, incident_aas) = (aas_in(was, before), aas_in(is, after));
        let larger = if incident_aas >= baseline_aas {
            is.or(was)
        } else {
            was.or(is)
        }?;
        let pair = |of: fn(&SqlLoad) -> Option<f64>| {
            let pair = Pair {
                baseline: was.and_then(of),
                incident: is.and_then(of),
            };
            (pair.baseline.is_some() || pair.incident.is_some()).then_some(pair)
        };
        Some(SqlChange {
            digest_id: digest.clone(),
            text: larger.text.clone(),
            baseline_aas: two_digits(baseline_aas),
            incident_aas: two_digits(incident_aas),
            delta_aas: two_digits(incident_aas - baseline_aas),
            share_of_change_pct: share(incident_aas - baseline_aas, whole),
            new: match was {
                Some(_) => Some(false),
                None => (!before.truncated).then_some(true),
            },
            waits: larger.waits.iter().take(3).cloned().collect(),
            calls_per_s: pair(|sql| sql.calls_per_s),
            latency_ms_per_call: pair(|sql| sql.latency_ms_per_call),
        })
    });
    largest(changes, |change| change.delta_aas)
}

/// A statement that is not among those read has no more load than the last of them.
fn aas_in(found: Option<&SqlLoad>, all: &Statements) -> f64 {
    match found {
        Some(sql) => sql.aas,
        None if all.truncated => all.all.last().map_or(0.0, |last| last.aas),
        None => 0.0,
    }
}

fn largest<T>(changes: impl Iterator<Item = T>, delta: fn(&T) -> f64) -> Vec<T> {
    let mut changes: Vec<T> = changes.filter(|change| delta(change).abs() >= NOISE_AAS).collect();
    changes.sort_by(|a, b| delta(b).abs().total_cmp(&delta(a).abs()));
    changes.truncate(MAX_CHANGES);
    changes
}

/// Parts are of the same direction as the whole, or negative.
fn share(part: f64, whole: f64) -> f64 {
    if whole.abs() < NOISE_AAS {
        return 0.0;
    }
    percent(part * whole.signum(), whole.abs())
}

fn sentence(
    change: Change,
    before: f64,
    after: f64,
    vcpus: Option<f64>,
    waits: &[WaitChange],
    statements: &[SqlChange],
) -> String {
    let verb = match change {
        Change::NoData => return "no load was recorded in one of the two windows; nothing can be compared".to_owned(),
        Change::Risen => "rose",
        Change::Fallen => "fell",
        Change::Same => "stayed",
    };
    let on = vcpus.map_or_else(String::new, |vcpus| format!(" on {vcpus:.0} vCPU"));
    let mut text = format!("load {verb} from {before:.1} to {after:.1} sessions active on average{on}");
    if let Some(wait) = waits.first() {
        text.push_str(&format!("; {} {:+.1}", wait.wait, wait.delta_aas));
    }
    if let Some(sql) = statements.first() {
        let seen = if sql.new == Some(true) { ", not seen before" } else { "" };
        text.push_str(&format!("; digest {} {:+.1}{seen}", sql.digest_id, sql.delta_aas));
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a failed set-up is a failed test")]
    use aws_telemetry::Scrubber;

    use super::*;

    fn side(aas: f64, waits: &[(&str, f64)], statements: &[(&str, f64)], truncated: bool) -> Side {
        let mut load = Load::of(&[], Some(4), &mut Scrubber::default());
        load.aas = aas;
        load.points = 15;
        load.waits = waits
            .iter()
            .map(|(wait, aas)| Wait {
                wait: (*wait).to_owned(),
                aas: *aas,
                share_pct: 0.0,
            })
            .collect();
        let all = statements.iter().map(|(digest, aas)| SqlLoad {
            digest_id: (*digest).to_owned(),
            text: format!("text of {digest}"),
            text_cut: false,
            aas: *aas,
            waits: Vec::new(),
            calls_per_s: None,
            latency_ms_per_call: None,
            rows_per_call: None,
        });
        Side {
            load,
            statements: Statements {
                all: all.collect(),
                truncated,
            },
        }
    }

    #[test]
    fn the_wait_and_the_statement_that_changed_most_come_first() {
        let before = side(
            2.0,
            &[("CPU", 1.5), ("IO:XactSync", 0.5)],
            &[("A", 1.0), ("B", 0.9)],
            false,
        );
        let after = side(
            9.0,
            &[("CPU", 1.0), ("Lock:transactionid", 7.5), ("IO:XactSync", 0.5)],
            &[("C", 7.0), ("A", 1.1)],
            false,
        );
        let found = Comparison::of(&before, &after);
        assert_eq!(found.change, Change::Risen);
        assert_eq!(
            found.summary,
            "load rose from 2.0 to 9.0 sessions active on average on 4 vCPU; Lock:transactionid +7.5; digest C +7.0, not seen before"
        );
        assert_eq!(
            found.waits.iter().map(|wait| wait.wait.as_str()).collect::<Vec<_>>(),
            ["Lock:transactionid", "CPU"]
        );
        assert_eq!(
            (found.waits[0].share_of_change_pct, found.waits[1].share_of_change_pct),
            (107.1, -7.1)
        );
        // A's change is noise; B is gone.
        let digests: Vec<(&str, f64)> = found
            .statements
            .iter()
            .map(|sql| (sql.digest_id.as_str(), sql.delta_aas))
            .collect();
        assert_eq!(digests, [("C", 7.0), ("B", -0.9)]);
    }

    #[test]
    fn what_was_not_read_is_not_taken_for_nothing() {
        let before = side(5.0, &[], &[("A", 3.0), ("B", 2.0)], true);
        let after = side(9.0, &[], &[("C", 6.0)], false);
        let found = Comparison::of(&before, &after);
        let new = &found.statements[0];
        assert_eq!(
            (new.digest_id.as_str(), new.baseline_aas, new.delta_aas, new.new),
            ("C", 2.0, 4.0, None)
        );
    }

    #[test]
    fn a_window_without_data_is_not_taken_for_an_idle_one() {
        let mut before = side(0.0, &[], &[], false);
        before.load.points = 0;
        let found = Comparison::of(&before, &side(9.0, &[("CPU", 9.0)], &[], false));
        assert_eq!(found.change, Change::NoData);
        let calm = side(1.0, &[("CPU", 1.0)], &[], false);
        assert_eq!(
            Comparison::of(&calm, &side(1.1, &[("CPU", 1.1)], &[], false)).change,
            Change::Same
        );
        assert_eq!(
            Comparison::of(&side(9.0, &[], &[], false), &calm).change,
            Change::Fallen
        );
    }
}

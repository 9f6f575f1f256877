//! One client holds so many idle sessions that the server has few or none left.

use std::collections::BTreeMap;

use incident::{EvidencePointer, Hypothesis, RootCause};

use super::{Assessment, confidence, signal};
use crate::telemetry::{Client, ConnectionUse, Telemetry, name, percent_of, whole_s};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::ConnectionSaturation;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(seen) = &telemetry.connections else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "sessions",
        };
    };
    let usage = &seen.value;
    let level = format!(
        "{} of {} connections are used ({:.0} % of what ordinary clients may have)",
        usage.used,
        usage.max_connections,
        usage.used_pct()
    );
    let ruled = |says: String| Assessment::Ruled {
        out: CAUSE,
        because: vec![signal(&seen.id, says)],
    };
    if usage.used_pct() < thresholds.saturated_used_pct {
        return ruled(level);
    }
    let hoarders = usage
        .groups
        .iter()
        .enumerate()
        .filter(|(_, client)| is_hoarder(client, usage, thresholds));
    let Some((index, client)) = hoarders.max_by_key(|(_, client)| client.idle) else {
        return ruled(format!("{level}, but no single client holds them idle"));
    };

    let who = format!(
        "`{}` as role `{}`",
        name(client.application_name.as_ref()),
        name(client.usename.as_ref())
    );
    let oldest_s = client.oldest_idle_s.map_or(0, whole_s);
    let signals_for = vec![
        signal(&seen.id, level),
        signal(
            &seen.id,
            format!(
                "{who} holds {} of them, {} idle, the oldest for {oldest_s} s",
                client.total, client.idle
            ),
        ),
    ];
    let waiting = telemetry
        .blocking
        .as_ref()
        .map_or(0, |blocking| blocking.value.waiters_total);
    let by_locks = percent_of(waiting, usage.used) >= thresholds.saturation_by_locks_pct;
    let mut signals_against = Vec::new();
    if let Some(blocking) = telemetry.blocking.as_ref().filter(|_| by_locks) {
        signals_against.push(signal(
            &blocking.id,
            format!("{waiting} sessions wait for locks: the pile may be a symptom"),
        ));
    }
    let pointer = format!("/connections/groups/{index}");
    Assessment::Likely(Box::new(Hypothesis {
        root_cause: CAUSE,
        confidence_pct: confidence(
            80,
            &[(usage.used_pct() >= thresholds.full_used_pct, 12), (by_locks, -35)],
        ),
        explanation: format!(
            "{who} keeps opening sessions and does not give them back. Ending its idle sessions makes room at once, and a \
             limit on its role keeps it from filling the server again; its working sessions and everyone else's stay.",
        ),
        signals_for,
        signals_against,
        objects: BTreeMap::from([(
            "client".to_owned(),
            EvidencePointer {
                evidence: seen.id.clone(),
                pointer,
            },
        )]),
    }))
}

fn is_hoarder(client: &Client, usage: &ConnectionUse, thresholds: &Thresholds) -> bool {
    percent_of(client.total, usage.used) >= thresholds.hoarder_share_pct
        && percent_of(client.idle, client.total) >= thresholds.hoarder_idle_pct
        && client
            .oldest_idle_s
            .is_some_and(|age| whole_s(age) >= thresholds.hoarder_oldest_idle_s)
}

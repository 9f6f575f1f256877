//! One client holds so many idle sessions that the server has few or none left.

use std::collections::BTreeMap;

use incident::{EvidencePointer, Hypothesis, RootCause};

use super::{Assessment, Case, confidence, signal};
use crate::telemetry::{Client, ConnectionUse, Session, Telemetry, name, percent_of, whole_s};
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
        return match forgetful(usage, thresholds) {
            Some(client) => left_open(telemetry, &seen.id, &level, client, thresholds),
            None => match scattered(usage, thresholds) {
                Some(role) => under_many_names(telemetry, &seen.id, &level, &role, thresholds),
                None => ruled(format!("{level}, but no single client holds them idle")),
            },
        };
    };

    let who = who(client);
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

/// A client that keeps its sessions, most of them in transactions that it does not end.
fn forgetful<'a>(usage: &'a ConnectionUse, thresholds: &Thresholds) -> Option<&'a Client> {
    let unused = |client: &Client| client.idle.saturating_add(client.idle_in_transaction);
    let forgets = |client: &&Client| {
        percent_of(client.total, usage.used) >= thresholds.hoarder_share_pct
            && percent_of(unused(client), client.total) >= thresholds.hoarder_idle_pct
            && client.idle_in_transaction > client.idle
    };
    usage.groups.iter().filter(forgets).max_by_key(|client| unused(client))
}

/// It points at the session that is open longest, not at the client: what ends idle sessions would leave those in a
/// transaction, and they are the trouble.
fn left_open(
    telemetry: &Telemetry,
    evidence: &str,
    level: &str,
    client: &Client,
    thresholds: &Thresholds,
) -> Assessment {
    let who = who(client);
    let holds = format!(
        "{who} holds {} of them, {} idle in transaction and {} idle",
        client.total, client.idle_in_transaction, client.idle
    );
    let is_its = |session: &Session| {
        session.usename == client.usename
            && session.application_name == client.application_name
            && session
                .state
                .as_deref()
                .is_some_and(|state| state.starts_with("idle in transaction"))
    };
    Case {
        cause: CAUSE,
        evidence,
        confidence_pct: confidence(65, &[]),
        explanation: format!(
            "{who} opens transactions and does not end them, and so gives no session back. Its owner has to; until then \
             `idle_in_transaction_session_timeout` on its role ends those that are forgotten.",
        ),
        signals_for: vec![signal(evidence, level), signal(evidence, holds)],
        signals_against: Vec::new(),
        object: first_session(telemetry, is_its),
    }
    .weigh(thresholds)
}

/// A role whose sessions sit idle under so many names that none of them alone is the hoarder.
struct Scattered<'a> {
    role: Option<&'a String>,
    names: usize,
    total: i64,
    idle: i64,
    oldest_idle_s: i64,
}

fn scattered<'a>(usage: &'a ConnectionUse, thresholds: &Thresholds) -> Option<Scattered<'a>> {
    let of_role = |client: &'a Client| {
        let own = || usage.groups.iter().filter(|group| group.usename == client.usename);
        Scattered {
            role: client.usename.as_ref(),
            names: own().count(),
            total: own().map(|group| group.total).sum(),
            idle: own().map(|group| group.idle).sum(),
            oldest_idle_s: own()
                .filter_map(|group| group.oldest_idle_s)
                .map(whole_s)
                .max()
                .unwrap_or(0),
        }
    };
    let hoards = |of: &Scattered| {
        percent_of(of.total, usage.used) >= thresholds.hoarder_share_pct
            && percent_of(of.idle, of.total) >= thresholds.hoarder_idle_pct
            && of.oldest_idle_s >= thresholds.hoarder_oldest_idle_s
    };
    usage.groups.iter().map(of_role).filter(hoards).max_by_key(|of| of.idle)
}

/// It points at one of the role's sessions: the runbook ends those of one name, and there are many.
fn under_many_names(
    telemetry: &Telemetry,
    evidence: &str,
    level: &str,
    of: &Scattered<'_>,
    thresholds: &Thresholds,
) -> Assessment {
    let role = name(of.role);
    let holds = format!(
        "role `{role}` holds {} of them under {} names, {} idle, the oldest for {} s",
        of.total, of.names, of.idle, of.oldest_idle_s
    );
    let is_its = |session: &Session| session.usename.as_ref() == of.role && session.state.as_deref() == Some("idle");
    Case {
        cause: CAUSE,
        evidence,
        confidence_pct: confidence(65, &[]),
        explanation: format!(
            "Role `{role}` keeps sessions under many application names and does not use them. Its owner has to give them \
             back, or put a pooler in front; a limit on the role keeps it from filling the server again.",
        ),
        signals_for: vec![signal(evidence, level), signal(evidence, holds)],
        signals_against: Vec::new(),
        object: first_session(telemetry, is_its),
    }
    .weigh(thresholds)
}

/// The sessions come with the oldest transaction first.
fn first_session(telemetry: &Telemetry, is_it: impl Fn(&Session) -> bool) -> Option<(&'static str, String)> {
    let at = telemetry.sessions.as_ref()?.value.iter().position(is_it)?;
    Some(("session", format!("/sessions/{at}")))
}

fn who(client: &Client) -> String {
    format!(
        "`{}` as role `{}`",
        name(client.application_name.as_ref()),
        name(client.usename.as_ref())
    )
}

fn is_hoarder(client: &Client, usage: &ConnectionUse, thresholds: &Thresholds) -> bool {
    percent_of(client.total, usage.used) >= thresholds.hoarder_share_pct
        && percent_of(client.idle, client.total) >= thresholds.hoarder_idle_pct
        && client
            .oldest_idle_s
            .is_some_and(|age| whole_s(age) >= thresholds.hoarder_oldest_idle_s)
}

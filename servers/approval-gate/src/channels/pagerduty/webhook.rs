//! A webhook of PagerDuty (v3): whether it is theirs and new, who wrote the note, and what it means.

use std::collections::BTreeMap;
use std::sync::Arc;

use approval::{Account, Decision};
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use kit::Secret;
use runbooks::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::super::mac;
use super::super::word::{Word, answer, refused};
use super::PagerDuty;
use crate::deciding::Decided;
use crate::gate::Gate;
use crate::refusal::Refusal;

/// How many digits of the digest a note repeats: few enough for a phone.
pub const DIGITS: usize = 8;

/// A body that PagerDuty signed. It is made by checking the signature and by nothing else.
#[derive(Debug)]
#[must_use]
pub struct Signed<'a> {
    body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Checks that one of the signatures is one of the secrets': both sides have two while a secret is replaced.
    ///
    /// # Errors
    /// When none is.
    pub fn check(headers: &HeaderMap, body: &'a [u8], secrets: &[Secret<String>]) -> Result<Self, Refusal> {
        let values = headers.get_all("x-pagerduty-signature").iter();
        let signatures = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let signatures = signatures
            .filter_map(|one| one.trim().strip_prefix("v1="))
            .take(MAX_SIGNATURES);
        for signature in signatures {
            if secrets
                .iter()
                .any(|secret| mac::verify(secret, &[body], signature).is_some())
            {
                return Ok(Self { body });
            }
        }
        Err(refused("channel_bad_signature", "this is not signed by PagerDuty"))
    }
}

#[derive(Deserialize)]
struct Delivery {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    event_type: String,
    occurred_at: DateTime<Utc>,
    agent: Option<Agent>,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Note {
    content: String,
    #[serde(default)]
    trimmed: bool,
    #[serde(default)]
    incident: Reference,
}

#[derive(Deserialize, Default)]
struct Reference {
    #[serde(default)]
    id: String,
}

/// Takes a webhook; `None`: it decides nothing.
///
/// # Errors
/// When it says something that counts for nothing; that is journalled.
pub fn take(gate: &Gate, pagerduty: &Arc<PagerDuty>, signed: &Signed<'_>) -> Result<Option<Decided>, Refusal> {
    let malformed = || refused("malformed_webhook", "this is no webhook of PagerDuty's third version");
    let delivery: Delivery = serde_json::from_slice(signed.body).map_err(|_| malformed())?;
    let event = delivery.event;
    if event.event_type != "incident.annotated" {
        return Ok(None);
    }
    let note: Note = serde_json::from_value(event.data.clone()).map_err(|_| malformed())?;
    let Some(said) = Said::read(&note.content) else {
        return Ok(None);
    };
    let heard = hear(gate, &event, &said, note.trimmed);
    let (text, incident, pagerduty) = (answer(&heard), note.incident.id, pagerduty.clone());
    tokio::spawn(async move { pagerduty.reply(&incident, &text).await });
    heard.map(Some)
}

fn hear(gate: &Gate, event: &Event, said: &Said, is_trimmed: bool) -> Result<Decided, Refusal> {
    let checked = check(gate, event, said, is_trimmed).and_then(|user| Ok((user, said.subject()?)));
    match checked {
        Ok((user, (request, digest))) => {
            let word = Word {
                account: Account::Pagerduty { user },
                decision: said.decision,
                request,
                digest,
                via: json!({"event": short(&event.id)}),
            };
            let heard = gate.hear(&word);
            // What could not be journalled decided nothing: PagerDuty sends it again, and then it must be new.
            if heard
                .as_ref()
                .is_err_and(|refusal| refusal.code.starts_with("journal_"))
            {
                forget(gate, &event.id)?;
            }
            heard
        }
        Err(refusal) => {
            let agent = event
                .agent
                .as_ref()
                .map(|agent| json!({"user": short(&agent.id), "type": short(&agent.kind)}));
            let words = json!({"account": agent, "decision": said.decision, "via": {"event": short(&event.id)}});
            let about = said.subject().map_or_else(|_| gate.id.clone(), |(request, _)| request);
            gate.refuse_word(&about, &refusal, words)?;
            Err(refusal)
        }
    }
}

/// A note that means to decide.
struct Said {
    decision: Decision,
    words: Vec<String>,
}

impl Said {
    fn read(content: &str) -> Option<Self> {
        // Phones put a capital first.
        let mut words = content.split_whitespace().map(str::to_ascii_lowercase);
        let decision = match words.next()?.as_str() {
            "approve" => Decision::Approve,
            "reject" => Decision::Reject,
            _ => return None,
        };
        Some(Self {
            decision,
            words: words.take(3).collect(),
        })
    }

    fn subject(&self) -> Result<(String, String), Refusal> {
        let subject = match self.words.as_slice() {
            [request, digest] => Word::subject(request, digest, DIGITS),
            _ => None,
        };
        let (request, digest) = subject.ok_or_else(|| {
            refused(
                "malformed_note",
                "a note that decides is a verb, a request and eight digits of the digest",
            )
        })?;
        Ok((request.to_owned(), digest.to_owned()))
    }
}

/// Who wrote it, once it is sure that it was a person, just now, for the first time.
fn check(gate: &Gate, event: &Event, said: &Said, is_trimmed: bool) -> Result<String, Refusal> {
    let now = gate.now();
    if now.since(Timestamp::from(event.occurred_at)).abs() > WINDOW_S {
        return Err(refused(
            "channel_stale",
            "this happened too long ago, or by another clock",
        ));
    }
    match remember(gate, &event.id, now) {
        // Taken before, and perhaps lost in a crash right then: a no that has not stopped anything yet is heard again.
        Err(refusal) if refusal.code == "channel_replayed" && can_stop(gate, said)? => {}
        remembered => remembered?,
    }
    if is_trimmed {
        return Err(refused("malformed_note", "this note was cut"));
    }
    // Without an agent it may have been automation.
    let agent = event
        .agent
        .as_ref()
        .filter(|agent| agent.kind == "user_reference" && !agent.id.is_empty());
    let agent = agent.ok_or_else(|| refused("channel_bot", "only people decide"))?;
    Ok(agent.id.clone())
}

fn can_stop(gate: &Gate, said: &Said) -> Result<bool, Refusal> {
    let (Decision::Reject, Ok((request, _))) = (said.decision, said.subject()) else {
        return Ok(false);
    };
    let request = gate.store.view(|rows| rows.request(&request))?;
    Ok(request.is_some_and(|request| request.can_be_rejected()))
}

/// The signature holds no time, so what was taken is kept for as long as it could be sent again.
fn remember(gate: &Gate, event: &str, now: Timestamp) -> Result<(), Refusal> {
    let replayed = || refused("channel_replayed", "this was taken before");
    gate.store.change(|change| {
        let mut seen: BTreeMap<String, i64> = change.mark(SEEN)?.unwrap_or_default();
        seen.retain(|_, at| now.unix() - *at <= 2 * WINDOW_S);
        if event.is_empty() || event.len() > 128 || seen.len() >= MAX_SEEN {
            return Err(replayed());
        }
        if seen.insert(event.to_owned(), now.unix()).is_some() {
            return Err(replayed());
        }
        change.set_mark(SEEN, &seen)
    })
}

fn forget(gate: &Gate, event: &str) -> Result<(), Refusal> {
    gate.store.change(|change| {
        let mut seen: BTreeMap<String, i64> = change.mark(SEEN)?.unwrap_or_default();
        seen.remove(event);
        change.set_mark(SEEN, &seen)
    })
}

fn short(text: &str) -> String {
    crate::text::excerpt(text, 64)
}

const SEEN: &str = "pagerduty events";
const MAX_SEEN: usize = 5_000;
const MAX_SIGNATURES: usize = 8;
/// PagerDuty tries again for some hours; no request waits longer than that.
const WINDOW_S: i64 = 6 * 3_600;

//! A click: who made it, on which message, and what it means. By ids alone; names are anybody's to choose.

use std::sync::Arc;
use std::time::Duration;

use approval::{Account, Decision};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NAME, Slack, blocks};
use crate::channels::courier::notice_of;
use crate::channels::word::{Word, answer, refused};
use crate::deciding::Decided;
use crate::gate::Gate;
use crate::refusal::Refusal;

/// The parts of a `block_actions` payload that matter.
#[derive(Debug, Deserialize)]
pub struct Click {
    #[serde(rename = "type")]
    kind: String,
    user: Option<User>,
    container: Option<Container>,
    #[serde(default)]
    actions: Vec<Pressed>,
    response_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    id: String,
    #[serde(default)]
    team_id: String,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Debug, Deserialize)]
struct Container {
    #[serde(default)]
    message_ts: String,
    #[serde(default)]
    channel_id: String,
}

#[derive(Debug, Deserialize)]
struct Pressed {
    #[serde(default)]
    action_id: String,
    value: Option<String>,
}

/// Takes a click whose origin was proven, and answers who made it. Returns within the time that Slack waits; what takes
/// longer goes on behind it.
pub async fn take(gate: Arc<Gate>, slack: Arc<Slack>, click: Click) {
    let taking = tokio::spawn(async move {
        let Some(answer) = decide(&gate, &slack, &click).await else {
            return;
        };
        if let Some(url) = click.response_url {
            tokio::spawn(async move { slack.reply(&url, &answer).await });
        }
    });
    if tokio::time::timeout(PATIENCE, taking).await.is_err() {
        tracing::warn!(channel = NAME, "a click takes long");
    }
}

/// What is answered; nothing to a click that decides nothing.
async fn decide(gate: &Gate, slack: &Slack, click: &Click) -> Option<String> {
    let [pressed] = click.actions.as_slice() else {
        return None;
    };
    let decision = match (click.kind.as_str(), pressed.action_id.as_str()) {
        ("block_actions", blocks::APPROVE) => Decision::Approve,
        ("block_actions", blocks::REJECT) => Decision::Reject,
        _ => return None,
    };
    if let Some(subject) = subject(pressed) {
        wait_for_notice(gate, &subject.0).await;
    }
    let heard = tokio::task::block_in_place(|| hear(gate, slack, click, pressed, decision));
    Some(answer(&heard))
}

fn hear(gate: &Gate, slack: &Slack, click: &Click, pressed: &Pressed, decision: Decision) -> Result<Decided, Refusal> {
    let subject = subject(pressed);
    let checked = check(gate, slack, click, subject.as_ref().map(|subject| subject.0.as_str()));
    match (checked, subject) {
        (Ok(account), Some((request, digest))) => gate.hear(&Word {
            account,
            decision,
            request,
            digest,
            via: via(click),
        }),
        (Err(refusal), subject) => {
            let user = click
                .user
                .as_ref()
                .map(|user| json!({"user": short(&user.id), "team": short(&user.team_id)}));
            let said = json!({"account": user, "decision": decision, "via": via(click)});
            let about = subject.map_or_else(|| gate.id.clone(), |(request, _)| request);
            gate.refuse_word(&about, &refusal, said)?;
            Err(refusal)
        }
        (Ok(_), None) => Err(malformed()),
    }
}

/// Who clicked, once it is sure that it was a member of the team, and on the gate's own message.
fn check(gate: &Gate, slack: &Slack, click: &Click, request: Option<&str>) -> Result<Account, Refusal> {
    let request = request.ok_or_else(malformed)?;
    let user = click
        .user
        .as_ref()
        .filter(|user| !user.id.is_empty())
        .ok_or_else(malformed)?;
    if user.is_bot {
        return Err(refused("channel_bot", "bots decide nothing"));
    }
    if user.team_id != slack.team {
        return Err(refused("channel_other_team", "this account is of another team"));
    }
    let notice = gate.store.view(|rows| notice_of(rows, NAME, request))?;
    let is_ours = |container: &Container| {
        let posts = notice.iter().flat_map(|notice| &notice.posts);
        posts
            .into_iter()
            .any(|post| post.ts == container.message_ts && post.channel == container.channel_id)
    };
    // Whoever holds the bot's token can post any text over these buttons. Once nothing is told any more, the gate has
    // forgotten its messages, and says itself that it is too late.
    let is_known = match &notice {
        Some(_) => click.container.as_ref().is_some_and(is_ours),
        None => !is_open(gate, request)?,
    };
    if !is_known {
        return Err(refused("channel_other_message", "this message is not the gate's own"));
    }
    Ok(Account::Slack {
        team: user.team_id.clone(),
        user: user.id.clone(),
    })
}

fn is_open(gate: &Gate, request: &str) -> Result<bool, Refusal> {
    let request = gate.store.view(|rows| rows.request(request))?;
    Ok(request.is_some_and(|request| request.due().is_some()))
}

/// A click may come in before the gate has written down which message it posted.
async fn wait_for_notice(gate: &Gate, request: &str) {
    let written = async {
        loop {
            let changed = gate.store.changed.notified();
            let notice = tokio::task::block_in_place(|| gate.store.view(|rows| notice_of(rows, NAME, request)));
            let waits = tokio::task::block_in_place(|| is_open(gate, request)).unwrap_or(false);
            if !matches!(notice, Ok(None)) || !waits {
                return;
            }
            changed.await;
        }
    };
    let _ = tokio::time::timeout(NOTICE_PATIENCE, written).await;
}

/// Request and digest, as the button carries them.
fn subject(pressed: &Pressed) -> Option<(String, String)> {
    let (request, digest) = pressed.value.as_deref()?.split_once(' ')?;
    let (request, digest) = Word::subject(request, digest, blocks::DIGITS)?;
    Some((request.to_owned(), digest.to_owned()))
}

fn via(click: &Click) -> Value {
    match &click.container {
        Some(container) => json!({"channel": short(&container.channel_id), "message": short(&container.message_ts)}),
        None => Value::Null,
    }
}

fn short(text: &str) -> String {
    crate::text::excerpt(text, 64)
}

fn malformed() -> Refusal {
    refused("malformed_click", "this click names no person or no request")
}

/// Slack waits three seconds for an answer.
const PATIENCE: Duration = Duration::from_millis(2_500);
const NOTICE_PATIENCE: Duration = Duration::from_millis(1_500);

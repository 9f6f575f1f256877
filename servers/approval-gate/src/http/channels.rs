//! `POST /v1/channels/…`: what Slack and PagerDuty send. Nothing is parsed before its signature was checked.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::json;
use url::form_urlencoded;

use super::blocking;
use crate::channels::{pagerduty, refused, slack};
use crate::gate::Gate;
use crate::refusal::Refusal;

pub fn routes(gate: &Gate) -> Router<Arc<Gate>> {
    let mut routes = Router::new();
    let channels = &gate.channels;
    if channels
        .slack
        .as_ref()
        .is_some_and(|slack| slack.signing_secret.is_some())
    {
        routes = routes.route("/v1/channels/slack/interactions", post(slack_interaction));
    }
    if channels
        .pagerduty
        .as_ref()
        .is_some_and(|pagerduty| !pagerduty.webhook_secrets.is_empty())
    {
        routes = routes.route("/v1/channels/pagerduty/webhook", post(pagerduty_webhook));
    }
    routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Slack wants an empty yes within three seconds, and shows anything else as a fault: whoever clicked is answered apart.
async fn slack_interaction(
    State(gate): State<Arc<Gate>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let (slack, secret) = gate
        .channels
        .slack
        .as_ref()
        .and_then(|slack| Some((slack, slack.signing_secret.as_ref()?)))
        .ok_or_else(off)?;
    let signed = slack::Signed::check(&headers, &body, secret, &slack.replays, gate.now())
        .inspect_err(|refusal| unproven(&gate, slack::NAME, refusal))?;
    let click = parse_form(signed.body()).ok_or_else(|| refused("malformed_click", "this is no interaction"))?;
    slack::take(gate.clone(), slack.clone(), click).await;
    Ok(StatusCode::OK)
}

/// PagerDuty sends again whatever is not answered with a yes; a refusal is an answer.
async fn pagerduty_webhook(
    State(gate): State<Arc<Gate>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let pagerduty = gate.channels.pagerduty.as_ref().ok_or_else(off)?;
    let signed = pagerduty::Signed::check(&headers, &body, &pagerduty.webhook_secrets)
        .inspect_err(|refusal| unproven(&gate, "pagerduty", refusal))?;
    match blocking(|| pagerduty::take(&gate, pagerduty, &signed)) {
        Ok(decided) => Ok(Json(json!({"decided": decided})).into_response()),
        // Nothing was decided and nothing journalled: it must come again.
        Err(refusal) if refusal.code.starts_with("journal_") || refusal.code == "internal" => Err(refusal),
        Err(refusal) => Ok(Json(refusal.to_value()).into_response()),
    }
}

/// Journals what only a replay or a stranger sends; not more often than once a minute, so that nobody fills the journal.
fn unproven(gate: &Gate, channel: &str, refusal: &Refusal) {
    tracing::warn!(
        channel,
        code = refusal.code,
        "something was sent that is not the vendor's, or not new"
    );
    if gate.channels.strangers.may_note(gate.now()) {
        let noted = blocking(|| gate.refuse_word(&gate.id, refusal, json!({"channel": channel})));
        if let Err(error) = noted {
            tracing::error!(channel, error = %error, "it could not be journalled");
        }
    }
}

fn parse_form(body: &[u8]) -> Option<slack::Click> {
    let mut payloads = form_urlencoded::parse(body).filter(|(key, _)| key == "payload");
    match (payloads.next(), payloads.next()) {
        (Some((_, payload)), None) => serde_json::from_str(&payload).ok(),
        _ => None,
    }
}

fn off() -> Refusal {
    refused("channel_off", "this channel is not configured")
}

const MAX_BODY_BYTES: usize = 512 << 10;

//! Slack's Web API, PagerDuty's Events API and a Teams workflow on loopback: keep what they are sent, and answer as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Notify;

use super::{SIGNING_SECRET, WEBHOOK_SECRETS};
use crate::world::{Gate, TEAM, account, now};

/// One request that the gate sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub path: String,
    pub bearer: String,
    pub body: Value,
}

pub struct StandIn {
    pub url: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    sent: Mutex<Vec<Sent>>,
    /// What the next calls of these paths are answered with.
    faults: Mutex<VecDeque<(String, u16, Value)>>,
    socket: Mutex<String>,
    changed: Notify,
}

impl StandIn {
    pub async fn start() -> Self {
        let kept = Arc::new(Kept::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(answer).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, kept }
    }

    /// The next call of this path fails so; 429 asks for a second.
    pub fn fail_next(&self, path: &str, status: u16, body: Value) {
        self.kept
            .faults
            .lock()
            .unwrap()
            .push_back((path.to_owned(), status, body));
    }

    pub fn open_sockets_at(&self, url: &str) {
        *self.kept.socket.lock().unwrap() = url.to_owned();
    }

    pub fn sent(&self, path: &str) -> Vec<Sent> {
        let sent = self.kept.sent.lock().unwrap();
        sent.iter().filter(|sent| sent.path == path).cloned().collect()
    }

    pub fn everything(&self) -> Vec<Sent> {
        self.kept.sent.lock().unwrap().clone()
    }

    /// The first request to this path that is so, as soon as it was sent.
    pub async fn wait(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let changed = self.kept.changed.notified();
                if let Some(sent) = self.sent(path).iter().find(|sent| is_it(&sent.body)) {
                    return sent.body.clone();
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        found.unwrap_or_else(|_| panic!("{path} never came: {:#?}", self.everything()))
    }

    /// The message of this request, and the time that names it.
    pub async fn posted(&self, request: &str) -> (Value, String) {
        let message = self.wait("/api/chat.postMessage", |body| is_about(body, request)).await;
        let ts = ts_of(&message);
        (message, ts)
    }

    /// What was told to the one person who clicked `nth`, from 0.
    pub async fn told(&self, nth: usize) -> String {
        let path = format!("/reply/{nth}");
        let reply = self.wait(&path, |_| true).await;
        assert_eq!(
            (&reply["response_type"], &reply["replace_original"]),
            (&json!("ephemeral"), &json!(false))
        );
        reply["text"].as_str().unwrap().to_owned()
    }

    /// A click as Slack tells of it, on the gate's message.
    pub fn click(&self, user: &str, action: &str, message: &Value, nth: usize) -> Value {
        let button = button(message, action).unwrap_or_else(|| json!({"value": value_of(message)}));
        json!({
            "type": "block_actions",
            "user": {"id": account(user), "username": user, "name": user, "team_id": TEAM},
            "api_app_id": "A0APP",
            "token": "no longer used",
            "container": {
                "type": "message", "message_ts": ts_of(message), "channel_id": message["channel"], "is_ephemeral": false,
            },
            "trigger_id": "12466734323.1395872398.0",
            "team": {"id": TEAM, "domain": "example"},
            "is_enterprise_install": false,
            "channel": {"id": message["channel"], "name": "prod"},
            "message": {"type": "message", "ts": ts_of(message), "text": message["text"], "blocks": message["blocks"]},
            "state": {"values": {}},
            "response_url": format!("{}/reply/{nth}", self.url),
            "actions": [{
                "action_id": action, "block_id": "b1", "text": {"type": "plain_text", "text": action, "emoji": false},
                "value": button["value"], "type": "button", "action_ts": "1548426417.840180",
            }],
        })
    }
}

async fn answer(State(kept): State<Arc<Kept>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let bearer = headers
        .get("authorization")
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let fault = {
        let mut faults = kept.faults.lock().unwrap();
        let is_next = faults.front().is_some_and(|(at, ..)| *at == path);
        if is_next { faults.pop_front() } else { None }
    };
    let ts = ts_of(&body);
    let answer = match (&fault, path.as_str()) {
        (Some((_, 429, _)), _) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "").into_response(),
        (Some((_, status, body)), _) => (StatusCode::from_u16(*status).unwrap(), Json(body.clone())).into_response(),
        (None, "/api/chat.postMessage" | "/api/chat.update") => {
            Json(json!({"ok": true, "channel": body["channel"], "ts": ts, "message": {"text": body["text"]}}))
                .into_response()
        }
        (None, "/api/apps.connections.open") => {
            Json(json!({"ok": true, "url": *kept.socket.lock().unwrap()})).into_response()
        }
        (None, "/v2/enqueue") => {
            let done = json!({"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]});
            (StatusCode::ACCEPTED, Json(done)).into_response()
        }
        (None, _) => StatusCode::OK.into_response(),
    };
    if fault.is_none() {
        kept.sent.lock().unwrap().push(Sent { path, bearer, body });
    }
    kept.changed.notify_waiters();
    answer
}

/// Slack names a message by its time; here it follows from what was posted.
fn ts_of(message: &Value) -> String {
    if let Some(ts) = message["ts"].as_str() {
        return ts.to_owned();
    }
    let sum = value_of(message)
        .bytes()
        .fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000);
    let sum = message["channel"]
        .as_str()
        .unwrap_or_default()
        .bytes()
        .fold(sum, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000);
    format!("1700000000.{sum:06}")
}

pub fn buttons(message: &Value) -> Vec<Value> {
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    let actions = blocks.into_iter().filter(|block| block["type"] == "actions");
    actions
        .flat_map(|block| block["elements"].as_array().unwrap().clone())
        .collect()
}

pub fn button(message: &Value, action: &str) -> Option<Value> {
    buttons(message)
        .into_iter()
        .find(|button| button["action_id"] == action)
}

pub fn is_about(body: &Value, request: &str) -> bool {
    buttons(body)
        .iter()
        .any(|button| button["url"].as_str().is_some_and(|url| url.ends_with(request)))
}

fn value_of(message: &Value) -> String {
    let reject = button(message, "reject").unwrap_or_default();
    reject["value"].as_str().unwrap_or_default().to_owned()
}

pub fn hmac(secret: &str, bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(bytes);
    hex::encode(mac.finalize().into_bytes())
}

pub fn form(click: &Value) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &click.to_string())
        .finish()
        .into_bytes()
}

pub fn slack_headers(secret: &str, at: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let signed = [format!("v0:{at}:").as_bytes(), body].concat();
    vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("x-slack-request-timestamp", at.to_string()),
        ("x-slack-signature", format!("v0={}", hmac(secret, &signed))),
    ]
}

pub const INTERACTIONS: &str = "/v1/channels/slack/interactions";
pub const WEBHOOK: &str = "/v1/channels/pagerduty/webhook";

/// Sends a click as Slack does, now, and expects the empty yes that Slack wants.
pub async fn press(gate: &Gate, click: &Value) {
    let body = form(click);
    let answer = gate
        .send(INTERACTIONS, &slack_headers(SIGNING_SECRET, now().unix(), &body), &body)
        .await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.text().await.unwrap(), "");
}

/// A note on an incident, as PagerDuty tells of it.
pub fn note(user: &str, content: &str, event: &str) -> Value {
    let at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    json!({"event": {
        "id": event,
        "event_type": "incident.annotated",
        "resource_type": "incident",
        "occurred_at": at,
        "agent": {
            "html_url": "https://acme.pagerduty.com/users/PLH1HKV", "id": account(user),
            "self": "https://api.pagerduty.com/users/PLH1HKV", "summary": user, "type": "user_reference",
        },
        "client": null,
        "data": {
            "incident": {
                "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "id": "PGR0VU2",
                "self": "https://api.pagerduty.com/incidents/PGR0VU2", "summary": "A little bump in the road",
                "type": "incident_reference",
            },
            "id": "P2LA89X",
            "content": content,
            "trimmed": false,
            "type": "incident_note",
        },
    }})
}

/// Sends a webhook as PagerDuty does; two signatures, of which only one is of a secret that the gate has.
pub async fn deliver(gate: &Gate, webhook: &Value) -> Value {
    let body = webhook.to_string().into_bytes();
    let signatures = format!(
        "v1={},v1={}",
        hmac("a-secret-of-before", &body),
        hmac(WEBHOOK_SECRETS[1], &body)
    );
    let answer = gate
        .send(WEBHOOK, &[("x-pagerduty-signature", signatures)], &body)
        .await;
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.unwrap()
}

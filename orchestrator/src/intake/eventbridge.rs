//! CloudWatch alarms by an API destination of EventBridge, which shows the key that its connection holds.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use incident::parse_alarm_event;
use runbooks::Digest;

use super::cloudwatch::take_alarm;
use super::{Body, Intake, is_authorised, refusal, unreadable};

const KEY_HEADER: &str = "x-api-key";

pub(super) async fn take_event(State(intake): State<Arc<Intake>>, headers: HeaderMap, body: Body) -> Response {
    let Some(key) = intake.eventbridge else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !shows_key(&headers, key) {
        let message = "send the configured key as `x-api-key`, or as a bearer";
        return refusal(StatusCode::UNAUTHORIZED, "key_missing", message, false);
    }
    match body {
        Ok(body) => take_alarm(&intake, parse_alarm_event(&body)).await,
        Err(rejection) => unreadable(&rejection),
    }
}

fn shows_key(headers: &HeaderMap, key: Digest) -> bool {
    let shown = headers.get(KEY_HEADER).map(|value| Digest::of(value.as_bytes()));
    shown == Some(key) || is_authorised(headers, key)
}

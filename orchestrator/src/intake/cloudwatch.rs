//! CloudWatch alarms by SNS, which shows nothing of ours: its signature is what is checked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use incident::{AlarmChange, AlarmError, parse_alarm_message};
use serde_json::json;

use super::{Body, Intake, later, not_taken, refusal, take_change, unreadable};
use crate::sns::{Delivery, Refusal};

pub(super) async fn take_message(State(intake): State<Arc<Intake>>, headers: HeaderMap, body: Body) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    let Some(listener) = &intake.sns else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match listener.receive(&headers, &body, Utc::now()).await {
        Ok(Delivery::Notification { message }) => take_alarm(&intake, parse_alarm_message(&message)).await,
        Ok(Delivery::Confirmed { topic }) => {
            tracing::info!(topic, "subscribed: alarms of this topic are taken");
            Json(json!({"subscribed": topic})).into_response()
        }
        Ok(Delivery::Unsubscribed { topic }) => {
            tracing::warn!(topic, "unsubscribed: no alarm of this topic comes in any more");
            Json(json!({"unsubscribed": topic})).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// Answers for one alarm, by whichever way it came.
pub(super) async fn take_alarm(intake: &Intake, read: Result<AlarmChange, AlarmError>) -> Response {
    let change = match read {
        Ok(change) => change,
        Err(error) => {
            tracing::warn!(
                code = error.code(),
                error = crate::chain(&error),
                "no alarm that can be read"
            );
            return refusal(StatusCode::BAD_REQUEST, error.code(), &crate::chain(&error), false);
        }
    };
    match take_change(intake, change).await {
        Ok(told) => (StatusCode::ACCEPTED, Json(json!({"alerts": [told]}))).into_response(),
        Err(error) => not_taken(&error),
    }
}

fn refused(error: &Refusal) -> Response {
    let (code, message) = (error.code(), crate::chain(error));
    tracing::warn!(code, error = message, "a message that claims to be of SNS was refused");
    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => later(code, &message),
        status => refusal(status, code, &message, false),
    }
}

//! Alertmanager's webhook, which shows our bearer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use incident::parse_alertmanager;
use serde_json::json;

use super::{Body, Intake, is_authorised, not_taken, refusal, take, unauthorised, unreadable};

pub(super) async fn take_delivery(State(intake): State<Arc<Intake>>, headers: HeaderMap, body: Body) -> Response {
    if !is_authorised(&headers, intake.bearer) {
        return unauthorised();
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    let delivery = match parse_alertmanager(&body) {
        Ok(delivery) => delivery,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.code(), &crate::chain(&error), false),
    };
    if delivery.truncated > 0 {
        tracing::warn!(
            truncated = delivery.truncated,
            "the sender left alerts out; raise `max_alerts` of the receiver"
        );
    }
    let mut told = Vec::with_capacity(delivery.alerts.len());
    for alert in delivery.alerts {
        match take(&intake, alert).await {
            Ok(one) => told.push(one),
            // What was taken before stays taken; the repeated delivery finds it as duplicates.
            Err(error) => return not_taken(&error),
        }
    }
    let refused: Vec<_> = delivery
        .refused
        .iter()
        .map(|one| json!({"index": one.index, "reason": one.reason}))
        .collect();
    (StatusCode::ACCEPTED, Json(json!({"alerts": told, "refused": refused}))).into_response()
}

//! Takes alerts over HTTP: authenticated, durable before the answer, idempotent, and 503 rather than forgetful.
//!
//! Alertmanager cuts a receiver off after 10 s and sends everything again, repeats 5xx at once and everything else at the
//! next group interval. So: journal, answer, work later; a full house is 503; what can never be read is 400.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use incident::{Alert, parse_alertmanager};
use runbooks::Digest;
use serde::Serialize;
use serde_json::json;
use store::{News, Received, StoreError};

use crate::pipeline::Pipeline;
use crate::workers::Workers;

const MAX_BODY_BYTES: usize = 1 << 20;
const RETRY_AFTER_S: &str = "15";

/// What the handlers share.
pub(crate) struct Intake {
    pub pipeline: Arc<Pipeline>,
    pub workers: Arc<Workers>,
    /// Of the bearer: equal digests tell nothing by the time it takes to compare them.
    pub bearer: Digest,
}

pub(crate) fn routes(intake: Arc<Intake>) -> Router {
    Router::new()
        .route("/v1/alerts/alertmanager", post(alertmanager))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(intake)
}

/// One alert's fate, in the answer.
#[derive(Serialize)]
struct Told {
    fingerprint: String,
    #[serde(flatten)]
    received: Option<Received>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<&'static str>,
}

async fn alertmanager(
    State(intake): State<Arc<Intake>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_authorised(&headers, intake.bearer) {
        let refusal = refusal(
            StatusCode::UNAUTHORIZED,
            "bearer_missing",
            "send the configured bearer token",
            false,
        );
        return ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response();
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refusal(rejection.status(), "unreadable_body", &rejection.body_text(), false),
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
            Err(error) => {
                tracing::error!(
                    code = error.code(),
                    error = crate::chain(&error),
                    "an alert could not be taken"
                );
                let refused = refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    error.code(),
                    &crate::chain(&error),
                    true,
                );
                return ([(header::RETRY_AFTER, RETRY_AFTER_S)], refused).into_response();
            }
        }
    }
    let refused: Vec<_> = delivery
        .refused
        .iter()
        .map(|one| json!({"index": one.index, "reason": one.reason}))
        .collect();
    (StatusCode::ACCEPTED, Json(json!({"alerts": told, "refused": refused}))).into_response()
}

async fn take(intake: &Intake, alert: Alert) -> Result<Told, StoreError> {
    let fingerprint = alert.episode.fingerprint.clone();
    let Some(target) = intake
        .pipeline
        .config
        .target_of(&alert)
        .map(|target| target.name.clone())
    else {
        tracing::warn!(
            alert = alert.name,
            fingerprint,
            "the alert is about no target that is configured"
        );
        return Ok(Told {
            fingerprint,
            received: None,
            ignored: Some("no_target"),
        });
    };
    let received = receive(&intake.pipeline, target.clone(), alert).await?;
    // Duplicates too: the first delivery may have been journalled and then refused for want of a published checkpoint.
    if let Some(id) = &received.incident {
        intake.workers.wake(id, &target);
    }
    Ok(Told {
        fingerprint,
        received: Some(received),
        ignored: None,
    })
}

/// Journals an alert; on return it is on the disk.
pub(crate) async fn receive(pipeline: &Pipeline, target: String, alert: Alert) -> Result<Received, StoreError> {
    let (store, max_open) = (
        Arc::clone(&pipeline.store),
        pipeline.config.orchestrator.max_open_incidents,
    );
    let watchers = pipeline.watchers.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let received = store.receive(&target, &alert, max_open)?;
        if let (News::Opened, Some(id)) = (received.news, &received.incident) {
            let opened = incident::Event::Opened {
                target,
                family: alert.family(),
                alert,
            };
            watchers.tell(id, opened);
        }
        Ok(received)
    });
    taken.await.unwrap_or_else(|error| {
        Err(StoreError::Io {
            path: "store".into(),
            source: std::io::Error::other(error),
        })
    })
}

async fn metrics(State(intake): State<Arc<Intake>>) -> Response {
    match intake.pipeline.store.open_incidents() {
        Ok(open) => {
            let text = format!(
                "# HELP countersign_open_incidents Incidents that are not closed.\n\
                 # TYPE countersign_open_incidents gauge\ncountersign_open_incidents {}\n",
                open.len()
            );
            (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                text,
            )
                .into_response()
        }
        Err(error) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            error.code(),
            &crate::chain(&error),
            true,
        ),
    }
}

fn is_authorised(headers: &HeaderMap, bearer: Digest) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token.is_some_and(|(_, token)| Digest::of(token.trim().as_bytes()) == bearer)
}

fn refusal(status: StatusCode, code: &str, message: &str, retryable: bool) -> Response {
    (
        status,
        Json(json!({"code": code, "message": message, "retryable": retryable})),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn shown(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        is_authorised(&headers, Digest::of(b"s3cret"))
    }

    #[test]
    fn only_the_whole_bearer_opens() {
        assert!(shown("Bearer s3cret"));
        assert!(shown("bearer s3cret"));
        for odd in ["Bearer s3cre", "Bearer", "Basic s3cret", "s3cret", "Bearer "] {
            assert!(!shown(odd), "{odd}");
        }
        assert!(!is_authorised(&HeaderMap::new(), Digest::of(b"")));
    }
}

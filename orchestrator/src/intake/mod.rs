//! Takes alerts over HTTP: authenticated, durable before the answer, idempotent, and 503 rather than forgetful.
//!
//! Alertmanager cuts a receiver off after 10 s and sends everything again, repeats 5xx at once and everything else at the
//! next group interval; SNS waits 15 s, repeats 5xx, and gives up what got a 4xx. So: journal, answer, work later; a full
//! house is 503; what can never be read is 400.

mod alertmanager;
mod cloudwatch;
mod eventbridge;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use incident::{AlarmChange, AlarmState, Alert};
use runbooks::Digest;
use serde::Serialize;
use serde_json::json;
use store::{News, Received, Store, StoreError};

use crate::pipeline::Pipeline;
use crate::sns::Listener;
use crate::workers::Workers;

const MAX_BODY_BYTES: usize = 1 << 20;
const RETRY_AFTER_S: &str = "15";

/// What the handlers share.
pub(crate) struct Intake {
    pub pipeline: Arc<Pipeline>,
    pub workers: Arc<Workers>,
    /// Of the bearer: equal digests tell nothing by the time it takes to compare them.
    pub bearer: Digest,
    /// Without topics, nothing is taken from SNS.
    pub sns: Option<Listener>,
    /// Of the key of the API destination; without one, nothing is taken from EventBridge.
    pub eventbridge: Option<Digest>,
}

/// A way in that is not configured is not there.
pub(crate) fn routes(intake: Arc<Intake>) -> Router {
    let mut router = Router::new()
        .route("/v1/alerts/alertmanager", post(alertmanager::take_delivery))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics));
    if intake.sns.is_some() {
        router = router.route("/v1/alerts/cloudwatch", post(cloudwatch::take_message));
    }
    if intake.eventbridge.is_some() {
        router = router.route("/v1/alerts/eventbridge", post(eventbridge::take_event));
    }
    router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(intake)
}

type Body = Result<Bytes, BytesRejection>;

/// One alert's fate, in the answer.
#[derive(Serialize)]
struct Told {
    fingerprint: String,
    #[serde(flatten)]
    received: Option<Received>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<&'static str>,
}

impl Told {
    fn ignored(fingerprint: String, why: &'static str) -> Self {
        Self {
            fingerprint,
            received: None,
            ignored: Some(why),
        }
    }

    fn received(fingerprint: String, received: Received) -> Self {
        Self {
            fingerprint,
            received: Some(received),
            ignored: None,
        }
    }
}

async fn take(intake: &Intake, alert: Alert) -> Result<Told, StoreError> {
    let fingerprint = alert.episode.fingerprint.clone();
    let Some(target) = target_of(intake, &alert.name, &alert.labels) else {
        return Ok(Told::ignored(fingerprint, "no_target"));
    };
    let received = receive(&intake.pipeline, target.clone(), alert).await?;
    wake(intake, &received, &target);
    Ok(Told::received(fingerprint, received))
}

async fn take_change(intake: &Intake, change: AlarmChange) -> Result<Told, StoreError> {
    let fingerprint = change.arn.clone();
    if change.state == AlarmState::InsufficientData {
        tracing::warn!(
            alarm = change.name,
            "the alarm has no data: what it watches is unknown, and nothing has recovered"
        );
    }
    let Some(target) = target_of(intake, &change.name, &change.labels) else {
        return Ok(Told::ignored(fingerprint, "no_target"));
    };
    let alert = change.alert();
    let received = in_store(
        &intake.pipeline,
        target.clone(),
        alert,
        move |store, target, max_open| store.receive_change(target, &change, max_open),
    );
    let received = received.await?;
    wake(intake, &received, &target);
    Ok(Told::received(fingerprint, received))
}

fn target_of(intake: &Intake, alert: &str, labels: &BTreeMap<String, String>) -> Option<String> {
    let target = intake.pipeline.config.target_of(labels);
    if target.is_none() {
        tracing::warn!(alert, ?labels, "the alert is about no target that is configured");
    }
    target.map(|target| target.name.clone())
}

/// Duplicates too: the first delivery may have been journalled and then refused for want of a published checkpoint.
fn wake(intake: &Intake, received: &Received, target: &str) {
    if let Some(id) = &received.incident {
        intake.workers.wake(id, target);
    }
}

/// Journals an alert; on return it is on the disk.
pub(crate) async fn receive(pipeline: &Pipeline, target: String, alert: Alert) -> Result<Received, StoreError> {
    let told = Some(alert.clone());
    in_store(pipeline, target, told, move |store, target, max_open| {
        store.receive(target, &alert, max_open)
    })
    .await
}

async fn in_store(
    pipeline: &Pipeline,
    target: String,
    alert: Option<Alert>,
    put: impl FnOnce(&Store, &str, u64) -> Result<Received, StoreError> + Send + 'static,
) -> Result<Received, StoreError> {
    let (store, max_open) = (
        Arc::clone(&pipeline.store),
        pipeline.config.orchestrator.max_open_incidents,
    );
    let watchers = pipeline.watchers.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let received = put(&store, &target, max_open)?;
        if let (News::Opened, Some(id), Some(alert)) = (received.news, &received.incident, alert) {
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
        Err(error) => later(error.code(), &crate::chain(&error)),
    }
}

/// What could not be kept was not taken; the source tries again.
fn not_taken(error: &StoreError) -> Response {
    tracing::error!(
        code = error.code(),
        error = crate::chain(error),
        "an alert could not be taken"
    );
    later(error.code(), &crate::chain(error))
}

fn later(code: &str, message: &str) -> Response {
    let refused = refusal(StatusCode::SERVICE_UNAVAILABLE, code, message, true);
    ([(header::RETRY_AFTER, RETRY_AFTER_S)], refused).into_response()
}

fn unreadable(rejection: &BytesRejection) -> Response {
    refusal(rejection.status(), "unreadable_body", &rejection.body_text(), false)
}

fn unauthorised() -> Response {
    let refusal = refusal(
        StatusCode::UNAUTHORIZED,
        "bearer_missing",
        "send the configured bearer token",
        false,
    );
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
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
mod tests;

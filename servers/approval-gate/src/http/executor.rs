//! What executors use, behind a bearer: orders are pulled, never pushed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Json, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use runbooks::Digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::gate::Gate;
use crate::preflight::Preflight;
use crate::refusal::Refusal;

pub fn routes(gate: Arc<Gate>) -> Router<Arc<Gate>> {
    Router::new()
        .route("/v1/executor/claim", post(claim))
        .route("/v1/executor/preflight/claim", post(claim_preflight))
        .route("/v1/executor/preflight", post(take_preflight))
        .route("/v1/executor/standing/{plan_digest}", get(standing))
        .route("/v1/executor/reports", post(report))
        .route_layer(from_fn_with_state(gate, check_bearer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    executor: String,
    environments: Vec<String>,
    #[serde(default)]
    wait_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportBody {
    order_id: String,
    kind: String,
    data: Value,
}

async fn claim(State(gate): State<Arc<Gate>>, Json(claim): Json<Claim>) -> Result<Response, Refusal> {
    let wait = Duration::from_secs(claim.wait_s.min(MAX_WAIT_S));
    Ok(match gate.claim(&claim.executor, &claim.environments, wait).await? {
        Some(order) => ([(header::CONTENT_TYPE, "application/json")], order).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn claim_preflight(State(gate): State<Arc<Gate>>, Json(claim): Json<Claim>) -> Result<Response, Refusal> {
    let wait = Duration::from_secs(claim.wait_s.min(MAX_WAIT_S));
    Ok(
        match gate.claim_preflight(&claim.executor, &claim.environments, wait).await? {
            Some(plan) => ([(header::CONTENT_TYPE, "application/json")], plan).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        },
    )
}

async fn take_preflight(State(gate): State<Arc<Gate>>, Json(found): Json<Preflight>) -> Result<Json<Value>, Refusal> {
    blocking(|| gate.take_preflight(found))?;
    Ok(Json(json!({"ok": true})))
}

async fn standing(State(gate): State<Arc<Gate>>, Path(plan): Path<String>) -> Result<impl IntoResponse, Refusal> {
    let plan: Digest = plan
        .parse()
        .map_err(|error| Refusal::because("malformed_digest", &error))?;
    let signed = blocking(|| gate.standing(plan))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], signed))
}

async fn report(State(gate): State<Arc<Gate>>, Json(report): Json<ReportBody>) -> Result<Json<Value>, Refusal> {
    blocking(|| gate.report(&report.order_id, &report.kind, report.data))?;
    Ok(Json(json!({"ok": true})))
}

/// Lets only the executor pass.
async fn check_bearer(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    if bearer.is_some_and(|bearer| is_same(Digest::of(bearer.as_bytes()), gate.bearer)) {
        next.run(request).await
    } else {
        let refusal = Refusal::new("no_bearer", "this needs the executor's bearer");
        let mut response = refusal.into_response();
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        response
    }
}

/// Compares in constant time: digests of equal length, every byte looked at.
fn is_same(a: Digest, b: Digest) -> bool {
    a.bytes()
        .iter()
        .zip(b.bytes())
        .fold(0, |difference, (a, b)| difference | (a ^ b))
        == 0
}

/// Proxies cut a silent request after 30 seconds.
const MAX_WAIT_S: u64 = 25;

//! What the CLI and `curl` of an approver use. Nothing here needs a login: a signature is the proof, and reading shows
//! what the pages show.

use std::sync::Arc;

use approval::Decision;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::deciding::Decided;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::view::{RequestView, Summary};

pub fn routes() -> Router<Arc<Gate>> {
    Router::new()
        .route("/v1/gate", get(about))
        .route("/v1/requests", get(list))
        .route("/v1/requests/{id}", get(show))
        .route("/v1/requests/{id}/statement", get(statement))
        .route("/v1/requests/{id}/decisions", post(decide))
        .route("/v1/freeze", post(freeze))
        .route("/v1/approvers", get(approvers).post(apply_approvers))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementQuery {
    approver: Option<String>,
    key: String,
    decision: Decision,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionQuery {
    approver: Option<String>,
    remark: Option<String>,
}

/// Who this gate is. Whoever must trust its key gets the key from its operator, not from here.
async fn about(State(gate): State<Arc<Gate>>) -> Result<Json<Value>, Refusal> {
    let freeze = blocking(|| gate.freeze_mark())?;
    Ok(Json(json!({
        "gate": gate.id,
        "environment": gate.environment,
        "audience": gate.audience,
        "public_key": gate.key.public_key().to_string(),
        "journal": gate.store.vkey(),
        "policy_digest": gate.policy.digest(),
        "catalog_digest": gate.catalog.digest(),
        "approvers_version": gate.approvers().version(),
        "freeze": freeze,
        "as_of": gate.now(),
    })))
}

async fn list(State(gate): State<Arc<Gate>>, Query(query): Query<ListQuery>) -> Result<Json<Vec<Summary>>, Refusal> {
    blocking(|| gate.requests(query.status.as_deref())).map(Json)
}

async fn show(State(gate): State<Arc<Gate>>, Path(id): Path<String>) -> Result<Json<RequestView>, Refusal> {
    blocking(|| gate.request(&id)).map(Json)
}

async fn statement(
    State(gate): State<Arc<Gate>>,
    Path(id): Path<String>,
    Query(query): Query<StatementQuery>,
) -> Result<impl IntoResponse, Refusal> {
    let bytes = blocking(|| gate.statement(&id, query.approver.as_deref(), &query.key, query.decision))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes))
}

async fn decide(
    State(gate): State<Arc<Gate>>,
    Path(id): Path<String>,
    Query(query): Query<DecisionQuery>,
    armored: String,
) -> Result<Json<Decided>, Refusal> {
    let remark = query.remark.as_deref().map(checked_remark).transpose()?;
    blocking(|| gate.decide(&id, query.approver.as_deref(), &armored, remark)).map(Json)
}

async fn freeze(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<Value>, Refusal> {
    let mark = blocking(|| gate.freeze(&envelope))?;
    Ok(Json(json!({"freeze": mark})))
}

async fn approvers(State(gate): State<Arc<Gate>>) -> Json<Value> {
    let approvers = gate.approvers();
    Json(json!({"version": approvers.version(), "people": approvers.people()}))
}

async fn apply_approvers(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<Value>, Refusal> {
    let version = blocking(|| gate.apply_approvers(&envelope))?;
    Ok(Json(json!({"version": version})))
}

fn checked_remark(remark: &str) -> Result<&str, Refusal> {
    if remark.chars().count() <= MAX_REMARK_CHARS {
        Ok(remark)
    } else {
        Err(Refusal::new(
            "malformed_remark",
            format!("a remark has at most {MAX_REMARK_CHARS} characters"),
        ))
    }
}

const MAX_REMARK_CHARS: usize = 500;

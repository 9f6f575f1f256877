//! What the CLI and `curl` of an approver use. Nothing here needs a login: a signature is the proof, and reading shows
//! what the pages show.

use std::sync::Arc;

use approval::{Decision, Proof, Signature};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::deciding::{Beside, Decided, Given};
use crate::enrolling::Registered;
use crate::gate::Gate;
use crate::granting::GrantView;
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
        .route("/v1/grants", get(grants).post(sign_grant))
        .route("/v1/grants/{id}", get(grant))
        .route("/v1/grants/{id}/revocation", post(revoke_grant))
        .route("/v1/approvers", get(approvers).post(apply_approvers))
        .route("/v1/invitations", post(invite))
        .route("/v1/registrations", get(registrations))
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
        "targets": gate.targets,
        "pages": gate.base_url(),
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
    let signature =
        Signature::from_armored(&armored).map_err(|error| Refusal::because("malformed_signature", &error))?;
    let beside = Beside {
        remark: remark.map(str::to_owned),
        review: None,
    };
    let given = Given::Proof(Proof::from(&signature));
    blocking(|| gate.decide(&id, query.approver.as_deref(), &given, &beside)).map(Json)
}

async fn freeze(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<Value>, Refusal> {
    let mark = blocking(|| gate.freeze(&envelope))?;
    Ok(Json(json!({"freeze": mark})))
}

async fn grants(State(gate): State<Arc<Gate>>) -> Result<Json<Vec<GrantView>>, Refusal> {
    blocking(|| gate.grants()).map(Json)
}

async fn grant(State(gate): State<Arc<Gate>>, Path(id): Path<String>) -> Result<Json<GrantView>, Refusal> {
    blocking(|| gate.grant(&id)).map(Json)
}

async fn sign_grant(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<GrantView>, Refusal> {
    let grant = blocking(|| gate.sign_grant(&envelope))?;
    blocking(|| gate.grant(&grant.id)).map(Json)
}

async fn revoke_grant(
    State(gate): State<Arc<Gate>>,
    Path(id): Path<String>,
    envelope: String,
) -> Result<Json<GrantView>, Refusal> {
    blocking(|| gate.revoke_grant(&envelope))?;
    blocking(|| gate.grant(&id)).map(Json)
}

async fn approvers(State(gate): State<Arc<Gate>>) -> Json<Value> {
    let approvers = gate.approvers();
    Json(json!({"version": approvers.version(), "people": approvers.people()}))
}

async fn apply_approvers(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<Value>, Refusal> {
    let version = blocking(|| gate.apply_approvers(&envelope))?;
    Ok(Json(json!({"version": version})))
}

async fn invite(State(gate): State<Arc<Gate>>, envelope: String) -> Result<Json<Value>, Refusal> {
    let invitation = blocking(|| gate.invite(&envelope))?;
    Ok(Json(
        json!({"invitation": invitation.id(), "valid_until": invitation.valid_until}),
    ))
}

async fn registrations(State(gate): State<Arc<Gate>>) -> Result<Json<Vec<Registered>>, Refusal> {
    blocking(|| gate.registered()).map(Json)
}

/// What somebody says beside a decision; also for the pages.
pub fn checked_remark(remark: &str) -> Result<&str, Refusal> {
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

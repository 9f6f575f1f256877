//! The HTTP side beside MCP: pages for people, an interface for their CLI, and one for executors.

mod channels;
mod executor;
mod grants;
mod pages;
mod people;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};

use crate::gate::Gate;
use crate::refusal::Refusal;

/// All routes of the gate but `/mcp`.
pub fn routes(gate: Arc<Gate>) -> Router {
    let executors = executor::routes(gate.clone());
    let channels = channels::routes(&gate);
    Router::new()
        .merge(pages::routes(gate.clone()))
        .merge(people::routes())
        .merge(executors)
        .merge(channels)
        .with_state(gate)
}

/// Runs what reads or writes the journal without holding up other requests.
fn blocking<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    tokio::task::block_in_place(work)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (status_of(self.code), Json(self.told().to_value())).into_response()
    }
}

fn status_of(code: &str) -> StatusCode {
    match code {
        "no_bearer" | "not_signed_in" => StatusCode::UNAUTHORIZED,
        "unknown_invitation" | "unknown_grant" | "unknown_request" | "unknown_execution" | "unknown_order"
        | "unknown_plan" | "unknown_preflight" => StatusCode::NOT_FOUND,
        "already_decided" | "invitation_followed" | "illegal_event" => StatusCode::CONFLICT,
        "journal_number" | "journal_event" | "journal_event_too_large" => StatusCode::UNPROCESSABLE_ENTITY,
        code if code.starts_with("malformed_") => StatusCode::BAD_REQUEST,
        code if code.starts_with("journal_") => StatusCode::SERVICE_UNAVAILABLE,
        "internal" | "content_missing" | "content_changed" | "state_changed" | "approvers_unwritable" => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::FORBIDDEN,
    }
}

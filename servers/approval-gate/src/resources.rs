//! The state of requests and executions, for reading: `approval://requests/{id}`, `approval://executions/{id}`.

use async_trait::async_trait;
use kit::{ResourceBody, ResourceEntry, ResourceTemplate, Resources, ToolError};

use crate::gate::Gate;
use crate::refusal::Refusal;

/// The gate's resources. None of them ever holds a token.
pub struct GateResources;

#[async_trait]
impl Resources<Gate> for GateResources {
    async fn list(&self, gate: &Gate) -> Result<Vec<ResourceEntry>, ToolError> {
        let requests = tokio::task::block_in_place(|| gate.requests(None))?;
        Ok(requests
            .into_iter()
            .map(|request| ResourceEntry {
                uri: format!("{REQUESTS}{}", request.id),
                name: request.id.clone(),
                description: format!("{}: {}", request.status, crate::text::visible(&request.title)),
                mime_type: "application/json",
            })
            .collect())
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![
            ResourceTemplate {
                uri_template: "approval://requests/{id}",
                name: "request",
                description: "An approval request: plan, evidence, policy decision, signatures, status",
                mime_type: "application/json",
            },
            ResourceTemplate {
                uri_template: "approval://executions/{id}",
                name: "execution",
                description: "An ordered execution: status, outcome, and what the executor reported",
                mime_type: "application/json",
            },
        ]
    }

    async fn read(&self, gate: &Gate, uri: &str) -> Result<Option<ResourceBody>, ToolError> {
        let body = if let Some(id) = uri.strip_prefix(REQUESTS) {
            tokio::task::block_in_place(|| gate.request(id)).and_then(as_json)
        } else if let Some(id) = uri.strip_prefix(EXECUTIONS) {
            tokio::task::block_in_place(|| gate.execution(id)).and_then(as_json)
        } else {
            return Ok(None);
        };
        match body {
            Ok(body) => Ok(Some(body)),
            Err(refusal) if matches!(refusal.code, "unknown_request" | "unknown_execution") => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

fn as_json(value: impl serde::Serialize) -> Result<ResourceBody, Refusal> {
    ResourceBody::json(&value).map_err(|error| Refusal::because("internal", &error))
}

const REQUESTS: &str = "approval://requests/";
const EXECUTIONS: &str = "approval://executions/";

//! What a server offers for reading beside its tools.

use async_trait::async_trait;
use serde::Serialize;

use crate::ToolError;

/// The resources of a server over its state `S`. Reading never changes anything.
#[async_trait]
pub trait Resources<S>: Send + Sync + 'static {
    /// Returns the resources worth listing, at most a few hundred, in a stable order.
    async fn list(&self, state: &S) -> Result<Vec<ResourceEntry>, ToolError>;

    /// Returns the URI templates of resources that are too many, or too short-lived, to list.
    fn templates(&self) -> Vec<ResourceTemplate> {
        Vec::new()
    }

    /// Returns the resource, or `None` if this server knows no such URI.
    async fn read(&self, state: &S, uri: &str) -> Result<Option<ResourceBody>, ToolError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceEntry {
    pub uri: String,
    pub name: String,
    pub description: String,
    pub mime_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate {
    /// RFC 6570, as in `approval://requests/{id}`.
    pub uri_template: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub mime_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceBody {
    pub mime_type: &'static str,
    pub text: String,
    /// How long a client may keep it, in milliseconds; 0 by default.
    pub fresh_for_ms: u64,
}

impl ResourceBody {
    /// Renders a value as JSON text.
    pub fn json(value: &impl Serialize) -> Result<Self, ToolError> {
        let text = serde_json::to_string(value)
            .map_err(|_| ToolError::new("internal", "the resource could not be written as JSON"))?;
        Ok(Self {
            mime_type: "application/json",
            text,
            fresh_for_ms: 0,
        })
    }

    pub fn markdown(text: impl Into<String>) -> Self {
        Self {
            mime_type: "text/markdown",
            text: text.into(),
            fresh_for_ms: 0,
        }
    }

    pub fn fresh_for_ms(self, fresh_for_ms: u64) -> Self {
        Self { fresh_for_ms, ..self }
    }
}

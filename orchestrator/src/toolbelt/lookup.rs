//! What an agent with a model may look up: the servers of one target, each answer recorded as evidence.

use std::time::Instant;

use agents::{Look, ToolSpec, Tools};
use async_trait::async_trait;
use chrono::Utc;
use runbooks::{Evidence, Timestamp};
use serde_json::{Map, Value};

use super::Toolbelt;
use crate::config::TargetSection;

/// The target is fixed here; nothing that is asked can change it.
pub struct Lookup<'a> {
    toolbelt: &'a Toolbelt,
    target: &'a TargetSection,
}

impl Toolbelt {
    #[must_use]
    pub fn lookup<'a>(&'a self, target: &'a TargetSection) -> Lookup<'a> {
        Lookup { toolbelt: self, target }
    }
}

#[async_trait]
impl Tools for Lookup<'_> {
    async fn list(&self) -> Vec<ToolSpec> {
        let mut specs = Vec::new();
        for server in self
            .target
            .servers
            .iter()
            .filter_map(|name| self.toolbelt.servers.get(name))
        {
            // A server that does not answer has no tools today.
            for tool in server.tools().await.unwrap_or_default() {
                specs.push(ToolSpec {
                    server: server.kind().to_owned(),
                    tool: tool.name.to_string(),
                    description: tool.description.unwrap_or_default().into_owned(),
                    schema: Value::Object(tool.input_schema.as_ref().clone()),
                });
            }
        }
        specs
    }

    async fn look(&self, id: String, server: &str, tool: &str, arguments: Map<String, Value>) -> Result<Look, String> {
        let started = Instant::now();
        let code = |error: super::CallError| error.code().to_owned();
        let server = self.toolbelt.of_kind(self.target, server).map_err(code)?;
        let result = server.call(tool, arguments.clone()).await.map_err(code)?;
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let at = Timestamp::from(Utc::now());
        let evidence = Evidence::record(id, server.kind(), tool, Value::Object(arguments), at, result)
            .map_err(|_| "malformed_answer".to_owned())?;
        Ok(Look { evidence, took_ms })
    }
}

//! One server: started when needed, started again when it died, each call bounded in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rmcp::ServiceError;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ReadResourceRequestParams, ReadResourceResponse,
    ResourceContents,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::call::CallError;
use super::connect::{Connection, connect};
use crate::config::ServerSection;

/// After so many calls in a row without an answer, the connection is given up: the server hangs.
const MAX_SILENT_CALLS: u32 = 2;
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub struct McpServer {
    name: String,
    section: ServerSection,
    connection: Mutex<Option<Arc<Connection>>>,
    silent_calls: AtomicU32,
}

impl McpServer {
    #[must_use]
    pub fn new(name: &str, section: ServerSection) -> Self {
        Self {
            name: name.to_owned(),
            section,
            connection: Mutex::new(None),
            silent_calls: AtomicU32::new(0),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of our servers it is: what evidence is recorded under.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.section.kind.as_deref().unwrap_or(&self.name)
    }

    pub async fn start(&self) -> Result<(), CallError> {
        self.connected().await.map(drop)
    }

    pub async fn stop(&self) {
        let Some(connection) = self.connection.lock().await.take() else {
            return;
        };
        if let Some(mut connection) = Arc::into_inner(connection)
            && let Err(error) = connection.close_with_timeout(STOP_TIMEOUT).await
        {
            tracing::warn!(server = self.name, %error, "the server did not stop cleanly");
        }
    }

    /// Calls a tool and returns its structured result. A broken connection is opened again, once.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Value, CallError> {
        match self.call_once(tool, arguments.clone()).await {
            Err(error) if error.is_of_the_connection() => self.call_once(tool, arguments).await,
            answer => answer,
        }
    }

    /// What it offers, as it says itself.
    pub async fn tools(&self) -> Result<Vec<rmcp::model::Tool>, CallError> {
        let connection = self.connected().await?;
        self.bounded("tools/list", connection.list_all_tools()).await
    }

    /// Reads a resource that is one JSON text.
    pub async fn read(&self, uri: &str) -> Result<Value, CallError> {
        match self.read_once(uri).await {
            Err(error) if error.is_of_the_connection() => self.read_once(uri).await,
            answer => answer,
        }
    }

    async fn call_once(&self, tool: &str, arguments: Map<String, Value>) -> Result<Value, CallError> {
        let connection = self.connected().await?;
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match self.bounded(tool, connection.call_tool_once(request)).await? {
            CallToolResponse::Complete(result) => structured(tool, result),
            CallToolResponse::InputRequired(_) | CallToolResponse::Task(_) => {
                let reason = "it asks for more than was declared here".to_owned();
                Err(CallError::Malformed {
                    tool: tool.to_owned(),
                    reason,
                })
            }
            _ => Err(CallError::Malformed {
                tool: tool.to_owned(),
                reason: "an unknown kind of result".to_owned(),
            }),
        }
    }

    async fn read_once(&self, uri: &str) -> Result<Value, CallError> {
        let malformed = |reason: String| CallError::Malformed {
            tool: uri.to_owned(),
            reason,
        };
        let connection = self.connected().await?;
        let answer = self
            .bounded(uri, connection.read_resource_once(ReadResourceRequestParams::new(uri)))
            .await?;
        let ReadResourceResponse::Complete(result) = answer else {
            return Err(malformed("it asks for more than was declared here".to_owned()));
        };
        match result.contents.as_slice() {
            [ResourceContents::TextResourceContents { text, .. }] => {
                serde_json::from_str(text).map_err(|e| malformed(e.to_string()))
            }
            other => Err(malformed(format!("{} parts where one text was expected", other.len()))),
        }
    }

    async fn bounded<T>(
        &self,
        tool: &str,
        answer: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, CallError> {
        let after = self.section.call_timeout();
        match tokio::time::timeout(after, answer).await {
            Ok(Ok(answer)) => {
                self.silent_calls.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.told(tool, error).await),
            Err(_) => {
                let silent = self.silent_calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if silent >= MAX_SILENT_CALLS {
                    self.give_up("it hangs").await;
                }
                Err(CallError::TimedOut {
                    tool: tool.to_owned(),
                    after,
                })
            }
        }
    }

    async fn told(&self, tool: &str, error: ServiceError) -> CallError {
        let tool = tool.to_owned();
        match error {
            ServiceError::McpError(refusal) => CallError::Refused {
                tool,
                code: format!("mcp_{}", refusal.code.0),
                message: refusal.message.to_string(),
                structured: Box::new(refusal.data.unwrap_or_default()),
            },
            ServiceError::TransportClosed | ServiceError::TransportSend(_) | ServiceError::Cancelled { .. } => {
                self.give_up("its connection broke").await;
                CallError::Broken {
                    tool,
                    reason: error.to_string(),
                }
            }
            other => CallError::Malformed {
                tool,
                reason: other.to_string(),
            },
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, CallError> {
        // Held while connecting: callers that come meanwhile share the one attempt.
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_transport_closed()) {
            return Ok(Arc::clone(connection));
        }
        let again = held.take().is_some();
        if again {
            tracing::warn!(server = self.name, "the server died and is started again");
        }
        let connection = Arc::new(connect(&self.name, self.kind(), &self.section).await?);
        self.silent_calls.store(0, Ordering::Relaxed);
        *held = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Drops the connection, and with the last user of it the child.
    async fn give_up(&self, why: &str) {
        if let Some(connection) = self.connection.lock().await.take() {
            tracing::warn!(server = self.name, why, "the connection is given up");
            connection.cancellation_token().cancel();
        }
    }
}

fn structured(tool: &str, result: CallToolResult) -> Result<Value, CallError> {
    let body = result.structured_content.unwrap_or_default();
    if result.is_error == Some(true) {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let said = result
            .content
            .iter()
            .find_map(|block| block.as_text().map(|text| text.text.clone()));
        return Err(CallError::Refused {
            tool: tool.to_owned(),
            code: text("code").unwrap_or_else(|| "refused".to_owned()),
            message: text("message").or(said).unwrap_or_default(),
            structured: Box::new(body),
        });
    }
    if body.is_object() {
        Ok(body)
    } else {
        Err(CallError::Malformed {
            tool: tool.to_owned(),
            reason: "it has no structured content".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::stand_ins::{Script, StandIns};

    fn section(command: &[&str]) -> ServerSection {
        ServerSection {
            command: Some(command.iter().map(|&word| word.to_owned()).collect()),
            url: None,
            start_timeout_s: 1,
            ..ServerSection::at("postgres-readonly", String::new())
        }
    }

    async fn start_error(section: ServerSection) -> CallError {
        McpServer::new("db", section).start().await.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let began = Instant::now();
        let error = start_error(section(&["sleep", "60"])).await;
        assert_eq!(error.code(), "server_start_timed_out");
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_server_that_ends_or_is_not_there_is_unreachable() {
        assert_eq!(start_error(section(&["true"])).await.code(), "server_unreachable");
        assert_eq!(
            start_error(section(&["/nonexistent/server"])).await.code(),
            "server_unreachable"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_server_than_the_configured_one_is_refused() {
        let stand_ins = StandIns::start(Script::default()).await;
        let error = start_error(ServerSection::at("postgres-readonly", stand_ins.gate_url.clone())).await;
        assert_eq!(error.code(), "wrong_server");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_refusal_keeps_its_code_and_an_unknown_tool_is_one() {
        let stand_ins = StandIns::start(Script::default()).await;
        let server = McpServer::new(
            "db",
            ServerSection::at("postgres-readonly", stand_ins.observer_url.clone()),
        );
        let arguments = json!({"sql": "SELECT 1", "force": true}).as_object().cloned().unwrap();
        let refused = server.call("query", arguments).await.unwrap_err();
        assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
        assert!(server.call("drop_everything", Map::new()).await.is_err());
        assert!(server.call("overview", Map::new()).await.is_ok());
    }
}

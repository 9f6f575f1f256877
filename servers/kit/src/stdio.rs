//! Serves MCP on stdin and stdout, for a client that started this process.

use rmcp::{
    service::{QuitReason, ServerInitializeError, serve_server_with_ct},
    transport::io::stdio_pipes,
};
use tokio_util::sync::CancellationToken;

use crate::{ExitCode, guard::MAX_BODY_BYTES, handler::Handler, pipe::Pipes};

/// Serves until the client closes stdin or `stop` fires; both are a clean end, whenever they come.
pub async fn serve<S: Send + Sync + 'static>(handler: Handler<S>, stop: CancellationToken) -> ExitCode {
    let (stdin, stdout) = stdio_pipes();
    let handler = handler.for_pipes();
    let transport = Pipes::new(stdin, stdout, MAX_BODY_BYTES).listing(handler.written_tools());
    // Clients probe a server with `server/discover` and leave: rmcp calls that a failed start.
    let running = match serve_server_with_ct(handler, transport, stop).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return ExitCode::Done,
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => {
            tracing::error!("the client opened with neither `server/discover` nor `initialize`");
            return ExitCode::Failed;
        }
        Err(error) => {
            tracing::error!(%error, "could not open the connection");
            return ExitCode::Failed;
        }
    };
    match running.waiting().await {
        Ok(QuitReason::Closed | QuitReason::Cancelled) => ExitCode::Done,
        Ok(QuitReason::JoinError(error)) | Err(error) => {
            tracing::error!(%error, "the connection broke");
            ExitCode::Failed
        }
        Ok(_) => ExitCode::Failed,
    }
}

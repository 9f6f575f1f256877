//! Opens one connection: a child process on its stdio, or an address. Modern MCP first, the older handshake behind it.

use std::process::Stdio;
use std::time::Duration;

use rmcp::model::{ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, RoleClient};
use tokio::process::Command;

use super::call::CallError;
use crate::config::ServerSection;

pub(super) type Connection = RunningService<RoleClient, ClientConfig>;

/// What a child may see of our own environment. Keys and tokens are not among it.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "RUST_LOG"];

/// Connects and checks who answers. Bounded: a server that says nothing is not waited for.
pub(super) async fn connect(name: &str, kind: &str, section: &ServerSection) -> Result<Connection, CallError> {
    let after = section.start_timeout();
    let connection = match tokio::time::timeout(after, open(name, section)).await {
        Ok(opened) => opened?,
        Err(_) => {
            return Err(CallError::StartTimedOut {
                server: name.to_owned(),
                after,
            });
        }
    };
    // A cached answer is not an observation.
    connection
        .set_response_cache_config(ClientCacheConfig::disabled())
        .await;
    check_peer(name, kind, &connection)?;
    Ok(connection)
}

async fn open(name: &str, section: &ServerSection) -> Result<Connection, CallError> {
    let unreachable = |reason: String| CallError::Unreachable {
        server: name.to_owned(),
        reason,
    };
    let refused = |error: ClientInitializeError| unreachable(in_words(&error));
    match (&section.command, &section.url) {
        (Some(command), _) => {
            let child = spawn(command, section).map_err(|e| unreachable(format!("`{}`: {e}", command.join(" "))))?;
            client().serve_with_lifecycle(child, lifecycle()).await.map_err(refused)
        }
        (None, Some(url)) => {
            let http = http_client().map_err(|e| unreachable(crate::chain(&e)))?;
            let config = StreamableHttpClientTransportConfig::with_uri(mcp_url(url));
            let transport = StreamableHttpClientTransport::with_client(http, config);
            client()
                .serve_with_lifecycle(transport, lifecycle())
                .await
                .map_err(refused)
        }
        (None, None) => Err(unreachable("neither a command nor an address is configured".to_owned())),
    }
}

/// rmcp's own words for a transport error are mostly the names of its types.
fn in_words(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, context } => {
            format!("{context}: {}", crate::chain(error.error.as_ref()))
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => in_words(fallback),
        other => crate::chain(other),
    }
}

fn spawn(command: &[String], section: &ServerSection) -> std::io::Result<TokioChildProcess> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "the command is empty"))?;
    let mut child = Command::new(program);
    // A group of its own: Ctrl-C on our terminal is ours to pass on, in order.
    child.args(arguments).env_clear().kill_on_drop(true).process_group(0);
    child.envs(
        INHERITED
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?))),
    );
    child.envs(&section.env);
    let stderr = match &section.log_file {
        Some(file) => Stdio::from(std::fs::OpenOptions::new().create(true).append(true).open(file)?),
        None => Stdio::inherit(),
    };
    let (child, _) = TokioChildProcess::builder(child).stderr(stderr).spawn()?;
    Ok(child)
}

/// Declares nothing: no elicitation, no tasks, no sampling. What is not declared cannot be asked of us.
fn client() -> ClientConfig {
    let mut client = ClientConfig::default();
    client.client_info = Implementation::new("countersign-orchestrator", env!("CARGO_PKG_VERSION"));
    client
}

fn lifecycle() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    }
}

fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // No proxy from the environment: our servers are named by address, and telemetry takes no detour.
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(0)
        .build()
}

fn mcp_url(url: &str) -> String {
    let base = url.trim_end_matches('/');
    if base.ends_with("/mcp") {
        base.to_owned()
    } else {
        format!("{base}/mcp")
    }
}

fn check_peer(name: &str, wanted: &str, connection: &Connection) -> Result<(), CallError> {
    let server = name.to_owned();
    let Some(peer) = connection.peer_info() else {
        return Err(CallError::Unreachable {
            server,
            reason: "it did not say who it is".to_owned(),
        });
    };
    let spoken = [
        ProtocolVersion::V_2026_07_28,
        ProtocolVersion::V_2025_11_25,
        ProtocolVersion::V_2025_06_18,
    ];
    if !spoken.contains(&peer.protocol_version) {
        return Err(CallError::WrongProtocol {
            server,
            version: peer.protocol_version.to_string(),
        });
    }
    let calls_itself = peer
        .server_info
        .as_ref()
        .map(|info| info.name.clone())
        .unwrap_or_default();
    if calls_itself == wanted {
        Ok(())
    } else {
        Err(CallError::WrongServer {
            server,
            calls_itself,
            wanted: wanted.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcp_is_found_below_the_address_however_it_is_written() {
        for url in ["http://h:1", "http://h:1/", "http://h:1/mcp", "http://h:1/mcp/"] {
            assert_eq!(mcp_url(url), "http://h:1/mcp", "{url}");
        }
    }
}

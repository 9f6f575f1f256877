//! Serves MCP at `/mcp`, beside `/healthz`, `/metrics` and the routes that a server adds.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use rmcp::{
    model::ProtocolVersion,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    ExitCode, ServeArgs,
    guard::{self, Hosts, MAX_BODY_BYTES},
    handler::Handler,
};

/// How long open requests may take to end once the server was told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long an answer may take from the handler to the socket once the server was told to stop.
const FLUSH: Duration = Duration::from_millis(100);
/// Sessions of clients of the older protocol; idle ones end after five minutes.
const MAX_SESSIONS: usize = 256;

/// A socket that is bound, and whose address is known to whoever needed it.
pub struct Bound {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// Binds, refusing an address that other machines can reach unless the operator insists.
pub async fn bind(address: SocketAddr, args: &ServeArgs) -> Result<Bound, (ExitCode, String)> {
    if !address.ip().is_loopback() {
        if !args.dangerously_bind_any {
            return Err((
                ExitCode::Usage,
                format!(
                    "`{address}` is not a loopback address and there is no authentication; --dangerously-bind-any listens there all the same"
                ),
            ));
        }
        tracing::warn!(%address, "listening without authentication where other machines can reach it");
    }
    let failed = |error: io::Error| (ExitCode::Failed, format!("could not listen on `{address}`: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// Says on stderr, and in the file if there is one, where the server listens.
pub fn announce(address: SocketAddr, file: Option<&Path>) -> io::Result<()> {
    let url = format!("http://{address}");
    if let Some(file) = file {
        // A reader sees the whole address or no file.
        let draft = file.with_extension(format!("tmp{}", std::process::id()));
        std::fs::write(&draft, format!("{url}\n"))?;
        std::fs::rename(&draft, file)?;
    }
    eprintln!("listening on {url}");
    Ok(())
}

/// Serves until `stop` fires; then lets the calls that are under way end and closes the streams that would stay open.
pub async fn serve<S: Send + Sync + 'static>(
    bound: Bound,
    handler: Handler<S>,
    routes: Router,
    args: &ServeArgs,
    stop: CancellationToken,
) -> ExitCode {
    let close_streams = CancellationToken::new();
    let hosts = Hosts::new(bound.address, &args.allow_hosts);
    let app = router(handler.clone(), routes, hosts, &close_streams);
    let stopped = stop.clone();
    let serving = axum::serve(bound.listener, app).with_graceful_shutdown(async move { stopped.cancelled().await });
    let drained = async {
        stop.cancelled().await;
        let idle = async {
            handler.idle().await;
            tokio::time::sleep(FLUSH).await;
            close_streams.cancel();
            std::future::pending::<()>().await;
        };
        tokio::time::timeout(DRAIN, idle).await
    };
    tokio::select! {
        ended = async { serving.await } => match ended {
            Ok(()) => ExitCode::Done,
            Err(error) => {
                tracing::error!(%error, "the listener broke");
                ExitCode::Failed
            }
        },
        _ = drained => {
            tracing::warn!("open requests did not end in time and were dropped");
            ExitCode::Done
        }
    }
}

fn router<S: Send + Sync + 'static>(
    handler: Handler<S>,
    routes: Router,
    hosts: Hosts,
    close_streams: &CancellationToken,
) -> Router {
    // rmcp checks Host and Origin as well; the same lists, so that neither check can be lost alone.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts.names())
        .with_allowed_origins(hosts.origins())
        .enforce_origin_validation()
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_cancellation_token(close_streams.clone());
    let sessions = Arc::new(LocalSessionManager::default());
    let metrics = handler.metrics();
    let mcp = StreamableHttpService::new(move || Ok(handler.for_caller()), sessions.clone(), config);
    let mcp = Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state(sessions, limit_sessions));
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new()
        .merge(mcp)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(move || async move { (text, metrics.render()) }))
        .merge(routes)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(hosts, guard::check))
}

/// Refuses to open one session more than [`MAX_SESSIONS`]; requests of the protocol without sessions always pass.
async fn limit_sessions(
    State(sessions): State<Arc<LocalSessionManager>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let headers = request.headers();
    let sessionless = ProtocolVersion::V_2026_07_28;
    let opens = !headers.contains_key("mcp-session-id")
        && headers
            .get("mcp-protocol-version")
            .is_none_or(|version| version != sessionless.as_str());
    if opens && sessions.sessions.read().await.len() >= MAX_SESSIONS {
        tracing::warn!(code = "too_many_sessions", "request refused");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sessions\n").into_response();
    }
    next.run(request).await
}

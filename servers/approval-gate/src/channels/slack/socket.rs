//! Socket Mode: Slack is called, so that no address of the gate need be reachable. What comes in is trusted because of TLS
//! and of the token that opened the socket.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::{Click, NAME, Slack, take};
use crate::gate::Gate;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    envelope_id: Option<String>,
    payload: Option<serde_json::Value>,
}

/// Keeps a socket open until the gate stops.
pub async fn listen(gate: Arc<Gate>, slack: Arc<Slack>) {
    let mut failures = 0_u32;
    loop {
        let ended = tokio::select! {
            () = gate.stop.cancelled() => return,
            ended = session(&gate, &slack, &mut failures) => ended,
        };
        if let Err(error) = ended {
            failures += 1;
            tracing::warn!(channel = NAME, error = %format!("{error:#}"), failures, "the socket is opened again");
        }
        let wait = Duration::from_millis(100 << failures.min(10));
        tokio::select! {
            () = gate.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One socket, until Slack asks for a new one.
async fn session(gate: &Arc<Gate>, slack: &Arc<Slack>, failures: &mut u32) -> anyhow::Result<()> {
    let url = slack.socket_url().await?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let opening = async {
        let wire = connect(&url).await?;
        let opened = tokio_tungstenite::client_async_with_config(url.as_str(), wire, Some(limits)).await;
        // The address holds a ticket; an error must not carry it into the log.
        opened.map_err(|_| anyhow::anyhow!("Slack opened no socket"))
    };
    let (mut socket, _) = tokio::time::timeout(OPENING, opening)
        .await
        .context("Slack opened no socket in time")??;
    loop {
        let next = tokio::time::timeout(SILENCE, socket.next())
            .await
            .context("Slack has been silent")?;
        let text = match next.context("Slack closed the socket")?.context("the socket broke")? {
            Message::Text(text) => text,
            Message::Close(_) => bail!("Slack closed the socket"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
            continue;
        };
        match envelope.kind.as_str() {
            "hello" => *failures = 0,
            "disconnect" => return Ok(()),
            _ => {}
        }
        if envelope.kind == "interactive"
            && let Some(payload) = envelope.payload
            && let Ok(click) = serde_json::from_value::<Click>(payload)
        {
            take(gate.clone(), slack.clone(), click).await;
        }
        if let Some(id) = envelope.envelope_id {
            let ack = json!({"envelope_id": id}).to_string();
            socket.send(Message::text(ack)).await.context("the socket broke")?;
        }
    }
}

async fn connect(url: &Url) -> anyhow::Result<Box<dyn Wire>> {
    let host = url.host_str().context("Slack named no host")?.to_owned();
    let port = url.port_or_known_default().context("Slack named no port")?;
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .context("Slack's socket cannot be reached")?;
    if url.scheme() == "ws" {
        return Ok(Box::new(stream));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host).context("Slack named no host")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    Ok(Box::new(stream.context("TLS towards Slack failed")?))
}

const MAX_MESSAGE_BYTES: usize = 1 << 20;
const OPENING: Duration = Duration::from_secs(15);
/// Slack pings more often than that.
const SILENCE: Duration = Duration::from_secs(120);

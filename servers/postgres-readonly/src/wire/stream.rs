//! Where the server is and the byte stream to it: TCP, TLS over TCP, or a Unix socket.

use std::{
    io,
    net::IpAddr,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::ConnectError;

/// The server's address and how the way to it is protected.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub host: Host,
    pub port: u16,
    pub tls: Tls,
    pub connect_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Name(String),
    /// The folder that holds the socket `.s.PGSQL.<port>`.
    Socket(PathBuf),
}

/// TLS is verified, name and chain, or it is not used at all: there is no half of it.
#[derive(Debug, Clone)]
pub enum Tls {
    Off,
    VerifyFull(Arc<ClientConfig>),
}

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Host {
    /// Returns whether the way to the server stays on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Name(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl Endpoint {
    /// Returns how the server is named in messages; there is no secret in it.
    pub fn shown(&self) -> String {
        match &self.host {
            Host::Name(name) if name.contains(':') => format!("[{name}]:{}", self.port),
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Socket(folder) => folder.join(format!(".s.PGSQL.{}", self.port)).display().to_string(),
        }
    }

    /// Returns whether nobody on the way can read along.
    pub fn is_private(&self) -> bool {
        matches!(self.tls, Tls::VerifyFull(_)) || self.host.is_local()
    }

    /// Opens the stream, through TLS where that is asked for, within `connect_timeout`.
    pub async fn open(&self) -> Result<Stream, ConnectError> {
        match timeout(self.connect_timeout, self.open_unbounded()).await {
            Ok(opened) => opened,
            Err(_) => Err(ConnectError::Unreachable(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} s", self.connect_timeout.as_secs()),
            ))),
        }
    }

    async fn open_unbounded(&self) -> Result<Stream, ConnectError> {
        let name = match &self.host {
            Host::Socket(folder) => {
                let path = folder.join(format!(".s.PGSQL.{}", self.port));
                return Ok(Stream::Unix(
                    UnixStream::connect(path).await.map_err(ConnectError::Unreachable)?,
                ));
            }
            Host::Name(name) => name,
        };
        let addresses = lookup_host((name.as_str(), self.port)).await;
        let addresses: Vec<_> = addresses.map_err(ConnectError::UnknownHost)?.collect();
        let tcp = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(ConnectError::Unreachable)?;
        tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
        match &self.tls {
            Tls::Off => Ok(Stream::Tcp(tcp)),
            Tls::VerifyFull(config) => over_tls(tcp, name, config.clone()).await,
        }
    }
}

async fn over_tls(mut tcp: TcpStream, name: &str, config: Arc<ClientConfig>) -> Result<Stream, ConnectError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    tcp.write_all(&request).await.map_err(ConnectError::Unreachable)?;
    // One byte and no buffer: whatever an attacker sends in the clear before the handshake must not be read as the
    // server's first words inside it.
    if tcp.read_u8().await.map_err(ConnectError::Unreachable)? != b'S' {
        return Err(ConnectError::TlsRefused);
    }
    let name = ServerName::try_from(name.to_owned()).map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
    let tls = TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(ConnectError::Tls)?;
    Ok(Stream::Tls(Box::new(tls)))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

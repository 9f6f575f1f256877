//! From an open stream to a session that is logged in: start-up message, authentication, the server's greeting.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    message::frontend,
};

use super::{
    Endpoint, ServerError, WireError,
    cancel::CancelKey,
    fields,
    frames::{Frame, Frames},
};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database does not answer")]
    Unreachable(#[source] io::Error),
    #[error("the server's name cannot be resolved")]
    UnknownHost(#[source] io::Error),
    #[error("the server does not offer TLS")]
    TlsRefused,
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    #[error("the server refused the connection: {0}")]
    Refused(ServerError),
    #[error("the server asks for a password and none is configured")]
    NoPassword,
    /// What would make the password is not there.
    #[error("there is no password to log in with: {0}")]
    NoCredentials(&'static str),
    /// In the clear, to a host that is not this one.
    #[error("the server asks for the password in the clear")]
    PasswordInTheClear,
    #[error("the server asks for an authentication method that is not supported")]
    UnknownMethod,
    #[error("the server could not prove that it knows the password")]
    ServerNotProven,
    #[error("the handshake broke off")]
    Broken(#[source] WireError),
}

/// Who logs in, and what holds for the whole session.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub user: &'a str,
    pub password: Option<&'a str>,
    pub parameters: &'a [(&'a str, &'a str)],
}

/// What the server says of itself before the first statement.
#[derive(Debug, Default)]
pub struct Greeting {
    pub key: CancelKey,
    pub server_version: String,
}

/// Logs in over a fresh stream.
pub async fn log_in(frames: &mut Frames, endpoint: &Endpoint, login: Login<'_>) -> Result<Greeting, ConnectError> {
    let mut out = BytesMut::new();
    frontend::startup_message(login.parameters.iter().copied(), &mut out).map_err(ConnectError::Unreachable)?;
    frames.send(&out).await.map_err(ConnectError::Unreachable)?;
    authenticate(frames, endpoint, login).await?;
    greeting(frames).await
}

async fn authenticate(frames: &mut Frames, endpoint: &Endpoint, login: Login<'_>) -> Result<(), ConnectError> {
    let password = || login.password.ok_or(ConnectError::NoPassword);
    let mut scram: Option<ScramSha256> = None;
    let mut proven = true;
    loop {
        let mut body = message(frames, b'R').await?;
        let mut out = BytesMut::new();
        match body.try_get_i32().unwrap_or(-1) {
            0 if proven => return Ok(()),
            // The server says "fine" without having shown that it knows the password: it may be somebody else.
            0 => return Err(ConnectError::ServerNotProven),
            3 if !endpoint.is_private() => return Err(ConnectError::PasswordInTheClear),
            3 => password_message(password()?, &mut out)?,
            5 => {
                let salt = body
                    .as_ref()
                    .first_chunk()
                    .copied()
                    .ok_or(ConnectError::UnknownMethod)?;
                password_message(&md5_hash(login.user.as_bytes(), password()?.as_bytes(), salt), &mut out)?;
            }
            10 => {
                let offered =
                    std::iter::from_fn(|| fields::read_text(&mut body).ok()).any(|name| name == SCRAM_SHA_256);
                if !offered {
                    return Err(ConnectError::UnknownMethod);
                }
                let exchange = ScramSha256::new(password()?.as_bytes(), ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), &mut out).map_err(broken)?;
                proven = false;
                scram = Some(exchange);
            }
            11 => {
                let exchange = scram.as_mut().ok_or(ConnectError::UnknownMethod)?;
                exchange.update(&body).map_err(broken)?;
                frontend::sasl_response(exchange.message(), &mut out).map_err(broken)?;
            }
            12 => {
                let mut exchange = scram.take().ok_or(ConnectError::UnknownMethod)?;
                exchange.finish(&body).map_err(|_| ConnectError::ServerNotProven)?;
                proven = true;
            }
            _ => return Err(ConnectError::UnknownMethod),
        }
        frames.send(&out).await.map_err(ConnectError::Unreachable)?;
    }
}

async fn greeting(frames: &mut Frames) -> Result<Greeting, ConnectError> {
    let mut greeting = Greeting::default();
    loop {
        match frames.next().await.map_err(ConnectError::Broken)? {
            Frame::Whole { tag: b'K', mut body } => {
                greeting.key = CancelKey::read(&mut body).map_err(ConnectError::Broken)?
            }
            Frame::Whole { tag: b'S', mut body } => {
                let name = fields::read_text(&mut body).map_err(ConnectError::Broken)?;
                if name == "server_version" {
                    greeting.server_version = fields::read_text(&mut body).map_err(ConnectError::Broken)?;
                }
            }
            Frame::Whole { tag: b'Z', .. } => return Ok(greeting),
            Frame::Whole { tag: b'E', body } => return Err(ConnectError::Refused(fields::error(body))),
            Frame::Whole { tag: b'N', .. } => {}
            Frame::Whole { .. } | Frame::TooLong { .. } => {
                return Err(ConnectError::Broken(WireError::Protocol(
                    "an unexpected message while logging in",
                )));
            }
        }
    }
}

/// Waits for the message `wanted`; an error of the server is one of ours.
async fn message(frames: &mut Frames, wanted: u8) -> Result<Bytes, ConnectError> {
    loop {
        match frames.next().await.map_err(ConnectError::Broken)? {
            Frame::Whole { tag, body } if tag == wanted => return Ok(body),
            Frame::Whole { tag: b'E', body } => return Err(ConnectError::Refused(fields::error(body))),
            Frame::Whole { tag: b'N', .. } => {}
            Frame::Whole { .. } | Frame::TooLong { .. } => return Err(ConnectError::UnknownMethod),
        }
    }
}

fn password_message(text: &str, out: &mut BytesMut) -> Result<(), ConnectError> {
    frontend::password_message(text.as_bytes(), out).map_err(broken)
}

fn broken(error: io::Error) -> ConnectError {
    ConnectError::Broken(WireError::Lost(error))
}

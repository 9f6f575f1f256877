//! Ends the statement that a session is running, over a connection of its own, as the protocol wants it.

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::frontend;

use super::{ConnectError, Endpoint, WireError, frames::Frames};

/// What names one session to the server when its statement is to be cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CancelKey {
    pub pid: i32,
    secret: i32,
}

impl CancelKey {
    pub fn read(body: &mut Bytes) -> Result<Self, WireError> {
        let mut number = || {
            body.try_get_i32()
                .map_err(|_| WireError::Protocol("a cancel key that is too short"))
        };
        Ok(Self {
            pid: number()?,
            secret: number()?,
        })
    }

    /// Sends the request and waits until the server hangs up. By then the signal has been sent, so it cannot hit a
    /// statement that is sent after this returns.
    pub async fn cancel(self, endpoint: &Endpoint) -> Result<(), ConnectError> {
        let mut frames = Frames::new(endpoint.open().await?);
        let mut out = BytesMut::new();
        frontend::cancel_request(self.pid, self.secret, &mut out);
        frames.send(&out).await.map_err(ConnectError::Unreachable)?;
        tokio::time::timeout(endpoint.connect_timeout, frames.drained())
            .await
            .unwrap_or(Ok(()))
            .map_err(ConnectError::Unreachable)
    }
}

//! The PostgreSQL protocol, as little of it as one read needs.
//!
//! Not a general driver, for five reasons that a general one cannot serve together: the whole call travels in one
//! flight; the portal stops after so many rows; a value of any size costs bounded memory; values come as text, so no
//! type is looked up inside the caller's transaction; and the transaction status after each step is seen, so "the call
//! left nothing open" is checked, not assumed.

mod cancel;
mod fields;
mod frames;
mod session;
mod startup;
mod stream;

pub use fields::{Column, ServerError, TextRow};
pub use session::{Call, Flight, Session};
pub use startup::{ConnectError, Login};
pub use stream::{Endpoint, Host, Tls};

/// Why an exchange with the server ended early.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the connection to the database was lost")]
    Lost(#[source] std::io::Error),
    #[error("the server closed the connection: {0}")]
    Closed(ServerError),
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The server did not answer within the client's own deadline, which is longer than the server's.
    #[error("the database stopped answering")]
    Silent,
}

impl From<std::io::Error> for WireError {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error)
    }
}

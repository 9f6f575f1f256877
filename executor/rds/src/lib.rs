//! What the executor needs for a step of kind `aws.rds`: it looks before, makes one call with credentials that can make no
//! other, and sees by the state what became of it. Which call that is has been signed long before.
//!
//! The API of RDS knows no idempotency token for any of these operations. So nothing here is ever sent twice on a guess:
//! after a crash or a lost answer, [`Rds::probe`] tells by the state whether the call took effect, and says so where the
//! state cannot tell. [`RdsError::leaves_doubt`] says when that is necessary.

mod ask;
mod base;
mod before;
mod error;
mod identity;
mod policy;
mod probe;
mod secret;
mod session;
mod state;
#[cfg(test)]
#[path = "../../../tests/aws/support.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "written for tests of servers; only the stand-in is needed here"
)]
mod support;
mod token;

pub use ask::Rds;
pub use aws_query::{Endpoint, EndpointError};
pub use base::{Base, BaseSource};
pub use before::{BeforeImage, Refused};
pub use error::RdsError;
pub use identity::Identity;
pub use policy::{PolicyError, SessionPolicy};
pub use probe::Probe;
pub use rds_call;
pub use secret::Secret;
pub use session::{AssumedRole, RoleArn, Session, SessionName, SourceIdentity};
pub use token::{DatabaseLogin, iam_token};

//! Asks models bounded questions. Knows nothing of incidents or databases; the only crate with a model's key and its client.

mod budget;
mod error;
mod failover;
mod key;
mod record;
mod remote;
mod replay;
mod request;
mod retry;
#[cfg(any(test, feature = "test-util"))]
mod scripted;

pub use budget::{Budget, Limits, Price, Spent};
pub use error::ModelError;
pub use failover::Failover;
pub use key::{Key, KeyError};
pub use record::{RecordError, Recorder};
pub use remote::{Provider, Remote, RemoteConfig, RemoteError};
pub use replay::{Replay, ReplayError};
pub use request::{Answer, Message, Model, Request, Tool, ToolCall, ToolResult, Usage};
pub use retry::Retry;
#[cfg(any(test, feature = "test-util"))]
pub use scripted::{Reply, Scripted};

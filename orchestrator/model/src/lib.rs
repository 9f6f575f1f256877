//! Asks a model one bounded question. Knows nothing of incidents, tools or databases.

mod request;
#[cfg(any(test, feature = "test-util"))]
mod scripted;

pub use request::{Answer, Message, Model, ModelError, Request, Role, Usage};
#[cfg(any(test, feature = "test-util"))]
pub use scripted::Scripted;

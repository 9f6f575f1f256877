//! Calls of services that are too large to be linked for one operation: the request is signed and sent as it is. What
//! observation reads and what the executor changes go the same way here, each with its own credentials.

mod answer;
mod call;
mod endpoint;
mod signature;

pub use answer::{Element, Xml};
pub use call::{CallError, SignedCall, send};
pub use endpoint::{Endpoint, EndpointError};

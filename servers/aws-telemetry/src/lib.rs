//! What both AWS servers stand on: the operator's account, AWS's refusals as coded errors, foreign text fit to show.

mod account;
mod endpoint;
mod literals;
mod redact;
mod refusal;
mod scrub;
mod session;
mod signed;
mod window;

pub use aws_query::{Element, SignedCall, Xml};

pub use account::{Account, AwsFlags, AwsSettings};
pub use literals::without_literals;
pub use redact::Secrets;
pub use refusal::{Refusal, refused};
pub use scrub::{Scrubbed, Scrubber};
pub use session::Session;
pub use window::{Window, to_rfc3339};

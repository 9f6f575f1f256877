//! How every server starts, speaks MCP, bounds, redacts, logs and stops.
//!
//! A server is a state, some tools and perhaps resources:
//!
//! ```no_run
//! use std::sync::Arc;
//! use kit::{CallContext, ExitCode, ServeArgs, Server, ServerInfo, Tool, ToolError};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Input {
//!     /// Who is greeted.
//!     name: String,
//! }
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! struct Output {
//!     greeting: String,
//! }
//!
//! struct Greet;
//!
//! #[async_trait::async_trait]
//! impl Tool for Greet {
//!     type State = ();
//!     type Input = Input;
//!     type Output = Output;
//!     const NAME: &'static str = "greet";
//!     const TITLE: &'static str = "Greet";
//!     const DESCRIPTION: &'static str = "Greets one person by name.";
//!
//!     async fn call(_: &(), input: Input, _: &CallContext) -> Result<Output, ToolError> {
//!         Ok(Output { greeting: format!("hello, {}", input.name) })
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let args = ServeArgs::parse_flags();
//!     kit::main(async move {
//!         let info = ServerInfo {
//!             name: "greeter",
//!             version: env!("CARGO_PKG_VERSION"),
//!             instructions: "Greets people.",
//!         };
//!         Server::new(info, Arc::new(())).tool::<Greet>().run(&args).await
//!     })
//! }
//! ```

mod args;
mod arguments;
mod call;
pub mod config;
mod exit;
mod guard;
mod handler;
mod http;
pub mod logging;
mod metrics;
mod outcome;
mod output;
mod pipe;
mod registry;
mod resources;
mod runtime;
mod schema;
mod secret;
mod server;
pub mod shutdown;
mod stdio;
pub mod text;
mod tool;
mod tool_error;

pub use args::{LogFormat, ServeArgs};
pub use call::CallContext;
pub use exit::ExitCode;
pub use output::to_stdout;
pub use resources::{ResourceBody, ResourceEntry, ResourceTemplate, Resources};
pub use runtime::{main, main_on_one_thread};
pub use secret::{Secret, masked};
pub use server::{Server, ServerInfo};
pub use tokio_util::sync::CancellationToken;
pub use tool::{Hints, NoInput, Tool};
pub use tool_error::ToolError;

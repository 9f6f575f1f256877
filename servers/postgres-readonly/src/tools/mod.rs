//! One tool, one file; its SQL lies in queries/ under the same name.

mod blocking_tree;
mod connection_use;
mod ddl_waiters;
mod explain;
mod index_health;
mod query;
mod server_identity;
mod sessions;
mod top_queries;

pub use blocking_tree::BlockingTree;
pub use connection_use::ConnectionUse;
pub use ddl_waiters::DdlWaiters;
pub use explain::Explain;
pub use index_health::IndexHealth;
pub use query::Query;
pub use server_identity::ServerIdentity;
pub use sessions::Sessions;
pub use top_queries::TopQueries;

use schemars::JsonSchema;
use serde::Deserialize;

/// The input of a tool that takes no other argument.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Which configured target; may be left out when there is only one
    pub target: Option<String>,
}

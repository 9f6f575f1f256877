//! One tool, one file; its SQL lies in queries/ under the same name.

mod blocking_tree;
mod explain;
mod index_health;
mod overview;
mod query;
mod replication;
mod schema;
mod sessions;
mod settings;
mod storage;
mod table_health;
mod top_queries;
mod vacuum_horizon;

pub use blocking_tree::BlockingTree;
pub use explain::Explain;
pub use index_health::IndexHealth;
pub use overview::Overview;
pub use query::Query;
pub use replication::Replication;
pub use schema::Schema;
pub use sessions::Sessions;
pub use settings::Settings;
pub use storage::Storage;
pub use table_health::TableHealth;
pub use top_queries::TopQueries;
pub use vacuum_horizon::VacuumHorizon;

use schemars::JsonSchema;
use serde::Deserialize;

/// The input of a tool that takes no other argument.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Which configured target; may be left out when there is only one
    pub target: Option<String>,
}

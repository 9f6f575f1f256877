//! The tools, one per file.

mod db_load_summary;
mod instance_features;
mod top_sql;

use std::future::Future;

use kit::{CallContext, ToolError};

pub use db_load_summary::DbLoadSummary;
pub use instance_features::InstanceFeatures;
pub use top_sql::TopSql;

/// Waits for `work`, but not longer than the caller does.
async fn until_cancelled<T>(
    call: &CallContext,
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    tokio::select! {
        biased;
        () = call.cancelled.cancelled() => Err(ToolError::new("cancelled", "the call was cancelled")),
        done = work => done,
    }
}

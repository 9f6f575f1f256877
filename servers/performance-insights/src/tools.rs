//! The tools, one per file.

mod blocking_tree;
mod compare_windows;
mod db_load_summary;
mod instance_events;
mod instance_features;
mod instance_metrics;
mod top_sql;
mod top_waits;

use std::future::Future;

use aws_sdk_pi::Client;
use aws_telemetry::{Refusal, Window};
use kit::{CallContext, ToolError};

use crate::{
    api::{self, LOAD, Series, VCPUS},
    features::Degraded,
    instances::Instance,
    period::Period,
};

pub use blocking_tree::BlockingTree;
pub use compare_windows::CompareWindows;
pub use db_load_summary::DbLoadSummary;
pub use instance_events::InstanceEvents;
pub use instance_features::InstanceFeatures;
pub use instance_metrics::InstanceMetrics;
pub use top_sql::TopSql;
pub use top_waits::TopWaits;

/// No call looks at more than a day.
const MAX_MINUTES: u32 = 1_440;

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

/// Reads the load and the number of CPUs. Instances without operating-system metrics refuse the whole request, so it is
/// then made again without them.
async fn read_load(
    client: &Client,
    instance: &Instance,
    window: Window,
    period: Period,
    max_waits: i32,
) -> Result<(Vec<Series>, Vec<Degraded>), ToolError> {
    let by_wait = api::query(LOAD, Some(api::group("db.wait_event", max_waits)?))?;
    let with_vcpus = vec![by_wait.clone(), api::query(VCPUS, None)?];
    match api::series(client, instance, window, period, with_vcpus).await {
        Ok(series) => Ok((series, Vec::new())),
        Err(error) if error.code == Refusal::InvalidRequest.code() => {
            let series = api::series(client, instance, window, period, vec![by_wait]).await?;
            let why = format!("the instance does not report its number of CPUs: {}", error.message);
            Ok((series, vec![Degraded::new(VCPUS, why)]))
        }
        Err(error) => Err(error),
    }
}

//! Tool `instance_metrics`.

use async_trait::async_trait;
use aws_sdk_pi::Client;
use aws_telemetry::{Scrubber, Window, to_rfc3339};
use chrono::{DateTime, Utc};
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_MINUTES, until_cancelled};
use crate::{api, cloudwatch, features::Degraded, instances::Instance, period::Period, state::State};

/// As many as one request takes.
const QUERIES_A_REQUEST: usize = 15;
const KINDS: [&str; 2] = ["os", "db"];

pub struct InstanceMetrics;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of a configured instance.
    #[schemars(length(min = 1, max = 63))]
    instance: String,
    /// How far to look back; 30 if left out.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 1_440))]
    minutes: u32,
    /// Where the time looked at ends, as 2026-11-22T06:41:00Z; now if left out.
    #[schemars(length(min = 1, max = 40))]
    until: Option<String>,
}

fn thirty() -> u32 {
    30
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    taken_at: String,
    instance: String,
    from: String,
    to: String,
    metrics: Vec<Measured>,
    /// What the instance does not collect, or collected nothing of.
    degraded: Vec<Degraded>,
}

/// One counter over the time: averages of its periods.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Measured {
    /// As Performance Insights names it, or CloudWatch, behind `AWS/RDS`.
    metric: String,
    /// What it tells.
    meaning: String,
    /// Empty where CloudWatch does not say.
    unit: String,
    average: f64,
    minimum: f64,
    maximum: f64,
    /// End of the period with the maximum.
    maximum_at: String,
    /// The first and the last quarter of the time, to see a trend.
    first_quarter: f64,
    last_quarter: f64,
}

/// The counters that tell of an incident, and what of.
const COUNTERS: [(&str, &str); 24] = [
    ("os.cpuUtilization.total", "CPU in use, percent"),
    ("os.cpuUtilization.wait", "CPU waiting for the disk, percent"),
    ("os.loadAverageMinute.one", "processes that run or want to"),
    ("os.memory.free", "memory free"),
    ("os.memory.outOfMemoryKillCount", "processes killed for want of memory"),
    ("os.swap.free", "swap free"),
    (
        "os.diskIO.auroraStorage.diskQueueDepth",
        "requests that wait for Aurora's storage",
    ),
    ("os.diskIO.rdsdev.avgQueueLen", "requests that wait for the disk"),
    ("os.fileSys.usedPercent", "file system in use, percent"),
    ("db.User.numbackends", "connections"),
    ("db.User.max_connections", "connections allowed"),
    ("db.State.idle_in_transaction_count", "sessions idle in transaction"),
    (
        "db.State.idle_in_transaction_max_time",
        "longest idle in transaction, seconds",
    ),
    ("db.Transactions.active_transactions", "transactions open"),
    (
        "db.Transactions.blocked_transactions",
        "transactions that wait for a lock",
    ),
    ("db.Transactions.max_used_xact_ids", "age of the oldest transaction id"),
    ("db.Transactions.xact_commit", "commits"),
    ("db.Transactions.xact_rollback", "rollbacks"),
    ("db.Concurrency.deadlocks", "deadlocks"),
    ("db.Temp.temp_bytes", "bytes written to temporary files"),
    ("db.IO.read_latency", "time of a read"),
    ("db.Cache.blks_hit", "blocks found in memory"),
    ("db.Checkpoint.checkpoints_req", "checkpoints forced"),
    ("db.WAL.archive_failed_count", "WAL files that could not be archived"),
];

/// Metrics of CloudWatch that Performance Insights does not have, with what they tell and their unit.
const CLOUDWATCH: [(&str, &str, &str); 16] = [
    ("FreeStorageSpace", "storage free", "Bytes"),
    (
        "FreeLocalStorage",
        "local storage free, for temporary files (Aurora)",
        "Bytes",
    ),
    ("FreeableMemory", "memory that could be had", "Bytes"),
    ("SwapUsage", "swap in use", "Bytes"),
    ("CPUUtilization", "CPU in use", "Percent"),
    ("CPUCreditBalance", "credits left, of a burstable class", "Count"),
    ("BurstBalance", "I/O credits left, of a burstable volume", "Percent"),
    ("DatabaseConnections", "connections", "Count"),
    ("DiskQueueDepth", "requests that wait for the disk", "Count"),
    ("ReadIOPS", "reads", "Count/Second"),
    ("WriteIOPS", "writes", "Count/Second"),
    ("ReadLatency", "time of a read", "Seconds"),
    ("WriteLatency", "time of a write", "Seconds"),
    ("ReplicaLag", "how far a replica is behind", "Seconds"),
    ("AuroraReplicaLag", "how far an Aurora reader is behind", "Milliseconds"),
    ("TransactionLogsDiskUsage", "WAL on disk", "Bytes"),
];

#[async_trait]
impl Tool for InstanceMetrics {
    type State = State;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "instance_metrics";
    const TITLE: &'static str = "CPU, memory, connections, transactions";
    const DESCRIPTION: &'static str = "The counters of an instance that tell of an incident: CPU, memory, swap, disk queue, \
        connections against their limit, idle and blocked transactions, commits, deadlocks, temporary files, checkpoints; each \
        with average, extremes and trend over the time. Only counters that the instance collects. With `db_instance` in the operator's \
        configuration also CloudWatch's: free storage and memory, replica lag, I/O, credits.";

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Output, ToolError> {
        let instance = state.instances.allow(&input.instance)?;
        let window = Window::ending(input.until.as_deref(), input.minutes, MAX_MINUTES, Utc::now())?;
        let client = state.client().await?;
        let (mut metrics, mut degraded) = until_cancelled(call, read(client, instance, window)).await?;
        until_cancelled(
            call,
            read_cloudwatch(state, instance, window, &mut metrics, &mut degraded),
        )
        .await?;
        Ok(Output {
            taken_at: to_rfc3339(Utc::now()),
            instance: instance.name().to_owned(),
            from: to_rfc3339(window.from),
            to: to_rfc3339(window.to),
            metrics,
            degraded,
        })
    }
}

/// One metric that an instance does not have refuses the whole request, so only those that it has are asked for.
async fn read(
    client: &Client,
    instance: &Instance,
    window: Window,
) -> Result<(Vec<Measured>, Vec<Degraded>), ToolError> {
    let available = api::available_metrics(client, instance, &KINDS).await?;
    let (known, missing): (Vec<_>, Vec<_>) = COUNTERS.iter().partition(|(name, _)| available.contains_key(*name));
    let missing = missing
        .iter()
        .map(|(name, _)| Degraded::new(*name, "the instance does not collect it"));
    let mut degraded: Vec<Degraded> = missing.collect();
    let mut metrics = Vec::new();
    for some in known.chunks(QUERIES_A_REQUEST) {
        let queries = some
            .iter()
            .map(|(name, _)| api::query(&format!("{name}.avg"), None))
            .collect::<Result<_, _>>()?;
        let series = api::series(client, instance, window, Period::fitting(window), queries).await?;
        for (name, meaning) in some {
            let found = series.iter().find(|series| series.metric == format!("{name}.avg"));
            let unit = available.get(*name).map(String::as_str).unwrap_or_default();
            match found.and_then(|series| measured(&series.points, name, meaning, unit)) {
                Some(measured) => metrics.push(measured),
                None => degraded.push(Degraded::new(*name, "nothing was collected in this time")),
            }
        }
    }
    Ok((metrics, degraded))
}

/// What CloudWatch has beside; what it cannot tell does not take away what is known already.
async fn read_cloudwatch(
    state: &State,
    instance: &Instance,
    window: Window,
    metrics: &mut Vec<Measured>,
    degraded: &mut Vec<Degraded>,
) -> Result<(), ToolError> {
    let names: Vec<&str> = CLOUDWATCH.iter().map(|(name, _, _)| *name).collect();
    let read = async { cloudwatch::averages(&state.session, instance.db_instance()?, window, &names).await };
    let found = match read.await {
        Ok(found) => found,
        Err(error) => {
            degraded.push(Degraded::new("AWS/RDS", error.message));
            return Ok(());
        }
    };
    for (name, meaning, unit) in CLOUDWATCH {
        let points = found.get(name).map(Vec::as_slice).unwrap_or_default();
        // Each engine and class has its own; those that it does not have are simply not there.
        metrics.extend(measured(points, &format!("AWS/RDS {name}"), meaning, unit));
    }
    Ok(())
}

fn measured(points: &[(DateTime<Utc>, f64)], name: &str, meaning: &str, unit: &str) -> Option<Measured> {
    let by_value = |a: &&(DateTime<Utc>, f64), b: &&(DateTime<Utc>, f64)| a.1.total_cmp(&b.1);
    let (_, minimum) = points.iter().min_by(by_value)?;
    let (maximum_at, maximum) = points.iter().max_by(by_value)?;
    let quarter = points.len().div_ceil(4);
    Some(Measured {
        metric: name.to_owned(),
        meaning: meaning.to_owned(),
        unit: Scrubber::default().line(unit, 40),
        average: four_digits(mean(points)),
        minimum: four_digits(*minimum),
        maximum: four_digits(*maximum),
        maximum_at: to_rfc3339(*maximum_at),
        first_quarter: four_digits(mean(points.get(..quarter)?)),
        last_quarter: four_digits(mean(points.get(points.len() - quarter..)?)),
    })
}

/// Latencies are fractions of a second.
fn four_digits(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn mean(points: &[(DateTime<Utc>, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are at most hundreds of points")]
    let count = points.len().max(1) as f64;
    points.iter().map(|(_, value)| *value).sum::<f64>() / count
}

//! Tool `db_load_summary`.

use async_trait::async_trait;
use aws_telemetry::{Scrubber, Window, to_rfc3339};
use chrono::Utc;
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_MINUTES, read_load, until_cancelled};
use crate::{features::Degraded, load::Load, period::Period, state::State};

const MAX_WAITS: i32 = 10;

pub struct DbLoadSummary;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of a configured instance.
    #[schemars(length(min = 1, max = 63))]
    instance: String,
    /// How far to look back; 15 if left out.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 1, max = 1_440))]
    minutes: u32,
    /// Where the time looked at ends, as 2026-11-22T06:41:00Z; now if left out.
    #[schemars(length(min = 1, max = 40))]
    until: Option<String>,
    /// What one point averages over; a minute if left out. At most 600 points.
    #[serde(default)]
    period: Period,
}

fn fifteen() -> u32 {
    15
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    taken_at: String,
    instance: String,
    from: String,
    to: String,
    period: Period,
    #[serde(flatten)]
    load: Load,
    /// What is left out, and why.
    degraded: Vec<Degraded>,
}

#[async_trait]
impl Tool for DbLoadSummary {
    type State = State;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "db_load_summary";
    const TITLE: &'static str = "Database load, against the CPUs there are";
    const DESCRIPTION: &'static str = "How many sessions were active on average (AAS) in the last minutes, against the \
        instance's vCPUs, in a word (idle, light, busy, saturated), with the peak and the ten largest wait events. \
        Use it first to see whether and on what an RDS or Aurora instance is stuck; then top_sql.";

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Output, ToolError> {
        let instance = state.instances.allow(&input.instance)?;
        let window = Window::ending(input.until.as_deref(), input.minutes, MAX_MINUTES, Utc::now())?;
        input.period.check(window)?;
        let client = state.client().await?;
        let (series, degraded) =
            until_cancelled(call, read_load(client, instance, window, input.period, MAX_WAITS)).await?;
        Ok(Output {
            taken_at: to_rfc3339(Utc::now()),
            instance: instance.name().to_owned(),
            from: to_rfc3339(window.from),
            to: to_rfc3339(window.to),
            period: input.period,
            load: Load::of(&series, instance.vcpus(), &mut Scrubber::default()),
            degraded,
        })
    }
}

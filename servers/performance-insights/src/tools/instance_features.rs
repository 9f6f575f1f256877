//! Tool `instance_features`.

use async_trait::async_trait;
use aws_telemetry::to_rfc3339;
use chrono::Utc;
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::until_cancelled;
use crate::{
    api,
    features::{self, Degraded, SQL_STATISTICS},
    state::State,
};

pub struct InstanceFeatures;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of a configured instance.
    #[schemars(length(min = 1, max = 63))]
    instance: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    taken_at: String,
    instance: String,
    /// In the order of their names.
    features: Vec<Feature>,
    /// What the other tools leave out for this instance, and why.
    degraded: Vec<Degraded>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Feature {
    name: String,
    status: String,
    usable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[async_trait]
impl Tool for InstanceFeatures {
    type State = State;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "instance_features";
    const TITLE: &'static str = "What an instance can tell";
    const DESCRIPTION: &'static str = "Which Performance Insights features work on an instance, and what the other \
        tools leave out because of those that do not. Use it when an answer lacks statistics.";

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Output, ToolError> {
        let instance = state.instances.allow(&input.instance)?;
        let client = state.client().await?;
        let metadata = until_cancelled(call, api::metadata(client, instance)).await?;
        let mut features: Vec<Feature> = metadata
            .features()
            .into_iter()
            .flatten()
            .map(|(name, feature)| {
                let reason = features::reason(feature.status());
                Feature {
                    name: kit::text::clean(name, 100),
                    status: feature
                        .status()
                        .map_or_else(|| "UNKNOWN".to_owned(), |status| kit::text::clean(status.as_str(), 50)),
                    usable: reason.is_none(),
                    reason: reason.map(str::to_owned),
                }
            })
            .collect();
        features.sort_by(|a, b| a.name.cmp(&b.name));
        let statistics = metadata
            .features()
            .and_then(|all| all.get(SQL_STATISTICS))
            .and_then(|feature| feature.status());
        let degraded = features::reason(statistics).map(|reason| {
            Degraded::new(
                SQL_STATISTICS,
                format!("top_sql shows no calls, latency and rows: {reason}"),
            )
        });
        Ok(Output {
            taken_at: to_rfc3339(Utc::now()),
            instance: instance.name().to_owned(),
            features,
            degraded: degraded.into_iter().collect(),
        })
    }
}

//! Tool `list_log_groups`.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::{Client, types::LogGroup};
use aws_telemetry::{refused, to_rfc3339};
use chrono::{DateTime, Utc};
use kit::{CallContext, NoInput, Tool, ToolError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{scope::AllowedGroup, state::State};

pub struct ListLogGroups;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    taken_at: String,
    /// Allowed groups that exist in the account.
    log_groups: Vec<Group>,
    /// Allowed groups that do not exist; nothing can be read from them.
    missing: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Group {
    name: String,
    stored_bytes: i64,
    /// Absent where lines are kept for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<i32>,
    /// STANDARD, or a class that does not support Logs Insights in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

#[async_trait]
impl Tool for ListLogGroups {
    type State = State;
    type Input = NoInput;
    type Output = Output;
    const NAME: &'static str = "list_log_groups";
    const TITLE: &'static str = "Log groups that may be read";
    const DESCRIPTION: &'static str = "The log groups that the operator has allowed, with their size and retention. \
        Other groups of the account are neither shown nor readable. Names from here are what the other tools take.";

    async fn call(state: &State, _: NoInput, call: &CallContext) -> Result<Output, ToolError> {
        let groups = state.scope.all()?;
        let client = state.client().await?;
        let mut output = Output {
            taken_at: to_rfc3339(Utc::now()),
            log_groups: Vec::new(),
            missing: Vec::new(),
        };
        for group in groups {
            let found = tokio::select! {
                biased;
                () = call.cancelled.cancelled() => return Err(ToolError::new("cancelled", "the call was cancelled")),
                found = find(client, &group) => found?,
            };
            match found {
                Some(found) => output.log_groups.push(describe(&group, &found)),
                None => output.missing.push(group.name().to_owned()),
            }
        }
        Ok(output)
    }
}

/// Groups come back in the order of their names, so the one that equals the prefix is the first.
async fn find(client: &Client, group: &AllowedGroup) -> Result<Option<LogGroup>, ToolError> {
    let answer = client
        .describe_log_groups()
        .log_group_name_prefix(group.name())
        .limit(1)
        .send()
        .await;
    let answer = answer.map_err(|error| refused("DescribeLogGroups", &error))?;
    Ok(answer
        .log_groups
        .unwrap_or_default()
        .into_iter()
        .find(|found| found.log_group_name() == Some(group.name())))
}

fn describe(group: &AllowedGroup, found: &LogGroup) -> Group {
    Group {
        name: group.name().to_owned(),
        stored_bytes: found.stored_bytes().unwrap_or_default(),
        retention_days: found.retention_in_days(),
        class: found.log_group_class().map(|class| class.as_str().to_owned()),
        created_at: found
            .creation_time()
            .and_then(DateTime::from_timestamp_millis)
            .map(to_rfc3339),
    }
}

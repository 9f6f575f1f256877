//! One query within the budget: estimated, run, settled, and its scope proven. The only way for a tool to query.

use aws_sdk_cloudwatchlogs::Client;
use kit::{CallContext, ToolError};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Query, QueryAnswer, Row, StopReason,
    estimate::{estimate, is_of_the_estimate},
    proof,
};
use crate::{budget::Share, state::State};

/// What a query cost and read. Part of every answer that a query stands behind.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cost {
    pub query_id: String,
    /// The query ended before it was complete: rows are missing and counts are lower bounds.
    pub stopped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// The log groups that AWS says it read.
    pub log_groups_read: Vec<String>,
    /// What the query was expected to scan; absent where the operator lets queries run without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_scanned: Option<u64>,
    /// The price of what was scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned_usd: Option<f64>,
    /// What further queries of this session may scan.
    pub session_bytes_left: u64,
}

/// Rows, and what they cost.
#[derive(Debug)]
pub struct Priced {
    pub rows: Vec<Row>,
    pub cost: Cost,
}

/// Runs `query`, if `selecting` (the part of it that decides how much is scanned, read `reads` times) is within the budget.
///
/// An answer that comes from other groups than the query's is withheld: `outside_allow_list`.
pub async fn run(
    state: &State,
    query: Query,
    selecting: &str,
    reads: u32,
    call: &CallContext,
) -> Result<Priced, ToolError> {
    let client = state.client().await?;
    let until = state.insights.deadline();
    let (estimated_bytes, share) = pre_flight(state, client, &query, selecting, reads, until, call).await?;
    let groups = query.groups.clone();
    let answer = match state.insights.run(client, query, until, call).await {
        Ok(answer) => answer,
        Err(failed) => {
            if !failed.may_have_run {
                share.settle(0);
            }
            return Err(failed.error);
        }
    };
    let bytes_scanned = bytes_scanned(&answer);
    // A query that was stopped may go on for a moment after its last statistics.
    match bytes_scanned {
        Some(bytes) if answer.stopped.is_none() => share.settle(bytes),
        _ => drop(share),
    }
    let log_groups_read = proof::groups_read(state, client, &answer, &groups, call).await?;
    Ok(Priced {
        cost: Cost {
            stopped: answer.stopped.is_some(),
            stop_reason: answer.stopped,
            query_id: answer.query_id,
            log_groups_read,
            estimated_bytes,
            bytes_scanned,
            scanned_usd: bytes_scanned.map(|bytes| state.budget.price_usd(bytes)),
            session_bytes_left: state.budget.session_bytes_left(),
        },
        rows: answer.rows,
    })
}

/// Returns the beginning of one of our own texts: the commands that choose lines. What a query scans is decided by its
/// groups and its time, so the rest does not matter to an estimate.
pub fn selecting(text: &str) -> String {
    let mut commands = text.trim_end().split("\n| ");
    let chosen: Vec<&str> = commands
        .by_ref()
        .take_while(|command| command.starts_with("fields ") || command.starts_with("filter @message "))
        .collect();
    chosen.join("\n| ")
}

/// Returns what the query would scan, and its share of the budget, if it may run.
async fn pre_flight<'s>(
    state: &'s State,
    client: &Client,
    query: &Query,
    selecting: &str,
    reads: u32,
    until: Instant,
    call: &CallContext,
) -> Result<(Option<u64>, Share<'s>), ToolError> {
    let minutes = (query.window.to - query.window.from).num_minutes();
    let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
    let selecting = Query {
        text: selecting.to_owned(),
        ..query.clone()
    };
    match estimate(&state.insights, client, selecting, until, call).await {
        Ok(bytes) => {
            let bytes = bytes.saturating_mul(u64::from(reads));
            state.budget.admit(bytes, minutes).map(|share| (Some(bytes), share))
        }
        Err(error) if is_of_the_estimate(&error) => {
            state.budget.admit_unknown(&error, minutes).map(|share| (None, share))
        }
        Err(error) => Err(error),
    }
}

fn bytes_scanned(answer: &QueryAnswer) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of bytes; `as` saturates"
    )]
    let bytes = answer
        .statistics
        .as_ref()
        .map(|statistics| statistics.bytes_scanned() as u64);
    bytes
}

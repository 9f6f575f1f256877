//! Runs one query to its end, or to the deadline, and keeps what it had found by then.

use std::{collections::BTreeMap, future::Future, time::Duration};

use aws_sdk_cloudwatchlogs::{
    Client,
    operation::get_query_results::GetQueryResultsOutput,
    types::{QueryStatistics, QueryStatus, ResultField},
};
use aws_telemetry::{Window, refused};
use kit::{CallContext, CancellationToken, ToolError};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::{open::Open, running::Running};
use crate::{free_query::Language, scope::AllowedGroup};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a stopping process waits for AWS to hear that its queries are to stop.
const CLOSING: Duration = Duration::from_secs(3);

/// The account has 15 queries at once in SQL and PPL; a quarter of them.
const CONCURRENT_OPENSEARCH: usize = 3;

/// The part of the account's query capacity that this process may use.
pub struct Insights {
    deadline: Duration,
    slots: Semaphore,
    opensearch_slots: Semaphore,
    open: Open,
    closing: CancellationToken,
}

/// One query. Its text is ours, or one that [`crate::free_query::FreeQuery`] has proven.
#[derive(Debug, Clone)]
pub struct Query {
    pub groups: Vec<AllowedGroup>,
    pub language: Language,
    pub window: Window,
    pub text: String,
}

/// Why there is no answer, and whether AWS may have scanned anything.
#[derive(Debug)]
pub struct Failed {
    pub error: ToolError,
    pub may_have_run: bool,
}

pub type Row = BTreeMap<String, String>;

#[derive(Debug)]
pub struct QueryAnswer {
    pub query_id: String,
    pub rows: Vec<Row>,
    pub statistics: Option<QueryStatistics>,
    /// Why the rows are not all there is.
    pub stopped: Option<StopReason>,
}

/// Why a query ended before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// This server's deadline passed and it stopped the query.
    Deadline,
    /// Somebody else stopped the query.
    CancelledElsewhere,
    /// AWS gave up on the query.
    ServiceTimeout,
}

impl Insights {
    pub fn new(deadline: Duration, concurrent: usize) -> Self {
        Self {
            deadline,
            slots: Semaphore::new(concurrent),
            opensearch_slots: Semaphore::new(concurrent.min(CONCURRENT_OPENSEARCH)),
            open: Open::new(),
            closing: CancellationToken::new(),
        }
    }

    /// Returns when the queries of a call that begins now must be over.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Stops every query and waits until AWS has been told.
    pub async fn close(&self) {
        self.closing.cancel();
        if tokio::time::timeout(CLOSING, self.open.none_left()).await.is_err() {
            tracing::warn!("a query could not be stopped in time");
        }
    }

    /// Runs `query` until it is complete, `until` passes (partial rows, `stopped`) or the call is cancelled (an error).
    pub async fn run(
        &self,
        client: &Client,
        query: Query,
        until: Instant,
        call: &CallContext,
    ) -> Result<QueryAnswer, Failed> {
        // INVARIANT: held until the query has ended or been stopped; `close` waits for it.
        let _open = self.open.token();
        let slots = match query.language {
            Language::LogsInsights => &self.slots,
            Language::Sql | Language::Ppl => &self.opensearch_slots,
        };
        let slot = self.before(until, call, slots.acquire()).await.map_err(not_run)?;
        let _slot = slot.map_err(|_| not_run(cancelled()))?;
        let starting = Running::start(&self.open, client, query);
        // Whoever leaves while a query starts does not know whether it did.
        let started = self.before(until, call, starting).await.map_err(perhaps_run)?;
        let running = started.map_err(|_| perhaps_run(cancelled()))?.map_err(not_run)?;
        self.follow(client, running, until, call).await.map_err(perhaps_run)
    }

    async fn follow(
        &self,
        client: &Client,
        running: Running,
        until: Instant,
        call: &CallContext,
    ) -> Result<QueryAnswer, ToolError> {
        let mut pause = FIRST_PAUSE;
        let mut latest = None;
        loop {
            let asked = client.get_query_results().query_id(running.id()).send();
            let answer = tokio::select! {
                biased;
                () = self.ended(call) => {
                    running.stop().await;
                    return Err(cancelled());
                }
                () = sleep_until(until) => return Ok(partial(running.stop().await, latest)),
                answer = asked => answer,
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    running.stop().await;
                    return Err(refused("GetQueryResults", &error));
                }
            };
            let stopped = match answer.status() {
                Some(QueryStatus::Complete) => None,
                Some(QueryStatus::Cancelled) => Some(StopReason::CancelledElsewhere),
                Some(QueryStatus::Timeout) => Some(StopReason::ServiceTimeout),
                Some(QueryStatus::Failed) => {
                    running.ended();
                    return Err(ToolError::new("query_failed", "AWS reports that the query failed").retryable());
                }
                // Scheduled, Running, Unknown, and whatever AWS may add: not over, as far as anybody knows.
                _ => {
                    latest = Some(answer);
                    tokio::select! {
                        biased;
                        () = self.ended(call) => {}
                        () = sleep_until(until.min(Instant::now() + pause)) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            };
            return Ok(read(running.ended(), answer, stopped));
        }
    }

    /// Waits for `work`, but not beyond the call.
    pub async fn while_called<F: Future>(&self, call: &CallContext, work: F) -> Result<F::Output, ToolError> {
        tokio::select! {
            biased;
            () = self.ended(call) => Err(cancelled()),
            done = work => Ok(done),
        }
    }

    /// Waits for `work`, but neither beyond the deadline nor beyond the call.
    async fn before<F: Future>(&self, until: Instant, call: &CallContext, work: F) -> Result<F::Output, ToolError> {
        tokio::select! {
            biased;
            () = self.ended(call) => Err(cancelled()),
            () = sleep_until(until) => Err(ToolError::new("busy", "the query did not start in time").retryable()),
            done = work => Ok(done),
        }
    }

    async fn ended(&self, call: &CallContext) {
        tokio::select! {
            () = call.cancelled.cancelled() => {}
            () = self.closing.cancelled() => {}
        }
    }
}

fn not_run(error: ToolError) -> Failed {
    Failed {
        error,
        may_have_run: false,
    }
}

fn perhaps_run(error: ToolError) -> Failed {
    Failed {
        error,
        may_have_run: true,
    }
}

fn cancelled() -> ToolError {
    ToolError::new("cancelled", "the call was cancelled")
}

fn partial(query_id: String, latest: Option<GetQueryResultsOutput>) -> QueryAnswer {
    match latest {
        Some(answer) => read(query_id, answer, Some(StopReason::Deadline)),
        None => QueryAnswer {
            query_id,
            rows: Vec::new(),
            statistics: None,
            stopped: Some(StopReason::Deadline),
        },
    }
}

fn read(query_id: String, answer: GetQueryResultsOutput, stopped: Option<StopReason>) -> QueryAnswer {
    let rows = answer
        .results()
        .iter()
        .map(|row| row.iter().filter_map(field).collect())
        .collect();
    QueryAnswer {
        query_id,
        rows,
        statistics: answer.statistics,
        stopped,
    }
}

fn field(field: &ResultField) -> Option<(String, String)> {
    Some((field.field()?.to_owned(), field.value()?.to_owned()))
}

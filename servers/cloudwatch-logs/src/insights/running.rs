//! A query that AWS is working on. Whatever happens to its owner, it is stopped or has ended.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::{
    Client,
    config::{http::HttpResponse, retry::RetryConfig},
    error::SdkError,
    operation::start_query::StartQueryError,
    types::QueryLanguage,
};
use aws_telemetry::{Refusal, refused};
use kit::ToolError;
use serde_json::json;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Query,
    open::{Open, OpenToken},
};
use crate::{free_query::Language, scope::AllowedGroup};

/// Waits between attempts when AWS says that too many queries run.
const START_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// Dropping it stops the query.
#[derive(Debug)]
pub struct Running {
    id: Option<String>,
    client: Client,
    /// Goes on into the task that stops the query.
    open: OpenToken,
}

impl Running {
    /// Starts `query` in a task of its own: if the caller goes away meanwhile, the answer comes back to that task, is
    /// dropped there, and the query that nobody waits for is stopped.
    pub fn start(open: &Open, client: &Client, query: Query) -> oneshot::Receiver<Result<Self, ToolError>> {
        let (sender, receiver) = oneshot::channel();
        let (open, client) = (open.token(), client.clone());
        tokio::spawn(async move {
            let started = start(&client, &query).await;
            let started = started.map(|id| Self {
                id: Some(id),
                client,
                open,
            });
            drop(sender.send(started));
        });
        receiver
    }

    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// AWS has said that the query is over, so there is nothing left to stop.
    pub fn ended(mut self) -> String {
        self.id.take().unwrap_or_default()
    }

    /// Stops the query and returns when AWS has answered; it is stopped even if the caller does not wait that long.
    pub async fn stop(mut self) -> String {
        let id = self.id.take().unwrap_or_default();
        if self.spawn_stop(id.clone()).await.is_err() {
            tracing::warn!("the task that stops a query was itself stopped");
        }
        id
    }

    fn spawn_stop(&mut self, id: String) -> JoinHandle<()> {
        let (open, client) = (self.open.take(), self.client.clone());
        tokio::spawn(async move {
            stop(client, id).await;
            drop(open);
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.spawn_stop(id);
        }
    }
}

async fn start(client: &Client, query: &Query) -> Result<String, ToolError> {
    let mut pauses = START_PAUSES.into_iter();
    loop {
        // Without the SDK's own retries: after a lost answer they would start the query a second time, and nobody
        // would know the id of the first.
        let once = aws_sdk_cloudwatchlogs::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = client
            .start_query()
            .set_query_language(language(query.language))
            .set_log_group_names(names(query))
            .start_time(query.window.from.timestamp())
            .end_time(query.window.to.timestamp())
            .query_string(&query.text)
            .customize()
            .config_override(once)
            .send()
            .await;
        let error = match answer {
            Ok(started) => {
                return started
                    .query_id
                    .ok_or_else(|| Refusal::UnexpectedAnswer.error("the answer to StartQuery has no query id"));
            }
            Err(error) => start_refused(&error, query),
        };
        match pauses.next() {
            Some(pause) if error.code == Refusal::Throttled.code() => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
    }
}

/// Queries in SQL name their groups in their text, and only there.
fn names(query: &Query) -> Option<Vec<String>> {
    let names = || query.groups.iter().map(AllowedGroup::name).map(str::to_owned).collect();
    match query.language {
        Language::LogsInsights | Language::Ppl => Some(names()),
        Language::Sql => None,
    }
}

fn language(language: Language) -> Option<QueryLanguage> {
    match language {
        Language::LogsInsights => None,
        Language::Sql => Some(QueryLanguage::Sql),
        Language::Ppl => Some(QueryLanguage::Ppl),
    }
}

/// AWS says where in a text it stumbled; the text is the one that was sent, so it comes along.
fn start_refused(error: &SdkError<StartQueryError, HttpResponse>, query: &Query) -> ToolError {
    let refusal = refused("StartQuery", error);
    let Some(StartQueryError::MalformedQueryException(malformed)) = error.as_service_error() else {
        return refusal;
    };
    let place = malformed.query_compile_error().and_then(|error| error.location());
    let offset = |offset: Option<i32>| offset.map(|offset| offset.saturating_add(1));
    let first = offset(place.and_then(|place| place.start_char_offset()));
    let last = offset(place.and_then(|place| place.end_char_offset()));
    let data = json!({"query": query.text, "first_character": first, "last_character": last});
    match (first, last) {
        (Some(first), Some(last)) => ToolError {
            message: format!("{}, at characters {first} to {last}", refusal.message),
            ..refusal.data(data)
        },
        _ => refusal.data(data),
    }
}

/// A query that has ended by itself cannot be stopped and says so; that is no fault.
async fn stop(client: Client, id: String) {
    match client.stop_query().query_id(&id).send().await {
        Ok(_) => tracing::info!(query_id = %id, "query stopped"),
        Err(error) => {
            let error = refused("StopQuery", &error);
            tracing::warn!(query_id = %id, code = error.code, "query not stopped; it may have ended by itself");
        }
    }
}

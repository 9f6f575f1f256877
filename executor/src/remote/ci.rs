//! The step kind `ci.dispatch`: one run of a workflow of GitHub Actions, found again by an input, and followed to its end.
//!
//! Requests and answers are those of GitHub's REST API, version 2022-11-28:
//! <https://docs.github.com/en/rest/actions/workflows> and <https://docs.github.com/en/rest/actions/workflow-runs>. The API
//! has no idempotency key, so the workflow must show the input `countersign_id` in its `run-name`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use runbooks::{CI_KEY, CiDispatchAction, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::{GithubConfig, RepositoryConfig};
use super::{Away, Key, Probe, Sent};
use crate::prove::CHANGED;
use crate::step::Cause;

/// One dispatch, and where it goes.
pub(crate) struct Dispatch<'a> {
    action: &'a CiDispatchAction,
    github: &'a GithubConfig,
    client: Client,
    /// The run, once the answer to the dispatch has named it.
    run: Mutex<Option<u64>>,
    begun: Instant,
}

#[derive(Deserialize)]
struct Workflow {
    state: String,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    display_title: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
}

impl<'a> Dispatch<'a> {
    pub(crate) fn new(action: &'a CiDispatchAction, repository: &'a RepositoryConfig) -> Result<Self, Cause> {
        let github = repository.github.as_ref().ok_or_else(|| {
            let message = format!(
                "this executor's configuration has no `github_repository` for the repository `{}`",
                repository.name
            );
            Cause::new("no_service", message)
        })?;
        let client = Client::builder()
            .timeout(Duration::from_secs(u64::from(action.timeout_s)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("countersign-executor")
            .build()
            .map_err(|error| Cause::new("no_service", error.to_string()))?;
        Ok(Self {
            action,
            github,
            client,
            run: Mutex::new(None),
            begun: Instant::now(),
        })
    }

    /// The workflow must be there and switched on.
    pub(crate) async fn ready(&self) -> Result<Result<Value, Cause>, Away> {
        let request = self.request(Method::GET, &self.workflow()).map_err(Away)?;
        let workflow: Workflow = match self.read(request).await {
            Ok(workflow) => workflow,
            Err(Failure::Refused(cause)) => return Ok(Err(cause)),
            Err(Failure::Unsure(cause)) => return Err(Away(cause)),
        };
        if workflow.state == "active" {
            return Ok(Ok(Value::Null));
        }
        let message = format!(
            "the workflow `{}` is `{}`, not `active`",
            self.action.workflow, workflow.state
        );
        Ok(Err(Cause::new(CHANGED, message)))
    }

    pub(crate) async fn send(&self, key: &Key) -> Sent {
        let sent = self.dispatch(key, true).await;
        // Servers from before 2026 know nothing of `return_run_details`, and refuse what they do not know.
        if let Err(Failure::Refused(cause)) = &sent
            && cause.message.contains(RUN_DETAILS)
        {
            return judge(self.dispatch(key, false).await);
        }
        judge(sent)
    }

    async fn dispatch(&self, key: &Key, details: bool) -> Result<(), Failure> {
        let mut inputs: Map<String, Value> = self.action.inputs.clone().into_iter().collect();
        inputs.insert(CI_KEY.to_owned(), json!(key.id()));
        let mut body = json!({"ref": self.action.git_ref, "inputs": inputs});
        if let (true, Some(fields)) = (details, body.as_object_mut()) {
            fields.insert(RUN_DETAILS.to_owned(), json!(true));
        }
        let path = format!("{}/dispatches", self.workflow());
        let request = self.request(Method::POST, &path).map_err(Failure::Refused)?.json(&body);
        let answer = self.answer(request).await?;
        // An older server answers 204 and nothing; the run is then found by its name.
        if let Ok(dispatched) = serde_json::from_slice::<Dispatched>(&answer)
            && let Ok(mut run) = self.run.lock()
        {
            *run = Some(dispatched.workflow_run_id);
        }
        Ok(())
    }

    /// The run's own state, where it is known; else the one run since then that shows our key.
    pub(crate) async fn probe(&self, key: &Key, since: Timestamp, last: bool) -> Result<Probe, Away> {
        let known = self.run.lock().ok().and_then(|run| *run);
        let found = match known {
            Some(id) => {
                let path = format!("/actions/runs/{id}");
                self.ask::<Run>(&path).await?.map(|run| vec![run])
            }
            None => self.runs(key, since).await?,
        };
        Ok(match found {
            Err(cause) => Probe::Unknown(cause),
            Ok(runs) => match runs.as_slice() {
                [run] => self.judge_run(run),
                // The list is some seconds behind, and a dispatch that was cut off may still arrive.
                [] if !last && self.begun.elapsed() < LIST_DELAY => Probe::Pending,
                [] => Probe::Unknown(Cause::new(
                    "run_not_found",
                    format!(
                        "no run of `{}` since {since} shows `{}`: whether it was started cannot be told",
                        self.action.workflow,
                        key.id()
                    ),
                )),
                [..] => Probe::Unknown(Cause::new(
                    "run_ambiguous",
                    format!("{} runs show `{}`", runs.len(), key.id()),
                )),
            },
        })
    }

    async fn runs(&self, key: &Key, since: Timestamp) -> Result<Result<Vec<Run>, Cause>, Away> {
        // Clocks may differ by a little, and a run is dated to the second.
        let from = since.plus_s(-60);
        let path = format!(
            "{}/runs?event=workflow_dispatch&per_page=100&created=%3E%3D{from}",
            self.workflow()
        );
        let wanted = key.id();
        let shows = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(&wanted));
        let runs = self.ask::<Runs>(&path).await?;
        Ok(runs.map(|found| {
            let mut runs = found.workflow_runs;
            runs.retain(|run| shows(&run.name) || shows(&run.display_title));
            runs
        }))
    }

    fn judge_run(&self, run: &Run) -> Probe {
        let place = run.html_url.clone().unwrap_or_else(|| format!("run {}", run.id));
        match (run.status.as_deref(), run.conclusion.as_deref()) {
            (Some("completed"), Some("success")) => Probe::Done,
            (Some("completed"), conclusion) => Probe::Failed(Cause::new(
                "run_failed",
                format!("{place} ended as `{}`", conclusion.unwrap_or("nothing")),
            )),
            _ => Probe::Pending,
        }
    }

    /// A refusal is an answer: the service is there, and cannot tell.
    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Result<T, Cause>, Away> {
        let request = self.request(Method::GET, path).map_err(Away)?;
        match self.read(request).await {
            Ok(value) => Ok(Ok(value)),
            Err(Failure::Refused(cause)) => Ok(Err(cause)),
            Err(Failure::Unsure(cause)) => Err(Away(cause)),
        }
    }

    fn workflow(&self) -> String {
        format!("/actions/workflows/{}", self.action.workflow)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Cause> {
        let GithubConfig {
            api,
            repository,
            token_file,
        } = self.github;
        let token = std::fs::read_to_string(token_file).map_err(|error| {
            Cause::new(
                "credential_unreadable",
                format!("could not read the credential `{}`: {error}", token_file.display()),
            )
        })?;
        Ok(self
            .client
            .request(method, format!("{api}/repos/{repository}{path}"))
            .bearer_auth(token.trim())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28"))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let body = self.answer(request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::Unsure(Cause::new(
                "github_unreadable",
                format!("the answer is not understood: {error}"),
            ))
        })
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
        let away = |error: reqwest::Error| {
            Failure::Unsure(Cause::new("github_unreachable", crate::chain(&error.without_url())))
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(Failure::Unsure(Cause::new(
                    "github_unreadable",
                    "the answer is too long",
                )));
            }
        }
        if status.is_success() {
            return Ok(body);
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = said
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("no reason was given");
        let message = format!("GitHub answered {}: {said}", status.as_u16());
        let retryable = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || said.contains("rate limit");
        Err(match retryable {
            true => Failure::Unsure(Cause::new("github_unreachable", message)),
            false => Failure::Refused(Cause::new("github_refused", message)),
        })
    }
}

/// Why there is no answer that helps.
enum Failure {
    /// The service says no, and did nothing.
    Refused(Cause),
    Unsure(Cause),
}

fn judge(sent: Result<(), Failure>) -> Sent {
    match sent {
        Ok(()) => Sent::Accepted,
        Err(Failure::Refused(cause)) => Sent::Refused(cause),
        Err(Failure::Unsure(cause)) => Sent::Unsure(cause),
    }
}

const LIST_DELAY: Duration = Duration::from_secs(30);
const RUN_DETAILS: &str = "return_run_details";
const MAX_ANSWER_BYTES: usize = 4 << 20;

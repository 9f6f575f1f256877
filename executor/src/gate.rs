//! The gate, as seen from here: orders are pulled from it, standings asked of it, results told to it. It is never obeyed.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use runbooks::Digest;
use serde_json::{Value, json};

use crate::config::GateConfig;
use crate::preflight::Report;

/// A client of one gate.
pub(crate) struct Gate {
    client: Client,
    url: String,
    bearer_file: PathBuf,
}

/// Why the gate gave no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
    #[error("could not read the bearer `{path}`")]
    Bearer {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the gate cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the gate answered {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the gate's answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

impl Gate {
    /// Makes a client where the configuration has an address; nothing is sent yet.
    pub(crate) fn new(config: &GateConfig) -> Result<Option<Self>, GateError> {
        let (Some(url), Some(bearer_file)) = (&config.url, &config.bearer_file) else {
            return Ok(None);
        };
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(GateError::Client)?;
        Ok(Some(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            bearer_file: bearer_file.clone(),
        }))
    }

    /// Waits for an order, at most `wait_s`. The same one may come again: the answer before may have been lost.
    pub(crate) async fn claim(
        &self,
        executor: &str,
        environment: &str,
        wait_s: u64,
    ) -> Result<Option<String>, GateError> {
        self.poll("claim", executor, environment, wait_s).await
    }

    /// Asks for the signed standing of a plan.
    pub(crate) async fn standing(&self, plan: &Digest) -> Result<String, GateError> {
        let request = self
            .client
            .get(format!("{}/v1/executor/standing/{plan}", self.url))
            .timeout(ANSWER);
        body(self.send(request).await?).await
    }

    /// Tells what happened.
    pub(crate) async fn report(&self, order: &str, kind: &str, data: &Value) -> Result<(), GateError> {
        let request = self
            .client
            .post(format!("{}/v1/executor/reports", self.url))
            .json(&json!({"order_id": order, "kind": kind, "data": data}))
            .timeout(ANSWER);
        self.send(request).await.map(drop)
    }

    /// Waits for a plan to look at, at most `wait_s`.
    pub(crate) async fn claim_preflight(
        &self,
        executor: &str,
        environment: &str,
        wait_s: u64,
    ) -> Result<Option<String>, GateError> {
        self.poll("preflight/claim", executor, environment, wait_s).await
    }

    async fn poll(
        &self,
        what: &str,
        executor: &str,
        environment: &str,
        wait_s: u64,
    ) -> Result<Option<String>, GateError> {
        let request = self
            .client
            .post(format!("{}/v1/executor/{what}", self.url))
            .json(&json!({"executor": executor, "environments": [environment], "wait_s": wait_s}))
            .timeout(Duration::from_secs(wait_s) + ANSWER);
        let response = self.send(request).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        body(response).await.map(Some)
    }

    /// Tells what a preflight found.
    pub(crate) async fn report_preflight(&self, report: &Report) -> Result<(), GateError> {
        let request = self
            .client
            .post(format!("{}/v1/executor/preflight", self.url))
            .json(report)
            .timeout(ANSWER);
        self.send(request).await.map(drop)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, GateError> {
        // Read each time, so that a rotated one is taken without a restart.
        let bearer = std::fs::read_to_string(&self.bearer_file).map_err(|source| GateError::Bearer {
            path: self.bearer_file.clone(),
            source,
        })?;
        let response = request
            .bearer_auth(bearer.trim())
            .send()
            .await
            .map_err(|error| GateError::Unreachable(error.without_url()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let message: String = body(response).await.unwrap_or_default();
        Err(GateError::Refused {
            status,
            message: message.chars().filter(|c| !c.is_control()).take(300).collect(),
        })
    }
}

async fn body(mut response: Response) -> Result<String, GateError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(GateError::Unreachable)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(GateError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    // What is no UTF-8 is no canonical JSON either; the verifier says so.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 5 << 20;

//! Talks to a gate, and sorts what can go wrong into exit codes.

use std::time::Duration;

use anyhow::Context;
use approval::{Person, PublicKey};
use kit::ExitCode;
use reqwest::{RequestBuilder, Response, Url};
use runbooks::Target;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::GateUrl;
use crate::enrolling::Registered;

/// A gate, seen from outside.
pub struct GateClient {
    base: Url,
    http: reqwest::Client,
}

/// What a gate says of itself.
#[derive(Debug, Deserialize)]
pub struct About {
    /// Its id.
    pub gate: String,
    /// Its environment.
    pub environment: String,
    /// The executor that it serves.
    pub audience: String,
    /// What it knows to touch.
    pub targets: Vec<Target>,
    /// The freeze as it stands.
    pub freeze: crate::freezing::FreezeMark,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The gate refused.
    #[error("{message} ({code})")]
    Refused {
        /// The stable code.
        code: String,
        /// The words.
        message: String,
    },
    /// What the gate showed is not what would be signed. Nothing was signed.
    #[error("{0}; nothing was signed")]
    NotVerified(String),
    /// The person said no at the prompt.
    #[error("not signed")]
    NotSigned,
    /// Wrong configuration or arguments.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl CliError {
    /// The exit code that says the same.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Refused { code, .. } => match code.as_str() {
                "policy_denied" => ExitCode::Denied,
                "bad_signature" | "malformed_signature" | "approvers_rolled_back" | "approvers_bad_signature" => {
                    ExitCode::NotVerified
                }
                code if code.starts_with("journal_") || code == "internal" => ExitCode::Failed,
                code if code.starts_with("unknown_request") => ExitCode::Usage,
                _ => ExitCode::NotApproved,
            },
            Self::NotVerified(_) => ExitCode::NotVerified,
            Self::NotSigned => ExitCode::NotApproved,
            Self::Usage(_) => ExitCode::Usage,
            Self::Failed(_) => ExitCode::Failed,
        }
    }
}

#[derive(Deserialize)]
struct RefusalBody {
    code: String,
    message: String,
}

#[derive(Deserialize)]
struct ApproversBody {
    version: u64,
    people: Vec<Person>,
}

impl GateClient {
    /// Prepares to talk to a gate.
    pub fn new(gate: &GateUrl) -> Result<Self, CliError> {
        let base = Url::parse(&gate.url).map_err(|_| CliError::Usage(format!("`{}` is no address", gate.url)))?;
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .context("no HTTP client")?;
        Ok(Self { base, http })
    }

    /// The path, with query parameters, each encoded.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, CliError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| CliError::Usage(format!("`{}` cannot have a path", self.base)))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// GETs JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, CliError> {
        let response = send(self.http.get(self.url(path, query)?)).await?;
        Ok(response.json().await.context("the gate's answer is not understood")?)
    }

    /// GETs bytes.
    pub async fn get_bytes(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<u8>, CliError> {
        let response = send(self.http.get(self.url(path, query)?)).await?;
        Ok(response
            .bytes()
            .await
            .context("the gate's answer was cut off")?
            .to_vec())
    }

    /// POSTs text and reads JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: String,
    ) -> Result<T, CliError> {
        let response = send(self.http.post(self.url(path, query)?).body(body)).await?;
        Ok(response.json().await.context("the gate's answer is not understood")?)
    }

    /// Who the gate is.
    pub async fn about(&self) -> Result<About, CliError> {
        self.get(&["v1", "gate"], &[]).await
    }

    /// The list in force: its version, and everyone on it.
    pub async fn approvers(&self) -> Result<(u64, Vec<Person>), CliError> {
        let body: ApproversBody = self.get(&["v1", "approvers"], &[]).await?;
        Ok((body.version, body.people))
    }

    /// The passkeys that a person has registered.
    pub async fn registered(&self, person: &str) -> Result<Vec<Registered>, CliError> {
        let all: Vec<Registered> = self.get(&["v1", "registrations"], &[]).await?;
        Ok(all.into_iter().filter(|one| one.person == person).collect())
    }

    /// Whose key this is, by the list in force.
    pub async fn owner_of(&self, fingerprint: &str) -> Result<String, CliError> {
        let (_, people) = self.approvers().await?;
        let is_it = |line: &str| PublicKey::parse(line).is_ok_and(|key| key.fingerprint() == fingerprint);
        let owner = people
            .into_iter()
            .find(|person| person.keys.iter().any(|key| is_it(&key.public_key)));
        owner.map(|person| person.id).ok_or_else(|| CliError::Refused {
            code: "unknown_key".to_owned(),
            message: format!("key `{fingerprint}` is not listed"),
        })
    }
}

async fn send(request: RequestBuilder) -> Result<Response, CliError> {
    let response = request.send().await.context("the gate cannot be reached")?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    match serde_json::from_str::<RefusalBody>(&text) {
        Ok(RefusalBody { code, message }) => Err(CliError::Refused { code, message }),
        Err(_) => Err(anyhow::anyhow!("the gate answered {status}: {}", text.trim()).into()),
    }
}

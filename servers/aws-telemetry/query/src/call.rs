//! One request: signed, sent once, and answered within a bound of time and size.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use crate::answer::error_of;
use crate::endpoint::Endpoint;
use crate::signature::headers;

const CONNECT: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// One call of a service.
#[derive(Debug, Clone)]
pub struct SignedCall<'a> {
    /// The service in its signature: `rds`, `monitoring`, `sts`.
    pub service: &'a str,
    /// For messages.
    pub operation: &'a str,
    pub content_type: &'a str,
    /// `X-Amz-Target`, where the protocol has one.
    pub target: Option<&'a str>,
    pub body: String,
}

impl<'a> SignedCall<'a> {
    /// A call of the Query protocol, with a body `Action=…&Version=…`.
    pub fn query(service: &'a str, operation: &'a str, body: String) -> Self {
        Self {
            service,
            operation,
            content_type: "application/x-www-form-urlencoded",
            target: None,
            body,
        }
    }
}

/// Why there is no answer. No message holds anything of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the request could not be signed")]
    Unsigned,
    /// No connection came about, so nothing was sent.
    #[error("the endpoint could not be reached")]
    Unreachable,
    /// It was sent, or a part of it; whether it arrived is not known.
    #[error("the connection was lost")]
    Lost,
    /// The same, after waiting.
    #[error("there was no answer in time")]
    TimedOut,
    #[error("the answer is longer than 4 MiB")]
    TooLong,
    /// The service's own words: they may quote the request, so whoever shows them must look at them first.
    #[error("the service refused with `{code}`")]
    Refused {
        status: u16,
        code: String,
        message: Option<String>,
    },
}

/// Makes one call, once, and returns what the service answered.
///
/// # Errors
/// When the service did not answer with success within `deadline`.
pub async fn send(
    endpoint: &Endpoint,
    credentials: &Credentials,
    call: &SignedCall<'_>,
    deadline: Duration,
) -> Result<String, CallError> {
    match tokio::time::timeout(deadline, attempt(endpoint, credentials, call)).await {
        Ok(answer) => answer,
        Err(_) => Err(CallError::TimedOut),
    }
}

async fn attempt(endpoint: &Endpoint, credentials: &Credentials, call: &SignedCall<'_>) -> Result<String, CallError> {
    let mut client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    client = if endpoint.is_loopback() {
        client.no_proxy()
    } else {
        client.https_only(true)
    };
    let client = client.build().map_err(|_| CallError::Unreachable)?;
    let mut request = client.post(endpoint.url());
    for (name, value) in headers(endpoint, credentials, call, SystemTime::now())? {
        request = request.header(name, value);
    }
    let mut answer = request.body(call.body.clone()).send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            CallError::Unreachable
        } else {
            CallError::Lost
        }
    })?;
    let status = answer.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| CallError::Lost)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(CallError::TooLong);
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status == 200 {
        return Ok(text);
    }
    let (code, message) = error_of(&text);
    Err(CallError::Refused { status, code, message })
}

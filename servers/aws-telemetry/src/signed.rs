//! Calls of services that are too large to be linked for one operation, with the session's credentials.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_query::{CallError, Endpoint, SignedCall};
use kit::ToolError;

use crate::{Refusal, Session, refusal::refused_by};

const DEADLINE: Duration = Duration::from_secs(10);
/// Waits between attempts when AWS throttles or has a fault of its own.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

impl Session {
    /// Makes one call that reads, and returns what the service answered, at most 4 MiB of it.
    pub async fn call(&self, call: &SignedCall<'_>) -> Result<String, ToolError> {
        let sdk = self.connect().await?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.attempt(sdk, call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if error.retryable => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn attempt(&self, sdk: &SdkConfig, call: &SignedCall<'_>) -> Result<String, ToolError> {
        let endpoint = self.endpoint_of(sdk, call.service)?;
        aws_query::send(&endpoint, &credentials(sdk).await?, call, DEADLINE)
            .await
            .map_err(|error| unanswered(call.operation, &error))
    }

    fn endpoint_of(&self, sdk: &SdkConfig, service: &str) -> Result<Endpoint, ToolError> {
        let region = sdk.region().map(AsRef::as_ref);
        let region: &str = region.ok_or_else(|| Refusal::NotConfigured.error("no AWS Region is configured"))?;
        match self.endpoint() {
            Some(url) => Endpoint::at(&url, region)
                .map_err(|_| Refusal::NotConfigured.error("`endpoint_url` has more than a scheme, a host and a port")),
            None => Ok(Endpoint::of_aws(service, region)),
        }
    }
}

async fn credentials(sdk: &SdkConfig) -> Result<Credentials, ToolError> {
    let missing = || Refusal::CredentialsMissing.error("no AWS credentials were found");
    let provider = sdk.credentials_provider().ok_or_else(missing)?;
    // A provider's own words may hold paths and answers of a token service.
    provider.provide_credentials().await.map_err(|_| missing())
}

fn unanswered(operation: &str, error: &CallError) -> ToolError {
    match error {
        CallError::Unsigned => Refusal::InvalidRequest.error(format!("the request {operation} could not be signed")),
        CallError::Unreachable | CallError::Lost => {
            Refusal::Unavailable.error(format!("the endpoint of {operation} could not be reached"))
        }
        CallError::TimedOut => Refusal::Unavailable.error(format!("{operation} got no answer in time")),
        CallError::TooLong => Refusal::UnexpectedAnswer.error(format!("the answer to {operation} is too long")),
        CallError::Refused { status, code, message } => refused_by(operation, code, *status, message.as_deref()),
    }
}

//! The connection to AWS: Region, credentials, bounds. Nothing is asked of AWS before the first call needs it.

use std::time::Duration;

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, default_provider::credentials::DefaultCredentialsChain, imds,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, retry::RetryConfig, timeout::TimeoutConfig,
};
use kit::ToolError;
use tokio::sync::OnceCell;

use crate::{Account, Refusal, refused};

const CONNECT: Duration = Duration::from_secs(3);
const ATTEMPT: Duration = Duration::from_secs(8);
const OPERATION: Duration = Duration::from_secs(15);
/// A machine that is no EC2 instance may swallow packets to the metadata service instead of refusing them.
const INSTANCE_METADATA: Duration = Duration::from_millis(900);

/// AWS_REGION is a flag's; this is the older name. Clients hand on variables that nobody has set, as empty ones.
fn region_of_environment() -> Option<Region> {
    std::env::var("AWS_DEFAULT_REGION")
        .ok()
        .filter(|region| !region.is_empty())
        .map(Region::new)
}

/// One process's view of the operator's account.
pub struct Session {
    account: Account,
    sdk: OnceCell<SdkConfig>,
    proven: OnceCell<()>,
}

impl Session {
    pub fn new(account: Account) -> Self {
        Self {
            account,
            sdk: OnceCell::new(),
            proven: OnceCell::new(),
        }
    }

    /// Returns the SDK's configuration, once the credentials are known to belong to the configured account.
    /// Without a Region the error is `not_configured`.
    pub async fn connect(&self) -> Result<&SdkConfig, ToolError> {
        let sdk = self.sdk.get_or_try_init(|| self.configure()).await?;
        if let Some(expected) = &self.account.id {
            self.proven.get_or_try_init(|| self.prove(sdk, expected)).await?;
        }
        Ok(sdk)
    }

    /// Returns the account that the credentials must belong to, if the operator has fixed one.
    pub fn account(&self) -> Option<&str> {
        self.account.id.as_deref()
    }

    /// Returns the operator's endpoint, to be set on every service client, also when there is none: the SDK would
    /// otherwise take one from AWS_ENDPOINT_URL_<SERVICE> or a profile, and send log lines wherever that points.
    pub fn endpoint(&self) -> Option<String> {
        self.account
            .endpoint
            .as_ref()
            .map(|endpoint| endpoint.as_str().to_owned())
    }

    async fn configure(&self) -> Result<SdkConfig, ToolError> {
        // The SDK's own Region chain ends in the instance metadata service; this one does not.
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.account.profile {
            profile = profile.profile_name(name);
        }
        let region = RegionProviderChain::first_try(self.account.region.clone().map(Region::new))
            .or_else(region_of_environment())
            .or_else(profile.build())
            .region()
            .await
            .ok_or_else(|| {
                Refusal::NotConfigured
                    .error("no AWS Region is configured")
                    .hint("set `[aws] region`, or AWS_REGION")
            })?;
        let metadata = imds::Client::builder()
            .max_attempts(1)
            .connect_timeout(INSTANCE_METADATA / 3)
            .operation_timeout(INSTANCE_METADATA)
            .build();
        let mut credentials = DefaultCredentialsChain::builder()
            .region(region.clone())
            .imds_client(metadata);
        if let Some(name) = &self.account.profile {
            credentials = credentials.profile_name(name);
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials.build().await)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts);
        if let Ok(name) = AppName::new("countersign") {
            loader = loader.app_name(name);
        }
        Ok(loader.load().await)
    }

    /// Credentials of another account would show another company's telemetry as this one's.
    async fn prove(&self, sdk: &SdkConfig, expected: &str) -> Result<(), ToolError> {
        let mut config = aws_sdk_sts::config::Builder::from(sdk);
        config.set_endpoint_url(self.endpoint());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let identity = client
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| refused("GetCallerIdentity", &error))?;
        if identity.account() == Some(expected) {
            return Ok(());
        }
        Err(Refusal::WrongAccount.error(format!("the credentials do not belong to account `{expected}`")))
    }
}

//! The operator's own credentials, which may do nothing but assume the executor's role. They come from the one place that
//! the configuration names; nothing is searched for.

use std::path::PathBuf;

use aws_config::Region;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::error::RdsError;

/// Where the base credentials lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseSource {
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a session, AWS_SESSION_TOKEN.
    Environment,
    /// A profile of one credentials file.
    Profile { file: PathBuf, name: String },
    /// A token of an identity provider, as Kubernetes mounts one, and the role that it stands for.
    WebIdentity { token_file: PathBuf, role_arn: String },
}

/// Base credentials, for one use. Nobody can copy, print or write them.
///
/// ```compile_fail,E0599
/// fn twice(base: rds::Base) -> (rds::Base, rds::Base) { (base.clone(), base) }
/// ```
/// ```compile_fail,E0277
/// fn print(base: &rds::Base) -> String { format!("{base:?}") }
/// ```
#[must_use]
pub struct Base(Credentials);

impl Base {
    /// Reads the credentials.
    ///
    /// # Errors
    /// When there are none in that place. The message says which place, and nothing of what lies there.
    pub async fn obtain(source: &BaseSource, region: &str) -> Result<Self, RdsError> {
        let config = ProviderConfig::without_region().with_region(Some(Region::new(region.to_owned())));
        let found = match source {
            BaseSource::Environment => {
                EnvironmentVariableCredentialsProvider::new()
                    .provide_credentials()
                    .await
            }
            BaseSource::Profile { file, name } => {
                let files = EnvConfigFiles::builder()
                    .with_file(EnvConfigFileKind::Credentials, file)
                    .build();
                ProfileFileCredentialsProvider::builder()
                    .configure(&config)
                    .profile_files(files)
                    .profile_name(name)
                    .build()
                    .provide_credentials()
                    .await
            }
            BaseSource::WebIdentity { token_file, role_arn } => {
                let configuration = StaticConfiguration {
                    web_identity_token_file: token_file.clone(),
                    role_arn: role_arn.clone(),
                    session_name: "countersign".to_owned(),
                };
                WebIdentityTokenCredentialsProvider::builder()
                    .configure(&config)
                    .static_configuration(configuration)
                    .build()
                    .provide_credentials()
                    .await
            }
        };
        // A provider's own words may hold paths, role names and answers of a token service.
        found.map(Self).map_err(|_| RdsError::NoCredentials {
            source_name: source.to_string(),
        })
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0
    }
}

impl std::fmt::Display for BaseSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::Profile { file, name } => write!(f, "profile `{name}` of `{}`", file.display()),
            Self::WebIdentity { token_file, .. } => write!(f, "the web identity token `{}`", token_file.display()),
        }
    }
}

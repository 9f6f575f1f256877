//! The credential to change a target: read when an approved plan asks for it, and gone when the run ends.

use std::fs;
use std::path::{Path, PathBuf};

use approval::ApprovedPlan;
use policies::PermittedPlan;
use runbooks::Target;
use tokio_postgres::config::{Host, SslMode};

use crate::config::{CredentialSource, TargetConfig};

/// The right to change one target. Nobody gets one without an approved plan for that target, and nobody can copy it,
/// print it, or build it:
///
/// ```compile_fail,E0451
/// fn forge() -> executor::Credential { executor::Credential { config: tokio_postgres::Config::new(), ca_file: None } }
/// ```
/// ```compile_fail,E0599
/// fn twice(credential: executor::Credential) -> (executor::Credential, executor::Credential) {
///     (credential.clone(), credential)
/// }
/// ```
/// ```compile_fail,E0277
/// fn print(credential: &executor::Credential) -> String { format!("{credential:?}") }
/// ```
/// ```compile_fail,E0277
/// fn leak(credential: &executor::Credential) -> String { serde_json::to_string(credential).unwrap() }
/// ```
/// ```compile_fail,E0277
/// let credential: executor::Credential = serde_json::from_str("{}").unwrap();
/// ```
#[must_use]
pub struct Credential {
    config: tokio_postgres::Config,
    ca_file: Option<PathBuf>,
}

/// Why there is no credential. No message holds any part of it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("the plan is for `{approved}`, not for `{asked}`")]
    OtherTarget { approved: String, asked: String },
    #[error("could not read the credential `{path}`")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{0}` is no connection string")]
    Malformed(String),
}

impl CredentialError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherTarget { .. } => "wrong_target",
            Self::Unreadable { .. } => "credential_unreadable",
            Self::Malformed(_) => "credential_malformed",
        }
    }
}

impl Credential {
    /// Reads the credential for the target of an approved plan.
    pub fn obtain(approved: &ApprovedPlan, target: &TargetConfig) -> Result<Self, CredentialError> {
        Self::for_target(&approved.plan().document().target, target)
    }

    fn for_target(of_plan: &Target, target: &TargetConfig) -> Result<Self, CredentialError> {
        if *of_plan != target.target {
            return Err(CredentialError::OtherTarget {
                approved: of_plan.name.clone(),
                asked: target.target.name.clone(),
            });
        }
        let mut config = match &target.credential {
            CredentialSource::DsnFile(path) => parse(read(path)?.trim(), &path.display().to_string())?,
            CredentialSource::Dsn { dsn, password_file } => {
                let mut config = parse(dsn, "targets.dsn")?;
                if let Some(path) = password_file {
                    config.password(read(path)?.trim_end_matches(['\r', '\n']));
                }
                config
            }
        };
        if config.get_dbname().is_none() {
            config.dbname(&of_plan.database);
        }
        Ok(Self {
            config,
            ca_file: target.ca_file.clone(),
        })
    }

    pub(crate) fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Whether the connection leaves this host unprotected: only where it does not leave it, or where the connection
    /// string says `sslmode=disable` in so many words.
    pub(crate) fn is_plain(&self) -> bool {
        match self.config.get_ssl_mode() {
            SslMode::Disable => true,
            SslMode::Require => false,
            // `prefer`, the default, would let whoever sits in between choose.
            _ => !self.config.get_hosts().is_empty() && self.config.get_hosts().iter().all(is_local),
        }
    }
}

/// The same, for a plan that nobody has approved yet: a session made with it can only look, and `Target` gives it to nobody
/// else. It is the role itself that is asked what it may do, so it is the role's own credential.
pub(crate) struct LookingCredential(Credential);

impl LookingCredential {
    /// Reads the credential for the target of a plan that the executor's own policy allows.
    pub(crate) fn obtain(permitted: &PermittedPlan, target: &TargetConfig) -> Result<Self, CredentialError> {
        Credential::for_target(&permitted.plan().document().target, target).map(Self)
    }

    /// Reads it because the operator asks what the role may do: no plan is in sight.
    pub(crate) fn to_examine(target: &TargetConfig) -> Result<Self, CredentialError> {
        Credential::for_target(&target.target, target).map(Self)
    }

    pub(crate) fn to_look(&self) -> &Credential {
        &self.0
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    }
}

fn parse(text: &str, place: &str) -> Result<tokio_postgres::Config, CredentialError> {
    // The parser's error quotes the text.
    text.parse().map_err(|_| CredentialError::Malformed(place.to_owned()))
}

fn read(path: &Path) -> Result<String, CredentialError> {
    fs::read_to_string(path).map_err(|source| CredentialError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

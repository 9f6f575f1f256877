//! The credential to change a target: read when an approved plan asks for it, and gone when the run ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use approval::ApprovedPlan;
use policies::PermittedPlan;
use runbooks::{Digest, Target};
use tokio_postgres::config::{Host, SslMode};

use crate::config::{CredentialSource, Password, TargetConfig};
use crate::remote::{UNNAMED, session};
use crate::step::Cause;

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
    #[error("the password command `{program}` gave no password: {why}")]
    Command { program: String, why: String },
    #[error("no login with IAM is possible: {0}")]
    Iam(Cause),
}

impl CredentialError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherTarget { .. } => "wrong_target",
            Self::Unreadable { .. } => "credential_unreadable",
            Self::Malformed(_) => "credential_malformed",
            Self::Command { .. } => "credential_command",
            Self::Iam(_) => "credential_iam",
        }
    }
}

impl Credential {
    /// Reads the credential for the target of an approved plan.
    pub async fn obtain(approved: &ApprovedPlan, target: &TargetConfig) -> Result<Self, CredentialError> {
        let who = Who {
            plan: approved.plan().digest(),
            approver: approved.approvers().first().map_or(UNNAMED, String::as_str),
        };
        Self::for_target(&approved.plan().document().target, target, &who).await
    }

    async fn for_target(of_plan: &Target, target: &TargetConfig, who: &Who<'_>) -> Result<Self, CredentialError> {
        if *of_plan != target.target {
            return Err(CredentialError::OtherTarget {
                approved: of_plan.name.clone(),
                asked: target.target.name.clone(),
            });
        }
        let mut config = match &target.credential {
            CredentialSource::DsnFile(path) => parse(read(path)?.trim(), &path.display().to_string())?,
            CredentialSource::Dsn { dsn, password } => {
                let mut config = parse(dsn, "targets.dsn")?;
                match password {
                    Password::None => {}
                    Password::File(path) => drop(config.password(read(path)?.trim_end_matches(['\r', '\n']))),
                    Password::Command(command) => drop(config.password(ask(command).await?)),
                    Password::Iam => {
                        let token = iam(&config, target, who).await.map_err(CredentialError::Iam)?;
                        config.password(token.expose());
                    }
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
    pub(crate) async fn obtain(permitted: &PermittedPlan, target: &TargetConfig) -> Result<Self, CredentialError> {
        let who = Who {
            plan: permitted.plan().digest(),
            approver: "preflight",
        };
        Credential::for_target(&permitted.plan().document().target, target, &who)
            .await
            .map(Self)
    }

    /// Reads it because the operator asks what the role may do: no plan is in sight.
    pub(crate) async fn to_examine(target: &TargetConfig) -> Result<Self, CredentialError> {
        let who = Who {
            plan: Digest::of(b"doctor"),
            approver: "doctor",
        };
        Credential::for_target(&target.target, target, &who).await.map(Self)
    }

    pub(crate) fn to_look(&self) -> &Credential {
        &self.0
    }
}

/// By whom AWS is to know a session.
struct Who<'a> {
    plan: Digest,
    approver: &'a str,
}

/// Runs the operator's own program. What it prints is the password, and stands in no message.
async fn ask(command: &[String]) -> Result<String, CredentialError> {
    let (program, arguments) = command
        .split_first()
        .map_or(("", command), |(first, rest)| (first.as_str(), rest));
    let failed = |why: String| CredentialError::Command {
        program: program.to_owned(),
        why,
    };
    let mut child = tokio::process::Command::new(program);
    child
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(COMMAND, child.output()).await {
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("no answer within {} s", COMMAND.as_secs()))),
    };
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    match text.trim_end_matches(['\r', '\n']) {
        password if password.is_empty() || password.len() > MAX_PASSWORD_BYTES || password.contains('\n') => {
            Err(failed("it must be one line, and not empty".to_owned()))
        }
        password => Ok(password.to_owned()),
    }
}

/// Makes a token for the very host, port and user of the connection string, in a session that can do nothing else.
async fn iam(config: &tokio_postgres::Config, target: &TargetConfig, who: &Who<'_>) -> Result<rds::Secret, Cause> {
    let wrong = |message: &str| Cause::new("credential_malformed", message);
    let aws = target.aws.as_ref().ok_or_else(|| wrong("`[targets.aws]` is missing"))?;
    let (host, user) = match (config.get_hosts(), config.get_user()) {
        ([Host::Tcp(host)], Some(user)) => (host, user),
        _ => return Err(wrong("the connection string must have one host and a user")),
    };
    let identity = &aws.identity;
    let cluster = identity.cluster.as_ref().map(|(_, id)| id.as_str());
    let instance = identity.instances.values().next().map(String::as_str);
    let resource = cluster
        .or(instance)
        .ok_or_else(|| wrong("`[targets.aws]` names no instance"))?;
    let policy = rds::SessionPolicy::for_login(&identity.place, resource, user)
        .map_err(|error| Cause::new(error.code(), error.to_string()))?;
    let session = session(aws, &who.plan, who.approver, &policy).await?;
    let login = rds::DatabaseLogin {
        host,
        port: config.get_ports().first().copied().unwrap_or(5432),
        user,
        region: identity.place.region(),
    };
    rds::iam_token(&login, &session, SystemTime::now()).map_err(|error| Cause::new(error.code(), error.to_string()))
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

const COMMAND: Duration = Duration::from_secs(30);
const MAX_PASSWORD_BYTES: usize = 8192;

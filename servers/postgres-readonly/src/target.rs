//! Which database to read and as whom: from a connection string, its options, a password file and `.pgpass`.

use std::{env, fs, path::Path, process::Stdio, sync::Arc, time::Duration};

use kit::Secret;
use tokio::{process::Command, time::timeout};

use crate::{
    dsn::{self, Dsn, DsnError},
    iam::IamLogin,
    pgpass, tls,
    wire::{ConnectError, Endpoint, Host, Tls},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One database and one role in it. No `Debug`: it holds the password.
pub struct Target {
    pub endpoint: Endpoint,
    pub user: String,
    pub database: String,
    pub password: Password,
}

/// Where the password comes from, each time a connection is opened.
pub enum Password {
    None,
    Fixed(Secret<String>),
    /// A token of RDS, good for 15 minutes.
    Iam(IamLogin),
    /// What this program prints.
    Command(Vec<String>),
}

/// Why there is no target. No message holds the connection string or any value out of it but names.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(
        "no database is configured: set DATABASE_URL, or give --database-url-file FILE, or --config FILE with [targets.NAME]"
    )]
    None,
    #[error("could not read `{path}`: {source}")]
    File { path: String, source: std::io::Error },
    #[error("the connection string is wrong: {0}")]
    Dsn(#[from] DsnError),
    #[error("the configuration has no target `{name}`; it has {known}")]
    UnknownTarget { name: String, known: String },
    #[error("target `{name}` needs exactly one of `dsn` and `dsn_file`")]
    TargetWithoutDsn { name: String },
    #[error("target `{name}` can have only one of `password_file`, `iam` and `token_command`")]
    SeveralPasswords { name: String },
    #[error("IAM tokens are sent to `{host}` only over verified TLS: leave sslmode out, or say sslmode=verify-full")]
    IamWithoutTls { host: String },
    #[error(
        "sslmode={mode} would send everything to `{host}` in the clear; it is honoured on loopback only (or with --dangerously-plaintext)"
    )]
    Plaintext { mode: String, host: String },
    #[error("could not use the certificates of `{path}`: {message}")]
    Certificates { path: String, message: String },
}

/// What is said beside the connection string.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    pub password: PasswordFrom<'a>,
    pub plaintext_allowed: bool,
}

/// Which of the ways to a password the operator chose.
#[derive(Debug, Clone, Copy, Default)]
pub enum PasswordFrom<'a> {
    /// The connection string, else PGPASSWORD, else `.pgpass`.
    #[default]
    Usual,
    File(&'a Path),
    Iam(&'a str),
    Command(&'a [String]),
}

impl Target {
    /// Returns the password to log in with now.
    pub async fn password(&self) -> Result<Option<Secret<String>>, ConnectError> {
        match &self.password {
            Password::None => Ok(None),
            Password::Fixed(password) => Ok(Some(Secret::new(password.expose().clone()))),
            Password::Iam(login) => Ok(Some(login.token(&self.endpoint, &self.user)?)),
            Password::Command(command) => Ok(Some(printed(command, self.endpoint.connect_timeout).await?)),
        }
    }

    /// Parses `dsn` and finds the password. Reads files; opens no connection.
    pub fn parse(dsn: &str, extras: Extras<'_>) -> Result<Self, TargetError> {
        let mut dsn = dsn::parse(dsn.trim())?;
        let given = dsn.password.take();
        let password = match extras.password {
            PasswordFrom::File(path) => {
                Password::Fixed(Secret::new(read(path)?.trim_end_matches(['\r', '\n']).to_owned()))
            }
            PasswordFrom::Iam(region) => Password::Iam(IamLogin {
                region: region.to_owned(),
            }),
            PasswordFrom::Command(command) => Password::Command(command.to_vec()),
            PasswordFrom::Usual => given
                .or_else(|| env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()))
                .or_else(|| pgpass::from_environment(&dsn))
                .map_or(Password::None, |password| Password::Fixed(Secret::new(password))),
        };
        if matches!(password, Password::Iam(_)) && dsn.sslmode.is_none() {
            // On loopback too, as through a tunnel: the token opens the real server.
            dsn.sslmode = Some("verify-full".to_owned());
        }
        let tls = tls_of(&dsn, extras.plaintext_allowed)?;
        let endpoint = Endpoint {
            host: dsn.host,
            port: dsn.port,
            tls,
            connect_timeout: dsn.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        };
        if matches!((&password, &endpoint.tls), (Password::Iam(_), Tls::Off)) {
            return Err(TargetError::IamWithoutTls { host: endpoint.shown() });
        }
        Ok(Self {
            endpoint,
            user: dsn.user,
            database: dsn.database,
            password,
        })
    }
}

/// Runs the operator's program and returns the first line that it prints.
async fn printed(command: &[String], patience: Duration) -> Result<Secret<String>, ConnectError> {
    let failed = ConnectError::NoCredentials("the token_command printed no password");
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed);
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(patience, output).await {
        Ok(Ok(output)) if output.status.success() => output,
        Ok(_) => return Err(ConnectError::NoCredentials("the token_command failed")),
        Err(_) => return Err(ConnectError::NoCredentials("the token_command did not end in time")),
    };
    let text = String::from_utf8(output.stdout).unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
        _ => Err(failed),
    }
}

/// Reads a file that holds a secret.
pub fn read(path: &Path) -> Result<String, TargetError> {
    fs::read_to_string(path).map_err(|source| TargetError::File {
        path: path.display().to_string(),
        source,
    })
}

fn tls_of(dsn: &Dsn, plaintext_allowed: bool) -> Result<Tls, TargetError> {
    let local = dsn.host.is_local();
    let host = match &dsn.host {
        Host::Name(name) => name.clone(),
        Host::Socket(_) => return Ok(Tls::Off),
    };
    match dsn.sslmode.as_deref() {
        None if local => Ok(Tls::Off),
        Some("disable" | "allow" | "prefer") if local || plaintext_allowed => Ok(Tls::Off),
        Some(mode @ ("disable" | "allow" | "prefer")) => Err(TargetError::Plaintext {
            mode: mode.to_owned(),
            host,
        }),
        // `require` and `verify-ca` ask for less than what is done.
        None | Some(_) => Ok(Tls::VerifyFull(Arc::new(tls::verify_full(dsn.sslrootcert.as_deref())?))),
    }
}

//! Which database to read and as whom: from a connection string, its options, a password file and `.pgpass`.

use std::{fs, path::Path, sync::Arc, time::Duration};

use kit::Secret;

use crate::{
    dsn::{self, Dsn, DsnError},
    pgpass, tls,
    wire::{Endpoint, Host, Tls},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One database and one role in it. No `Debug`: it holds the password.
pub struct Target {
    pub endpoint: Endpoint,
    pub user: String,
    pub database: String,
    pub password: Option<Secret<String>>,
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
    #[error("the configuration has several targets ({known}): choose one with --target NAME")]
    SeveralTargets { known: String },
    #[error("target `{name}` needs exactly one of `dsn` and `dsn_file`")]
    TargetWithoutDsn { name: String },
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
    pub password_file: Option<&'a Path>,
    pub plaintext_allowed: bool,
}

impl Target {
    /// Parses `dsn` and finds the password. Reads files; opens no connection.
    pub fn parse(dsn: &str, extras: Extras<'_>) -> Result<Self, TargetError> {
        let mut dsn = dsn::parse(dsn.trim())?;
        let password = match (extras.password_file, dsn.password.take()) {
            (Some(path), _) => Some(Secret::new(read(path)?.trim_end_matches(['\r', '\n']).to_owned())),
            (None, Some(password)) => Some(Secret::new(password)),
            (None, None) => pgpass::from_environment(&dsn).map(Secret::new),
        };
        let tls = tls_of(&dsn, extras.plaintext_allowed)?;
        let endpoint = Endpoint {
            host: dsn.host,
            port: dsn.port,
            tls,
            connect_timeout: dsn.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        };
        Ok(Self {
            endpoint,
            user: dsn.user,
            database: dsn.database,
            password,
        })
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

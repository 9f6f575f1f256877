//! Where the connection string comes from: flag, environment or configuration file; and what else can be set.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use kit::{Secret, config::FilePath};
use serde::{Deserialize, Serialize};

use crate::{
    db::Options,
    target::{self, Extras, Target, TargetError},
    wire::{Host, Tls},
};

/// Flags of this server, for serving and for `doctor`.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Read the connection string from this file instead of the environment's DATABASE_URL
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "target")]
    pub database_url_file: Option<PathBuf>,

    /// Which [targets.NAME] of the configuration file to read
    #[arg(long, value_name = "NAME", global = true)]
    pub target: Option<String>,

    /// Serve although the role can write; every other guard stays, and every result says so
    #[arg(long, global = true)]
    pub allow_privileged_role: bool,

    /// Honour sslmode=disable towards another machine: passwords hashed, everything else readable on the way
    #[arg(long, global = true)]
    pub dangerously_plaintext: bool,

    /// How long any statement may run
    #[arg(long, value_name = "MS", global = true, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub statement_timeout_ms: u32,

    /// How long any statement may wait for a lock
    #[arg(long, value_name = "MS", global = true, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub lock_timeout_ms: u32,
}

/// The configuration file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    targets: BTreeMap<String, TargetConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetConfig {
    dsn: Option<Secret<String>>,
    dsn_file: Option<FilePath>,
    password_file: Option<FilePath>,
}

/// What `--print-config` shows.
#[derive(Debug, Serialize)]
pub struct Shown {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: &'static str,
    tls: &'static str,
    statement_timeout_ms: u32,
    lock_timeout_ms: u32,
    allow_privileged_role: bool,
}

impl TargetArgs {
    pub fn options(&self) -> Options {
        Options {
            statement_timeout: Duration::from_millis(self.statement_timeout_ms.into()),
            lock_timeout: Duration::from_millis(self.lock_timeout_ms.into()),
            allow_privileged_role: self.allow_privileged_role,
        }
    }

    /// Finds the target: a flag before the environment, the environment before the file.
    pub fn find(&self, config: &Config) -> Result<Target, TargetError> {
        let extras = Extras {
            password_file: None,
            plaintext_allowed: self.dangerously_plaintext,
        };
        if let Some(path) = &self.database_url_file {
            return Target::parse(&target::read(path)?, extras);
        }
        let from_environment = env::var("DATABASE_URL").ok().filter(|dsn| !dsn.trim().is_empty());
        match (&self.target, from_environment) {
            (Some(name), _) => {
                let unknown = || TargetError::UnknownTarget {
                    name: name.clone(),
                    known: config.known(),
                };
                self.configured(name, config.targets.get(name).ok_or_else(unknown)?, extras)
            }
            (None, Some(dsn)) => Target::parse(&dsn, extras),
            (None, None) => {
                let mut targets = config.targets.iter();
                match (targets.next(), targets.next()) {
                    (None, _) => Err(TargetError::None),
                    (Some((name, target)), None) => self.configured(name, target, extras),
                    (Some(_), Some(_)) => Err(TargetError::SeveralTargets { known: config.known() }),
                }
            }
        }
    }

    pub fn shown(&self, target: &Target) -> Shown {
        Shown {
            host: match &target.endpoint.host {
                Host::Name(name) => name.clone(),
                Host::Socket(folder) => folder.display().to_string(),
            },
            port: target.endpoint.port,
            database: target.database.clone(),
            user: target.user.clone(),
            password: if target.password.is_some() { "***" } else { "" },
            tls: match target.endpoint.tls {
                Tls::Off => "off",
                Tls::VerifyFull(_) => "verify-full",
            },
            statement_timeout_ms: self.statement_timeout_ms,
            lock_timeout_ms: self.lock_timeout_ms,
            allow_privileged_role: self.allow_privileged_role,
        }
    }

    fn configured(&self, name: &str, target: &TargetConfig, extras: Extras<'_>) -> Result<Target, TargetError> {
        let extras = Extras {
            password_file: target.password_file.as_ref().map(AsRef::<Path>::as_ref),
            ..extras
        };
        match (&target.dsn, &target.dsn_file) {
            (Some(dsn), None) => Target::parse(dsn.expose(), extras),
            (None, Some(path)) => Target::parse(&target::read(path)?, extras),
            (None, None) | (Some(_), Some(_)) => Err(TargetError::TargetWithoutDsn { name: name.to_owned() }),
        }
    }
}

impl Config {
    fn known(&self) -> String {
        match self.targets.is_empty() {
            true => "none".to_owned(),
            false => self
                .targets
                .keys()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

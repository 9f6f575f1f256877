//! Where the connection string comes from: flag, environment or configuration file; and what else can be set.

use std::{
    collections::BTreeMap,
    env,
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use kit::{Secret, config::FilePath};
use serde::{Deserialize, Serialize};

use crate::{
    db::Options,
    target::{self, Extras, Password, PasswordFrom, Target, TargetError},
    wire::{Host, Tls},
};

/// Flags of this server, for serving and for `doctor`.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Read the connection string from this file instead of the environment's DATABASE_URL
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "target")]
    pub database_url_file: Option<PathBuf>,

    /// Read only this [targets.NAME] of the configuration file; without it, all of them
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

    /// How many connections to one database may be open at once; one is held, further ones are opened while calls wait
    #[arg(long, value_name = "N", global = true, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub max_connections: u16,

    /// Memory that one sort or hash of a statement may take; a lower work_mem of the server's stays
    #[arg(long, value_name = "MB", global = true, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub work_mem_mb: u32,

    /// Temporary files of one statement, where the role may cap them itself (see setup-sql)
    #[arg(long, value_name = "MB", global = true, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub temp_file_limit_mb: u32,

    /// The highest planner's cost at which `query` and `explain` run a statement; 0 takes any
    #[arg(long, value_name = "COST", global = true, default_value_t = 10_000_000)]
    pub max_cost: u64,

    /// How many times longer than its work a refused or failed free statement rests before it is answered, so that a flood
    /// of them leaves the processors to the database; 0 not at all
    #[arg(long, value_name = "FACTOR", global = true, default_value_t = 9, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub rest_after_failure: u32,

    /// A function that is known to be harmless, as schema.name(types); may be repeated
    #[arg(long = "known-function", value_name = "SIGNATURE", global = true)]
    pub known_functions: Vec<String>,
}

/// The configuration file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    targets: BTreeMap<String, TargetConfig>,
}

/// One database. What stands here counts for it alone, before the flags.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetConfig {
    dsn: Option<Secret<String>>,
    dsn_file: Option<FilePath>,
    password_file: Option<FilePath>,
    iam: Option<Iam>,
    token_command: Option<Vec<String>>,
    max_connections: Option<NonZeroU16>,
    work_mem_mb: Option<NonZeroU32>,
    temp_file_limit_mb: Option<NonZeroU32>,
    #[serde(default)]
    known_functions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Iam {
    region: String,
}

/// A database to read and what holds for it.
pub struct Chosen {
    pub target: Target,
    pub options: Options,
}

/// What `--print-config` shows: each target by its name.
#[derive(Debug, Serialize)]
pub struct Shown {
    targets: BTreeMap<String, ShownTarget>,
}

#[derive(Debug, Serialize)]
struct ShownTarget {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: &'static str,
    tls: &'static str,
    statement_timeout_ms: u64,
    lock_timeout_ms: u64,
    allow_privileged_role: bool,
    max_connections: usize,
    work_mem_kb: u64,
    temp_file_limit_kb: u64,
    known_functions: Vec<String>,
}

/// The name of the only target where nobody gave it one.
const DEFAULT: &str = "default";

impl TargetArgs {
    /// Finds the targets: a flag before the environment, the environment before the file.
    pub fn find(&self, config: &Config) -> Result<BTreeMap<String, Chosen>, TargetError> {
        let only = |target: Target| {
            let options = self.options(&TargetConfig::default());
            BTreeMap::from([(DEFAULT.to_owned(), Chosen { target, options })])
        };
        if let Some(path) = &self.database_url_file {
            return Ok(only(Target::parse(
                &target::read(path)?,
                self.extras(PasswordFrom::Usual),
            )?));
        }
        let from_environment = env::var("DATABASE_URL").ok().filter(|dsn| !dsn.trim().is_empty());
        match (&self.target, from_environment) {
            (Some(name), _) => {
                let target = config.targets.get(name).ok_or_else(|| TargetError::UnknownTarget {
                    name: name.clone(),
                    known: config.known(),
                })?;
                Ok(BTreeMap::from([(name.clone(), self.configured(name, target)?)]))
            }
            (None, Some(dsn)) => Ok(only(Target::parse(&dsn, self.extras(PasswordFrom::Usual))?)),
            (None, None) if config.targets.is_empty() => Err(TargetError::None),
            (None, None) => config
                .targets
                .iter()
                .map(|(name, target)| Ok((name.clone(), self.configured(name, target)?)))
                .collect(),
        }
    }

    pub fn shown(targets: &BTreeMap<String, Chosen>) -> Shown {
        let shown = targets
            .iter()
            .map(|(name, chosen)| (name.clone(), ShownTarget::of(chosen)));
        Shown {
            targets: shown.collect(),
        }
    }

    fn options(&self, own: &TargetConfig) -> Options {
        let mib = |own: Option<NonZeroU32>, flag: u32| u64::from(own.map_or(flag, NonZeroU32::get)) * 1024;
        Options {
            statement_timeout: Duration::from_millis(self.statement_timeout_ms.into()),
            lock_timeout: Duration::from_millis(self.lock_timeout_ms.into()),
            allow_privileged_role: self.allow_privileged_role,
            max_connections: own.max_connections.map_or(self.max_connections, NonZeroU16::get).into(),
            work_mem_kb: mib(own.work_mem_mb, self.work_mem_mb),
            temp_file_limit_kb: mib(own.temp_file_limit_mb, self.temp_file_limit_mb),
            rest_after_failure: self.rest_after_failure,
            max_cost: match self.max_cost {
                0 => f64::INFINITY,
                #[expect(clippy::cast_precision_loss, reason = "a bound, not a count")]
                most => most as f64,
            },
            known_functions: self
                .known_functions
                .iter()
                .chain(&own.known_functions)
                .cloned()
                .collect(),
        }
    }

    fn extras<'a>(&self, password: PasswordFrom<'a>) -> Extras<'a> {
        Extras {
            password,
            plaintext_allowed: self.dangerously_plaintext,
        }
    }

    fn configured(&self, name: &str, own: &TargetConfig) -> Result<Chosen, TargetError> {
        let password = match (&own.password_file, &own.iam, &own.token_command) {
            (None, None, None) => PasswordFrom::Usual,
            (Some(path), None, None) => PasswordFrom::File(path),
            (None, Some(iam), None) => PasswordFrom::Iam(&iam.region),
            (None, None, Some(command)) => PasswordFrom::Command(command),
            _ => return Err(TargetError::SeveralPasswords { name: name.to_owned() }),
        };
        let extras = self.extras(password);
        let target = match (&own.dsn, &own.dsn_file) {
            (Some(dsn), None) => Target::parse(dsn.expose(), extras)?,
            (None, Some(path)) => Target::parse(&target::read(path)?, extras)?,
            (None, None) | (Some(_), Some(_)) => {
                return Err(TargetError::TargetWithoutDsn { name: name.to_owned() });
            }
        };
        Ok(Chosen {
            target,
            options: self.options(own),
        })
    }
}

impl ShownTarget {
    fn of(Chosen { target, options }: &Chosen) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            host: match &target.endpoint.host {
                Host::Name(name) => name.clone(),
                Host::Socket(folder) => folder.display().to_string(),
            },
            port: target.endpoint.port,
            database: target.database.clone(),
            user: target.user.clone(),
            password: match target.password {
                Password::None => "",
                Password::Fixed(_) => "***",
                Password::Iam(_) => "(RDS IAM token)",
                Password::Command(_) => "(token_command)",
            },
            tls: match target.endpoint.tls {
                Tls::Off => "off",
                Tls::VerifyFull(_) => "verify-full",
            },
            statement_timeout_ms: ms(options.statement_timeout),
            lock_timeout_ms: ms(options.lock_timeout),
            allow_privileged_role: options.allow_privileged_role,
            max_connections: options.max_connections,
            work_mem_kb: options.work_mem_kb,
            temp_file_limit_kb: options.temp_file_limit_kb,
            known_functions: options.known_functions.clone(),
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

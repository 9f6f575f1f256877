//! One connection: opened, its role and its limits known before anything else is read over it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    DbError, Options, Reading, Verdict,
    clock::Clock,
    opening::{Limits, Opening},
    role,
};
use crate::{
    target::Target,
    wire::{Call, ConnectError, Flight, Login, Session},
};

pub const APPLICATION_NAME: &str = "countersign/postgres-readonly";
const OLDEST_MAJOR: u32 = 13;
/// Rights can be granted while a connection lives.
const PROOF_HOLDS: Duration = Duration::from_secs(300);
const PROOF_BYTES: usize = 1 << 20;
/// What poolers answer to a start-up parameter that they do not pass on.
const PROTOCOL_VIOLATION: &str = "08P01";

/// What is needed to open connections to one database, and what was learned while doing it.
pub struct Opener {
    pub target: Target,
    pub options: Options,
    /// Connections go through a pooler that hands out server sessions per transaction.
    pooled: AtomicBool,
}

/// A session together with what its role was last proven to be.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    opening: Opening,
    role: Arc<Verdict>,
    clock: Clock,
    proven_at: Instant,
    pub last_used: Instant,
}

/// One row of queries/session.sql.
#[derive(Debug, Deserialize)]
struct Facts {
    backend_pid: i32,
    clock: DateTime<Utc>,
    search_path: Vec<String>,
    is_superuser: bool,
    settings: Limits,
}

impl Opener {
    pub fn new(target: Target, options: Options) -> Self {
        Self {
            target,
            options,
            pooled: AtomicBool::new(false),
        }
    }

    /// Connects, logs in and proves the role.
    pub async fn open(&self) -> Result<Connection, DbError> {
        let known_pooled = self.pooled.load(Ordering::Relaxed);
        let (mut session, mut pooled) = match self.log_in(known_pooled).await {
            Err(ConnectError::Refused(error)) if !known_pooled && error.sqlstate == PROTOCOL_VIOLATION => {
                (self.log_in(true).await.map_err(|error| self.failed(error))?, true)
            }
            opened => (opened.map_err(|error| self.failed(error))?, known_pooled),
        };
        let major = major(&session.server_version);
        if major < OLDEST_MAJOR {
            let version = kit::text::clean(&session.server_version, 40);
            return Err(DbError::OldVersion { version });
        }
        // Until it is known whose session this is, nothing is said outside a transaction.
        let careful = Opening::pooled(&self.options, &Limits::default());
        let (facts, clock) = self.facts(&mut session, &careful).await?;
        // The number that the server gave for cancelling is its process; a pooler makes numbers up.
        pooled |= facts.backend_pid != session.key.pid;
        let role = self.prove(&mut session, &careful, &facts, major).await?;
        let opening = match pooled {
            true => Opening::pooled(&self.options, &facts.settings),
            false => Opening::direct(&self.options, &facts.settings),
        };
        let opening = opening.with_temp_file_limit(role.caps_temp_files.then_some(self.options.temp_file_limit_kb));
        if pooled && !self.pooled.swap(true, Ordering::Relaxed) {
            tracing::info!(
                at = self.target.endpoint.shown(),
                "connections go through a pooler: everything is set inside each transaction"
            );
        }
        self.say(&role);
        let now = Instant::now();
        Ok(Connection {
            session,
            opening,
            role: Arc::new(role),
            clock,
            proven_at: now,
            last_used: now,
        })
    }

    async fn log_in(&self, pooled: bool) -> Result<Session, ConnectError> {
        let target = &self.target;
        let password = target.password().await?;
        let timeout_ms = self.options.statement_timeout.as_millis().to_string();
        let lock_timeout_ms = self.options.lock_timeout.as_millis().to_string();
        let mut parameters = vec![
            ("user", target.user.as_str()),
            ("database", target.database.as_str()),
            ("application_name", APPLICATION_NAME),
            ("client_encoding", "UTF8"),
        ];
        if !pooled {
            // Session defaults, as far as the role's own settings could say otherwise: DISCARD ALL comes back to these.
            // search_path is set in each transaction, so that the role's own stays known.
            parameters.extend([
                ("default_transaction_read_only", "on"),
                ("default_transaction_isolation", "read committed"),
                ("default_transaction_deferrable", "off"),
                // What the guard's parser assumes.
                ("standard_conforming_strings", "on"),
                ("statement_timeout", timeout_ms.as_str()),
                ("lock_timeout", lock_timeout_ms.as_str()),
                ("idle_in_transaction_session_timeout", "10000"),
                ("max_parallel_workers_per_gather", "0"),
                ("TimeZone", "UTC"),
                ("DateStyle", "ISO, YMD"),
                ("IntervalStyle", "postgres"),
                ("bytea_output", "hex"),
                ("extra_float_digits", "1"),
                ("jit", "off"),
            ]);
        }
        let login = Login {
            user: &target.user,
            password: password.as_ref().map(|password| password.expose().as_str()),
            parameters: &parameters,
        };
        Session::open(&target.endpoint, login).await
    }

    async fn facts(&self, session: &mut Session, opening: &Opening) -> Result<(Facts, Clock), DbError> {
        let asked = Instant::now();
        let rows: Vec<Facts> = self
            .ask(session, opening, include_str!("../queries/session.sql"), &[])
            .await?;
        let facts = rows
            .into_iter()
            .next()
            .ok_or_else(|| DbError::Unproven("the session does not say what it is".to_owned()))?;
        let clock = Clock::read(facts.clock, asked);
        Ok((facts, clock))
    }

    async fn prove(
        &self,
        session: &mut Session,
        opening: &Opening,
        facts: &Facts,
        major: u32,
    ) -> Result<Verdict, DbError> {
        #[derive(Deserialize)]
        struct May {
            may_set: bool,
        }
        let known = format!(
            "{{{}}}",
            self.options
                .known_functions
                .iter()
                .map(|name| format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\"")))
                .collect::<Vec<_>>()
                .join(",")
        );
        let rows: Vec<role::Row> = self.ask(session, opening, Verdict::SQL, &[Some(known)]).await?;
        let mut verdict = Verdict::of(rows).ok_or_else(|| DbError::Unproven("the proof has no rows".to_owned()))?;
        verdict.search_path = facts.search_path.clone();
        verdict.pooled = self.pooled.load(Ordering::Relaxed) || facts.backend_pid != session.key.pid;
        if facts.settings.temp_files_are_unlimited() {
            let may = facts.is_superuser
                || major >= 15
                    && self
                        .ask::<May>(session, opening, include_str!("../queries/may_set.sql"), &[])
                        .await?
                        .first()
                        .is_some_and(|row| row.may_set);
            verdict.caps_temp_files = may;
            verdict.temp_files_are_unlimited = !may;
        }
        Ok(verdict)
    }

    /// Runs one of the queries that come before any call.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        session: &mut Session,
        opening: &Opening,
        statement: &str,
        parameters: &[Option<String>],
    ) -> Result<Vec<T>, DbError> {
        let call = Call {
            begin: &opening.begin,
            prologue: &opening.prologue,
            setup: "",
            epilogue: "",
            reset: opening.reset,
            statement,
            parameters,
            max_rows: 1000,
            max_bytes: PROOF_BYTES,
            statement_timeout: self.options.statement_timeout,
        };
        let flight = session.read(call, std::future::pending()).await?;
        match &flight.error {
            Some(error) => Err(DbError::Unproven(error.to_string())),
            // A reading needs a verdict to be one; this one is not shown to anybody.
            None => Ok(Reading::new(flight, String::new(), Arc::default()).decode()?),
        }
    }

    fn say(&self, role: &Verdict) {
        let at = self.target.endpoint.shown();
        if role.is_harmless() {
            tracing::info!(at, role = role.role, "connected; the role is harmless");
        } else {
            tracing::warn!(
                at,
                role = role.role,
                rights = role.findings_total,
                accepted = self.options.allow_privileged_role,
                "connected; the role can do more than read"
            );
        }
        for advice in role.advice() {
            tracing::warn!(at, "{advice}");
        }
    }

    fn failed(&self, source: ConnectError) -> DbError {
        DbError::Connect {
            at: self.target.endpoint.shown(),
            user: self.target.user.clone(),
            database: self.target.database.clone(),
            source,
        }
    }
}

impl Connection {
    pub async fn is_alive(&mut self) -> bool {
        self.session.is_alive().await
    }

    /// Returns the role's verdict, taken anew where it is old, or where it stands in the way and may have been mended.
    pub async fn role(&mut self, opener: &Opener) -> Result<Arc<Verdict>, DbError> {
        let in_the_way = !self.role.is_harmless() && !opener.options.allow_privileged_role;
        if in_the_way || self.proven_at.elapsed() > PROOF_HOLDS || !self.clock.holds() {
            let major = major(&self.session.server_version);
            let (facts, clock) = opener.facts(&mut self.session, &self.opening).await?;
            self.clock = clock;
            self.role = Arc::new(opener.prove(&mut self.session, &self.opening, &facts, major).await?);
            self.proven_at = Instant::now();
        }
        Ok(self.role.clone())
    }

    /// Returns the database's time now.
    pub fn time(&self) -> String {
        self.clock.now()
    }

    pub fn proven_role(&self) -> Arc<Verdict> {
        self.role.clone()
    }

    /// Runs one read; after an error the connection must be dropped.
    pub async fn read(
        &mut self,
        read: &super::Read,
        timeout: Duration,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Flight, DbError> {
        self.last_used = Instant::now();
        let in_path = read.path().map(|path| self.opening.in_path(path));
        let call = Call {
            begin: &self.opening.begin,
            prologue: in_path.as_deref().unwrap_or(&self.opening.prologue),
            reset: self.opening.reset,
            statement_timeout: timeout,
            ..read.call()
        };
        Ok(self.session.read(call, cancelled).await?)
    }

    pub async fn close(self) {
        self.session.close().await;
    }
}

fn major(version: &str) -> u32 {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

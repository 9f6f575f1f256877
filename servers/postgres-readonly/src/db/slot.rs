//! One place for a connection: opened when needed, its role proven before anything else is read over it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DbError, Options, Reading, Verdict, role};
use crate::{
    target::Target,
    wire::{Call, Flight, Login, Session},
};

pub const APPLICATION_NAME: &str = "countersign/postgres-readonly";
const OLDEST_MAJOR: u32 = 13;
/// Rights can be granted while a connection lives.
const PROOF_HOLDS: Duration = Duration::from_secs(300);
const PROOF_BYTES: usize = 1 << 20;

/// A session together with what its role was last proven to be.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    role: Arc<Verdict>,
    proven_at: Instant,
    pub last_used: Instant,
}

impl Connection {
    /// Connects, logs in and proves the role.
    pub async fn open(target: &Target, options: &Options) -> Result<Self, DbError> {
        let password = target.password.as_ref().map(|password| password.expose().as_str());
        let timeout_ms = options.statement_timeout.as_millis().to_string();
        let lock_timeout_ms = options.lock_timeout.as_millis().to_string();
        // Session defaults, as far as the role's own settings could say otherwise: RESET ALL comes back to these.
        // standard_conforming_strings is what the guard's parser assumes.
        let parameters = [
            ("user", target.user.as_str()),
            ("database", target.database.as_str()),
            ("application_name", APPLICATION_NAME),
            ("client_encoding", "UTF8"),
            ("default_transaction_read_only", "on"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_deferrable", "off"),
            ("standard_conforming_strings", "on"),
            ("statement_timeout", timeout_ms.as_str()),
            ("lock_timeout", lock_timeout_ms.as_str()),
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "1"),
            ("jit", "off"),
        ];
        let login = Login {
            user: &target.user,
            password,
            parameters: &parameters,
        };
        let opened = Session::open(&target.endpoint, login).await;
        let mut session = opened.map_err(|source| DbError::Connect {
            at: target.endpoint.shown(),
            user: target.user.clone(),
            database: target.database.clone(),
            source,
        })?;
        let major = session
            .server_version
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|major| major.parse().ok());
        if major.unwrap_or(0u32) < OLDEST_MAJOR {
            let version = kit::text::clean(&session.server_version, 40);
            return Err(DbError::OldVersion { version });
        }
        let role = Arc::new(prove(&mut session, options).await?);
        match role.is_harmless() {
            true => tracing::info!(
                at = target.endpoint.shown(),
                role = role.role,
                "connected; the role is harmless"
            ),
            false => tracing::warn!(
                at = target.endpoint.shown(),
                role = role.role,
                rights = role.findings_total,
                accepted = options.allow_privileged_role,
                "connected; the role can do more than read"
            ),
        }
        let now = Instant::now();
        Ok(Self {
            session,
            role,
            proven_at: now,
            last_used: now,
        })
    }

    pub async fn is_alive(&mut self) -> bool {
        self.session.is_alive().await
    }

    /// Returns the role's verdict, taken anew where it is old, or where it stands in the way and may have been mended.
    pub async fn role(&mut self, options: &Options) -> Result<Arc<Verdict>, DbError> {
        let in_the_way = !self.role.is_harmless() && !options.allow_privileged_role;
        if in_the_way || self.proven_at.elapsed() > PROOF_HOLDS {
            self.role = Arc::new(prove(&mut self.session, options).await?);
            self.proven_at = Instant::now();
        }
        Ok(self.role.clone())
    }

    /// Runs one read; after an error the connection must be dropped.
    pub async fn read(&mut self, call: Call<'_>, cancelled: impl Future<Output = ()>) -> Result<Flight, DbError> {
        self.last_used = Instant::now();
        Ok(self.session.read(call, cancelled).await?)
    }

    pub async fn close(self) {
        self.session.close().await;
    }
}

async fn prove(session: &mut Session, options: &Options) -> Result<Verdict, DbError> {
    let call = Call {
        prologue: &options.prologue(""),
        epilogue: "",
        statement: Verdict::SQL,
        parameters: &[],
        max_rows: 1000,
        max_bytes: PROOF_BYTES,
        statement_timeout: options.statement_timeout,
    };
    let flight = session.read(call, std::future::pending()).await?;
    if let Some(error) = flight.error {
        return Err(DbError::Unproven(error.to_string()));
    }
    // A reading needs a verdict to be one; this one is not shown to anybody.
    let nobody = Verdict {
        role: String::new(),
        findings: vec![],
        findings_total: 0,
        sees_all_sessions: false,
    };
    let rows: Vec<role::Row> = Reading::new(flight, Arc::new(nobody)).decode()?;
    Verdict::of(rows).ok_or_else(|| DbError::Unproven("the proof has no rows".to_owned()))
}

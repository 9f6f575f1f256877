//! The connection to a target: one session, its bounds, and questions with one answer.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use runbooks::{Digest, Target as PlanTarget, Timestamp};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row};

use crate::credentials::{Credential, LookingCredential};
use crate::identity;
use crate::step::Cause;
use crate::tls;

/// A session on the target. Statements go one by one over the extended protocol, so that a second one cannot hide in a
/// text; `search_path` is `pg_catalog`, so that no schema of a user is in the way.
pub(crate) struct Target<'c> {
    credential: &'c Credential,
    wanted: &'c PlanTarget,
    client: Client,
    name: String,
}

/// Why the target gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the target cannot be reached: {0}")]
    Unreachable(String),
    /// It was there, and had no connection to spare.
    #[error("the target cannot be reached: {0}")]
    Full(String),
    /// Whoever answers now is not the target: a standby, or another system.
    #[error("{}", .0.message)]
    Elsewhere(Cause),
    /// What was under way may or may not have happened.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The server refused; the statement had no effect that a transaction would not undo.
    #[error("{message} ({})", .state.code())]
    Sql { state: SqlState, message: String },
    #[error("the answer is not one row with one value of a known type: {0}")]
    Answer(String),
}

/// The bounds that a statement runs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) timeout_s: u32,
    pub(crate) lock_timeout_ms: u32,
}

/// For questions: they read the catalog, and wait for nobody.
pub(crate) const QUESTION: Bounds = Bounds {
    timeout_s: 10,
    lock_timeout_ms: 1_000,
};

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Alone,
    /// Within the transaction of a step.
    InTransaction,
}

pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl<'c> Target<'c> {
    /// Connects. A server that is full or just starting is asked again for a while. Whether it is the right one is for the
    /// caller to ask.
    pub(crate) async fn connect(
        credential: &'c Credential,
        wanted: &'c PlanTarget,
        plan: &Digest,
    ) -> Result<Self, TargetError> {
        let name = format!("countersign/{}", plan.short());
        Self::open(credential, wanted, name, FIRST_PATIENCE).await
    }

    /// The same for a preflight, which waits for nobody: people are about to be asked.
    pub(crate) async fn connect_to_look(
        credential: &'c LookingCredential,
        wanted: &'c PlanTarget,
        plan: &Digest,
    ) -> Result<Self, TargetError> {
        let name = format!("countersign/preflight/{}", plan.short());
        Self::open(credential.to_look(), wanted, name, LOOKING_PATIENCE).await
    }

    async fn open(
        credential: &'c Credential,
        wanted: &'c PlanTarget,
        name: String,
        patience: Duration,
    ) -> Result<Self, TargetError> {
        let client = open(credential, &name, patience).await?;
        Ok(Self {
            credential,
            wanted,
            client,
            name,
        })
    }

    /// Opens a new session in place of one that was lost. After a failover another server may answer: then nobody is there.
    pub(crate) async fn reconnect(&mut self) -> Result<(), TargetError> {
        self.client = open(self.credential, &self.name, PATIENCE).await?;
        match identity::check(self).await? {
            Ok(()) => Ok(()),
            Err(cause) => Err(TargetError::Elsewhere(cause)),
        }
    }

    pub(crate) fn wanted(&self) -> &PlanTarget {
        self.wanted
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks a question of the plan, in a transaction of its own that cannot write. Reading is safe to repeat, so a lost
    /// connection is opened again.
    pub(crate) async fn ask(&mut self, query: &str) -> Result<Value, TargetError> {
        match self.ask_once(query).await {
            Err(TargetError::Lost(_)) => {
                self.reconnect().await?;
                self.ask_once(query).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self, query: &str) -> Result<Value, TargetError> {
        self.ask_here(query, Place::Alone).await
    }

    /// Asks in this session and no other, where a step's transaction may be open. The question cannot write there either.
    pub(crate) async fn ask_here(&self, query: &str, place: Place) -> Result<Value, TargetError> {
        let (begin, end): (&[&str], &[&str]) = match place {
            // A transaction of its own each time: within one, PostgreSQL shows the statistics views as they were at its start.
            Place::Alone => (&["BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"], &["ROLLBACK"]),
            Place::InTransaction => (
                &["SAVEPOINT question", "SET TRANSACTION READ ONLY", FORGET_STATISTICS],
                &["ROLLBACK TO SAVEPOINT question", "RELEASE SAVEPOINT question"],
            ),
        };
        for statement in begin {
            self.execute(statement, &[], QUESTION).await?;
        }
        let rows = self.rows(query, &[]).await;
        for statement in end {
            self.execute(statement, &[], QUESTION).await?;
        }
        match rows?.as_slice() {
            [row] => value_of(row),
            rows => Err(TargetError::Answer(format!("{} rows", rows.len()))),
        }
    }

    /// Runs one of the executor's own queries.
    pub(crate) async fn rows(&self, query: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, TargetError> {
        within(QUESTION, self.client.query_typed(query, parameters)).await
    }

    /// Runs one statement and returns how many rows it returned or changed.
    pub(crate) async fn execute(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
        bounds: Bounds,
    ) -> Result<u64, TargetError> {
        within(bounds, self.client.execute_typed(statement, parameters)).await
    }

    /// Runs a step's statement and returns how many rows it returned or changed. A row that says `false` is none: so a guarded
    /// function tells that it did nothing.
    pub(crate) async fn effect(&self, statement: &str, bounds: Bounds) -> Result<u64, TargetError> {
        within(bounds, async {
            let none: [(&(dyn ToSql + Sync), Type); 0] = [];
            let mut rows = pin!(self.client.query_typed_raw(statement, none).await?);
            let mut refused = 0;
            while let Some(row) = rows.try_next().await? {
                refused += u64::from(says_no(&row));
            }
            Ok(rows.rows_affected().unwrap_or(0).saturating_sub(refused))
        })
        .await
    }

    /// Names the session after what it is about to do, so that it can be found again, and sets its bounds.
    pub(crate) async fn enter(&self, name: &str, bounds: Bounds) -> Result<(), TargetError> {
        let timeout = format!("{}s", bounds.timeout_s);
        let lock_timeout = format!("{}ms", bounds.lock_timeout_ms);
        let parameters: [Parameter<'_>; 3] = [(&name, Type::TEXT), (&timeout, Type::TEXT), (&lock_timeout, Type::TEXT)];
        self.rows(SET_BOUNDS, &parameters).await.map(drop)
    }

    /// Gives the session its own name and the bounds for questions again.
    pub(crate) async fn leave(&self) -> Result<(), TargetError> {
        self.enter(&self.name, QUESTION).await
    }

    /// Returns the target's own time.
    pub(crate) async fn now(&mut self) -> Result<Timestamp, TargetError> {
        let answer = self.ask(NOW).await?;
        let seconds = answer.as_i64().ok_or_else(|| TargetError::Answer(answer.to_string()))?;
        Ok(Timestamp::from_unix(seconds))
    }
}

async fn open(credential: &Credential, name: &str, patience: Duration) -> Result<Client, TargetError> {
    let deadline = Instant::now() + patience;
    loop {
        match open_once(credential, name).await {
            Err(Attempt::Again(_) | Attempt::Full(_)) if Instant::now() < deadline => sleep(PAUSE).await,
            Err(Attempt::Again(message) | Attempt::Never(message)) => return Err(TargetError::Unreachable(message)),
            Err(Attempt::Full(message)) => return Err(TargetError::Full(message)),
            Ok(client) => return Ok(client),
        }
    }
}

enum Attempt {
    Again(String),
    Full(String),
    Never(String),
}

async fn open_once(credential: &Credential, name: &str) -> Result<Client, Attempt> {
    let mut config = credential.config().clone();
    config
        .application_name(name)
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(KEEPALIVE)
        .tcp_user_timeout(CONNECT_TIMEOUT);
    let client = if credential.is_plain() {
        let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
        tokio::spawn(connection);
        client
    } else {
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let connector = tls::connector(credential.ca_file()).map_err(Attempt::Never)?;
        let (client, connection) = config.connect(connector).await.map_err(refused)?;
        tokio::spawn(connection);
        client
    };
    let prepared = within(QUESTION, client.query_typed(PREPARE_SESSION, &[])).await;
    prepared.map_err(|error| Attempt::Again(error.to_string()))?;
    // Not every platform has it, and nothing relies on it: it ends an orphaned statement a little sooner.
    if let Err(error) = within(QUESTION, client.query_typed(CHECK_CLIENT, &[])).await {
        tracing::debug!(%error, "client_connection_check_interval is not available");
    }
    Ok(client)
}

fn refused(error: tokio_postgres::Error) -> Attempt {
    let message = describe(&error);
    match error.code() {
        // Wrong password, no such role or database: asking again changes nothing.
        Some(state) if state.code().starts_with("28") || state.code().starts_with("3D") => Attempt::Never(message),
        Some(state) if *state == SqlState::TOO_MANY_CONNECTIONS => Attempt::Full(message),
        Some(_) | None => Attempt::Again(message),
    }
}

// The server ends a statement at its own timeout; this one is for a server that does not answer any more.
async fn within<T>(
    bounds: Bounds,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, TargetError> {
    let limit = Duration::from_secs(u64::from(bounds.timeout_s)) + GRACE;
    match timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(judge(&error)),
        Err(_) => Err(TargetError::Lost(format!("no answer within {} s", limit.as_secs()))),
    }
}

fn judge(error: &tokio_postgres::Error) -> TargetError {
    match error.as_db_error() {
        // 57P: the server is shutting down or ended this session, perhaps in the middle of a commit. 08: a pooler's word
        // for a server that it lost.
        Some(server)
            if !["57P", "08"]
                .iter()
                .any(|class| server.code().code().starts_with(class)) =>
        {
            TargetError::Sql {
                state: server.code().clone(),
                message: server.message().to_owned(),
            }
        }
        Some(_) | None => TargetError::Lost(describe(error)),
    }
}

// The library's own text names only the kind; what helps is in the source.
fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn says_no(row: &Row) -> bool {
    match row.columns() {
        [column] if *column.type_() == Type::BOOL => !matches!(row.try_get::<_, Option<bool>>(0), Ok(Some(true))),
        _ => false,
    }
}

fn value_of(row: &Row) -> Result<Value, TargetError> {
    let [column] = row.columns() else {
        return Err(TargetError::Answer(format!("{} columns", row.columns().len())));
    };
    let answer = |error: tokio_postgres::Error| TargetError::Answer(error.to_string());
    let value = match *column.type_() {
        Type::BOOL => row.try_get::<_, Option<bool>>(0).map_err(answer)?.map(Value::from),
        Type::INT2 => row.try_get::<_, Option<i16>>(0).map_err(answer)?.map(Value::from),
        Type::INT4 => row.try_get::<_, Option<i32>>(0).map_err(answer)?.map(Value::from),
        Type::INT8 => row.try_get::<_, Option<i64>>(0).map_err(answer)?.map(Value::from),
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => {
            row.try_get::<_, Option<String>>(0).map_err(answer)?.map(Value::from)
        }
        ref other => return Err(TargetError::Answer(format!("a column of type `{other}`"))),
    };
    Ok(value.unwrap_or(Value::Null))
}

impl TargetError {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Elsewhere(cause) => &cause.code,
            Self::Unreachable(_) | Self::Full(_) => "target_unreachable",
            Self::Lost(_) => "connection_lost",
            Self::Sql { state, .. } if *state == SqlState::LOCK_NOT_AVAILABLE => "lock_timeout",
            Self::Sql { state, .. } if *state == SqlState::QUERY_CANCELED => "statement_timeout",
            Self::Sql { state, .. } if *state == SqlState::INSUFFICIENT_PRIVILEGE => "permission_denied",
            Self::Sql { state, .. } if *state == SqlState::DISK_FULL => "disk_full",
            Self::Sql { .. } => "sql_error",
            Self::Answer(_) => "unreadable_answer",
        }
    }

    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.code(), self.to_string())
    }

    /// Whether it is unknown what became of the statement.
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Full(_) | Self::Elsewhere(_) | Self::Lost(_) => true,
            Self::Sql { .. } | Self::Answer(_) => false,
        }
    }
}

const FIRST_PATIENCE: Duration = Duration::from_secs(10);
const LOOKING_PATIENCE: Duration = Duration::from_secs(1);
/// How long a target that was lost is waited for: something is under way.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(250);

const PREPARE_SESSION: &str = include_str!("queries/prepare_session.sql");
const CHECK_CLIENT: &str = include_str!("queries/check_client.sql");
const SET_BOUNDS: &str = include_str!("queries/set_bounds.sql");
/// Else a second look within one transaction shows what the first one saw.
const FORGET_STATISTICS: &str = "SELECT pg_catalog.pg_stat_clear_snapshot()";
const NOW: &str = include_str!("queries/now.sql");

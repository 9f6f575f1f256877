//! The way from a tool to the database: one call, one READ ONLY transaction, on a connection of its own while it lasts.

use std::{borrow::Cow, sync::Arc, time::Duration};

use kit::CancellationToken;

use super::{
    DbError, Reading, Verdict,
    connection::{Connection, Opener},
    pool::Pool,
};
use crate::{
    extensions::Extension,
    guard::{Admitted, Explained},
    target::Target,
    wire::Call,
};

/// What holds for every call.
#[derive(Debug, Clone)]
pub struct Options {
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub allow_privileged_role: bool,
    /// How many connections may be open at once; one is held, further ones are opened while calls wait.
    pub max_connections: usize,
    pub work_mem_kb: u64,
    pub temp_file_limit_kb: u64,
    /// Functions that the operator knows to be harmless, as `schema.name(types)`.
    pub known_functions: Vec<String>,
    /// The highest planner's cost of a free statement that is run.
    pub max_cost: f64,
    /// How many times longer than its work a free statement rests that came to nothing.
    pub rest_after_failure: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_millis(5000),
            lock_timeout: Duration::from_millis(300),
            allow_privileged_role: false,
            max_connections: 4,
            work_mem_kb: 16 * 1024,
            temp_file_limit_kb: 1024 * 1024,
            known_functions: Vec::new(),
            max_cost: 1e7,
            rest_after_failure: 9,
        }
    }
}

/// How much of a result is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub max_rows: u32,
    pub max_bytes: usize,
}

/// One statement to be read, of ours or admitted by the guard.
#[derive(Debug)]
pub struct Read {
    statement: Cow<'static, str>,
    parameters: Vec<Option<String>>,
    bounds: Bounds,
    setup: String,
    epilogue: String,
    path: Option<String>,
}

/// A database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Database(Arc<Pool>);

impl Read {
    /// A statement that was written here, in queries/.
    pub fn own(statement: &'static str, parameters: Vec<Option<String>>, bounds: Bounds) -> Self {
        Self {
            statement: Cow::Borrowed(statement),
            parameters,
            bounds,
            setup: String::new(),
            epilogue: String::new(),
            path: None,
        }
    }

    /// A statement that came from outside and was admitted.
    pub fn admitted(statement: Admitted, bounds: Bounds) -> Self {
        let path = Some(statement.path().to_owned());
        Self {
            statement: Cow::Owned(statement.into_canonical()),
            parameters: Vec::new(),
            bounds,
            setup: String::new(),
            epilogue: String::new(),
            path,
        }
    }

    /// A statement that was written here, over an extension whose schema the catalog names.
    pub fn of_extension(
        statement: &'static str,
        extension: &Extension,
        parameters: Vec<Option<String>>,
        bounds: Bounds,
    ) -> Self {
        Self {
            statement: Cow::Owned(extension.place(statement)),
            ..Self::own("", parameters, bounds)
        }
    }

    /// The plan of a statement that came from outside and was admitted.
    pub fn explained(explained: Explained, bounds: Bounds) -> Self {
        let (path, setup, statement, epilogue) = explained.into_parts();
        Self {
            statement: Cow::Owned(statement),
            setup,
            epilogue: epilogue.to_owned(),
            path: Some(path),
            ..Self::own("", Vec::new(), bounds)
        }
    }

    /// Adds statements of ours that run inside the same READ ONLY transaction, before the statement. Whatever foreign text
    /// is in them must have been admitted.
    pub fn after(mut self, setup: String) -> Self {
        self.setup = match self.setup.is_empty() {
            true => setup,
            false => format!("{setup}; {}", self.setup),
        };
        self
    }

    /// Adds a statement of ours that runs once the transaction is over, to undo what the setup left in the server process
    /// where neither ROLLBACK nor DISCARD ALL reaches.
    pub fn and_then(mut self, epilogue: String) -> Self {
        self.epilogue = match self.epilogue.is_empty() {
            true => epilogue,
            false => format!("{epilogue}; {}", self.epilogue),
        };
        self
    }

    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Returns the part of the call that is the read's own.
    pub fn call(&self) -> Call<'_> {
        Call {
            begin: "",
            prologue: &[],
            setup: &self.setup,
            epilogue: &self.epilogue,
            reset: "",
            statement: &self.statement,
            parameters: &self.parameters,
            max_rows: self.bounds.max_rows,
            max_bytes: self.bounds.max_bytes,
            statement_timeout: Duration::ZERO,
        }
    }
}

impl Database {
    /// Names a database; nothing is opened yet.
    pub fn new(target: Target, options: Options) -> Self {
        Self(Arc::new(Pool::new(Opener::new(target, options))))
    }

    /// Returns whether the operator vouches for a function.
    pub fn knows_function(&self, signature: &str) -> bool {
        self.0
            .opener
            .options
            .known_functions
            .iter()
            .any(|known| known == signature)
    }

    pub fn max_cost(&self) -> f64 {
        self.0.opener.options.max_cost
    }

    pub fn rest_after_failure(&self) -> u32 {
        self.0.opener.options.rest_after_failure
    }

    /// Opens the held connection and keeps it open: an incident is the worst time to ask for one.
    pub fn hold_connection(&self) {
        tokio::spawn(self.0.clone().look_after());
    }

    /// Runs one statement in a READ ONLY transaction of its own. When `cancelled` fires, or the caller goes away, the
    /// statement is cancelled on the server; the session is cleaned up either way before anybody else gets it.
    pub async fn read(&self, read: Read, cancelled: &CancellationToken) -> Result<Reading, DbError> {
        let token = cancelled.child_token();
        // The work runs by itself, so that a caller who is dropped cannot leave a session in the middle of an answer.
        let work = tokio::spawn(run(self.0.clone(), read, token.clone()));
        let _gone = token.drop_guard();
        work.await.unwrap_or(Err(DbError::Cancelled))
    }

    /// Ends what still runs on the server and gives the connections back. A process that just exits would leave its last
    /// statement running there.
    pub async fn shut_down(&self) {
        self.0.shut_down().await;
    }

    /// Connects once and returns what was proven of the role.
    pub async fn examine(&self) -> Result<Arc<Verdict>, DbError> {
        let connection = self.0.opener.open().await?;
        let verdict = connection.proven_role();
        connection.close().await;
        Ok(verdict)
    }
}

async fn run(pool: Arc<Pool>, read: Read, cancelled: CancellationToken) -> Result<Reading, DbError> {
    let ended = async || {
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = pool.stopped.cancelled() => {}
        }
    };
    let mut lease = tokio::select! {
        lease = pool.acquire() => lease?,
        () = ended() => return Err(DbError::Cancelled),
    };
    let outcome = read_over(&pool, &mut lease.connection, &read, ended()).await;
    if !matches!(
        outcome,
        Err(DbError::Wire(_) | DbError::Unproven(_) | DbError::Shape(_))
    ) {
        lease.give_back();
    }
    outcome
}

async fn read_over(
    pool: &Pool,
    connection: &mut Connection,
    read: &Read,
    cancelled: impl Future<Output = ()>,
) -> Result<Reading, DbError> {
    let options = &pool.opener.options;
    let role = connection.role(&pool.opener).await?;
    pool.learn(&role);
    if !role.is_harmless() && !options.allow_privileged_role {
        return Err(DbError::CanWrite(Box::new((*role).clone())));
    }
    if role.pooled && !read.epilogue.is_empty() {
        return Err(DbError::SharedSession);
    }
    let taken_at = connection.time();
    let mut flight = connection.read(read, options.statement_timeout, cancelled).await?;
    if flight.cancelled {
        return Err(DbError::Cancelled);
    }
    match flight.error.take() {
        Some(error) => Err(DbError::Statement(error)),
        None => Ok(Reading::new(flight, taken_at, role)),
    }
}

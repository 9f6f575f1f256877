//! The way from a tool to the database: at most two connections, one of them held from the start, one read at a time each.

use std::{borrow::Cow, sync::Arc, time::Duration};

use kit::CancellationToken;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use super::{DbError, Reading, slot::Connection};
use crate::{guard::Admitted, target::Target, wire::Call};

/// How long a call waits for a connection that other calls use.
const WAIT: Duration = Duration::from_secs(10);
/// How long a call waits for the held connection before it opens a second one.
const BEFORE_SECOND: Duration = Duration::from_millis(100);
/// How often the held connection is looked after.
const LOOK_AFTER: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How long a statement may take to end when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The second connection is given back after so long without work.
const SECOND_IDLE: Duration = Duration::from_secs(30);

/// What holds for every call.
#[derive(Debug, Clone)]
pub struct Options {
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub allow_privileged_role: bool,
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
}

/// A database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    target: Target,
    options: Options,
    prologue: String,
    held: Slot,
    second: Slot,
    stopped: CancellationToken,
}

type Slot = Arc<Mutex<Option<Connection>>>;
type Lease = OwnedMutexGuard<Option<Connection>>;

impl Read {
    /// A statement that was written here, in queries/.
    pub fn own(statement: &'static str, parameters: Vec<Option<String>>, bounds: Bounds) -> Self {
        Self {
            statement: Cow::Borrowed(statement),
            parameters,
            bounds,
            setup: String::new(),
            epilogue: String::new(),
        }
    }

    /// A statement that came from outside and was admitted.
    pub fn admitted(statement: Admitted, bounds: Bounds) -> Self {
        let setup = format!("SET LOCAL search_path = {}", statement.path());
        Self {
            statement: Cow::Owned(statement.into_canonical()),
            parameters: Vec::new(),
            bounds,
            setup,
            epilogue: String::new(),
        }
    }

    /// Adds statements of ours that run inside the same READ ONLY transaction, before the statement. Whatever foreign text
    /// is in them must have been admitted.
    pub fn after(mut self, setup: String) -> Self {
        self.setup = setup;
        self
    }

    /// Adds a statement of ours that runs once the transaction is over, to undo what the setup left in the server process
    /// where neither ROLLBACK nor DISCARD ALL reaches.
    pub fn and_then(mut self, epilogue: String) -> Self {
        self.epilogue = epilogue;
        self
    }
}

impl Options {
    /// Returns what opens the transaction of every call. Its SELECT gives the call's time on the database's clock.
    pub fn prologue(&self, setup: &str) -> String {
        format!(
            "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY; \
             SET LOCAL statement_timeout = {}; \
             SET LOCAL lock_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = 10000; \
             SET LOCAL search_path = pg_catalog; \
             SET LOCAL max_parallel_workers_per_gather = 0; \
             {setup}{} \
             SELECT pg_catalog.to_char(pg_catalog.now(), 'YYYY-MM-DD HH24:MI:SS.USOF')",
            self.statement_timeout.as_millis().max(1),
            self.lock_timeout.as_millis().max(1),
            if setup.is_empty() { "" } else { ";" },
        )
    }
}

impl Database {
    /// Names a database; nothing is opened yet.
    pub fn new(target: Target, options: Options) -> Self {
        let prologue = options.prologue("");
        Self(Arc::new(Inner {
            target,
            options,
            prologue,
            held: Slot::default(),
            second: Slot::default(),
            stopped: CancellationToken::new(),
        }))
    }

    /// Opens the held connection now and keeps it open: an incident is the worst time to ask for one.
    pub fn hold_connection(&self) {
        tokio::spawn(look_after(self.0.clone()));
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
        self.0.stopped.cancel();
        for slot in [&self.0.held, &self.0.second] {
            let Ok(mut lease) = timeout(LAST_WORDS, slot.clone().lock_owned()).await else {
                continue;
            };
            if let Some(connection) = lease.take() {
                connection.close().await;
            }
        }
    }

    /// Connects once and returns what was proven of the role.
    pub async fn examine(&self) -> Result<Arc<super::Verdict>, DbError> {
        let mut connection = Connection::open(&self.0.target, &self.0.options).await?;
        let verdict = connection.role(&self.0.options).await;
        connection.close().await;
        verdict
    }
}

async fn run(inner: Arc<Inner>, read: Read, cancelled: CancellationToken) -> Result<Reading, DbError> {
    let ended = async || {
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = inner.stopped.cancelled() => {}
        }
    };
    let mut lease = tokio::select! {
        lease = acquire(&inner) => lease?,
        () = ended() => return Err(DbError::Cancelled),
    };
    // Taken out while it is in use: whatever ends the call early ends the session too, and nobody finds it half read.
    let mut connection = lease.take().ok_or(DbError::Busy)?;
    let outcome = read_over(&inner, &mut connection, &read, ended()).await;
    if !matches!(
        outcome,
        Err(DbError::Wire(_) | DbError::Unproven(_) | DbError::Shape(_))
    ) {
        *lease = Some(connection);
    }
    outcome
}

async fn read_over(
    inner: &Inner,
    connection: &mut Connection,
    read: &Read,
    cancelled: impl Future<Output = ()>,
) -> Result<Reading, DbError> {
    let role = connection.role(&inner.options).await?;
    if !role.is_harmless() && !inner.options.allow_privileged_role {
        return Err(DbError::CanWrite(Box::new((*role).clone())));
    }
    let with_setup = (!read.setup.is_empty()).then(|| inner.options.prologue(&read.setup));
    let call = Call {
        prologue: with_setup.as_deref().unwrap_or(&inner.prologue),
        epilogue: &read.epilogue,
        statement: &read.statement,
        parameters: &read.parameters,
        max_rows: read.bounds.max_rows,
        max_bytes: read.bounds.max_bytes,
        statement_timeout: inner.options.statement_timeout,
    };
    let mut flight = connection.read(call, cancelled).await?;
    if flight.cancelled {
        return Err(DbError::Cancelled);
    }
    match flight.error.take() {
        Some(error) => Err(DbError::Statement(error)),
        None => Ok(Reading::new(flight, role)),
    }
}

/// Returns a slot with a live connection in it: the held one if it is free soon, else the second, else the first to be
/// free. A second connection is a place that somebody else could have had, so it is not opened at once.
async fn acquire(inner: &Arc<Inner>) -> Result<Lease, DbError> {
    if let Some(lease) = free_now(&inner.held) {
        return opened(inner, lease).await;
    }
    if let Some(lease) = free_now(&inner.second).filter(|lease| lease.is_some()) {
        return opened(inner, lease).await;
    }
    if let Ok(lease) = timeout(BEFORE_SECOND, inner.held.clone().lock_owned()).await {
        return opened(inner, lease).await;
    }
    let mut second_refused = false;
    if let Some(lease) = free_now(&inner.second) {
        match opened(inner, lease).await {
            // No place for a second connection is no failure: the held one will be free in a moment.
            Err(error) if error.is_full() => second_refused = true,
            done => return done,
        }
    }
    let free = async {
        tokio::select! {
            lease = inner.held.clone().lock_owned() => lease,
            lease = inner.second.clone().lock_owned(), if !second_refused => lease,
        }
    };
    opened(inner, timeout(WAIT, free).await.map_err(|_| DbError::Busy)?).await
}

fn free_now(slot: &Slot) -> Option<Lease> {
    slot.clone().try_lock_owned().ok()
}

async fn opened(inner: &Inner, mut lease: Lease) -> Result<Lease, DbError> {
    ready(inner, &mut lease).await?;
    Ok(lease)
}

async fn ready(inner: &Inner, lease: &mut Lease) -> Result<(), DbError> {
    if let Some(connection) = lease.as_mut() {
        if connection.is_alive().await {
            return Ok(());
        }
        **lease = None;
    }
    **lease = Some(Connection::open(&inner.target, &inner.options).await?);
    Ok(())
}

/// Opens the held connection, opens it again whenever it is lost, and gives the second one back when it is not used.
async fn look_after(inner: Arc<Inner>) {
    let mut retry = FIRST_RETRY;
    let mut last_fault = String::new();
    loop {
        let mut lease = inner.held.clone().lock_owned().await;
        let opened = ready(&inner, &mut lease).await;
        drop(lease);
        let pause = match opened {
            Ok(()) => {
                retry = FIRST_RETRY;
                last_fault.clear();
                LOOK_AFTER
            }
            Err(error) => {
                let refusal = kit::ToolError::from(error);
                if refusal.message != last_fault {
                    tracing::warn!(code = refusal.code, "{}", refusal.message);
                    last_fault = refusal.message;
                }
                let pause = retry;
                retry = (retry * 2).min(LAST_RETRY);
                pause
            }
        };
        if let Ok(mut second) = inner.second.clone().try_lock_owned()
            && second
                .as_ref()
                .is_some_and(|connection| connection.last_used.elapsed() > SECOND_IDLE)
            && let Some(connection) = second.take()
        {
            connection.close().await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.stopped.cancelled() => return,
        }
    }
}

//! The connections to one database: one held from the start, further ones while calls wait for each other.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kit::CancellationToken;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    DbError, Verdict,
    connection::{Connection, Opener},
};

/// How long a call waits for a connection that other calls use.
const WAIT: Duration = Duration::from_secs(10);
/// How long one call waits alone before a further connection is opened for it; two that wait are reason enough at once.
const BEFORE_FURTHER: Duration = Duration::from_millis(100);
/// A server that had no place for a further connection is not asked again for so long.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// A further connection is given back after so long without work.
const FURTHER_IDLE: Duration = Duration::from_secs(30);
/// When the held connection is first opened: a client that starts the server asks first what it can do, which takes no
/// database, and has its answer in a third less time when none is being opened beside it.
const AFTER_START: Duration = Duration::from_millis(10);
/// How often the connections are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How long a statement may take to end when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

pub struct Pool {
    pub opener: Opener,
    pub stopped: CancellationToken,
    /// One permit per place, handed out in the order of asking. A permit without an idle connection means: open one.
    places: Arc<Semaphore>,
    count: AtomicUsize,
    waiting: AtomicUsize,
    idle: Mutex<VecDeque<Connection>>,
    refused_at: Mutex<Option<Instant>>,
    role: Mutex<Option<Arc<Verdict>>>,
}

/// A connection while one call uses it. Dropped without [`Lease::give_back`] it ends the connection: whatever cut the
/// call short, nobody finds a session half read.
pub struct Lease {
    pub connection: Connection,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    pub fn give_back(self) {
        self.pool.idle().push_back(self.connection);
    }
}

impl Pool {
    pub fn new(opener: Opener) -> Self {
        Self {
            opener,
            stopped: CancellationToken::new(),
            places: Arc::new(Semaphore::new(1)),
            count: AtomicUsize::new(1),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            refused_at: Mutex::default(),
            role: Mutex::default(),
        }
    }

    /// Returns what was last proven of the role, if anything was.
    pub fn role(&self) -> Option<Arc<Verdict>> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn learn(&self, role: &Arc<Verdict>) {
        let mut known = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, role)) {
            *known = Some(role.clone());
        }
    }

    /// Returns a live connection, in the order of asking.
    pub async fn acquire(self: &Arc<Self>) -> Result<Lease, DbError> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return self.connected(place).await;
        }
        let _waits = Waits::one_more(self);
        if self.waiting.load(Ordering::Relaxed) >= 2 {
            self.open_further();
        }
        let place = self.places.clone().acquire_owned();
        let mut place = std::pin::pin!(place);
        let place = match timeout(BEFORE_FURTHER, &mut place).await {
            Ok(place) => place,
            Err(_) => {
                self.open_further();
                timeout(WAIT, place).await.map_err(|_| DbError::Busy)?
            }
        };
        // The semaphore is never closed.
        self.connected(place.map_err(|_| DbError::Busy)?).await
    }

    async fn connected(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Result<Lease, DbError> {
        loop {
            // The one used last: the others may grow old and be given back.
            let Some(mut connection) = self.idle().pop_back() else {
                break;
            };
            if connection.is_alive().await {
                return Ok(self.lease(connection, place));
            }
        }
        let connection = self.opener.open().await?;
        self.learn(&connection.proven_role());
        Ok(self.lease(connection, place))
    }

    fn lease(self: &Arc<Self>, connection: Connection, place: OwnedSemaphorePermit) -> Lease {
        Lease {
            connection,
            pool: self.clone(),
            _place: place,
        }
    }

    /// Opens one more connection beside the calls. Where the server has no place for it, that is no failure: those that
    /// are open go on.
    fn open_further(self: &Arc<Self>) {
        let most = self.opener.options.max_connections.max(1);
        let refused = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = self.role().is_some()
            && !self.stopped.is_cancelled()
            && refused.is_none_or(|at| at.elapsed() > AFTER_REFUSAL);
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (may && count < most).then_some(count + 1)
        });
        if counted.is_err() {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            match pool.opener.open().await {
                Ok(connection) => {
                    pool.idle().push_back(connection);
                    pool.places.add_permits(1);
                }
                Err(error) => {
                    pool.count.fetch_sub(1, Ordering::Relaxed);
                    *pool.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    let refusal = kit::ToolError::from(error);
                    tracing::info!(code = refusal.code, "no further connection: {}", refusal.message);
                }
            }
        });
    }

    /// Opens the held connection, opens it again whenever it is lost, and gives further ones back when they idle.
    pub async fn look_after(self: Arc<Self>) {
        let mut retry = FIRST_RETRY;
        let mut last_fault = String::new();
        tokio::time::sleep(AFTER_START).await;
        loop {
            let opened = match self.places.clone().try_acquire_owned() {
                Ok(place) => self.connected(place).await.map(Lease::give_back),
                // Every connection is at work.
                Err(_) => Ok(()),
            };
            let pause = match opened {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    last_fault.clear();
                    LOOK_AFTER
                }
                Err(error) => {
                    let refusal = kit::ToolError::from(error);
                    if refusal.message != last_fault {
                        let hint = refusal.hint.unwrap_or_default();
                        tracing::warn!(code = refusal.code, hint, "{}", refusal.message);
                        last_fault = refusal.message;
                    }
                    let pause = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    pause
                }
            };
            self.give_back_idle().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped.cancelled() => return,
            }
        }
    }

    async fn give_back_idle(&self) {
        while self.count.load(Ordering::Relaxed) > 1 {
            let Ok(place) = self.places.try_acquire() else { return };
            let oldest = {
                let mut idle = self.idle();
                let old = idle.front().is_some_and(|one| one.last_used.elapsed() > FURTHER_IDLE);
                // A place whose connection was lost is given up with it, as long as another one is held.
                let empty = idle.is_empty();
                if !old && !empty { None } else { Some(idle.pop_front()) }
            };
            let Some(oldest) = oldest else { return };
            place.forget();
            self.count.fetch_sub(1, Ordering::Relaxed);
            if let Some(connection) = oldest {
                connection.close().await;
            }
        }
    }

    /// Waits for the statements under way, which have been told to end, and says goodbye.
    pub async fn shut_down(&self) {
        self.stopped.cancel();
        let all = u32::try_from(self.count.load(Ordering::Relaxed)).unwrap_or(1);
        // Those that do not end in time are dropped with the process.
        let _all = timeout(LAST_WORDS, self.places.acquire_many(all)).await;
        loop {
            let Some(connection) = self.idle().pop_front() else {
                break;
            };
            connection.close().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call among those that wait, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn one_more(pool: &'a Pool) -> Self {
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&pool.waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

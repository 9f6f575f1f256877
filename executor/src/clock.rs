//! Where the time comes from; an argument, so that a test can hold it still.

use chrono::Utc;
use runbooks::Timestamp;

/// Tells the time of this host.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The host's own clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now().into()
    }
}

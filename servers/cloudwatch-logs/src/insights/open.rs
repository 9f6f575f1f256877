//! Knows whether any query, or any request to stop one, is still open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// More than can ever be open: the kit bounds calls, and each has at most a few tasks.
const PLACES: u32 = 1 << 16;

/// A count of open work that can be waited for.
#[derive(Debug)]
pub struct Open(Arc<Semaphore>);

/// Work is open for as long as one of these lives. It is handed on from task to task: while somebody waits for
/// [`Open::none_left`] there are no new ones.
pub type OpenToken = Option<OwnedSemaphorePermit>;

impl Open {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(PLACES as usize)))
    }

    /// Marks work as open.
    pub fn token(&self) -> OpenToken {
        self.0.clone().try_acquire_owned().ok()
    }

    /// Returns when nothing is open.
    pub async fn none_left(&self) {
        // Nobody closes the semaphore, so this ends only when every place is free.
        let _ = self.0.acquire_many(PLACES).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn open_work_is_waited_for() {
        let open = Open::new();
        let token = open.token();
        assert!(timeout(Duration::from_millis(20), open.none_left()).await.is_err());
        drop(token);
        assert!(timeout(Duration::from_secs(5), open.none_left()).await.is_ok());
    }
}

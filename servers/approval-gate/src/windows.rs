//! Closes windows: at each look, and by a timer, so that the journal says when a request ended although nobody looked.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runbooks::Timestamp;

use crate::execution::OrderEvent;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::RequestEvent;

impl Gate {
    /// Journals the end of every window that has closed by `now`.
    ///
    /// # Errors
    /// When the journal cannot take it.
    pub fn close_windows(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.store.view(|rows| rows.next_due())?.is_none_or(|due| due > now) {
            return Ok(());
        }
        self.store.change(|change| {
            for request in change.overdue_requests(now)? {
                change.request_event(Some(request), RequestEvent::Expired(now))?;
            }
            for execution in change.overdue_executions(now)? {
                change.order_event(Some(execution), OrderEvent::Lapsed(now))?;
            }
            Ok(())
        })
    }
}

/// Closes windows when they are due, until the gate stops.
pub async fn watch(gate: Arc<Gate>) {
    loop {
        // Made before looking, so that a window opened in between wakes it.
        let woken = gate.windows.notified();
        let due = match gate
            .close_windows(gate.now())
            .and_then(|()| gate.store.view(|rows| rows.next_due()))
        {
            Ok(due) => due,
            Err(refusal) => {
                tracing::error!(code = refusal.code, error = %refusal, "could not close windows");
                Some(gate.now().plus_s(RETRY_S))
            }
        };
        tokio::select! {
            () = gate.stop.cancelled() => return,
            () = woken => {}
            () = until(due) => {}
        }
    }
}

async fn until(due: Option<Timestamp>) {
    let Some(due) = due else {
        return std::future::pending().await;
    };
    let due = Duration::from_secs(u64::try_from(due.unix()).unwrap_or(0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A clock that is set back is noticed within a minute.
    tokio::time::sleep(
        due.saturating_sub(now)
            .clamp(Duration::from_millis(20), Duration::from_secs(60)),
    )
    .await;
}

const RETRY_S: i64 = 5;

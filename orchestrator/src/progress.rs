//! Tells whoever watches (the demo, a live page) what was just journalled. Nobody's watching changes anything.

use std::time::Instant;

use incident::{Event, IncidentId};
use tokio::sync::broadcast;

const KEPT: usize = 256;

/// One journalled event.
#[derive(Debug, Clone)]
pub struct Progress {
    pub id: IncidentId,
    pub event: Event,
    pub at: Instant,
}

#[derive(Debug, Clone)]
pub struct Watchers(broadcast::Sender<Progress>);

impl Watchers {
    #[must_use]
    pub fn none_yet() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Progress> {
        self.0.subscribe()
    }

    pub fn tell(&self, id: &IncidentId, event: Event) {
        // An error means that nobody watches.
        let _ = self.0.send(Progress {
            id: id.clone(),
            event,
            at: Instant::now(),
        });
    }
}

//! Works on open incidents: one at a time per target, so that two plans never meet on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use incident::IncidentId;
use tokio::task::JoinSet;

use crate::pipeline::Pipeline;
use crate::stage::Halt;

const AFTER_STORE_ERROR: Duration = Duration::from_secs(2);

pub(crate) struct Workers {
    pipeline: Arc<Pipeline>,
    /// One lane per target; the second incident of a target waits in `detected` until the first is closed.
    lanes: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    busy: Arc<Mutex<BTreeSet<IncidentId>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Workers {
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self {
            pipeline,
            lanes: Mutex::default(),
            busy: Arc::default(),
            tasks: Mutex::default(),
        }
    }

    /// Starts work on an incident, unless it is being worked on.
    pub fn wake(&self, id: &IncidentId, target: &str) {
        if !locked(&self.busy).insert(id.clone()) {
            return;
        }
        let lane = Arc::clone(locked(&self.lanes).entry(target.to_owned()).or_default());
        let (pipeline, busy, id) = (Arc::clone(&self.pipeline), Arc::clone(&self.busy), id.clone());
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tokio::select! {
                () = pipeline.stop.cancelled() => {}
                _turn = lane.lock() => drive(&pipeline, &id).await,
            }
            locked(&busy).remove(&id);
        });
    }

    /// Goes on with what was open when the process ended.
    pub fn resume(&self) -> Result<usize, store::StoreError> {
        let open = self.pipeline.store.open_incidents()?;
        for id in &open {
            let incident = self.pipeline.store.incident(id)?;
            self.wake(id, &incident.target);
        }
        Ok(open.len())
    }

    /// Waits until every worker has put its incident down. They do when the pipeline's `stop` fires.
    pub async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *locked(&self.tasks));
        while tasks.join_next().await.is_some() {}
    }
}

async fn drive(pipeline: &Pipeline, id: &IncidentId) {
    loop {
        match pipeline.drive(id, None).await {
            Ok(incident) => {
                tracing::info!(incident = %id, state = incident.state.as_str(), "incident closed");
                return;
            }
            Err(Halt::Stopping) => return,
            // What cannot be journalled, or published, must not be done: wait for the disk or the publisher.
            Err(error) => tracing::error!(incident = %id, error = crate::chain(&error), "the incident cannot go on"),
        }
        if pipeline.pause(AFTER_STORE_ERROR).await.is_err() {
            return;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

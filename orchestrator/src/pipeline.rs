//! The whole path of an incident, on one screen. Each step reads the journalled incident and returns one event; the event
//! is journalled before the next step begins. After a crash the same loop goes on from the last event.

use std::sync::Arc;

use incident::{Incident, IncidentId, State};
use policies::Policy;
use runbooks::Catalog;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::advisers::Advisers;
use crate::config::Config;
use crate::gate::Gate;
use crate::progress::Watchers;
use crate::stage::{Halt, Next, Step, is_allowed};
use crate::toolbelt::Toolbelt;

pub struct Pipeline {
    pub config: Config,
    pub store: Arc<Store>,
    pub toolbelt: Toolbelt,
    pub gate: Gate,
    pub catalog: Catalog,
    pub policy: Policy,
    pub advisers: Advisers,
    pub watchers: Watchers,
    pub stop: CancellationToken,
}

impl Pipeline {
    /// Drives one incident to its end, or to the state named by `until`.
    pub async fn drive(&self, id: &IncidentId, until: Option<&str>) -> Result<Incident, Halt> {
        let mut incident = self.settled(id).await?;
        while !incident.state.is_closed() && until != Some(incident.state.as_str()) {
            incident = self.advance(incident).await?;
        }
        Ok(incident)
    }

    /// One step: what to do follows from the journalled state alone.
    pub(crate) async fn advance(&self, incident: Incident) -> Result<Incident, Halt> {
        let step: Step = match incident.state {
            State::Detected => self.begin(&incident),
            State::Diagnosing if incident.evidence.is_empty() => self.observe(&incident).await,
            State::Diagnosing => self.diagnose(&incident).await,
            State::Planning => self.plan(&incident).await,
            State::Debating => self.debate(&incident).await,
            State::Policy => match incident.decision.as_ref().map(is_allowed) {
                None => self.look_at_policy(&incident),
                Some(false) => self.refuse(&incident),
                Some(true) => self.ask_for_approval(&incident).await,
            },
            State::AwaitingApproval => self.await_approval(&incident).await,
            State::Executing => self.await_execution(&incident).await,
            State::Verifying => self.verify(&incident).await,
            State::Ended(_) => self.write_post_mortem(&incident).await,
            State::Closed(_) => return Ok(incident),
        };
        self.record(&incident, step.or_else(Halt::into_hand_over)?).await
    }

    /// Journals what happened. Only then has it happened.
    async fn record(&self, incident: &Incident, next: Next) -> Result<Incident, Halt> {
        let (store, id) = (Arc::clone(&self.store), incident.id.clone());
        let Next { event, evidence } = next;
        let told = event.clone();
        let recorded = blocking(move || store.record_with(&id, event, &evidence)).await?;
        tracing::info!(incident = %recorded.id, event = told.kind(), state = recorded.state.as_str(), "incident");
        if recorded.state.is_closed() {
            self.advisers.release(&recorded.id);
        }
        self.watchers.tell(&recorded.id, told);
        Ok(recorded)
    }

    /// The incident as journalled, once all of it has been published.
    async fn settled(&self, id: &IncidentId) -> Result<Incident, Halt> {
        let (store, id) = (Arc::clone(&self.store), id.clone());
        blocking(move || store.settle().and_then(|()| store.incident(&id))).await
    }
}

/// The store waits for the disk; that must not hold up the alerts that come in meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::StoreError> + Send + 'static,
) -> Result<T, Halt> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Halt::Store),
        Err(_) => Err(Halt::Stopping),
    }
}

#[cfg(test)]
mod tests;

//! The models of one incident, and what each of its agents may spend on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::{Budget, Limits, Model};

/// Clones share model and purses.
#[derive(Clone)]
pub struct Counsel {
    model: Arc<dyn Model>,
    incident: Budget,
    per_agent: Limits,
    purses: Arc<Mutex<BTreeMap<&'static str, Budget>>>,
}

impl Counsel {
    #[must_use]
    pub fn new(model: Arc<dyn Model>, incident: Budget, per_agent: Limits) -> Self {
        Self {
            model,
            incident,
            per_agent,
            purses: Arc::default(),
        }
    }

    /// A model without limits but those of each question.
    #[must_use]
    pub fn unlimited(model: Arc<dyn Model>) -> Self {
        Self::new(model, Budget::unlimited(), Limits::default())
    }

    /// What the whole incident has spent.
    #[must_use]
    pub fn incident(&self) -> &Budget {
        &self.incident
    }

    pub(crate) fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The agent's own purse, the same at every question of one incident.
    pub(crate) fn purse_of(&self, agent: &'static str) -> Budget {
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        purses
            .entry(agent)
            .or_insert_with(|| self.incident.part(self.per_agent))
            .clone()
    }
}

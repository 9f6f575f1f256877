//! The models that advise, and the purse of each incident. Without any, rules do all of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use agents::Counsel;
use anyhow::{Context, Result};
use incident::IncidentId;
use model::{Budget, Failover, Key, Limits, Model, Price, Recorder, Remote, RemoteConfig, Retry};

use crate::config::{Config, ModelSection};

/// Made once; what an incident has spent is forgotten with the process, and with it the incident's own purse.
pub struct Advisers {
    model: Option<Arc<dyn Model>>,
    per_incident: Limits,
    per_agent: Limits,
    record_dir: Option<PathBuf>,
    redact: bool,
    counsels: Mutex<BTreeMap<IncidentId, Counsel>>,
}

impl Advisers {
    #[must_use]
    pub fn none() -> Self {
        Self {
            model: None,
            per_incident: Limits::default(),
            per_agent: Limits::default(),
            record_dir: None,
            redact: false,
            counsels: Mutex::default(),
        }
    }

    /// A model without limits and without a record.
    #[cfg(test)]
    pub fn of(model: Arc<dyn Model>) -> Self {
        Self {
            model: Some(model),
            ..Self::none()
        }
    }

    /// Reads the keys. Nothing is asked yet.
    pub fn new(config: &Config) -> Result<Self> {
        let section = &config.agents;
        let mut models: Vec<Arc<dyn Model>> = Vec::new();
        for model in config.models_in_order() {
            let remote = remote(model).with_context(|| format!("could not set up the model `{}`", model.name))?;
            models.push(Arc::new(Retry::new(Arc::new(remote), model.attempts)));
        }
        if models.is_empty() {
            return Ok(Self::none());
        }
        let record_dir = section.record_dir.as_ref().map(|dir| dir.to_path_buf());
        if let Some(dir) = &record_dir {
            std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
        }
        Ok(Self {
            model: Some(Arc::new(Failover::new(models))),
            per_incident: section.incident.limits(),
            per_agent: section.agent.limits(),
            record_dir,
            redact: section.redact,
            counsels: Mutex::default(),
        })
    }

    /// The models for this incident, with its own purse and record. A record that cannot be kept leaves the rules alone.
    pub fn of_incident(&self, id: &IncidentId) -> Option<Counsel> {
        let model = self.model.as_ref()?;
        let mut counsels = self.counsels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counsel) = counsels.get(id) {
            return Some(counsel.clone());
        }
        let model: Arc<dyn Model> = match &self.record_dir {
            None => Arc::clone(model),
            Some(dir) => match Recorder::open(Arc::clone(model), &dir.join(format!("{id}.jsonl")), self.redact) {
                Ok(recorder) => Arc::new(recorder),
                Err(error) => {
                    tracing::warn!(incident = %id, error = crate::chain(&error), "no record, and so no model");
                    return None;
                }
            },
        };
        let counsel = Counsel::new(model, Budget::new(self.per_incident), self.per_agent);
        counsels.insert(id.clone(), counsel.clone());
        Some(counsel)
    }

    /// Closes the purse of an incident that is over.
    pub fn release(&self, id: &IncidentId) {
        let mut counsels = self.counsels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counsel) = counsels.remove(id) {
            let spent = counsel.incident().spent();
            tracing::info!(
                incident = %id,
                tokens = spent.tokens,
                money_micros = spent.money_micros,
                calls = spent.calls,
                "what the models cost"
            );
        }
    }
}

fn remote(section: &ModelSection) -> Result<Remote> {
    let key = match (&section.key_file, &section.key_env) {
        (Some(file), _) => Some(Key::from_file(file)?),
        (None, Some(name)) => Some(Key::from_env(name)?),
        (None, None) => None,
    };
    let mut config = RemoteConfig::new(&section.name, section.provider, &section.model);
    config.base_url.clone_from(&section.base_url);
    config.key = key;
    config.price = Price {
        input_micros: section.input_price_micros,
        output_micros: section.output_price_micros,
    };
    config.structured = section.structured.unwrap_or(config.structured);
    Ok(Remote::new(config)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::os::unix::fs::PermissionsExt as _;

    use incident::IncidentId;
    use model::Scripted;

    use super::*;

    fn recording_in(dir: &std::path::Path) -> Advisers {
        Advisers {
            record_dir: Some(dir.to_owned()),
            ..Advisers::of(Arc::new(Scripted::default()))
        }
    }

    #[test]
    fn an_incident_keeps_its_purse_until_it_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let advisers = recording_in(dir.path());
        let id = IncidentId::named("inc-1");
        let purse = |advisers: &Advisers| advisers.of_incident(&id).unwrap().incident().clone();
        let first = purse(&advisers);
        assert!(purse(&advisers) == first);
        advisers.release(&id);
        assert!(purse(&advisers) != first);
        let mode = std::fs::metadata(dir.path().join("inc-1.jsonl"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_record_that_cannot_be_kept_leaves_the_rules_alone() {
        let dir = tempfile::tempdir().unwrap();
        let missing = recording_in(&dir.path().join("missing"));
        assert!(missing.of_incident(&IncidentId::named("inc-1")).is_none());
    }

    #[test]
    fn a_key_that_cannot_be_read_is_told_by_its_place() {
        let section: ModelSection = serde_json::from_value(serde_json::json!({
            "name": "first", "provider": "anthropic", "model": "m", "key_file": "/nonexistent/key",
        }))
        .unwrap();
        let error = remote(&section).err().unwrap();
        assert!(format!("{error:#}").contains("/nonexistent/key"), "{error:#}");
    }
}

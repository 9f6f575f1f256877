//! The steps of the pipeline, one file each. A step does one thing and returns one event, or says why it cannot.

mod advice;
mod approval;
mod debate;
mod diagnose;
mod execution;
mod observe;
mod plan;
mod policy;

use incident::{Event, HandOverReason, Incident, PlanRecord};
use runbooks::{Evidence, PlanDocument};
use serde_json::Value;
use thiserror::Error;

use crate::pipeline::Pipeline;

pub(crate) type Step = Result<Next, Halt>;

/// What a step came to: an event, and the bodies of the evidence that it tells of.
#[derive(Debug)]
pub(crate) struct Next {
    pub event: Event,
    pub evidence: Vec<Evidence>,
}

/// Why a step came to no event.
#[derive(Debug, Error)]
pub enum Halt {
    /// A human has to go on.
    #[error("handed over ({reason}): {message}")]
    HandOver {
        reason: HandOverReason,
        message: String,
        look_at: Vec<String>,
    },
    /// We are asked to stop. The incident stays where it is, and goes on after the next start.
    #[error("stopped")]
    Stopping,
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl From<Event> for Next {
    fn from(event: Event) -> Self {
        Self {
            event,
            evidence: Vec::new(),
        }
    }
}

impl Halt {
    pub(crate) fn hand_over(reason: HandOverReason, message: impl Into<String>) -> Self {
        Self::HandOver {
            reason,
            message: message.into(),
            look_at: Vec::new(),
        }
    }

    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::hand_over(HandOverReason::Internal, crate::chain(error))
    }

    /// Handing over is an event like any other; the rest ends the drive.
    pub(crate) fn into_hand_over(self) -> Step {
        match self {
            Self::HandOver {
                reason,
                message,
                look_at,
            } => Ok(Event::HandedOver {
                reason,
                message,
                look_at,
            }
            .into()),
            other => Err(other),
        }
    }
}

impl Pipeline {
    /// The first step: an incident whose alerts have all ended meanwhile needs no investigation.
    pub(crate) fn begin(&self, incident: &Incident) -> Step {
        if incident.is_firing() {
            Ok(Event::DiagnosisStarted.into())
        } else {
            let message = "every alert had ended before the diagnosis began".to_owned();
            Ok(Event::Subsided { message }.into())
        }
    }

    pub(crate) fn target_of(&self, incident: &Incident) -> Result<&crate::config::TargetSection, Halt> {
        self.config.target(&incident.target).ok_or_else(|| {
            let message = format!("target `{}` is no longer configured", incident.target);
            Halt::hand_over(HandOverReason::WrongTarget, message)
        })
    }

    pub(crate) fn evidence_of(&self, incident: &Incident) -> Result<Vec<Evidence>, Halt> {
        Ok(self.store.evidence(incident)?)
    }
}

pub(crate) fn plan_of(incident: &Incident) -> Result<&PlanRecord, Halt> {
    incident
        .plan
        .as_ref()
        .ok_or_else(|| Halt::hand_over(HandOverReason::Internal, "the incident has no plan"))
}

/// The plan as data, from the very bytes that were offered.
pub(crate) fn document_of(plan: &PlanRecord) -> Result<PlanDocument, Halt> {
    serde_json::from_str(&plan.text).map_err(|e| Halt::internal(&e))
}

pub(crate) fn is_allowed(decision: &Value) -> bool {
    decision.get("allow") == Some(&Value::Bool(true))
}

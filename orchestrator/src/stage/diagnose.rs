//! Evidence in, ranked root causes out.

use agents::Fallback;
use incident::{Event, HandOverReason, Incident};

use super::{Halt, Step};
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) async fn diagnose(&self, incident: &Incident) -> Step {
        let evidence = self.evidence_of(incident)?;
        let (diagnosis, fallback) = self.diagnostician.diagnose(&evidence).await.map_err(|e| {
            Halt::hand_over(
                HandOverReason::Unexplained,
                format!("there is no diagnosis: {}", crate::chain(&e)),
            )
        })?;
        if let Some(Fallback(refused)) = fallback {
            tracing::warn!(incident = %incident.id, code = refused.code(), "the model's diagnosis was not taken");
        }
        Ok(Event::Diagnosed {
            findings: diagnosis.into_findings(),
        }
        .into())
    }
}

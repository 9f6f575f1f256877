//! Evidence in, ranked root causes out.

use agents::{Investigation, investigate};
use incident::{Event, EvidenceNote, HandOverReason, Incident};

use super::{Halt, Next, Step};
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) async fn diagnose(&self, incident: &Incident) -> Step {
        let evidence = self.evidence_of(incident)?;
        let lookup = self.toolbelt.lookup(self.target_of(incident)?);
        let counsel = self.advisers.of_incident(&incident.id);
        let investigated = self
            .unless_stopped(investigate(
                counsel.as_ref(),
                &evidence,
                &incident.missing,
                Some(&lookup),
            ))
            .await?;
        let Investigation {
            diagnosis,
            taken,
            notes,
        } = investigated.map_err(|e| {
            Halt::hand_over(
                HandOverReason::Unexplained,
                format!("there is no diagnosis: {}", crate::chain(&e)),
            )
        })?;
        for note in &notes {
            tracing::warn!(incident = %incident.id, note, "the models and the rules");
        }
        Ok(Next {
            event: Event::Diagnosed {
                findings: diagnosis.into_findings(),
                evidence: taken
                    .iter()
                    .map(|look| EvidenceNote::of(&look.evidence, look.took_ms))
                    .collect(),
                notes,
            },
            evidence: taken.into_iter().map(|look| look.evidence).collect(),
        })
    }

    /// A model may think for minutes; being asked to stop does not wait for it.
    pub(crate) async fn unless_stopped<T>(&self, asked: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Halt::Stopping),
            answer = asked => Ok(answer),
        }
    }
}

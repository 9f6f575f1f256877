//! Lets the agents of cost, security and review judge the plan. They inform; they decide nothing. An objection is answered
//! by another plan, once, or stands.

use agents::debate::{Case, debate};
use agents::{Planning, Revision, debate_with, revise};
use chrono::Utc;
use incident::{Diagnosis, Event, HandOverReason, Incident, Opinion, Verdict};
use runbooks::{PlanDocument, Timestamp};

use super::{Halt, Step, document_of, plan_of};
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) async fn debate(&self, incident: &Incident) -> Step {
        let evidence = self.evidence_of(incident)?;
        let record = plan_of(incident)?;
        let plan = document_of(record)?;
        let internal = || Halt::hand_over(HandOverReason::Internal, "the incident has no diagnosis");
        let findings = incident.findings.as_ref().ok_or_else(internal)?;
        let counsel = self.advisers.of_incident(&incident.id);
        let now = Timestamp::from(Utc::now());
        let case = Case {
            plan: &plan,
            findings,
            evidence: &evidence,
            now,
        };
        let opinions = self.unless_stopped(debate_with(counsel.as_ref(), &case)).await?;
        let met_objection = opinions.iter().any(|opinion| opinion.verdict == Verdict::Object);
        if !met_objection || incident.revision.is_some() {
            return Ok(Event::Debated { opinions }.into());
        }

        let diagnosis = Diagnosis::admit(findings.clone(), &evidence).map_err(|e| Halt::internal(&e))?;
        let fill = self.filler(incident, &evidence)?;
        let planning = Planning {
            diagnosis: &diagnosis,
            catalog: &self.catalog,
            evidence: &evidence,
            fill: &fill,
        };
        let judge = |plan: &PlanDocument| debate(&Case { plan, ..case });
        let revised = revise(counsel.as_ref(), &planning, &record.draft, &opinions, &judge);
        match self.unless_stopped(revised).await? {
            Revision::Revised(planned) => Ok(Event::Revised {
                plan: super::plan::record_of(*planned)?,
                opinions,
            }
            .into()),
            Revision::Withdrawn => Err(withdrawn(&record.draft.runbook, &opinions)),
            Revision::Stands => Ok(Event::Debated { opinions }.into()),
        }
    }
}

fn withdrawn(runbook: &str, opinions: &[Opinion]) -> Halt {
    let objecting = opinions.iter().filter(|opinion| opinion.verdict == Verdict::Object);
    let reasons = objecting.flat_map(|opinion| {
        let said = opinion.reasons.iter();
        said.map(|reason| format!("{}: {} ({})", opinion.agent, reason.says, reason.cites.join(", ")))
    });
    Halt::HandOver {
        reason: HandOverReason::Withdrawn,
        message: format!("the plan by `{runbook}` met objections and was taken back"),
        look_at: reasons.collect(),
    }
}

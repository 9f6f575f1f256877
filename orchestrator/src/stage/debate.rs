//! Lets the agents of cost, security and review judge the plan. They inform; they decide nothing.

use agents::debate::{Case, debate};
use chrono::Utc;
use incident::{Event, HandOverReason, Incident};
use runbooks::Timestamp;

use super::{Halt, Step, document_of, plan_of};
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) async fn debate(&self, incident: &Incident) -> Step {
        let evidence = self.evidence_of(incident)?;
        let plan = document_of(plan_of(incident)?)?;
        let findings = incident.findings.as_ref();
        let findings =
            findings.ok_or_else(|| Halt::hand_over(HandOverReason::Internal, "the incident has no diagnosis"))?;
        let case = Case {
            plan: &plan,
            findings,
            evidence: &evidence,
            now: Timestamp::from(Utc::now()),
        };
        Ok(Event::Debated {
            opinions: debate(&case),
        }
        .into())
    }
}

//! Diagnosis in, exact plan out: the catalog chooses and renders; nothing is written here.

use agents::{NoPlan, Planned, Planning, PlanningError, plan};
use chrono::Utc;
use incident::{Diagnosis, Event, HandOverReason, Incident, PlanRecord};
use rand::RngCore;
use runbooks::{Evidence, Plan, PlanContext, PlanDraft, PlanError, Target, Timestamp};

use super::observe::text_of;
use super::{Halt, Step};
use crate::config::TargetSection;
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) async fn plan(&self, incident: &Incident) -> Step {
        let evidence = self.evidence_of(incident)?;
        let findings = incident
            .findings
            .clone()
            .ok_or_else(|| no_plan("the incident has no diagnosis"))?;
        let diagnosis = Diagnosis::admit(findings, &evidence).map_err(|e| no_plan(&crate::chain(&e)))?;
        let fill = self.filler(incident, &evidence)?;
        let planning = Planning {
            diagnosis: &diagnosis,
            catalog: &self.catalog,
            evidence: &evidence,
            fill: &fill,
        };
        let counsel = self.advisers.of_incident(&incident.id);
        let planned = self.unless_stopped(plan(counsel.as_ref(), &planning)).await?;
        let planned = planned.map_err(|error| match error {
            PlanningError::NoPlan(why) => hand_over(&why, &diagnosis),
            PlanningError::NotFilled(refused) => no_plan(&format!("{}: {}", refused.code(), crate::chain(&refused))),
        })?;
        Ok(Event::Planned {
            plan: record_of(planned)?,
        }
        .into())
    }

    /// Renders drafts for this incident: whoever wrote them, the catalog and the evidence say what becomes of them.
    pub(crate) fn filler<'a>(
        &'a self,
        incident: &'a Incident,
        evidence: &'a [Evidence],
    ) -> Result<impl Fn(&PlanDraft) -> Result<Plan, PlanError> + Sync + 'a, Halt> {
        let target = self.target_of(incident)?;
        Ok(move |draft: &PlanDraft| {
            let context = self.plan_context(incident, target, evidence);
            Plan::fill(draft, &self.catalog, evidence, context)
        })
    }

    fn plan_context(&self, incident: &Incident, target: &TargetSection, evidence: &[Evidence]) -> PlanContext {
        let section = &self.config.orchestrator;
        let now = Timestamp::from(Utc::now());
        let identity = evidence.iter().find(|piece| piece.tool == "overview");
        let mut nonce = [0_u8; 16];
        rand::rng().fill_bytes(&mut nonce);
        PlanContext {
            incident: incident.id.to_string(),
            target: Target {
                name: target.name.clone(),
                environment: target.environment.clone(),
                system_identifier: identity
                    .map(|piece| text_of(piece, "system_identifier").to_owned())
                    .unwrap_or_default(),
                database: target.database.clone(),
            },
            requester: section.id.clone(),
            policy_digest: self.policy.digest(),
            not_before: now,
            approve_by: now.plus_s(i64::from(section.approve_within_s)),
            expires_at: now.plus_s(i64::from(section.execute_within_s)),
            nonce: hex::encode(nonce),
        }
    }
}

pub(super) fn record_of(planned: Planned) -> Result<PlanRecord, Halt> {
    let Planned { plan, draft, not_taken } = planned;
    Ok(PlanRecord {
        draft,
        digest: plan.digest(),
        text: String::from_utf8(plan.bytes().to_vec()).map_err(|e| Halt::internal(&e))?,
        not_taken,
    })
}

fn no_plan(message: &str) -> Halt {
    Halt::hand_over(HandOverReason::NoRunbook, message)
}

fn hand_over(why: &NoPlan, diagnosis: &Diagnosis) -> Halt {
    let reason = match why {
        NoPlan::NothingToDo => HandOverReason::NoDatabaseAction,
        NoPlan::Unexplained => HandOverReason::Unexplained,
        NoPlan::NoRunbook { .. } | NoPlan::CannotFill { .. } => HandOverReason::NoRunbook,
    };
    let best = diagnosis.best();
    let mut look_at: Vec<String> = best
        .signals_for
        .iter()
        .map(|signal| format!("{} ({})", signal.says, signal.evidence))
        .collect();
    if let NoPlan::NoRunbook {
        hand_over: Some(entry), ..
    } = why
    {
        look_at.push(format!("who decides: {}", entry.to));
        look_at.extend(entry.look_at.iter().cloned());
    }
    Halt::HandOver {
        reason,
        message: format!("{why}. {}", best.explanation),
        look_at,
    }
}

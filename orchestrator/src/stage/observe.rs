//! Takes the first look, and makes sure that it is the right database that is looked at.

use std::time::Duration;

use incident::{Event, HandOverReason, Incident};
use runbooks::Evidence;
use serde_json::Value;

use super::{Halt, Next, Step};
use crate::config::TargetSection;
use crate::pipeline::Pipeline;
use crate::toolbelt::{Taken, record};

/// A saturated database may let nobody in at first.
const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

impl Pipeline {
    pub(crate) async fn observe(&self, incident: &Incident) -> Step {
        let target = self.target_of(incident)?;
        let deadline = Duration::from_secs(u64::from(self.config.orchestrator.observe_within_s));
        // AWS is asked once, beside the database and within the same deadline: a diagnosis can do without it.
        let of_aws = target.cloud_names().sweep();
        let looking = async {
            tokio::join!(
                self.look_until_complete(target, deadline),
                self.toolbelt.ask_all(target, &of_aws, deadline)
            )
        };
        let (taken, answers) = self.unless_stopped(looking).await?;
        let mut taken = taken?;
        check_identity(target, &taken)?;
        let next_id = taken.evidence.len().saturating_add(1);
        taken.extend(record(answers, next_id));
        let Taken {
            evidence,
            notes,
            missing,
        } = taken;
        Ok(Next {
            event: Event::EvidenceTaken {
                evidence: notes,
                missing,
            },
            evidence,
        })
    }

    /// Looks at the database, again where it let nobody in.
    async fn look_until_complete(&self, target: &TargetSection, deadline: Duration) -> Result<Taken, Halt> {
        let probes = agents::first_sweep();
        let mut attempt = 1;
        loop {
            let taken = self.toolbelt.look(target, deadline).await;
            let has = |tool: &str| taken.evidence.iter().any(|piece| piece.tool == tool);
            let complete = probes
                .iter()
                .filter(|probe| probe.required)
                .all(|probe| has(probe.tool));
            if complete || attempt >= ATTEMPTS {
                return Ok(taken);
            }
            attempt += 1;
            tokio::select! {
                () = self.stop.cancelled() => return Err(Halt::Stopping),
                () = tokio::time::sleep(BETWEEN_ATTEMPTS) => {}
            }
        }
    }
}

fn check_identity(target: &TargetSection, taken: &Taken) -> Result<(), Halt> {
    let Some(identity) = taken.evidence.iter().find(|piece| piece.tool == "overview") else {
        let missing = taken
            .missing
            .iter()
            .map(|missing| format!("{}: {}", missing.tool, missing.message));
        return Err(Halt::HandOver {
            reason: HandOverReason::NoEvidence,
            message: format!("nothing could be seen of target `{}`", target.name),
            look_at: missing.collect(),
        });
    };
    let wrong = |what: &str, found: &str, wanted: &str| {
        let message = format!(
            "{what} is `{found}`, but target `{}` is configured as `{wanted}`",
            target.name
        );
        Err(Halt::hand_over(HandOverReason::WrongTarget, message))
    };
    let database = text_of(identity, "database");
    if database != target.database {
        return wrong("the database", database, &target.database);
    }
    let system_identifier = text_of(identity, "system_identifier");
    match &target.system_identifier {
        Some(wanted) if wanted != system_identifier => wrong("the system identifier", system_identifier, wanted),
        _ => Ok(()),
    }
}

pub(super) fn text_of<'a>(evidence: &'a Evidence, key: &str) -> &'a str {
    evidence.result.get(key).and_then(Value::as_str).unwrap_or_default()
}

//! Offers the plan to the gate, waits for people, and hands the token over. The gate decides; this only carries.

use std::time::{Duration, Instant};

use chrono::Utc;
use incident::{Approval, Event, HandOverReason, Incident, PlanRecord, RefusedBy};
use runbooks::{Evidence, PlanDocument, Source, Timestamp};

use super::advice::advice;
use super::{Halt, Step, document_of, plan_of};
use crate::gate::Standing;
use crate::pipeline::Pipeline;
use crate::toolbelt::CallError;

/// People take minutes; half a second more or less is nothing to them, and one small read to the gate.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often a waiting incident is held against its alerts and the telemetry: it may be over by itself.
const BETWEEN_RECHECKS: Duration = Duration::from_secs(5);
/// How the gate says that it asks nobody before an executor has looked at the plan.
const PREFLIGHT_MISSING: &str = "preflight_missing";
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Pipeline {
    pub(crate) async fn ask_for_approval(&self, incident: &Incident) -> Step {
        let record = plan_of(incident)?;
        let document = document_of(record)?;
        let evidence = self.cited_evidence(incident, &document)?;
        match self.offer_patiently(incident, record, &document, &evidence).await? {
            Some(Standing::Pending { ticket } | Standing::Approved { ticket, .. }) => {
                Ok(Event::Requested { request: ticket }.into())
            }
            Some(Standing::Refused {
                code,
                message,
                by_policy: true,
            }) => Ok(Event::PolicyRefused {
                by: RefusedBy::Gate,
                code,
                message,
            }
            .into()),
            Some(Standing::Refused {
                code,
                message,
                by_policy: false,
            }) => Err(gate_refused(&code, &message)),
            Some(Standing::Rejected { message } | Standing::Expired { message }) => Err(gate_refused("over", &message)),
            Some(Standing::Ordered { .. }) => Err(gate_refused(
                "ordered",
                "the plan is an order already, and we never asked",
            )),
            None => Err(Halt::hand_over(
                HandOverReason::GateUnreachable,
                "the gate could not be reached in time",
            )),
        }
    }

    pub(crate) async fn await_approval(&self, incident: &Incident) -> Step {
        let record = plan_of(incident)?;
        let document = document_of(record)?;
        let evidence = self.cited_evidence(incident, &document)?;
        if incident.approval.is_none()
            && let Some(ended) = self.wait_for_word(incident, &document).await?
        {
            return Ok(ended.into());
        }
        match self.offer_patiently(incident, record, &document, &evidence).await? {
            Some(Standing::Approved { ticket, token }) if incident.approval.is_none() => {
                let look = self.gate.request(&ticket.request_id).await;
                let (approvers, grant, reviews, slow_review) = match look {
                    Ok(look) => (look.approvers, look.grant, look.reviews, look.slow_review),
                    Err(_) => Default::default(),
                };
                Ok(Event::Approved {
                    approval: Approval {
                        token_hash: token.hash(),
                        approvers,
                        grant,
                        reviews,
                        slow_review,
                    },
                }
                .into())
            }
            Some(Standing::Approved { token, .. }) => {
                // The same token twice is one order: after a crash right here, the gate names the order that exists.
                match self.gate.hand_over(&record.text, &evidence, &token).await {
                    Ok(standing) => Ok(after_hand_over(standing)?.into()),
                    Err(error) if error.is_transient() => {
                        self.pause(FIRST_PAUSE).await?;
                        Box::pin(self.await_approval(incident)).await
                    }
                    Err(error) => Err(unreadable_gate(&error)),
                }
            }
            Some(Standing::Ordered { ticket }) => Ok(Event::Submitted { execution: ticket }.into()),
            Some(Standing::Rejected { message }) => Ok(Event::Rejected { message }.into()),
            Some(Standing::Expired { message }) => Ok(Event::Expired { message }.into()),
            Some(Standing::Refused { code, message, .. }) => Err(gate_refused(&code, &message)),
            // Between the status and the plan the request went back to waiting: look again.
            Some(Standing::Pending { .. }) => {
                self.pause(BETWEEN_LOOKS).await?;
                Box::pin(self.await_approval(incident)).await
            }
            None => Ok(Event::Expired {
                message: "the gate could not be reached before the plan expired".to_owned(),
            }
            .into()),
        }
    }

    /// Returns when the request is no longer pending; with an event when the incident ended by itself meanwhile.
    async fn wait_for_word(&self, incident: &Incident, document: &PlanDocument) -> Result<Option<Event>, Halt> {
        let Some(request) = &incident.request else {
            return Ok(None);
        };
        let mut rechecked = Instant::now();
        loop {
            match self.gate.request(&request.request_id).await {
                Ok(look) if look.status != "pending" => return Ok(None),
                Ok(_) => {}
                Err(error) => tracing::warn!(incident = %incident.id, code = error.code(), "the gate does not answer"),
            }
            if Timestamp::from(Utc::now()) > document.expires_at {
                return Ok(None);
            }
            if rechecked.elapsed() >= BETWEEN_RECHECKS {
                rechecked = Instant::now();
                if let Some(ended) = self.ended_by_itself(incident, document).await? {
                    return Ok(Some(ended));
                }
            }
            self.pause(BETWEEN_LOOKS).await?;
        }
    }

    /// An alert may end because its exporter cannot get in either: only the telemetry itself ends an incident here.
    async fn ended_by_itself(&self, incident: &Incident, document: &PlanDocument) -> Result<Option<Event>, Halt> {
        let fresh = self.store.incident(&incident.id)?;
        if fresh.is_firing() {
            return Ok(None);
        }
        let reading = self.read_signal(self.target_of(&fresh)?, document).await;
        let message = "every alert has ended, and the telemetry agrees; nothing was executed".to_owned();
        Ok(reading.held.then_some(Event::Subsided { message }))
    }

    /// Offers the plan until the gate answers or the plan is too old; `None`: too old.
    async fn offer_patiently(
        &self,
        incident: &Incident,
        record: &PlanRecord,
        document: &PlanDocument,
        evidence: &[Evidence],
    ) -> Result<Option<Standing>, Halt> {
        let advice = advice(incident);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.gate.offer(&record.text, evidence, advice.as_ref()).await {
                // No executor has looked at it yet: that is a matter of time, not of the plan.
                Ok(Standing::Refused { code, message, .. }) if code == PREFLIGHT_MISSING => {
                    tracing::warn!(code, message, "the gate waits for an executor");
                }
                Ok(standing) => return Ok(Some(standing)),
                Err(error) if error.is_transient() => {
                    tracing::warn!(
                        code = error.code(),
                        error = crate::chain(&error),
                        "the gate does not answer"
                    );
                }
                Err(error) => return Err(unreadable_gate(&error)),
            }
            if Timestamp::from(Utc::now()) > document.expires_at {
                return Ok(None);
            }
            self.pause(pause).await?;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// The evidence that the plan's values come from: what the gate holds them against.
    fn cited_evidence(&self, incident: &Incident, document: &PlanDocument) -> Result<Vec<Evidence>, Halt> {
        let cited = |piece: &Evidence| {
            document.parameters.values().any(|parameter| match &parameter.source {
                Source::Evidence { id, .. } => *id == piece.id,
                Source::Literal | Source::Derived => false,
            })
        };
        Ok(self.evidence_of(incident)?.into_iter().filter(cited).collect())
    }

    pub(crate) async fn pause(&self, pause: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Halt::Stopping),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

fn after_hand_over(standing: Standing) -> Result<Event, Halt> {
    match standing {
        Standing::Ordered { ticket } => Ok(Event::Submitted { execution: ticket }),
        Standing::Rejected { message } => Ok(Event::Rejected { message }),
        Standing::Expired { message } => Ok(Event::Expired { message }),
        Standing::Refused { code, message, .. } => Err(gate_refused(&code, &message)),
        Standing::Pending { .. } | Standing::Approved { .. } => {
            Err(gate_refused("token_refused", "the gate did not take its own token"))
        }
    }
}

fn gate_refused(code: &str, message: &str) -> Halt {
    Halt::hand_over(HandOverReason::GateRefused, format!("{code}: {message}"))
}

fn unreadable_gate(error: &CallError) -> Halt {
    Halt::hand_over(
        HandOverReason::GateRefused,
        format!("{}: {}", error.code(), crate::chain(error)),
    )
}

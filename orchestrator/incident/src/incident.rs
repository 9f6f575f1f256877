//! An incident: the fold of its events, and nothing else.

use std::fmt;

use runbooks::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::alert::{Alert, AlertFamily, AlertStatus, Episode};
use crate::diagnosis::Findings;
use crate::event::{
    Approval, Event, EvidenceNote, ExecutionResult, ExecutionTicket, MissingEvidence, PlanRecord, RequestTicket,
};
use crate::opinion::Opinion;
use crate::recovery::Recovery;
use crate::state::State;

/// `inc-` and twelve hexadecimal digits, made from what opened it: the same alert opens the same incident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

/// Everything known about one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    pub id: IncidentId,
    /// The target's name in our configuration.
    pub target: String,
    pub family: AlertFamily,
    pub state: State,
    pub alerts: Vec<AlertRecord>,
    pub evidence: Vec<EvidenceNote>,
    pub missing: Vec<MissingEvidence>,
    pub findings: Option<Findings>,
    /// Why rules answered although there is a model, and where the two differ.
    #[serde(default)]
    pub diagnosis_notes: Vec<String>,
    pub plan: Option<PlanRecord>,
    /// The plan before this one, and what was said of it.
    #[serde(default)]
    pub revision: Option<Revision>,
    pub opinions: Vec<Opinion>,
    pub decision: Option<Value>,
    pub request: Option<RequestTicket>,
    pub approval: Option<Approval>,
    pub execution: Option<ExecutionTicket>,
    pub execution_result: Option<ExecutionResult>,
    pub recovery: Option<Recovery>,
    pub ending: Option<Ending>,
    pub post_mortem: Option<Digest>,
}

/// A plan that gave way to another one, and the opinions that it met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub plan: PlanRecord,
    pub opinions: Vec<Opinion>,
}

/// One alert of the incident; `alert.status` follows what its source says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRecord {
    pub alert: Alert,
}

/// Why the incident ended as it did, for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    pub message: String,
    /// What a human should look at next.
    pub look_at: Vec<String>,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("event `{event}` cannot happen to an incident that is `{state}`")]
pub struct IllegalEvent {
    pub state: String,
    pub event: &'static str,
}

impl IncidentId {
    /// Names the incident that this alert opens on this target.
    #[must_use]
    pub fn opened_by(target: &str, alert: &Alert) -> Self {
        let Episode {
            source,
            fingerprint,
            starts_at,
        } = &alert.episode;
        let family = alert.family();
        let nanos = starts_at.timestamp_nanos_opt().unwrap_or_else(|| starts_at.timestamp());
        let seed = format!("{target}\n{family}\n{source}\n{fingerprint}\n{nanos}");
        let hex = Digest::of(seed.as_bytes()).hex();
        Self(format!("inc-{}", hex.get(..12).unwrap_or(&hex)))
    }

    /// An id as a user typed it.
    #[must_use]
    pub fn named(id: &str) -> Self {
        Self(id.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Incident {
    /// Opens an incident. `None`: the first event of an incident is `Opened` and nothing else.
    #[must_use]
    pub fn open(id: IncidentId, event: &Event) -> Option<Self> {
        let Event::Opened { target, family, alert } = event else {
            return None;
        };
        Some(Self {
            id,
            target: target.clone(),
            family: family.clone(),
            state: State::Detected,
            alerts: vec![AlertRecord { alert: alert.clone() }],
            evidence: Vec::new(),
            missing: Vec::new(),
            findings: None,
            diagnosis_notes: Vec::new(),
            plan: None,
            revision: None,
            opinions: Vec::new(),
            decision: None,
            request: None,
            approval: None,
            execution: None,
            execution_result: None,
            recovery: None,
            ending: None,
            post_mortem: None,
        })
    }

    /// Takes one event in. Recovery after a crash replays the journal through this same function.
    pub fn apply(mut self, event: Event) -> Result<Self, IllegalEvent> {
        let illegal = || IllegalEvent {
            state: self.state.as_str().to_owned(),
            event: event.kind(),
        };
        // The state alone does not tell the first plan from the second.
        if matches!(event, Event::Revised { .. }) && (self.revision.is_some() || self.plan.is_none()) {
            return Err(illegal());
        }
        self.state = self.state.apply(&event).ok_or_else(illegal)?;
        match event {
            Event::Opened { .. } | Event::DiagnosisStarted => {}
            Event::AlertJoined { alert } => {
                self.alerts.retain(|record| record.alert.episode != alert.episode);
                self.alerts.push(AlertRecord { alert });
            }
            Event::AlertResolved { episode, ends_at } => {
                for record in self.alerts.iter_mut().filter(|record| record.alert.episode == episode) {
                    record.alert.status = AlertStatus::Resolved { ends_at };
                }
            }
            Event::EvidenceTaken { evidence, missing } => {
                self.evidence.extend(evidence);
                self.missing = missing;
            }
            Event::Diagnosed {
                findings,
                evidence,
                notes,
            } => {
                self.findings = Some(findings);
                self.evidence.extend(evidence);
                self.diagnosis_notes = notes;
            }
            Event::Planned { plan } => self.plan = Some(plan),
            Event::Revised { plan, opinions } => {
                let before = self.plan.replace(plan);
                self.revision = before.map(|plan| Revision { plan, opinions });
            }
            Event::Debated { opinions } => self.opinions = opinions,
            Event::Judged { decision } => self.decision = Some(decision),
            Event::Requested { request } => self.request = Some(request),
            Event::Approved { approval } => self.approval = Some(approval),
            Event::Submitted { execution } => self.execution = Some(execution),
            Event::Executed { result, message, .. } => {
                self.execution_result = Some(result);
                self.ending = (result != ExecutionResult::Done).then(|| Ending::saying(message));
            }
            Event::Recovered { recovery } => {
                self.ending = Some(Ending::saying(format!("recovered: {}", recovery.signal)));
                self.recovery = Some(recovery);
            }
            Event::NotRecovered { recovery } => {
                self.ending = Some(Ending::saying(format!(
                    "executed, but not recovered: {}",
                    recovery.signal
                )));
                self.recovery = Some(recovery);
            }
            Event::PolicyRefused { code, message, .. } => {
                self.ending = Some(Ending::saying(format!("{code}: {message}")));
            }
            Event::Rejected { message } | Event::Expired { message } | Event::Subsided { message } => {
                self.ending = Some(Ending::saying(message));
            }
            Event::HandedOver { message, look_at, .. } => self.ending = Some(Ending { message, look_at }),
            Event::Closed { post_mortem, .. } => self.post_mortem = Some(post_mortem),
        }
        Ok(self)
    }

    /// Whether any of its alerts still fires, as far as its source has told us.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|record| record.alert.is_firing())
    }

    #[must_use]
    pub fn has_episode(&self, episode: &Episode) -> bool {
        self.alerts.iter().any(|record| record.alert.episode == *episode)
    }
}

impl Ending {
    fn saying(message: String) -> Self {
        Self {
            message,
            look_at: Vec::new(),
        }
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::collections::BTreeMap;

    use runbooks::PlanDraft;
    use serde_json::json;

    use super::*;
    use crate::alert::Source;
    use crate::diagnosis::Author;
    use crate::event::HandOverReason;
    use crate::state::Outcome;

    fn alert() -> Alert {
        Alert {
            episode: Episode {
                source: Source::Alertmanager,
                fingerprint: "a1b2".to_owned(),
                starts_at: "2026-11-22T10:11:16.94533208Z".parse().unwrap(),
            },
            status: AlertStatus::Firing,
            name: "PostgresLockWaits".to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            generator_url: None,
        }
    }

    fn opened() -> Incident {
        let alert = alert();
        let id = IncidentId::opened_by("orders", &alert);
        Incident::open(
            id,
            &Event::Opened {
                target: "orders".to_owned(),
                family: alert.family(),
                alert,
            },
        )
        .unwrap()
    }

    fn recovery() -> Recovery {
        Recovery {
            recovered: true,
            signal: "nobody waits".to_owned(),
            hold_s: 1,
            deadline_s: 9,
            held_ms: 1_000,
            readings_taken: 2,
            readings: vec![],
            collateral: vec![],
            diagnosed_after: None,
        }
    }

    fn way_to_recovery() -> Vec<Event> {
        let findings = Findings {
            author: Author::Offline,
            hypotheses: vec![],
            rejected: vec![],
        };
        let draft = PlanDraft {
            runbook: "r".to_owned(),
            version: 1,
            parameters: BTreeMap::new(),
        };
        let digest = Digest::of(b"plan");
        let plan = PlanRecord {
            draft,
            digest,
            text: "{}".to_owned(),
            not_taken: vec![],
        };
        let request = RequestTicket {
            request_id: "req-1".to_owned(),
            plan_digest: digest,
            approval_url: "http://127.0.0.1/requests/req-1".to_owned(),
            expires_at: "2026-11-22T10:26:16Z".to_owned(),
        };
        let approval = Approval {
            token_hash: Digest::of(b"token"),
            approvers: vec!["ana".to_owned()],
            grant: None,
            reviews: Vec::new(),
            slow_review: None,
        };
        let execution = ExecutionTicket {
            execution_id: "exe-1".to_owned(),
            order_id: "ord-1".to_owned(),
        };
        vec![
            Event::DiagnosisStarted,
            Event::EvidenceTaken {
                evidence: vec![],
                missing: vec![],
            },
            Event::Diagnosed {
                findings,
                evidence: vec![],
                notes: vec![],
            },
            Event::Planned { plan },
            Event::Debated { opinions: vec![] },
            Event::Judged {
                decision: json!({"allow": true}),
            },
            Event::Requested { request },
            Event::Approved { approval },
            Event::Submitted { execution },
            Event::Executed {
                result: ExecutionResult::Done,
                message: "done".to_owned(),
                report: json!({}),
            },
            Event::Recovered { recovery: recovery() },
            Event::Closed {
                post_mortem: Digest::of(b"text"),
                file: "inc.md".to_owned(),
            },
        ]
    }

    #[test]
    fn the_journal_replays_into_the_same_incident() {
        let mut lived = opened();
        let mut replayed = opened();
        for event in way_to_recovery() {
            let read_back = Event::parse(event.kind(), event.data().unwrap()).unwrap();
            assert_eq!(read_back, event);
            lived = lived.apply(event).unwrap();
            replayed = replayed.apply(read_back).unwrap();
        }
        assert_eq!(lived, replayed);
        assert_eq!(lived.state, State::Closed(Outcome::Resolved));
    }

    #[test]
    fn no_event_can_be_left_out_or_come_twice() {
        let events = way_to_recovery();
        // Evidence may come in several takes, policy may be asked again, an approval may be told again.
        let repeatable = ["incident.evidence_taken", "incident.judged", "incident.approved"];
        for (skipped, event) in events.iter().enumerate() {
            if repeatable.contains(&event.kind()) {
                continue;
            }
            let mut incident = opened();
            for earlier in events.iter().take(skipped) {
                incident = incident.apply(earlier.clone()).unwrap();
            }
            if let Some(next) = events.get(skipped.saturating_add(1)) {
                assert!(
                    incident.clone().apply(next.clone()).is_err(),
                    "{} came without {}",
                    next.kind(),
                    event.kind()
                );
            }
            let once = incident.apply(event.clone()).unwrap();
            assert!(once.apply(event.clone()).is_err(), "{} came twice", event.kind());
        }
    }

    #[test]
    fn a_plan_gives_way_to_another_once() {
        let mut debating = opened();
        for event in way_to_recovery().into_iter().take(4) {
            debating = debating.apply(event).unwrap();
        }
        let first = debating.plan.clone().unwrap();
        let revised = Event::Revised {
            plan: PlanRecord {
                text: "{\"second\": true}".to_owned(),
                ..first.clone()
            },
            opinions: vec![],
        };
        let read_back = Event::parse(revised.kind(), revised.data().unwrap()).unwrap();
        let debating = debating.apply(read_back).unwrap();
        assert_eq!(debating.state, State::Debating);
        assert_eq!(debating.revision.as_ref().unwrap().plan, first);
        assert_ne!(debating.plan.as_ref().unwrap().text, first.text);
        let refused = debating.apply(revised).unwrap_err();
        assert_eq!(refused.event, "incident.revised");
    }

    #[test]
    fn a_journal_from_before_the_models_is_read() {
        let findings = json!({"author": {"kind": "offline"}, "hypotheses": [], "rejected": []});
        let diagnosed = Event::parse("incident.diagnosed", json!({"findings": findings})).unwrap();
        assert_eq!(diagnosed.data().unwrap(), json!({"findings": findings}));
        let opinions = json!({"opinions": [{"agent": "cost", "verdict": "abstain", "reasons": []}]});
        let debated = Event::parse("incident.debated", opinions.clone()).unwrap();
        assert_eq!(debated.data().unwrap(), opinions);
    }

    #[test]
    fn nothing_ends_an_execution_but_the_executors_word() {
        let mut executing = opened();
        for event in way_to_recovery().into_iter().take(9) {
            executing = executing.apply(event).unwrap();
        }
        assert_eq!(executing.state, State::Executing);
        let subsided = Event::Subsided {
            message: "the alert ended".to_owned(),
        };
        assert!(executing.clone().apply(subsided).is_err());
        let failed = Event::Executed {
            result: ExecutionResult::RollbackFailed,
            message: "undo of `limit` failed".to_owned(),
            report: json!({}),
        };
        let ended = executing.apply(failed).unwrap();
        assert_eq!(ended.state, State::Ended(Outcome::RollbackFailed));
    }

    #[test]
    fn a_resolved_alert_changes_the_alert_and_not_the_state() {
        let episode = alert().episode;
        let ends_at = episode.starts_at;
        let incident = opened().apply(Event::AlertResolved { episode, ends_at }).unwrap();
        assert!(!incident.is_firing());
        assert_eq!(incident.state, State::Detected);
    }

    #[test]
    fn an_incident_that_ended_can_only_be_closed() {
        let hand_over = || Event::HandedOver {
            reason: HandOverReason::Unexplained,
            message: "no cause fits".to_owned(),
            look_at: vec![],
        };
        let ended = opened().apply(hand_over()).unwrap();
        let refused = ended.apply(hand_over()).unwrap_err();
        assert_eq!(
            refused,
            IllegalEvent {
                state: "handed_over".to_owned(),
                event: "incident.handed_over"
            }
        );
    }

    #[test]
    fn the_same_alert_opens_the_same_incident() {
        let again = IncidentId::opened_by("orders", &alert());
        assert_eq!(opened().id, again);
        assert_ne!(IncidentId::opened_by("billing", &alert()), again);
    }
}

//! What can happen to an incident. Each is one journal entry; the incident is the fold of them.

use std::fmt;

use chrono::{DateTime, Utc};
use runbooks::{Digest, Evidence, PlanDraft, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alert::{Alert, AlertFamily, Episode};
use crate::diagnosis::Findings;
use crate::opinion::Opinion;
use crate::recovery::Recovery;

/// One journalled event. `kind` and `data` are the journal entry's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    Opened {
        target: String,
        family: AlertFamily,
        alert: Alert,
    },
    AlertJoined {
        alert: Alert,
    },
    AlertResolved {
        episode: Episode,
        ends_at: DateTime<Utc>,
    },
    DiagnosisStarted,
    EvidenceTaken {
        evidence: Vec<EvidenceNote>,
        missing: Vec<MissingEvidence>,
    },
    Diagnosed {
        findings: Findings,
        /// What an agent looked up beyond the first look.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<EvidenceNote>,
        /// Why rules answered although there is a model, and where the two differ.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    Planned {
        plan: PlanRecord,
    },
    /// Objections to the plan were answered by another one; it happens once.
    Revised {
        plan: PlanRecord,
        opinions: Vec<Opinion>,
    },
    Debated {
        opinions: Vec<Opinion>,
    },
    /// Policy's early look, as policies wrote it. The gate's and the executor's own verdicts count, not this one.
    Judged {
        decision: Value,
    },
    PolicyRefused {
        by: RefusedBy,
        code: String,
        message: String,
    },
    Requested {
        request: RequestTicket,
    },
    Approved {
        approval: Approval,
    },
    Rejected {
        message: String,
    },
    Expired {
        message: String,
    },
    Submitted {
        execution: ExecutionTicket,
    },
    Executed {
        result: ExecutionResult,
        message: String,
        report: Value,
    },
    Recovered {
        recovery: Recovery,
    },
    NotRecovered {
        recovery: Recovery,
    },
    Subsided {
        message: String,
    },
    HandedOver {
        reason: HandOverReason,
        message: String,
        look_at: Vec<String>,
    },
    Closed {
        post_mortem: Digest,
        file: String,
    },
}

/// Evidence without its body: the body lies aside, found by digest, erasable without breaking the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceNote {
    pub id: String,
    pub server: String,
    pub tool: String,
    pub arguments: Value,
    pub taken_at: Timestamp,
    pub digest: Digest,
    /// How long the call took, in milliseconds.
    pub took_ms: u64,
}

/// A question that got no answer. The diagnosis goes on without it, and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingEvidence {
    pub server: String,
    pub tool: String,
    pub code: String,
    pub message: String,
}

/// The plan that was made: its draft and its exact bytes. The same bytes are offered to the gate again after a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRecord {
    pub draft: PlanDraft,
    pub digest: Digest,
    pub text: String,
    /// Runbooks that also answer the cause, and why they were not taken.
    #[serde(default)]
    pub not_taken: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedBy {
    /// Our own early look: no human was asked.
    EarlyLook,
    /// The gate: no human was asked.
    Gate,
}

/// The gate's answer to a plan that nobody has approved yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestTicket {
    pub request_id: String,
    pub plan_digest: Digest,
    pub approval_url: String,
    pub expires_at: String,
}

/// People have signed. The token itself is never written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub token_hash: Digest,
    pub approvers: Vec<String>,
    /// The grant that was signed ahead of time, if nobody was asked about this plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// How people read the plan, where the page could tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<ReviewNote>,
    /// What the gate says of a runbook on which people take long to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_review: Option<String>,
}

/// How one person read a plan before deciding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewNote {
    pub approver: String,
    /// Seconds from the page being shown to the decision.
    pub took_s: u32,
    /// The parts that were in view longest, with their seconds.
    pub longest: Vec<(String, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionTicket {
    pub execution_id: String,
    pub order_id: String,
}

/// What the executor reported in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionResult {
    Done,
    /// Stopped by a check or an error, with nothing to roll back.
    Stopped,
    /// Executed, and the executor did not see recovery; nothing could be rolled back.
    NotRecovered,
    RolledBack,
    RollbackFailed,
}

/// Why a human has to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOverReason {
    /// The evidence shows a healthy database.
    NoDatabaseAction,
    /// Something is wrong, or could not be seen, and no cause fits.
    Unexplained,
    /// The telemetry could not be had.
    NoEvidence,
    /// No runbook answers the cause, or none can be filled from the evidence.
    NoRunbook,
    /// The plan met objections and was taken back.
    Withdrawn,
    /// The target is not the database it should be.
    WrongTarget,
    /// The gate did not take the plan, for a reason other than policy.
    GateRefused,
    GateUnreachable,
    /// The executor stopped before or during a step, and had nothing to roll back.
    ExecutionStopped,
    /// The executor was sent to work and nothing was heard of it in time.
    ExecutionUnknown,
    /// Executed, and the telemetry does not show recovery.
    NotRecovered,
    /// A defect of our own.
    Internal,
}

impl Event {
    /// The journal's word for it, as `incident.diagnosed`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "incident.opened",
            Self::AlertJoined { .. } => "incident.alert_joined",
            Self::AlertResolved { .. } => "incident.alert_resolved",
            Self::DiagnosisStarted => "incident.diagnosis_started",
            Self::EvidenceTaken { .. } => "incident.evidence_taken",
            Self::Diagnosed { .. } => "incident.diagnosed",
            Self::Planned { .. } => "incident.planned",
            Self::Revised { .. } => "incident.revised",
            Self::Debated { .. } => "incident.debated",
            Self::Judged { .. } => "incident.judged",
            Self::PolicyRefused { .. } => "incident.policy_refused",
            Self::Requested { .. } => "incident.requested",
            Self::Approved { .. } => "incident.approved",
            Self::Rejected { .. } => "incident.rejected",
            Self::Expired { .. } => "incident.expired",
            Self::Submitted { .. } => "incident.submitted",
            Self::Executed { .. } => "incident.executed",
            Self::Recovered { .. } => "incident.recovered",
            Self::NotRecovered { .. } => "incident.not_recovered",
            Self::Subsided { .. } => "incident.subsided",
            Self::HandedOver { .. } => "incident.handed_over",
            Self::Closed { .. } => "incident.closed",
        }
    }

    /// The journal entry's data.
    pub fn data(&self) -> Result<Value, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        Ok(whole.get_mut("data").map(Value::take).unwrap_or_default())
    }

    /// Reads an event back from the journal.
    pub fn parse(kind: &str, data: Value) -> Result<Self, serde_json::Error> {
        let kind = kind.strip_prefix("incident.").unwrap_or(kind);
        let mut whole = serde_json::Map::from_iter([("kind".to_owned(), Value::from(kind))]);
        if !data.is_null() {
            whole.insert("data".to_owned(), data);
        }
        serde_json::from_value(Value::Object(whole))
    }
}

impl EvidenceNote {
    #[must_use]
    pub fn of(evidence: &Evidence, took_ms: u64) -> Self {
        Self {
            id: evidence.id.clone(),
            server: evidence.server.clone(),
            tool: evidence.tool.clone(),
            arguments: evidence.arguments.clone(),
            taken_at: evidence.taken_at,
            digest: evidence.digest,
            took_ms,
        }
    }
}

impl HandOverReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoDatabaseAction => "no_database_action",
            Self::Unexplained => "unexplained",
            Self::NoEvidence => "no_evidence",
            Self::NoRunbook => "no_runbook",
            Self::Withdrawn => "withdrawn",
            Self::WrongTarget => "wrong_target",
            Self::GateRefused => "gate_refused",
            Self::GateUnreachable => "gate_unreachable",
            Self::ExecutionStopped => "execution_stopped",
            Self::ExecutionUnknown => "execution_unknown",
            Self::NotRecovered => "not_recovered",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for HandOverReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

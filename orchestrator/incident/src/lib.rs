//! Alerts to incidents, what is known about them, and the state machine they go through. Pure: no clock, no network.

mod alert;
mod alertmanager;
mod cause;
mod cloudwatch;
mod diagnosis;
mod event;
mod incident;
mod opinion;
mod recovery;
mod state;

pub use alert::{Alert, AlertFamily, AlertStatus, Episode, Source, has_labels};
pub use alertmanager::{Delivery, DeliveryError, MAX_ALERTS, RefusedAlert, parse_alertmanager};
pub use cause::{RootCause, UnknownCause};
pub use cloudwatch::{AlarmChange, AlarmError, AlarmState, parse_alarm_event, parse_alarm_message};
pub use diagnosis::{
    Author, Diagnosis, DiagnosisError, EvidencePointer, Findings, Hypothesis, MAX_HYPOTHESES, Rejection, Signal,
};
pub use event::{
    Approval, Event, EvidenceNote, ExecutionResult, ExecutionTicket, HandOverReason, MissingEvidence, PlanRecord,
    RefusedBy, RequestTicket, ReviewNote,
};
pub use incident::{AlertRecord, Ending, IllegalEvent, Incident, IncidentId, Revision};
pub use opinion::{Opinion, Reason, Verdict};
pub use recovery::{Reading, Recovery};
// What incidents are made of beside their own parts, for those who keep them.
pub use runbooks::{Digest, Evidence, Timestamp};
pub use state::{Outcome, State};

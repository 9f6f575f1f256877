//! One module per root cause: what speaks for it and against it in the evidence. None of them knows the alert.

mod connection_saturation;
mod ddl_lock_queue;
mod healthy;
mod idle_in_transaction_blocker;
mod unexplained;

use incident::{Hypothesis, RootCause, Signal};

use crate::telemetry::Telemetry;
use crate::thresholds::Thresholds;

pub(crate) use healthy::assess as assess_healthy;
pub(crate) use unexplained::explain as explain_unexplained;

/// What one module says.
pub(crate) enum Assessment {
    Likely(Box<Hypothesis>),
    Ruled {
        out: RootCause,
        because: Vec<Signal>,
    },
    /// The evidence it needs was not taken.
    Blind {
        cause: RootCause,
        tool: &'static str,
    },
}

/// Asks every module that has a runbook to lead to.
pub(crate) fn assess_all(telemetry: &Telemetry, thresholds: &Thresholds) -> Vec<Assessment> {
    vec![
        idle_in_transaction_blocker::assess(telemetry, thresholds),
        ddl_lock_queue::assess(telemetry, thresholds),
        connection_saturation::assess(telemetry, thresholds),
    ]
}

/// An observation on one piece of evidence.
pub(crate) fn signal(evidence: &str, says: impl Into<String>) -> Signal {
    Signal {
        says: says.into(),
        evidence: evidence.to_owned(),
    }
}

/// Sums what speaks for and against into a percentage. Certainty is not on offer: 97 is the most a rule can say.
pub(crate) fn confidence(base: i32, adjustments: &[(bool, i32)]) -> u8 {
    let sum: i32 = adjustments
        .iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, by)| by)
        .sum();
    u8::try_from(base.saturating_add(sum).clamp(5, 97)).unwrap_or(5)
}

//! One module per root cause: what speaks for it and against it in the evidence. None of them knows the alert.

mod cloud;
mod connection_saturation;
mod ddl_lock_queue;
mod healthy;
mod idle_in_transaction_blocker;
mod inactive_slot;
mod indexes;
mod lock_roots;
mod long_transaction;
mod reported;
mod tables;
mod unexplained;
mod waits;
mod wraparound;

use std::collections::BTreeMap;

use incident::{EvidencePointer, Hypothesis, RootCause, Signal};

use crate::telemetry::Telemetry;
use crate::thresholds::Thresholds;

#[cfg(test)]
pub(crate) use cloud::REFUSED_LOGINS;
pub(crate) use cloud::{assess as assess_cloud, bear_witness, for_healthy, for_unexplained};
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

impl Assessment {
    pub fn cause(&self) -> RootCause {
        match self {
            Self::Likely(hypothesis) => hypothesis.root_cause,
            Self::Ruled { out: cause, .. } | Self::Blind { cause, .. } => *cause,
        }
    }

    #[cfg(test)]
    pub fn likely(self) -> Option<Hypothesis> {
        match self {
            Self::Likely(hypothesis) => Some(*hypothesis),
            Self::Ruled { .. } | Self::Blind { .. } => None,
        }
    }
}

/// Asks every module.
pub(crate) fn assess_all(telemetry: &Telemetry, thresholds: &Thresholds) -> Vec<Assessment> {
    let modules = [
        idle_in_transaction_blocker::assess,
        ddl_lock_queue::assess,
        connection_saturation::assess,
        lock_roots::assess_active,
        lock_roots::assess_advisory,
        lock_roots::assess_prepared,
        long_transaction::assess,
        inactive_slot::assess,
        tables::assess_dead_rows,
        tables::assess_statistics,
        wraparound::assess,
        indexes::assess_invalid,
        indexes::assess_missing,
        waits::assess_temp_files,
        waits::assess_io,
        waits::assess_lock_manager,
        waits::assess_memory,
    ];
    let mut assessments: Vec<Assessment> = modules.iter().map(|assess| assess(telemetry, thresholds)).collect();
    assessments.extend(reported::assess(telemetry, thresholds));
    assessments
}

/// What a module found, before it is said. Below the threshold it is a rejection with its reasons.
pub(super) struct Case<'a> {
    pub cause: RootCause,
    /// The evidence that the objects stand in.
    pub evidence: &'a str,
    pub confidence_pct: u8,
    pub explanation: String,
    pub signals_for: Vec<Signal>,
    pub signals_against: Vec<Signal>,
    /// The object's part in it, and where it stands.
    pub object: Option<(&'static str, String)>,
}

impl Case<'_> {
    pub fn weigh(self, thresholds: &Thresholds) -> Assessment {
        if self.confidence_pct < thresholds.likely_pct {
            let because = self.signals_for.into_iter().chain(self.signals_against).collect();
            return Assessment::Ruled {
                out: self.cause,
                because,
            };
        }
        let evidence = self.evidence.to_owned();
        let objects = self
            .object
            .map(|(part, pointer)| (part.to_owned(), EvidencePointer { evidence, pointer }));
        Assessment::Likely(Box::new(Hypothesis {
            root_cause: self.cause,
            confidence_pct: self.confidence_pct,
            explanation: self.explanation,
            signals_for: self.signals_for,
            signals_against: self.signals_against,
            objects: BTreeMap::from_iter(objects),
        }))
    }
}

fn ruled(out: RootCause, evidence: &str, says: impl Into<String>) -> Assessment {
    Assessment::Ruled {
        out,
        because: vec![signal(evidence, says)],
    }
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

//! Diagnose, plan, debate: by rules over evidence, or with a model whose answer is held against the same evidence.

mod by_model;
mod causes;
pub mod debate;
mod diagnose;
mod plan;
mod quote;
mod sweep;
mod telemetry;
#[cfg(test)]
mod test_evidence;
mod thresholds;

pub use by_model::{ModelDiagnosisError, diagnose_with};
pub use diagnose::{Diagnostician, Fallback, diagnose};
pub use plan::{Choice, NoPlan, choose};
pub use quote::quote;
pub use sweep::{Probe, Round, first_sweep, second_look};
pub use thresholds::{THRESHOLDS, Thresholds};

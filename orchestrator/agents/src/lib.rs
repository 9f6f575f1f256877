//! Diagnose, plan, debate: by rules over evidence, or with a model whose answer is held against the same evidence.

mod by_model;
mod causes;
mod cloud;
pub mod debate;
mod diagnose;
#[cfg(test)]
mod hostile;
mod plan;
mod quote;
mod session;
mod sweep;
mod telemetry;
#[cfg(test)]
mod test_evidence;
mod thresholds;

pub use by_model::{
    FillPlan, Investigation, Planned, Planning, PlanningError, Revision, debate_with, investigate, plan, revise,
};
pub use cloud::CloudNames;
pub use diagnose::{diagnose, diagnose_with};
pub use plan::{Choice, NoPlan, choose};
pub use quote::quote;
pub use session::{AgentError, Counsel, Fault, Look, ToolSpec, Tools};
pub use sweep::{Probe, Round, first_sweep, second_look};
pub use thresholds::{THRESHOLDS, Thresholds};

//! Whether a plan may go on: Rego over parsed facts. No clock, no network; the same input gives the same decision.

mod bundle;
pub mod damage;
mod decision;
mod engine;
mod input;
mod lint;
mod permitted;
pub mod testing;

pub use bundle::PolicyError;
pub use decision::{Decision, Denial, Obligations};
pub use engine::Policy;
pub use input::{PolicyContext, input_schema};
pub use permitted::{PermittedPlan, Refused};

//! Whether a plan may go on: Rego over parsed facts. No clock, no network; the same input gives the same decision.

mod bundle;
mod calendar;
pub mod damage;
mod decision;
mod engine;
mod freezes;
mod input;
mod lint;
mod permitted;
mod statement_input;
pub mod testing;

pub use bundle::PolicyError;
pub use calendar::{CalendarError, ChangeCalendar, WindowEntry};
pub use decision::{Decision, Denial, Evaluation, Obligations, Preapproval};
pub use engine::Policy;
pub use input::{PolicyContext, input_schema};
pub use permitted::{PermittedPlan, Refused};

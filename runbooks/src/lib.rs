//! What may be done: runbooks as data, and the plans that code renders from them. No clock, no network, no runtime.

mod binding;
mod catalog;
mod check;
mod difference;
mod digest;
mod evidence;
mod fill;
mod hand_over;
mod parameter;
mod plan;
mod remote;
mod render;
mod runbook;
mod script;
mod timestamp;

pub use binding::Binding;
pub use catalog::{Catalog, CatalogError, HAND_OVER_FILE, RUNBOOK_FILE, shipped_readme};
pub use check::{BlastRadius, Check, Expect, Verification};
pub use digest::{Digest, DigestError, canonical_json};
pub use evidence::{Evidence, EvidenceFacts};
pub use hand_over::{HandOver, HandOverDocument, hand_over_schema};
pub use parameter::{Derive, ParameterSpec, ParameterType, ParameterValue, ValueError};
pub use plan::{
    BoundParameter, DraftValue, Plan, PlanContext, PlanDocument, PlanDraft, PlanError, RunbookRef, Source, Target,
};
pub use remote::{AwsRdsAction, CI_KEY, CiDispatchAction, GitChangeAction, RemoteCall};
pub use render::RenderError;
pub use runbook::{Finding, Risk, Runbook, RunbookDocument, runbook_schema};
pub use script::{Action, NoRollback, Rollback, Rows, SqlAction, Step, StepClass, Undo};
pub use timestamp::{Timestamp, TimestampError};

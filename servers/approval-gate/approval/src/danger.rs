//! Approval with the guard off. It exists so that a test can show that its own oracle sees harm; it is compiled only with
//! the feature `danger`, which no shipped binary enables.

use policies::PermittedPlan;
use runbooks::Timestamp;

use crate::{statement::Action, verify::ApprovedPlan};

/// Returns an approved plan that nobody approved.
pub fn approve_without_signature(permitted: PermittedPlan, action: Action, execute_by: Timestamp) -> ApprovedPlan {
    eprintln!(
        "DANGER: plan {} is taken as approved, and nobody signed it",
        permitted.plan().digest()
    );
    ApprovedPlan::unsigned(permitted, action, execute_by)
}

//! The MCP tools. Every one takes `approval_token`, and refuses without a valid one.

mod execute_plan;
mod rollback_plan;

pub use execute_plan::ExecutePlan;
pub use rollback_plan::RollbackPlan;

use kit::Hints;

/// What both tools are: they change the world, once.
const HINTS: Hints = Hints {
    read_only: false,
    destructive: true,
    idempotent: true,
    open_world: false,
};

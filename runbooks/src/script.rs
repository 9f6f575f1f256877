//! The steps of a plan: exact statements, what must hold after each, and the way back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Check;
use crate::remote::{AwsRdsAction, CiDispatchAction, GitChangeAction};

/// One effect, what proves that it happened, and how it is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A name that is unique within the runbook.
    pub id: String,
    /// What it does, for the person who approves.
    pub summary: String,
    /// The effect itself.
    pub action: Action,
    /// The state of the database that proves the effect; a return code proves nothing. A step of another kind than `sql` may
    /// have none: its executor asks the service itself.
    pub assert: Vec<Check>,
    /// How long the state may take to show, in seconds.
    #[schemars(range(min = 0, max = 3600))]
    pub max_wait_s: u32,
    /// Whether something is lost that no rollback brings back.
    pub irreversible: bool,
    /// The way back.
    pub rollback: Rollback,
}

/// An effect, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// One SQL statement on the plan's target.
    Sql(SqlAction),
    /// One call of the RDS API on the instance or cluster that the target is.
    #[serde(rename = "aws.rds")]
    AwsRds(AwsRdsAction),
    /// One Terraform variable, as a commit.
    #[serde(rename = "git.change")]
    GitChange(GitChangeAction),
    /// One run of a workflow, followed to its end.
    #[serde(rename = "ci.dispatch")]
    CiDispatch(CiDispatchAction),
}

/// One SQL statement. Its guard stands inside the statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlAction {
    /// Whether the effect and its marker row can commit together.
    pub class: StepClass,
    /// The statement.
    pub statement: String,
    /// How many rows it must return or change; absent for statements that have no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// statement_timeout, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
    /// lock_timeout, in milliseconds.
    #[schemars(range(min = 1, max = 60000))]
    pub lock_timeout_ms: u32,
}

/// Whether a statement can share a transaction with its marker row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepClass {
    /// Effect and marker row commit in one transaction: exactly once under any crash.
    Transactional,
    /// The effect is outside any transaction (a signal, CONCURRENTLY): after a crash its state is probed.
    NonTransactional,
}

/// The number of rows a guarded statement must find. Fewer means that the world has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// At least so many.
    pub at_least: u64,
    /// At most so many.
    pub at_most: u64,
}

impl Rows {
    /// Whether so many rows are what was planned.
    pub fn allow(self, rows: u64) -> bool {
        (self.at_least..=self.at_most).contains(&rows)
    }
}

/// The way back from a step, by how much it restores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Rollback {
    /// Restores the state before the step, exactly.
    Exact(Undo),
    /// Leads to a state that is as good, not the same.
    Compensating(Undo),
    /// There is none.
    None(NoRollback),
}

/// The statement that undoes a step, and the state that proves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// What it does, for the person who approves.
    pub summary: String,
    /// The effect itself.
    pub action: Action,
    /// The state that proves it.
    pub assert: Vec<Check>,
}

/// Why a step has no rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoRollback {
    /// Why none is needed, or why none is possible, and what is lost.
    pub reason: String,
}

impl Rollback {
    /// The undo, where there is one.
    pub fn undo(&self) -> Option<&Undo> {
        match self {
            Self::Exact(undo) | Self::Compensating(undo) => Some(undo),
            Self::None(_) => None,
        }
    }
}

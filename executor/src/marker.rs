//! The marker on the target: which step of which plan took effect, in the database that it took effect in.

use runbooks::{Digest, Timestamp};
use tokio_postgres::types::Type;

use crate::target::{Bounds, Parameter, Target, TargetError};

/// Which way a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Do,
    Undo,
}

/// One step in one direction, and whose attempt it is: the row in `countersign.executed_steps`.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) plan: Digest,
    pub(crate) step: String,
    pub(crate) direction: Direction,
    pub(crate) executor: String,
    pub(crate) order: String,
}

/// What the target knows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    No,
    /// By this executor, for this order.
    Ours,
    /// By somebody else, for the same plan.
    Foreign,
}

impl Mark {
    /// Writes the row unless it is there. `false`: it is there already.
    pub(crate) async fn insert(&self, target: &Target<'_>, fence: u32, bounds: Bounds) -> Result<bool, TargetError> {
        let plan = self.plan.to_string();
        let fence = i64::from(fence);
        let direction = self.direction.name();
        let parameters: [Parameter<'_>; 6] = [
            (&plan, Type::TEXT),
            (&self.step, Type::TEXT),
            (&direction, Type::TEXT),
            (&self.executor, Type::TEXT),
            (&self.order, Type::TEXT),
            (&fence, Type::INT8),
        ];
        Ok(target.execute(INSERT, &parameters, bounds).await? == 1)
    }

    /// Asks for the row.
    pub(crate) async fn look(&self, target: &Target<'_>) -> Result<Marked, TargetError> {
        let plan = self.plan.to_string();
        let direction = self.direction.name();
        let parameters: [Parameter<'_>; 3] = [(&plan, Type::TEXT), (&self.step, Type::TEXT), (&direction, Type::TEXT)];
        let rows = target.rows(OWNER, &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Marked::No);
        };
        let unreadable = |error: tokio_postgres::Error| TargetError::Answer(error.to_string());
        let executor: String = row.try_get(0).map_err(unreadable)?;
        let order: String = row.try_get(1).map_err(unreadable)?;
        Ok(if executor == self.executor && order == self.order {
            Marked::Ours
        } else {
            Marked::Foreign
        })
    }

    /// Asks when the row was written, by the target's clock.
    pub(crate) async fn since(&self, target: &Target<'_>) -> Result<Timestamp, TargetError> {
        let plan = self.plan.to_string();
        let direction = self.direction.name();
        let parameters: [Parameter<'_>; 3] = [(&plan, Type::TEXT), (&self.step, Type::TEXT), (&direction, Type::TEXT)];
        let rows = target.rows(TIME, &parameters).await?;
        let row = rows
            .first()
            .ok_or_else(|| TargetError::Answer("the marker is gone".to_owned()))?;
        let at: i64 = row.try_get(0).map_err(|error| TargetError::Answer(error.to_string()))?;
        Ok(Timestamp::from_unix(at))
    }

    /// Returns the session name of an attempt, at most 63 bytes: `countersign/<digest>/<step>/<attempt>`.
    pub(crate) fn session(&self, attempt: u32) -> String {
        let undo = match self.direction {
            Direction::Do => "",
            Direction::Undo => "undo",
        };
        format!("{}{undo}{attempt}", self.sessions())
    }

    /// Returns what the names of all sessions of this step begin with.
    pub(crate) fn sessions(&self) -> String {
        // PostgreSQL cuts a longer name off, and then it would not be found again.
        let step = if self.step.len() > MAX_STEP_BYTES {
            let head: String = self.step.chars().take(MAX_STEP_BYTES - 13).collect();
            format!("{head}-{}", Digest::of(self.step.as_bytes()).short())
        } else {
            self.step.clone()
        };
        format!("countersign/{}/{step}/", self.plan.short())
    }
}

/// Returns how many steps of a plan the target says were done, by whomever.
pub(crate) async fn count(target: &Target<'_>, plan: &Digest) -> Result<i64, TargetError> {
    let plan = plan.to_string();
    let rows = target.rows(COUNT, &[(&plan, Type::TEXT)]).await?;
    let row = rows.first().ok_or_else(|| TargetError::Answer("no row".to_owned()))?;
    row.try_get(0).map_err(|error| TargetError::Answer(error.to_string()))
}

impl Direction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Undo => "undo",
        }
    }
}

const MAX_STEP_BYTES: usize = 23;
const INSERT: &str = include_str!("queries/marker_insert.sql");
const OWNER: &str = include_str!("queries/marker_owner.sql");
const TIME: &str = include_str!("queries/marker_time.sql");
const COUNT: &str = include_str!("queries/marker_count.sql");

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(step: &str) -> Mark {
        Mark {
            plan: Digest::of(b"plan"),
            step: step.to_owned(),
            direction: Direction::Do,
            executor: "e".to_owned(),
            order: "o".to_owned(),
        }
    }

    #[test]
    fn a_session_name_is_never_cut_off() {
        for step in ["end_blocker", &"s".repeat(23), &"s".repeat(24), &"s".repeat(200)] {
            let mut mark = mark(step);
            mark.direction = Direction::Undo;
            let name = mark.session(u32::MAX);
            assert!(name.len() <= 63, "{name} has {} bytes", name.len());
            assert!(name.starts_with(&mark.sessions()));
        }
        assert!(mark("end_blocker").session(1).ends_with("/end_blocker/1"));
    }

    #[test]
    fn long_steps_that_begin_alike_have_different_sessions() {
        let one = mark(&format!("{}1", "s".repeat(40)));
        let two = mark(&format!("{}2", "s".repeat(40)));
        assert_ne!(one.sessions(), two.sessions());
    }
}

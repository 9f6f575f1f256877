//! Whether this is the database that people approved the change of.

use runbooks::Digest;

use crate::marker;
use crate::step::Cause;
use crate::target::{Target, TargetError};

/// Checks that the session is on the plan's system and database, that it is no standby, and that the marker is there.
pub(crate) async fn check(target: &Target<'_>) -> Result<Result<(), Cause>, TargetError> {
    let wanted = target.wanted();
    let rows = target.rows(IDENTITY, &[]).await?;
    let unreadable = |error: tokio_postgres::Error| TargetError::Answer(error.to_string());
    let row = rows.first().ok_or_else(|| TargetError::Answer("no row".to_owned()))?;
    let system: Option<String> = row.try_get(0).map_err(unreadable)?;
    let database: String = row.try_get(1).map_err(unreadable)?;
    let in_recovery: bool = row.try_get(2).map_err(unreadable)?;
    let superuser: bool = row.try_get(3).map_err(unreadable)?;
    let marker: bool = row.try_get(4).map_err(unreadable)?;
    if system.as_deref() != Some(&wanted.system_identifier) || database != wanted.database {
        return Ok(Err(Cause::new(
            "wrong_system",
            format!(
                "this is database `{database}` of system `{}`, approved was `{}` of `{}`",
                system.unwrap_or_default(),
                wanted.database,
                wanted.system_identifier
            ),
        )));
    }
    if in_recovery {
        return Ok(Err(Cause::new(
            "target_is_standby",
            "the target is a standby and cannot be changed",
        )));
    }
    if !marker {
        return Ok(Err(Cause::new(
            "marker_missing",
            "there is no `countersign.executed_steps` here: run what `executor setup-sql` prints",
        )));
    }
    if superuser {
        tracing::warn!("the executor's role is a superuser: use the one that `executor setup-sql` makes");
    }
    Ok(Ok(()))
}

/// Checks that the target itself has seen nothing of this plan yet: a replay to an executor without memory ends here.
pub(crate) async fn check_unused(target: &Target<'_>, plan: &Digest) -> Result<Result<(), Cause>, TargetError> {
    let steps = marker::count(target, plan).await?;
    if steps == 0 {
        return Ok(Ok(()));
    }
    Ok(Err(Cause::new(
        "already_executed",
        format!("the target says that {steps} steps of this plan were run before"),
    )))
}

const IDENTITY: &str = include_str!("queries/identity.sql");

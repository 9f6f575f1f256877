//! The step kind `sql`: one guarded statement, with its marker row, at most once.

use runbooks::{Check, SqlAction, StepClass};
use serde_json::Value;
use tokio_postgres::error::SqlState;

use crate::marker::{Mark, Marked};
use crate::prove::{self, Answer};
use crate::remote::{Away, Key, Remote, Sent};
use crate::step::{Cause, Effect};
use crate::target::{Bounds, Place, QUESTION, Target, TargetError};

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The statement took effect; its state is still to be seen.
    Applied {
        rows: Option<u64>,
    },
    /// It took effect in an earlier attempt of ours; nothing was run.
    Already,
    Failed {
        effect: Effect,
        cause: Cause,
    },
    /// The connection went away in the middle.
    Lost,
}

/// Runs the statement. Its intent must be journalled, and sessions of earlier attempts fenced off.
///
/// `VACUUM`, `ANALYZE` and `DROP INDEX CONCURRENTLY` name an object and cannot carry a guard, so the prechecks are asked
/// again after everything that may wait, and nothing but the statement itself comes after them.
pub(crate) async fn perform(
    target: &Target<'_>,
    action: &SqlAction,
    prechecks: &[Check],
    mark: &Mark,
    attempt: u32,
) -> Attempt {
    let bounds = Bounds {
        timeout_s: action.timeout_s,
        lock_timeout_ms: action.lock_timeout_ms,
    };
    if let Err(error) = target.enter(&mark.session(attempt), bounds).await {
        return untouched(&error);
    }
    let done = match action.class {
        StepClass::Transactional => in_transaction(target, action, prechecks, mark, attempt, bounds).await,
        StepClass::NonTransactional => by_itself(target, action, prechecks, mark, attempt, bounds).await,
    };
    match target.leave().await {
        Ok(()) => done,
        // Its result is known all the same; the next question opens a new session.
        Err(_) => done,
    }
}

/// Marker and effect commit together: whatever crashes, both are there or neither.
async fn in_transaction(
    target: &Target<'_>,
    action: &SqlAction,
    prechecks: &[Check],
    mark: &Mark,
    attempt: u32,
    bounds: Bounds,
) -> Attempt {
    if let Err(error) = target.execute(BEGIN, &[], QUESTION).await {
        return untouched(&error);
    }
    let done = marked_effect(target, action, prechecks, mark, attempt, bounds).await;
    let end = match &done {
        Attempt::Applied { .. } => COMMIT,
        Attempt::Already | Attempt::Failed { .. } | Attempt::Lost => ROLLBACK,
    };
    match target.execute(end, &[], bounds).await {
        Ok(_) => done,
        // A deferred check or a conflict refused at the end: the server has rolled back.
        Err(TargetError::Sql { state, message }) if is_rolled_back(&state) => {
            untouched(&TargetError::Sql { state, message })
        }
        // Anything else, as a pooler's own error about a server that it lost, leaves the commit unknown: the marker tells.
        Err(_) => Attempt::Lost,
    }
}

async fn marked_effect(
    target: &Target<'_>,
    action: &SqlAction,
    prechecks: &[Check],
    mark: &Mark,
    attempt: u32,
    bounds: Bounds,
) -> Attempt {
    match mark.insert(target, attempt, bounds).await {
        Ok(true) => {}
        // On a first attempt it cannot be ours: whoever has our name and order, and ran this, has another journal.
        Ok(false) if attempt == 1 => return foreign(),
        Ok(false) => return marked_before(target, mark).await,
        Err(error) => return untouched(&error),
    }
    if let Some(changed) = changed(target, prechecks, Place::InTransaction).await {
        return changed;
    }
    match target.effect(&action.statement, bounds).await {
        Ok(rows) => match wrong_rows(action, rows) {
            None => Attempt::Applied { rows: Some(rows) },
            Some(cause) => Attempt::Failed {
                effect: Effect::None,
                cause,
            },
        },
        Err(error) => untouched(&error),
    }
}

/// Commits the marker, and asks the prechecks once more. `None`: the effect may follow.
async fn claim(target: &Target<'_>, prechecks: &[Check], mark: &Mark, attempt: u32, bounds: Bounds) -> Option<Attempt> {
    match mark.insert(target, attempt, bounds).await {
        Ok(true) => {}
        Ok(false) if attempt > 1 => match mark.look(target).await {
            Ok(Marked::Ours) => {}
            Ok(Marked::Foreign | Marked::No) => return Some(foreign()),
            Err(error) => return Some(untouched(&error)),
        },
        Ok(false) => return Some(foreign()),
        Err(error) => return Some(untouched(&error)),
    }
    changed(target, prechecks, Place::Alone).await
}

/// Makes a call of a service beside the database. The marker on the target is committed first, as for a statement that
/// stands by itself; what the call goes to is asked right before it whether it is still as planned, and as the journal says
/// that it was before.
pub(crate) async fn call(
    target: &Target<'_>,
    remote: &Remote<'_>,
    prechecks: &[Check],
    mark: &Mark,
    attempt: u32,
    before: &Value,
) -> Attempt {
    if let Err(error) = target.enter(&mark.session(attempt), QUESTION).await {
        return untouched(&error);
    }
    let claimed = claim(target, prechecks, mark, attempt, QUESTION).await;
    let since = mark.since(target).await;
    // The marker is known all the same; the next question opens a new session.
    let _ = target.leave().await;
    let since = match (claimed, since) {
        (Some(ended), _) => return ended,
        (None, Err(error)) => return untouched(&error),
        (None, Ok(since)) => since,
    };
    let key = Key::of(mark);
    let refused = |cause| Attempt::Failed {
        effect: Effect::None,
        cause,
    };
    match remote.ready(&key).await {
        Ok(Ok(now)) if now == *before => {}
        Ok(Ok(now)) => {
            let message = format!("it was {before} when the step began, and is {now}");
            return refused(Cause::new(prove::CHANGED, message));
        }
        Ok(Err(cause)) | Err(Away(cause)) => return refused(cause),
    }
    match remote.send(&key, since).await {
        Sent::Accepted => Attempt::Applied { rows: None },
        Sent::Refused(cause) => refused(cause),
        Sent::Unsure(cause) => {
            tracing::warn!(%cause, "nobody saw the end of the call");
            Attempt::Lost
        }
    }
}

/// The marker is committed first, as a claim: it keeps a second executor away, and tells a later recovery that the
/// statement may have been sent.
async fn by_itself(
    target: &Target<'_>,
    action: &SqlAction,
    prechecks: &[Check],
    mark: &Mark,
    attempt: u32,
    bounds: Bounds,
) -> Attempt {
    if let Some(ended) = claim(target, prechecks, mark, attempt, bounds).await {
        return ended;
    }
    match target.effect(&action.statement, bounds).await {
        Ok(rows) => match wrong_rows(action, rows) {
            None => Attempt::Applied { rows: Some(rows) },
            Some(cause) => Attempt::Failed {
                // The guard stands in the statement: no row, no effect.
                effect: if rows == 0 { Effect::None } else { Effect::Possible },
                cause,
            },
        },
        Err(error) if error.leaves_doubt() => Attempt::Lost,
        Err(TargetError::Sql { state, message }) if is_one_object(action) && says_changed(&state) => Attempt::Failed {
            effect: Effect::None,
            cause: Cause::new(prove::CHANGED, message),
        },
        // It may have worked on some rows before it failed.
        Err(error) => Attempt::Failed {
            effect: Effect::Possible,
            cause: error.cause(),
        },
    }
}

/// `None`: the prechecks still hold.
async fn changed(target: &Target<'_>, prechecks: &[Check], place: Place) -> Option<Attempt> {
    match prove::ask_again(target, prechecks, place).await {
        Ok(Answer::Holds) => None,
        Ok(Answer::Not(cause)) => Some(Attempt::Failed {
            effect: Effect::None,
            cause,
        }),
        Err(error) => Some(untouched(&error)),
    }
}

async fn marked_before(target: &Target<'_>, mark: &Mark) -> Attempt {
    match mark.look(target).await {
        Ok(Marked::Ours) => Attempt::Already,
        Ok(Marked::Foreign | Marked::No) => foreign(),
        Err(error) => untouched(&error),
    }
}

fn wrong_rows(action: &SqlAction, rows: u64) -> Option<Cause> {
    let wanted = action.rows?;
    if wanted.allow(rows) {
        return None;
    }
    let code = if rows < wanted.at_least {
        prove::CHANGED
    } else {
        "too_many_rows"
    };
    Some(Cause::new(
        code,
        format!(
            "the guarded statement met {rows} rows, not {} to {}",
            wanted.at_least, wanted.at_most
        ),
    ))
}

/// Integrity constraints, serialisation failures and deadlocks: the transaction is gone for certain.
fn is_rolled_back(state: &SqlState) -> bool {
    state.code().starts_with("23") || ["40001", "40P01"].contains(&state.code())
}

/// Whether the statement works on one object or on none.
fn is_one_object(action: &SqlAction) -> bool {
    action.rows.is_none_or(|rows| rows.at_most <= 1)
}

/// There is no such table or object any more, or it is in use again: the server says so before it does anything.
fn says_changed(state: &SqlState) -> bool {
    [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::OBJECT_IN_USE,
    ]
    .contains(state)
}

fn foreign() -> Attempt {
    Attempt::Failed {
        effect: Effect::None,
        cause: Cause::new(
            "already_executed",
            "the target says that somebody else ran this step of this plan",
        ),
    }
}

/// For what fails before the effect, or is rolled back with it. A lost connection still leaves doubt: a commit may have
/// been under way.
fn untouched(error: &TargetError) -> Attempt {
    if error.leaves_doubt() {
        Attempt::Lost
    } else {
        Attempt::Failed {
            effect: Effect::None,
            cause: error.cause(),
        }
    }
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

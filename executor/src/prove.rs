//! Checks: the state is asked, and a return code proves nothing.

use std::time::Duration;

use runbooks::{BlastRadius, Check};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::execution::Measured;
use crate::step::Cause;
use crate::target::{Place, Target, TargetError};

/// What a check came to.
pub(crate) enum Answer {
    Holds,
    /// It does not hold, or there was no readable answer, which is no yes either.
    Not(Cause),
}

/// Asks once. An error is one only if the target could not be asked at all.
pub(crate) async fn ask(target: &mut Target<'_>, check: &Check, code: &str) -> Result<Answer, TargetError> {
    judge(check, code, target.ask(&check.query).await)
}

fn judge(check: &Check, code: &str, answer: Result<Value, TargetError>) -> Result<Answer, TargetError> {
    match answer {
        Ok(answer) if check.expect.holds(&answer) => Ok(Answer::Holds),
        Ok(answer) => Ok(Answer::Not(Cause::new(
            code,
            format!("`{}` is {answer}, expected: {}", check.id, check.expect),
        ))),
        Err(error) if error.leaves_doubt() => Err(error),
        Err(error) => Ok(Answer::Not(Cause::new(code, format!("`{}`: {error}", check.id)))),
    }
}

/// Asks all once; the first that does not hold is the answer.
pub(crate) async fn ask_all(target: &mut Target<'_>, checks: &[Check], code: &str) -> Result<Answer, TargetError> {
    for check in checks {
        if let Answer::Not(cause) = ask(target, check, code).await? {
            return Ok(Answer::Not(cause));
        }
    }
    Ok(Answer::Holds)
}

/// Asks all prechecks. What sessions wait for comes and goes from one look to the next, so that one look proves a yes and no
/// no.
pub(crate) async fn ask_prechecks(target: &mut Target<'_>, prechecks: &[Check]) -> Result<Answer, TargetError> {
    let deadline = Instant::now() + FLICKER;
    loop {
        match ask_all(target, prechecks, CHANGED).await? {
            Answer::Not(_) if Instant::now() < deadline => sleep(INTERVAL).await,
            answer => return Ok(answer),
        }
    }
}

/// Asks all prechecks once more, in the session that is about to have the effect, and right before it. A session that was
/// lost is not opened again: whatever it had begun is to be asked for first.
pub(crate) async fn ask_again(target: &Target<'_>, prechecks: &[Check], place: Place) -> Result<Answer, TargetError> {
    let deadline = Instant::now() + FLICKER;
    loop {
        match ask_all_here(target, prechecks, place).await? {
            Answer::Not(_) if Instant::now() < deadline => sleep(INTERVAL).await,
            answer => return Ok(answer),
        }
    }
}

async fn ask_all_here(target: &Target<'_>, checks: &[Check], place: Place) -> Result<Answer, TargetError> {
    for check in checks {
        let answer = target.ask_here(&check.query, place).await;
        if let Answer::Not(cause) = judge(check, CHANGED, answer)? {
            return Ok(Answer::Not(cause));
        }
    }
    Ok(Answer::Holds)
}

/// Asks until all hold, or until the time is over. Another session's end raises no event that could be awaited here.
pub(crate) async fn await_state(
    target: &mut Target<'_>,
    checks: &[Check],
    max_wait_s: u32,
) -> Result<Answer, TargetError> {
    let deadline = Instant::now() + Duration::from_secs(u64::from(max_wait_s));
    loop {
        match ask_all(target, checks, "assertion_failed").await? {
            Answer::Not(_) if Instant::now() < deadline => sleep(INTERVAL).await,
            answer => return Ok(answer),
        }
    }
}

/// Measures what is in reach. More than the plan's limit, or no number at all, is a no.
pub(crate) async fn measure(
    target: &mut Target<'_>,
    radius: &BlastRadius,
) -> Result<Result<Measured, Cause>, TargetError> {
    let answer = match target.ask(&radius.query).await {
        Ok(answer) => answer,
        Err(error) if error.leaves_doubt() => return Err(error),
        Err(error) => return Ok(Err(Cause::new(EXCEEDED, format!("`{}`: {error}", radius.id)))),
    };
    Ok(match answer.as_i64() {
        Some(value) if (0..=radius.limit).contains(&value) => Ok(Measured {
            id: radius.id.clone(),
            unit: radius.unit.clone(),
            value,
            limit: radius.limit,
        }),
        Some(_) | None => Err(Cause::new(
            EXCEEDED,
            format!(
                "`{}` is {answer} {}, at most {} were approved",
                radius.id, radius.unit, radius.limit
            ),
        )),
    })
}

/// What was approved is not what is there: before the first step, and in the guard of each.
pub(crate) const CHANGED: &str = "precondition_changed";
const EXCEEDED: &str = "blast_radius_exceeded";
const INTERVAL: Duration = Duration::from_millis(100);
const FLICKER: Duration = Duration::from_secs(1);

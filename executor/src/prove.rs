//! Checks: the state is asked, and a return code proves nothing.

use std::time::Duration;

use runbooks::{BlastRadius, Check};
use tokio::time::{Instant, sleep};

use crate::execution::Measured;
use crate::step::Cause;
use crate::target::{Target, TargetError};

/// What a check came to.
pub(crate) enum Answer {
    Holds,
    /// It does not hold, or there was no readable answer, which is no yes either.
    Not(Cause),
}

/// Asks once. An error is one only if the target could not be asked at all.
pub(crate) async fn ask(target: &mut Target<'_>, check: &Check, code: &str) -> Result<Answer, TargetError> {
    match target.ask(&check.query).await {
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

const EXCEEDED: &str = "blast_radius_exceeded";
const INTERVAL: Duration = Duration::from_millis(100);

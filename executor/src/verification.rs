//! Whether the incident is over: a signal that holds without a break, and nothing else harmed meanwhile.

use std::time::Duration;

use runbooks::Verification;
use tokio::time::{Instant, sleep};

use crate::execution::{Phase, WholeEvent};
use crate::executor::Executor;
use crate::halt::Halt;
use crate::prove::{Answer, ask_all};
use crate::record::Record;
use crate::step::Cause;
use crate::target::{Target, TargetError};

/// Watches the signal until it has held long enough, or until the deadline. After a crash the watch begins anew.
pub(crate) async fn verify(
    executor: &Executor,
    verification: &Verification,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
) -> Result<(), Halt> {
    if let Phase::Forward { verified: true, .. } = record.execution().phase() {
        return Ok(());
    }
    record.write_whole(WholeEvent::VerificationStarted {})?;
    let deadline = Instant::now() + Duration::from_secs(u64::from(verification.deadline_s));
    let hold = Duration::from_secs(u64::from(verification.hold_s));
    let mut held_since: Option<Instant> = None;
    loop {
        let seen = match target.ask(&verification.query).await {
            Ok(answer) if verification.expect.holds(&answer) => Ok(()),
            Ok(answer) => Err(format!("is {answer}, expected: {}", verification.expect)),
            Err(error) if error.leaves_doubt() => return Err(Halt::Suspend(error.cause())),
            Err(error) => Err(error.to_string()),
        };
        let now = Instant::now();
        match (&seen, held_since) {
            (Ok(()), Some(since)) if now.duration_since(since) >= hold => break,
            (Ok(()), Some(_)) => {}
            (Ok(()), None) => held_since = Some(now),
            (Err(_), _) => held_since = None,
        }
        if now >= deadline {
            let last = seen.err().unwrap_or_else(|| "has not held for long enough".to_owned());
            let message = format!("{}: {last}, after {} s", verification.signal, verification.deadline_s);
            return Err(Halt::stop(Cause::new("not_recovered", message)));
        }
        tokio::select! {
            () = sleep(Duration::from_millis(u64::from(verification.interval_ms))) => {}
            () = executor.stopped() => return Err(Halt::Interrupted),
        }
    }
    match ask_all(target, &verification.collateral, "collateral_damage").await {
        Ok(Answer::Holds) => Ok(record.write_whole(WholeEvent::RecoveryVerified {
            held_s: verification.hold_s,
        })?),
        Ok(Answer::Not(cause)) => Err(Halt::stop(cause)),
        Err(error @ (TargetError::Unreachable(_) | TargetError::Full(_) | TargetError::Lost(_))) => {
            Err(Halt::Suspend(error.cause()))
        }
        Err(error) => Err(Halt::stop(error.cause())),
    }
}

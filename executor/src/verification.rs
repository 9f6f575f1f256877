//! Whether the incident is over: a signal that holds without a break, and nothing else harmed meanwhile.

use std::time::Duration;

use runbooks::PlanDocument;
use tokio::time::{Instant, sleep};

use crate::execution::{Phase, WholeEvent};
use crate::executor::Executor;
use crate::halt::Halt;
use crate::prove::{Answer, ask_all};
use crate::record::Record;
use crate::step::Cause;
use crate::surroundings::{Allowed, Surroundings};
use crate::target::Target;

/// Watches the signal until it has held long enough, or until the deadline. After a crash the watch begins anew.
pub(crate) async fn verify(
    executor: &Executor,
    plan: &PlanDocument,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
) -> Result<(), Halt> {
    if let Phase::Forward { verified: true, .. } = record.execution().phase() {
        return Ok(());
    }
    let verification = &plan.verification;
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
    match unharmed(plan, target, record).await? {
        Answer::Holds => Ok(record.write_whole(WholeEvent::RecoveryVerified {
            held_s: verification.hold_s,
        })?),
        Answer::Not(cause) => Err(Halt::stop(cause)),
    }
}

/// Whether nothing else was harmed: by the plan's own checks, and by what stood around it before.
async fn unharmed(plan: &PlanDocument, target: &mut Target<'_>, record: &Record<'_>) -> Result<Answer, Halt> {
    let asked = match ask_all(target, &plan.verification.collateral, HARM).await {
        Ok(Answer::Holds) => Surroundings::ask(target).await,
        Ok(Answer::Not(cause)) => return Ok(Answer::Not(cause)),
        Err(error) => Err(error),
    };
    let after = match asked {
        Ok(after) => after,
        Err(error) if error.leaves_doubt() => return Err(Halt::Suspend(error.cause())),
        Err(error) => return Err(Halt::stop(error.cause())),
    };
    // An execution that an older executor began has none.
    let Some(noted) = record.execution().surroundings() else {
        return Ok(Answer::Holds);
    };
    let Some(before) = record.kept(noted)? else {
        let message = "what stood around the plan before its first step is not kept any more";
        return Ok(Answer::Not(Cause::new("collateral_unknown", message)));
    };
    let harm = before.harm(&after, &Allowed::by(plan, &record.rows()?));
    Ok(if harm.is_empty() {
        Answer::Holds
    } else {
        Answer::Not(Cause::new(HARM, harm.join("; ")))
    })
}

const HARM: &str = "collateral_damage";

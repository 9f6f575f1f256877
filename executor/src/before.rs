//! Before the first step: nothing has been touched yet, and this is the last moment to leave it so.

use runbooks::PlanDocument;

use crate::execution::WholeEvent;
use crate::halt::Halt;
use crate::identity;
use crate::permission::{Permission, away};
use crate::prove::{self, Answer};
use crate::record::Record;
use crate::remote::{Asker, Remote};
use crate::surroundings::Surroundings;
use crate::target::Target;

/// Checks that the plan was not used before, that its prechecks hold, and that no more than it says is in reach; and notes
/// what stands around it.
pub(crate) async fn check(
    asker: &Asker<'_>,
    plan: &PlanDocument,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    permission: &Permission<'_>,
) -> Result<(), Halt> {
    permission.check(target, record).await?;
    match identity::check_unused(target, record.plan()).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => return Err(Halt::unapproved(cause)),
        Err(error) => return Err(away(record, &error)),
    }
    // A way back that cannot be gone is better known before the first step than after it.
    for step in &plan.steps {
        let undo = step.rollback.undo().map(|undo| &undo.action);
        for action in std::iter::once(&step.action).chain(undo) {
            if let Some(Err(cause)) = Remote::of(action, asker) {
                return Err(Halt::stop(cause));
            }
        }
    }
    match prove::ask_prechecks(target, &plan.prechecks).await {
        Ok(Answer::Holds) => {}
        Ok(Answer::Not(cause)) => return Err(Halt::stop(cause)),
        Err(error) => return Err(away(record, &error)),
    }
    let mut measured = Vec::new();
    for radius in &plan.blast_radius {
        match prove::measure(target, radius).await {
            Ok(Ok(within)) => measured.push(within),
            Ok(Err(cause)) => return Err(Halt::stop(cause)),
            Err(error) => return Err(away(record, &error)),
        }
    }
    let around = match Surroundings::ask(target).await {
        Ok(around) => around,
        Err(error) => return Err(away(record, &error)),
    };
    let surroundings = Some(record.keep(&around)?);
    Ok(record.write_whole(WholeEvent::TargetChecked { measured, surroundings })?)
}

//! After a crash: what was begun is taken up again, from the journal and the stored bytes, verified anew.

use runbooks::Digest;

use crate::admission::{NotAdmitted, admit};
use crate::executor::Executor;
use crate::halt::Fault;
use crate::ledger::{Unfinished, unfinished};
use crate::outcome::{Ended, Outcome};
use crate::record::{Record, replay};
use crate::run::run_admitted;
use crate::step::Cause;

/// Takes up every unfinished execution, one after another, and returns what each came to. It stops at the first that
/// cannot be finished now.
pub async fn recover(executor: &Executor) -> Result<Vec<(Digest, Ended)>, Fault> {
    let mut finished = Vec::new();
    for open in unfinished(executor)? {
        tracing::info!(plan = open.plan.short(), "taken up again");
        let plan = open.plan;
        let ended = resume(executor, open).await?;
        let done = matches!(ended, Ended::With(_) | Ended::Refused { .. });
        finished.push((plan, ended));
        if !done {
            break;
        }
    }
    Ok(finished)
}

/// The stored order is verified as of its admission: that it was valid then is what the journal says. Whether a further
/// step may start is asked of the clock as it is now.
pub(crate) async fn resume(executor: &Executor, open: Unfinished) -> Result<Ended, Fault> {
    match admit(executor, &open.envelope, open.admitted_at) {
        Ok(admitted) => run_admitted(executor, admitted).await,
        Err(NotAdmitted::Fault(fault)) => Err(fault),
        // Catalog, policy, or approvers have changed since: nothing is run any more, not even the way back.
        Err(NotAdmitted::Refused(refused)) => {
            let cause = Cause::new(refused.code, refused.message);
            match replay(executor.journal(), &open.plan)? {
                Some(execution) if !execution.has_effect() => {
                    let mut record = Record::new(executor, open.plan, open.order, execution);
                    Ok(Ended::With(record.end(Outcome::Failed { cause })?))
                }
                Some(_) | None => Ok(Ended::Suspended { cause }),
            }
        }
    }
}

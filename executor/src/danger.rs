//! The executor with its guard off. It exists so that a test can show that its own oracle sees harm; it is compiled only
//! with the feature `danger`, and nothing in the shipped binary calls it.

use approval::danger::approve_without_signature;

use crate::admission::{Admitted, NotAdmitted, Permitted, permit};
use crate::executor::Executor;
use crate::halt::Fault;
use crate::outcome::Ended;
use crate::run::{refuse, run_admitted};

/// Runs an order whose token nobody looks at. Everything else is as in [`crate::run_order`].
pub async fn run_order_without_approval(executor: &Executor, envelope: &str) -> Result<Ended, Fault> {
    let now = executor.now();
    let Permitted {
        order,
        plan,
        target,
        evaluation,
        ..
    } = match permit(executor, envelope, now) {
        Ok(permitted) => permitted,
        Err(NotAdmitted::Refused(refused)) => return refuse(executor, refused),
        Err(NotAdmitted::Fault(fault)) => return Err(fault),
    };
    let execute_by = plan.plan().document().expires_at;
    let approved = approve_without_signature(plan, order.action, execute_by);
    let admitted = Admitted {
        envelope: envelope.to_owned(),
        order,
        approved,
        target,
        evaluation,
        admitted_at: now,
    };
    run_admitted(executor, admitted).await
}

//! The whole privileged path, in order. Each value below is made from the one before it, and from nothing else.

use approval::Action;

use crate::admission::{Admitted, NotAdmitted, Refused, admit};
use crate::credentials::Credential;
use crate::drive::{Job, drive};
use crate::execution::Phase;
use crate::executor::Executor;
use crate::halt::{Fault, Halt, Stop};
use crate::ledger::{self, Begin};
use crate::outcome::{Ended, Outcome};
use crate::permission::Permission;
use crate::record::{self, Record};
use crate::remote::Asker;
use crate::step::{Cause, Step};
use crate::target::Target;
use crate::undo::{go_back, nothing_done};
use crate::{before, identity, recover, verification};

/// Runs one order from its bytes to its end.
pub async fn run_order(executor: &Executor, envelope: &str) -> Result<Ended, Fault> {
    // Begun before a crash, it is taken up again as of its admission: a window that closed since must not hide what it did.
    if let Some(open) = ledger::unfinished(executor)?
        .into_iter()
        .find(|open| open.envelope == envelope)
    {
        return recover::resume(executor, open).await;
    }
    match admit(executor, envelope, executor.now()) {
        Ok(admitted) => run_admitted(executor, admitted).await,
        Err(NotAdmitted::Refused(refused)) => refuse(executor, refused),
        Err(NotAdmitted::Fault(fault)) => Err(fault),
    }
}

/// Spends the order, and only then runs it.
pub(crate) async fn run_admitted(executor: &Executor, admitted: Admitted<'_>) -> Result<Ended, Fault> {
    let mut record = match ledger::begin(executor, &admitted)? {
        Begin::Run(record) => record,
        Begin::Spent { code, message, again } => {
            let mut refused = Refused::of(&admitted.order, code, message);
            refused.evaluation = Some(Box::new(admitted.evaluation));
            // The gate has this order's outcome, or it is queued: the refusal of a repetition is not another outcome.
            refused.order = refused.order.filter(|_| !again);
            return refuse(executor, refused);
        }
    };
    match execute(executor, &admitted, &mut record).await {
        Ok(outcome) => Ok(Ended::With(outcome)),
        Err(Halt::Interrupted) => Ok(Ended::Interrupted),
        Err(Halt::Suspend(cause) | Halt::Stop(Stop { cause, .. })) => Ok(Ended::Suspended { cause }),
        // Something may be changed, and nothing more can be written down: a person must know.
        Err(Halt::Fault(fault)) if record.execution().has_effect() => Ok(Ended::Suspended { cause: fault.cause() }),
        Err(Halt::Fault(fault)) => Err(fault),
    }
}

async fn execute(executor: &Executor, admitted: &Admitted<'_>, record: &mut Record<'_>) -> Result<Outcome, Halt> {
    let permission = Permission::new(executor, admitted);
    let credential = match Credential::obtain(&admitted.approved, admitted.target).await {
        Ok(credential) => credential,
        Err(error) => return cannot_begin(record, Cause::new(error.code(), crate::chain(&error))),
    };
    let wanted = &admitted.approved.plan().document().target;
    let mut target = match Target::connect(&credential, wanted, record.plan()).await {
        Ok(target) => target,
        Err(error) => return cannot_begin(record, error.cause()),
    };
    match identity::check(&target).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => return cannot_begin(record, cause),
        Err(error) => return cannot_begin(record, error.cause()),
    }
    let stop = match admitted.approved.action() {
        Action::Execute => match forward(executor, admitted, &mut target, record, &permission).await {
            Ok(()) => return Ok(record.end(Outcome::Done { kept: Vec::new() })?),
            Err(Halt::Stop(stop)) => stop,
            Err(halt) => return Err(halt),
        },
        Action::Rollback => match permission.check_rollback(&mut target, record).await {
            Ok(stop) => stop,
            Err(Halt::Stop(stop)) => return Ok(record.end(nothing_done(stop))?),
            Err(halt) => return Err(halt),
        },
    };
    go_back(executor, admitted, &mut target, record, &permission, stop).await
}

async fn forward(
    executor: &Executor,
    admitted: &Admitted<'_>,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    permission: &Permission<'_>,
) -> Result<(), Halt> {
    let plan = admitted.approved.plan().document();
    let asker = Asker::of(executor, admitted);
    match record.execution().phase().clone() {
        Phase::Forward { .. } if record.execution().is_untouched() => {
            before::check(&asker, plan, target, record, permission).await?;
        }
        Phase::Forward { .. } => {}
        Phase::Back { cause } => return Err(Halt::stop(cause)),
        Phase::Ended { .. } => return Err(Halt::stop(Cause::new("already_executed", "it is over"))),
    }
    for step in &plan.steps {
        drive(&Job::forward(step, plan, &asker)?, target, record, permission).await?;
        if record.step(&step.id) != Step::Done {
            let cause = record.execution().cause().cloned();
            let unknown = || Cause::new("step_not_done", format!("step `{}` is not done", step.id));
            return Err(Halt::stop(cause.unwrap_or_else(unknown)));
        }
    }
    verification::verify(executor, plan, target, record).await
}

fn cannot_begin(record: &mut Record<'_>, cause: Cause) -> Result<Outcome, Halt> {
    match record.execution().phase() {
        Phase::Forward { .. } if !record.execution().has_effect() => Ok(record.end(Outcome::Failed { cause })?),
        Phase::Forward { .. } | Phase::Back { .. } | Phase::Ended { .. } => Err(Halt::Suspend(cause)),
    }
}

pub(crate) fn refuse(executor: &Executor, refused: Refused) -> Result<Ended, Fault> {
    let Refused {
        code,
        message,
        by_policy,
        subject,
        order,
        evaluation,
    } = refused;
    record::refuse(
        executor,
        subject,
        order.as_deref(),
        &code,
        &message,
        evaluation.as_deref(),
    )?;
    Ok(Ended::Refused {
        code,
        message,
        by_policy,
    })
}

//! From an order's bytes to an approved plan, by the executor's own files alone. The gate's word counts for nothing but
//! where the order came from.

use std::fs;
use std::time::Instant;

use approval::{
    ApprovedPlan, Approvers, Expectations, MAX_SKEW_S, Order, PublicKey, Refusal, StandingError, StandingState, Token,
};
use policies::{Decision, Evaluation, PermittedPlan, PolicyContext};
use runbooks::{Digest, Plan, Timestamp};

use crate::config::TargetConfig;
use crate::executor::Executor;
use crate::halt::Fault;
use crate::ledger;

/// An order that was verified, and the approved plan in it.
pub(crate) struct Admitted<'e> {
    pub(crate) envelope: String,
    pub(crate) order: Order,
    pub(crate) approved: ApprovedPlan,
    pub(crate) target: &'e TargetConfig,
    pub(crate) evaluation: Evaluation,
    pub(crate) admitted_at: Timestamp,
}

/// An order for a plan that this executor's policy allows, and the approvals in it still unread.
pub(crate) struct Permitted<'e> {
    pub(crate) order: Order,
    /// The key of the gate that signed it.
    pub(crate) gate_key: &'e str,
    pub(crate) plan: PermittedPlan,
    pub(crate) target: &'e TargetConfig,
    pub(crate) evaluation: Evaluation,
}

/// Why an order is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    Refused(Refused),
    Fault(Fault),
}

/// An order that is not taken. Nothing was touched, and no credential obtained.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) by_policy: bool,
    /// The plan's digest, or that of the bytes where not even the gate's signature holds.
    pub(crate) subject: Digest,
    /// The order's id, if the gate signed it.
    pub(crate) order: Option<String>,
    /// What the policy said, if it was asked.
    pub(crate) evaluation: Option<Box<Evaluation>>,
}

/// Admits an order as of `now`.
pub(crate) fn admit<'e>(executor: &'e Executor, envelope: &str, now: Timestamp) -> Result<Admitted<'e>, NotAdmitted> {
    let Permitted {
        order,
        gate_key,
        plan,
        target,
        evaluation,
    } = permit(executor, envelope, now)?;
    let approved = approve(executor, &order, gate_key, plan, now).map_err(|error| error.after(&evaluation))?;
    Ok(Admitted {
        envelope: envelope.to_owned(),
        order,
        approved,
        target,
        evaluation,
        admitted_at: now,
    })
}

/// Everything but the people: from the gate, for this executor, an instance of a pinned runbook, allowed by its policy.
pub(crate) fn permit<'e>(executor: &'e Executor, envelope: &str, now: Timestamp) -> Result<Permitted<'e>, NotAdmitted> {
    let config = executor.config();
    let (order, gate_key) = config
        .gate
        .with_a_key(|key| Order::verify(envelope, key))
        .map_err(|error| Refused::unsigned(envelope, error.code(), crate::chain(&error)))?;
    let refused = |code: &str, message: String| Refused::of(&order, code, message);
    order
        .check_addressed(&config.gate.id, &config.id, &config.environment)
        .map_err(|error| refused(error.code(), crate::chain(&error)))?;
    check_standing(&order)?;
    let plan = Plan::admit(order.plan.as_bytes(), executor.catalog())
        .map_err(|error| refused(error.code(), crate::chain(&error)))?;
    let document = plan.document();
    check_window(document.not_before, document.expires_at, now).map_err(|(code, message)| refused(code, message))?;
    let target = config.target(&document.target.name).ok_or_else(|| {
        refused(
            "unknown_target",
            format!("there is no target `{}` here", document.target.name),
        )
    })?;
    let context = PolicyContext {
        now,
        requester: document.requester.clone(),
        target: target.target.clone(),
        executions_last_day: ledger::executions_last_day(executor, &document.target.name, now)?,
        // A frozen order does not get here.
        freeze: false,
    };
    let started = Instant::now();
    let judged = executor.policy().evaluate(plan, &context);
    let took = started.elapsed();
    // Journalled with what becomes of the order, in one transaction, before anything is touched.
    let noted = |decision: &Decision| decision.evaluation(&context.requester, took);
    match judged {
        Ok(plan) => Ok(Permitted {
            evaluation: noted(plan.decision()),
            order,
            gate_key,
            plan,
            target,
        }),
        Err(error) => Err(NotAdmitted::Refused(Refused {
            by_policy: true,
            evaluation: Some(Box::new(noted(error.decision()))),
            ..refused(error.code(), error.to_string())
        })),
    }
}

// How old it is matters before each step; what it said at the time matters at once.
fn check_standing(order: &Order) -> Result<(), Refused> {
    let error = match order.standing.state {
        StandingState::Valid => return Ok(()),
        StandingState::Revoked => StandingError::Revoked,
        StandingState::Frozen => StandingError::Frozen,
    };
    Err(Refused::of(order, error.code(), error.to_string()))
}

// The policy would refuse it as well; that it is a matter of time and not of permission is better said here.
pub(crate) fn check_window(
    not_before: Timestamp,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), (&'static str, String)> {
    let refusal = if now.plus_s(MAX_SKEW_S) < not_before {
        Refusal::NotYetValid(not_before)
    } else if now >= expires_at {
        Refusal::ExecutionExpired(expires_at)
    } else {
        return Ok(());
    };
    Err((refusal.code(), refusal.to_string()))
}

fn approve(
    executor: &Executor,
    order: &Order,
    gate_key: &str,
    permitted: PermittedPlan,
    now: Timestamp,
) -> Result<ApprovedPlan, NotAdmitted> {
    let config = executor.config();
    let refused = |code: &str, message: String| Refused::of(order, code, message);
    let list = fs::read_to_string(&config.approvers_file).map_err(|error| {
        let message = format!("could not read `{}`: {error}", config.approvers_file.display());
        refused("approvers_unreadable", message)
    })?;
    let approvers = Approvers::verify(&list, &config.admin_key, ledger::newest_approvers(executor)?)
        .map_err(|error| refused(error.code(), crate::chain(&error)))?;
    if !ledger::remember_approvers(executor, approvers.version(), &approvers.digest())? {
        let version = approvers.version();
        let message =
            format!("another approver list with version {version} was taken before; sign a list with a new version");
        return Err(refused("approvers_ambiguous", message).into());
    }
    let token = Token::parse(&order.token)
        .map_err(Refusal::from)
        .map_err(|refusal| refused(refusal.code(), crate::chain(&refusal)))?;
    let gate_key = PublicKey::parse(gate_key).map_err(|error| refused("gate_key", crate::chain(&error)))?;
    let expect = Expectations {
        gate: &config.gate.id,
        audience: &config.id,
        now,
        floor: &config.floor,
        approvers: &approvers,
        gate_key: &gate_key,
        action: order.action,
        grant: ledger::grant_book(executor, &token, order.plan_digest(), now)?,
    };
    Ok(approval::verify(permitted, &token, &expect)
        .map_err(|refusal| refused(refusal.code(), crate::chain(&refusal)))?)
}

impl Refused {
    pub(crate) fn of(order: &Order, code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
            by_policy: false,
            subject: order.plan_digest(),
            order: Some(order.id.clone()),
            evaluation: None,
        }
    }

    fn unsigned(envelope: &str, code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
            by_policy: false,
            subject: Digest::of(envelope.as_bytes()),
            order: None,
            evaluation: None,
        }
    }
}

impl NotAdmitted {
    /// What the policy had said before.
    fn after(self, evaluation: &Evaluation) -> Self {
        match self {
            Self::Refused(refused) => Self::Refused(Refused {
                evaluation: Some(Box::new(evaluation.clone())),
                ..refused
            }),
            Self::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Refused> for NotAdmitted {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Fault> for NotAdmitted {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

//! Whether this executor could run a plan now, before people are asked. It needs no signature and gives none: there is no
//! way from here to an order, to the ledger, or to a step.

mod doctor;
mod facts;
mod judge;
mod locks;
mod look;
mod need;
mod report;
mod serving;

use policies::{PermittedPlan, Policy, PolicyContext};
use runbooks::{Catalog, Digest, Plan, PlanDocument, SqlAction, Timestamp};

use crate::admission::check_window;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, TargetConfig};
use crate::credentials::LookingCredential;
use crate::executor::OpenError;
use crate::halt::Fault;
use crate::marker::Direction;
use crate::prove::{Answer, CHANGED};
use crate::remote::{Asker, Away, Key, Remote};
use crate::target::TargetError;

use facts::{Holder, Me, Subject};
use locks::Lock;
use look::Look;
use need::Need;
pub(crate) use need::Trace;
use report::Finding;
pub(crate) use report::Report;
pub(crate) use serving::serve;

/// What a preflight judges by: an executor's own files, without its journal.
pub(crate) struct Bench<'e> {
    pub(crate) config: &'e Config,
    pub(crate) catalog: &'e Catalog,
    pub(crate) policy: &'e Policy,
    pub(crate) now: Timestamp,
    /// How many executions of the last day the policy is told of, per target.
    pub(crate) executions: &'e (dyn Fn(&str) -> Result<u32, Fault> + Sync),
}

/// The same files, opened beside an executor that is running: its journal has one writer, and this is not it.
pub(crate) struct Desk {
    config: Config,
    catalog: Catalog,
    policy: Policy,
}

impl Desk {
    pub(crate) fn open(config: Config) -> Result<Self, OpenError> {
        let catalog = approval::open_catalog(config.catalog_dir.as_deref(), config.catalog_signed_by.as_deref())?;
        let policy = Policy::open(
            config.policy_dir.as_deref(),
            config.policy_windows.as_deref(),
            config.policy_freezes.as_deref(),
        )?;
        Ok(Self {
            config,
            catalog,
            policy,
        })
    }

    /// Without a journal the executions of the last day are not known; the gate and the executor count them.
    pub(crate) fn bench(&self) -> Bench<'_> {
        Bench {
            config: &self.config,
            catalog: &self.catalog,
            policy: &self.policy,
            now: SystemClock.now(),
            executions: &|_| Ok(0),
        }
    }
}

/// Looks at everything that can be looked at, and says what stands against the plan.
pub(crate) async fn preflight(bench: &Bench<'_>, plan: &[u8]) -> Report {
    let mut findings = Vec::new();
    let mut denied = false;
    match permit(bench, plan) {
        Ok((permitted, target)) => {
            if let Err(error) = look_at(bench, &permitted, target, &mut findings).await {
                findings.push(not_asked(&error));
            }
        }
        Err(refused) => {
            denied = matches!(refused, Refused::ByPolicy(_));
            let (Refused::ByPolicy(finding) | Refused::Otherwise(finding)) = refused;
            findings.push(finding);
        }
    }
    Report {
        plan_digest: Digest::of(plan),
        executor: bench.config.id.clone(),
        at: bench.now,
        findings,
        denied,
    }
    .bounded()
}

fn not_asked(error: &TargetError) -> Finding {
    match error {
        // Connections may be what the plan is to free, and a run waits for one longer than people should wait for this.
        TargetError::Full(message) => {
            let message = format!("the target has no connection to spare, and nothing on it was checked: {message}");
            Finding::warns("target_full", message)
        }
        TargetError::Unreachable(_)
        | TargetError::Elsewhere(_)
        | TargetError::Lost(_)
        | TargetError::Sql { .. }
        | TargetError::Answer(_) => Finding::blocks(error.code(), error.to_string()),
    }
}

enum Refused {
    ByPolicy(Finding),
    Otherwise(Finding),
}

impl Refused {
    fn of(code: &str, message: String) -> Self {
        Self::Otherwise(Finding::blocks(code, message))
    }
}

/// What admission checks of a plan, but for what people and the gate sign.
fn permit<'e>(bench: &Bench<'e>, plan: &[u8]) -> Result<(PermittedPlan, &'e TargetConfig), Refused> {
    let plan = Plan::admit(plan, bench.catalog).map_err(|error| Refused::of(error.code(), crate::chain(&error)))?;
    let document = plan.document();
    check_window(document.not_before, document.expires_at, bench.now)
        .map_err(|(code, message)| Refused::of(code, message))?;
    let name = &document.target.name;
    let target = bench
        .config
        .target(name)
        .ok_or_else(|| Refused::of("unknown_target", format!("there is no target `{name}` here")))?;
    let context = PolicyContext {
        now: bench.now,
        requester: document.requester.clone(),
        target: target.target.clone(),
        executions_last_day: (bench.executions)(name)
            .map_err(|fault| Refused::of(fault.code(), crate::chain(&fault)))?,
        // The gate asks nobody while it is frozen.
        freeze: false,
    };
    match bench.policy.evaluate(plan, &context) {
        Ok(permitted) => Ok((permitted, target)),
        Err(error) => Err(Refused::ByPolicy(Finding::blocks(error.code(), error.to_string()))),
    }
}

async fn look_at(
    bench: &Bench<'_>,
    permitted: &PermittedPlan,
    target: &TargetConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), TargetError> {
    let plan = permitted.plan().document();
    let credential = match LookingCredential::obtain(permitted, target).await {
        Ok(credential) => credential,
        Err(error) => {
            findings.push(Finding::blocks(error.code(), crate::chain(&error)));
            return Ok(());
        }
    };
    let mut look = Look::connect(&credential, &plan.target, &permitted.plan().digest()).await?;
    if let Err(cause) = look.identity(&permitted.plan().digest()).await? {
        // Another database's answers to the rest would mean nothing.
        findings.push(Finding::blocks(&cause.code, cause.message));
        return Ok(());
    }
    if let Err(cause) = look.clock(bench.now).await? {
        findings.push(Finding::blocks(&cause.code, cause.message));
    }
    state(&mut look, plan, findings).await?;
    steps(&look, plan, findings).await?;
    calls(bench, target, plan, &permitted.plan().digest(), findings).await;
    Ok(())
}

async fn state(look: &mut Look<'_>, plan: &PlanDocument, findings: &mut Vec<Finding>) -> Result<(), TargetError> {
    let prechecks = plan.prechecks.iter().map(|check| (check, CHANGED));
    let stops = plan.stop_if.iter().map(|check| (check, "stop_condition"));
    for (check, code) in prechecks.chain(stops) {
        if let Answer::Not(cause) = look.holds(check, code).await? {
            findings.push(Finding::blocks(&cause.code, cause.message));
        }
    }
    for radius in &plan.blast_radius {
        if let Err(cause) = look.measure(radius).await? {
            findings.push(Finding::blocks(&cause.code, cause.message));
        }
    }
    Ok(())
}

/// Each step, and its way back: that it cannot be gone is better known before.
async fn steps(look: &Look<'_>, plan: &PlanDocument, findings: &mut Vec<Finding>) -> Result<(), TargetError> {
    let me = Me::ask(look).await?;
    findings.extend(judge::marker(&me));
    for step in &plan.steps {
        if let Some(action) = step.action.sql() {
            look_at_step(look, &me, &format!("step `{}`", step.id), action, findings).await?;
        }
        if let Some(action) = step.rollback.undo().and_then(|undo| undo.action.sql()) {
            look_at_step(look, &me, &format!("the undo of step `{}`", step.id), action, findings).await?;
        }
    }
    Ok(())
}

/// Each call of a service beside the database: whether it could be made now. A way back cannot be tried yet, as what it
/// undoes is not there; that this executor knows its service is asked.
async fn calls(
    bench: &Bench<'_>,
    target: &TargetConfig,
    plan: &PlanDocument,
    digest: &Digest,
    findings: &mut Vec<Finding>,
) {
    let asker = Asker {
        config: bench.config,
        target,
        plan: *digest,
        approver: None,
    };
    for step in &plan.steps {
        let undo = step.rollback.undo().map(|undo| &undo.action);
        if let Some(Err(cause)) = undo.and_then(|action| Remote::of(action, &asker)) {
            let message = format!("the undo of step `{}`: {}", step.id, cause.message);
            findings.push(Finding::blocks(&cause.code, message));
        }
        let key = Key {
            plan: *digest,
            step: step.id.clone(),
            direction: Direction::Do,
        };
        let asked = match Remote::of(&step.action, &asker) {
            None => continue,
            Some(Err(cause)) => Err(cause),
            Some(Ok(remote)) => match remote.ready(&key).await {
                Ok(answer) => answer.map(drop),
                Err(Away(cause)) => Err(cause),
            },
        };
        if let Err(cause) = asked {
            findings.push(Finding::blocks(
                &cause.code,
                format!("step `{}`: {}", step.id, cause.message),
            ));
        }
    }
}

async fn look_at_step(
    look: &Look<'_>,
    me: &Me,
    step: &str,
    action: &SqlAction,
    findings: &mut Vec<Finding>,
) -> Result<(), TargetError> {
    let need = Need::of(&action.statement);
    let subject = Subject::ask(look, &need, me).await?;
    findings.extend(judge::privilege(step, &need, me, &subject));
    for (relation, lock, name) in taken(&need, me, &subject) {
        let holders = Holder::ask(look, relation, lock, action.lock_timeout_ms).await?;
        findings.extend(judge::lock(step, lock, &name, action.lock_timeout_ms, &holders));
    }
    Ok(())
}

/// The tables that a step locks, its marker's among them.
fn taken(need: &Need, me: &Me, subject: &Subject) -> Vec<(u32, &'static Lock, String)> {
    let marker = (me.marker, &locks::WRITE, "`countersign.executed_steps`".to_owned());
    let own = match (need, subject) {
        (Need::Relation { name, lock, .. }, Subject::Relation(Some(relation))) => {
            let name = format!("the table of `{}.{}`", name.schema, name.relation);
            Some((relation.oid, *lock, name))
        }
        (Need::AlterRole { setting: None, .. }, _) => Some((me.roles_table, &locks::WRITE, "`pg_authid`".to_owned())),
        (Need::AlterRole { .. }, _) => {
            let name = "`pg_db_role_setting`".to_owned();
            Some((me.role_settings_table, &locks::WRITE, name))
        }
        (Need::Relation { .. } | Need::Signal { .. } | Need::DropSlot | Need::Unknown, _) => None,
    };
    std::iter::once(marker).chain(own).collect()
}

#[cfg(test)]
mod tests {
    /// What could change a target or spend an order is named nowhere here.
    #[test]
    fn there_is_no_way_from_a_preflight_to_a_step() {
        let sources = [
            include_str!("doctor.rs"),
            include_str!("facts.rs"),
            include_str!("judge.rs"),
            include_str!("locks.rs"),
            include_str!("look.rs"),
            include_str!("need.rs"),
            include_str!("report.rs"),
            include_str!("serving.rs"),
        ];
        let here = include_str!("mod.rs").split("mod tests").next().unwrap_or_default();
        for source in sources.into_iter().chain([here]) {
            for way in [
                "run_order",
                "run_admitted",
                "drive(",
                "sql_step",
                "perform(",
                "ledger::begin",
                "record::",
                "journal()",
            ] {
                assert!(!source.contains(way), "{way}");
            }
        }
    }
}

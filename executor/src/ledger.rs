//! The ledger of used orders: one plan and action is admitted once, and what was begun is finished.

use approval::{Action, ApprovedPlan, GrantBook, Token};
use journal::Tx;
use runbooks::{Digest, Timestamp};
use rusqlite::OptionalExtension;

use crate::admission::Admitted;
use crate::execution::{Admission, Event, Execution, Phase, WholeEvent};
use crate::executor::Executor;
use crate::halt::Fault;
use crate::record::{Record, action_name, replay};
use crate::reports;
use crate::step::Step;

pub(crate) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS executor_ledger (
    plan_digest TEXT NOT NULL,
    action TEXT NOT NULL,
    order_id TEXT NOT NULL,
    envelope TEXT NOT NULL,
    target TEXT NOT NULL,
    admitted_at INTEGER NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (plan_digest, action)
) STRICT;
CREATE TABLE IF NOT EXISTS executor_grant_uses (
    plan_digest TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    admitted_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS executor_seen (
    what TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;";

/// Whether an order may run.
pub(crate) enum Begin<'e> {
    /// It is new, or was begun and not finished.
    Run(Box<Record<'e>>),
    /// It is not; the code says why.
    Spent {
        code: &'static str,
        message: String,
        /// It is the very order that was run: the gate sent it twice.
        again: bool,
    },
}

/// An execution that a crash or an interruption left open.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) plan: Digest,
    pub(crate) order: String,
    pub(crate) envelope: String,
    pub(crate) admitted_at: Timestamp,
}

/// Spends an order, before anything else happens under it. If we crash right after this, the order is spent and the
/// execution is open: `recover` goes on with it. The other way round, one approval could run twice.
pub(crate) fn begin<'e>(executor: &'e Executor, admitted: &Admitted<'_>) -> Result<Begin<'e>, Fault> {
    let plan = admitted.approved.plan().digest();
    let action = admitted.approved.action();
    let spent = |code, message: &str| {
        Ok(Begin::Spent {
            code,
            message: format!("plan `{}` {message}", plan.short()),
            again: first_order(executor, &plan, action)?.as_ref() == Some(&admitted.order.id),
        })
    };
    let execution = replay(executor.journal(), &plan)?;
    let Some(execution) = execution else {
        return match action {
            Action::Execute => admit(executor, admitted, None),
            Action::Rollback => spent("nothing_to_roll_back", "was never executed here"),
        };
    };
    let over = matches!(execution.phase(), Phase::Ended { .. });
    match (action, execution.action()) {
        (Action::Execute, Action::Execute) | (Action::Rollback, Action::Rollback) if !over => {
            // Taken up under another token than it was begun with: a grant in it is used all the same.
            executor.journal().transact(|tx| use_grant(tx, admitted))?;
            let order = first_order(executor, &plan, action)?.unwrap_or_else(|| admitted.order.id.clone());
            Ok(Begin::Run(Box::new(Record::new(executor, plan, order, execution))))
        }
        (Action::Execute, Action::Execute | Action::Rollback) => spent("already_executed", "was executed before"),
        (Action::Rollback, Action::Rollback) => spent("already_executed", "was rolled back before"),
        (Action::Rollback, Action::Execute) if !over => spent("unfinished", "is still being executed"),
        (Action::Rollback, Action::Execute) if execution.steps().iter().any(|(_, step)| *step == Step::Done) => {
            admit(executor, admitted, Some(execution))
        }
        (Action::Rollback, Action::Execute) => spent("nothing_to_roll_back", "left nothing that could be undone"),
    }
}

fn admit<'e>(
    executor: &'e Executor,
    admitted: &Admitted<'_>,
    execution: Option<Execution>,
) -> Result<Begin<'e>, Fault> {
    let approved = &admitted.approved;
    let plan = approved.plan().digest();
    let event = Event::Whole(WholeEvent::OrderAdmitted(Box::new(facts(executor, admitted))));
    let next = Execution::apply(execution, event.clone())?;
    let (kind, data) = event.to_journal()?;
    executor.journal().transact(|tx| {
        tx.sql().execute(
            "INSERT INTO executor_ledger (plan_digest, action, order_id, envelope, target, admitted_at, open)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)",
            (
                plan.to_string(),
                action_name(approved.action()),
                &admitted.order.id,
                &admitted.envelope,
                &admitted.target.target.name,
                admitted.admitted_at.unix(),
            ),
        )?;
        use_grant(tx, admitted)?;
        let seq = tx.append(journal::Event {
            kind: kind.clone(),
            subject: plan.to_string(),
            data: data.clone(),
        })?;
        reports::queue(tx, seq, &admitted.order.id, &event, &data)
    })?;
    tracing::info!(kind, plan = plan.short(), order = admitted.order.id, data = %data, "journalled");
    executor.wake_reporter();
    let record = Record::new(executor, plan, admitted.order.id.clone(), next);
    Ok(Begin::Run(Box::new(record)))
}

/// Counts a use of the grant that a plan was approved under, once for each plan.
fn use_grant(tx: &Tx<'_>, admitted: &Admitted<'_>) -> Result<(), Fault> {
    let Some(grant) = admitted.approved.grant() else {
        return Ok(());
    };
    tx.sql().execute(
        "INSERT INTO executor_grant_uses (plan_digest, grant_id, admitted_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (plan_digest) DO NOTHING",
        (
            admitted.approved.plan().digest().to_string(),
            grant,
            admitted.admitted_at.unix(),
        ),
    )?;
    Ok(())
}

fn facts(executor: &Executor, admitted: &Admitted<'_>) -> Admission {
    let approved: &ApprovedPlan = &admitted.approved;
    let document = approved.plan().document();
    Admission {
        order: admitted.order.id.clone(),
        action: approved.action(),
        executor: executor.config().id.clone(),
        incident: document.incident.clone(),
        target: document.target.name.clone(),
        token_hash: approved.token_hash(),
        approvers: approved.approvers().to_vec(),
        grant: approved.grant().map(str::to_owned),
        catalog_digest: executor.catalog().digest(),
        policy_digest: executor.policy().digest(),
        policy_input_digest: approved.permitted().decision().input_digest,
        policy: Some(admitted.evaluation.clone()),
        admitted_at: admitted.admitted_at,
        execute_by: approved.execute_by(),
        steps: document.steps.iter().map(|step| step.id.clone()).collect(),
    }
}

/// Returns what was begun and not ended, oldest first.
pub(crate) fn unfinished(executor: &Executor) -> Result<Vec<Unfinished>, Fault> {
    executor.journal().view(|sql| {
        let mut statement = sql.prepare_cached(
            "SELECT plan_digest, order_id, envelope, admitted_at FROM executor_ledger WHERE open = 1 ORDER BY admitted_at, rowid",
        )?;
        let rows = statement.query_map([], |row| {
            let plan: String = row.get(0)?;
            Ok(Unfinished {
                plan: plan.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                order: row.get(1)?,
                envelope: row.get(2)?,
                admitted_at: Timestamp::from_unix(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Returns how many plans were begun on a target in the day before `now`.
pub(crate) fn executions_last_day(executor: &Executor, target: &str, now: Timestamp) -> Result<u32, Fault> {
    executor.journal().view(|sql| {
        Ok(sql.query_row(
            "SELECT count(*) FROM executor_ledger WHERE target = ?1 AND action = 'execute' AND admitted_at > ?2 AND admitted_at < ?3",
            (target, now.plus_s(-86_400).unix(), now.unix()),
            |row| row.get(0),
        )?)
    })
}

/// Returns what this executor has written down of the grant in a token, this plan and whatever was begun after it left out.
/// That a grant was ended comes from the signed list, or from the gate before each step.
pub(crate) fn grant_book(executor: &Executor, token: &Token, plan: Digest, now: Timestamp) -> Result<GrantBook, Fault> {
    let Some(grant) = token.grant_id() else {
        return Ok(GrantBook::default());
    };
    executor.journal().view(|sql| {
        // A clock that was set back must not make uses forgotten: only rows of an earlier day are.
        let uses_last_day = sql.query_row(
            "SELECT count(*) FROM executor_grant_uses
             WHERE grant_id = ?1 AND admitted_at > ?2
               AND rowid < coalesce((SELECT rowid FROM executor_grant_uses WHERE plan_digest = ?3), 1 << 62)",
            (grant, now.plus_s(-86_400).unix(), plan.to_string()),
            |row| row.get(0),
        )?;
        Ok(GrantBook {
            uses_last_day,
            revoked: false,
        })
    })
}

/// Returns the newest version of the approver list that was ever taken; 0 for none.
pub(crate) fn newest_approvers(executor: &Executor) -> Result<u64, Fault> {
    executor.journal().view(|sql| {
        let version: Option<i64> = sql
            .query_row(
                "SELECT version FROM executor_seen WHERE what = 'approvers'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok(version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    })
}

/// Remembers the approver list, so that an older one is refused from now on. `false` for another list with the version of
/// the newest one: an administrator signed both, and only one was meant.
pub(crate) fn remember_approvers(executor: &Executor, version: u64, digest: &Digest) -> Result<bool, Fault> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    executor.journal().transact(|tx| {
        tx.sql().execute(
            "INSERT INTO executor_seen (what, version, digest) VALUES ('approvers', ?1, ?2)
             ON CONFLICT (what) DO UPDATE SET version = excluded.version, digest = excluded.digest
             WHERE excluded.version > version",
            (version, digest.to_string()),
        )?;
        let query = "SELECT version = ?1 AND digest = ?2 FROM executor_seen WHERE what = 'approvers'";
        Ok::<bool, Fault>(
            tx.sql()
                .query_row(query, (version, digest.to_string()), |row| row.get(0))?,
        )
    })
}

fn first_order(executor: &Executor, plan: &Digest, action: Action) -> Result<Option<String>, Fault> {
    executor.journal().view(|sql| {
        let query = "SELECT order_id FROM executor_ledger WHERE plan_digest = ?1 AND action = ?2";
        let order = sql.query_row(query, (plan.to_string(), action_name(action)), |row| row.get(0));
        Ok(order.optional()?)
    })
}

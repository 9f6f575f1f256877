//! What executors get: their order, the plan's standing of this moment, and an ear for their reports.

use std::time::Duration;

use approval::{Order, Standing, StandingState};
use runbooks::{Digest, Timestamp};
use serde_json::Value;

use crate::execution::{Execution, OrderEvent, Report};
use crate::freezing::FreezeMark;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::Status;
use crate::store::Rows;

impl Gate {
    /// Hands the oldest order to its executor, waiting up to `wait` for one. The same executor gets the same order
    /// again until it has reported on it: the answer may have been lost, and its own ledger lets it run once.
    ///
    /// # Errors
    /// When another executor asks than the one this gate serves, or the order could not be journalled as claimed.
    pub async fn claim(
        &self,
        executor: &str,
        environments: &[String],
        wait: Duration,
    ) -> Result<Option<String>, Refusal> {
        self.check_executor(executor, environments)?;
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Made before looking, so that an order queued in between wakes it.
            let woken = self.orders.notified();
            if let Some(order) = tokio::task::block_in_place(|| self.hand_out(executor))? {
                return Ok(Some(order));
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep_until(deadline) => return Ok(None),
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    /// Whether this is the executor that this gate serves.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_executor(&self, executor: &str, environments: &[String]) -> Result<(), Refusal> {
        if executor != self.audience {
            return Err(approval::Refusal::WrongAudience {
                found: executor.to_owned(),
                expected: self.audience.clone(),
            }
            .into());
        }
        if !environments.contains(&self.environment) {
            let message = format!("this gate serves `{}` alone", self.environment);
            return Err(Refusal::new("wrong_environment", message));
        }
        Ok(())
    }

    /// The gate's signed word on a plan, as of now.
    ///
    /// # Errors
    /// When nothing was ever ordered for this plan.
    pub fn standing(&self, plan: Digest) -> Result<String, Refusal> {
        self.store.check_writable(&self.id)?;
        let now = self.now();
        let standing = self.store.view(|rows| self.standing_of(rows, plan, now))?;
        standing
            .sign(&self.key)
            .map_err(|error| Refusal::because("internal", &error))
    }

    /// Takes what an executor says about its order. The same report again changes nothing.
    ///
    /// # Errors
    /// When there is no such order, or nobody claimed it.
    pub fn report(&self, order: &str, kind: &str, data: Value) -> Result<(), Refusal> {
        if !(1..=64).contains(&kind.len())
            || !kind
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(Refusal::new(
                "malformed_report",
                "a report's kind is 1 to 64 characters of `a-z 0-9 _`",
            ));
        }
        let at = self.now();
        self.store.change(|change| {
            let execution = change
                .execution(order)?
                .ok_or_else(|| Refusal::new("unknown_order", format!("there is no order `{order}`")))?;
            if execution.has_report(kind, &data) {
                return Ok(());
            }
            if execution.reports.len() >= MAX_REPORTS {
                return Err(Refusal::new(
                    "too_many_reports",
                    format!("an execution has at most {MAX_REPORTS} reports"),
                ));
            }
            let report = Report {
                kind: kind.to_owned(),
                data,
                at,
            };
            change
                .order_event(Some(execution), OrderEvent::Reported(report))
                .map(drop)
        })
    }

    fn hand_out(&self, executor: &str) -> Result<Option<String>, Refusal> {
        let now = self.now();
        if self.store.view(|rows| ready(rows, executor, now))?.is_none() {
            return Ok(None);
        }
        self.store.change(|change| {
            let Some(execution) = ready(change, executor, now)? else {
                return Ok(None);
            };
            let order = self.order_document(change, &execution, now)?;
            let signed = order
                .sign(&self.key)
                .map_err(|error| Refusal::because("internal", &error))?;
            // Journalled each time, so that it is in a published checkpoint before the executor has it.
            let claimed = OrderEvent::Claimed {
                executor: executor.to_owned(),
                at: now,
            };
            change.order_event(Some(execution), claimed)?;
            Ok(Some(signed))
        })
    }

    fn order_document(&self, rows: &Rows<'_>, execution: &Execution, now: Timestamp) -> Result<Order, Refusal> {
        let ordered = &execution.ordered;
        let text =
            |digest| String::from_utf8(rows.content(digest)?).map_err(|error| Refusal::because("internal", &error));
        Ok(Order {
            schema: Order::SCHEMA.to_owned(),
            id: ordered.id.clone(),
            action: ordered.action,
            gate: self.id.clone(),
            audience: ordered.audience.clone(),
            environment: ordered.environment.clone(),
            plan: text(ordered.plan_digest)?,
            token: text(ordered.token)?,
            issued_at: ordered.queued_at,
            standing: self.standing_of(rows, ordered.plan_digest, now)?,
        })
    }

    fn standing_of(&self, rows: &Rows<'_>, plan: Digest, now: Timestamp) -> Result<Standing, Refusal> {
        // The newest order counts: a revoked execution must not stop the rollback that people approved afterwards.
        let newest = rows.executions_of(plan)?.into_iter().next();
        let newest = newest.ok_or_else(|| Refusal::new("unknown_plan", format!("nothing was ordered for `{plan}`")))?;
        let request = rows.request(&newest.ordered.request)?;
        let granted = request.as_ref().and_then(|request| request.granted.as_ref());
        let is_over = granted.map_or(Ok(false), |granted| self.is_grant_over(rows, granted))?;
        let state = match request.map(|request| request.status) {
            Some(Status::Used { .. }) if is_over => StandingState::Revoked,
            Some(Status::Used { .. }) if FreezeMark::read(rows)?.is_frozen() => StandingState::Frozen,
            Some(Status::Used { .. }) => StandingState::Valid,
            _ => StandingState::Revoked,
        };
        Ok(Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: self.id.clone(),
            plan_digest: plan,
            state,
            as_of: now,
        })
    }
}

fn ready(rows: &Rows<'_>, executor: &str, now: Timestamp) -> Result<Option<Execution>, Refusal> {
    if FreezeMark::read(rows)?.is_frozen() {
        return Ok(None);
    }
    Ok(rows
        .open_executions()?
        .into_iter()
        .find(|execution| execution.may_be_handed_to(executor, now)))
}

const MAX_REPORTS: usize = 500;

//! The early look at policy: a plan that would be refused anyway costs no human a thought. The gate judges again.

use std::time::Instant;

use chrono::Utc;
use incident::{Event, HandOverReason, Incident, RefusedBy};
use policies::PolicyContext;
use runbooks::{Plan, Timestamp};
use serde_json::Value;

use super::{Halt, Step, plan_of};
use crate::pipeline::Pipeline;

impl Pipeline {
    pub(crate) fn look_at_policy(&self, incident: &Incident) -> Step {
        let record = plan_of(incident)?;
        let plan = Plan::admit(record.text.as_bytes(), &self.catalog).map_err(|e| {
            let message = format!("the plan is no longer what our catalog renders: {}", crate::chain(&e));
            Halt::hand_over(HandOverReason::NoRunbook, message)
        })?;
        let document = plan.document();
        let context = PolicyContext {
            now: Timestamp::from(Utc::now()),
            requester: document.requester.clone(),
            target: document.target.clone(),
            // What only the gate knows is not guessed here: it judges by the real numbers.
            executions_last_day: 0,
            freeze: false,
        };
        let started = Instant::now();
        let judged = self.policy.judge(&plan, &context);
        let evaluation = judged.evaluation(&context.requester, started.elapsed());
        // Journalled before the next step acts on it, beside it what every process keeps of an evaluation.
        let mut decision = serde_json::to_value(judged).map_err(|e| Halt::internal(&e))?;
        let evaluation = serde_json::to_value(evaluation).map_err(|e| Halt::internal(&e))?;
        if let (Some(decision), Value::Object(evaluation)) = (decision.as_object_mut(), evaluation) {
            decision.extend(evaluation);
        }
        Ok(Event::Judged { decision }.into())
    }

    pub(crate) fn refuse(&self, incident: &Incident) -> Step {
        let denial = incident
            .decision
            .as_ref()
            .and_then(|decision| decision.pointer("/denials/0"));
        let word = |key: &str| {
            denial
                .and_then(|denial| denial.get(key))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let code = word("code").unwrap_or_else(|| "policy_denied".to_owned());
        let message = word("message").unwrap_or_else(|| "the policy does not allow the plan".to_owned());
        Ok(Event::PolicyRefused {
            by: RefusedBy::EarlyLook,
            code,
            message,
        }
        .into())
    }
}

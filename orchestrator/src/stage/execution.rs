//! Waits for the executor's word, as the gate passes it on. Nothing is executed here.

use std::time::Duration;

use chrono::Utc;
use incident::{Event, ExecutionResult, HandOverReason, Incident};
use runbooks::{PlanDocument, Timestamp};
use serde_json::Value;

use super::{Halt, Step, document_of, plan_of};
use crate::gate::Progress;
use crate::pipeline::Pipeline;

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// What an executor may need beyond its windows to roll back and to report.
const GRACE_S: i64 = 600;

impl Pipeline {
    pub(crate) async fn await_execution(&self, incident: &Incident) -> Step {
        let document = document_of(plan_of(incident)?)?;
        let ticket = incident.execution.as_ref();
        let ticket =
            ticket.ok_or_else(|| Halt::hand_over(HandOverReason::Internal, "the incident has no execution"))?;
        let deadline = last_word_by(&document);
        loop {
            match self.gate.execution(&ticket.execution_id).await {
                Ok(progress) => {
                    if let Some(event) = read_end(progress) {
                        return Ok(event.into());
                    }
                }
                Err(error) => tracing::warn!(incident = %incident.id, code = error.code(), "the gate does not answer"),
            }
            if Timestamp::from(Utc::now()) > deadline {
                let message = format!(
                    "no word of execution `{}`; look at the executor's journal",
                    ticket.execution_id
                );
                return Err(Halt::hand_over(HandOverReason::ExecutionUnknown, message));
            }
            self.pause(BETWEEN_LOOKS).await?;
        }
    }
}

fn last_word_by(document: &PlanDocument) -> Timestamp {
    document
        .expires_at
        .plus_s(i64::from(document.verification.deadline_s))
        .plus_s(GRACE_S)
}

/// `None`: it is not over.
fn read_end(progress: Progress) -> Option<Event> {
    let Progress {
        status,
        outcome,
        report,
    } = progress;
    if status == "lapsed" {
        return Some(Event::Expired {
            message: "no executor took the order in time".to_owned(),
        });
    }
    if status != "done" {
        return None;
    }
    let outcome = outcome.unwrap_or_default();
    let result = match outcome.as_str() {
        "done" => ExecutionResult::Done,
        "rolled_back" => ExecutionResult::RolledBack,
        "rollback_failed" => ExecutionResult::RollbackFailed,
        "not_recovered" => ExecutionResult::NotRecovered,
        // `failed`, `refused`, and any word that is new here: it did not do what was signed.
        _ => ExecutionResult::Stopped,
    };
    let message = last_message(&report).unwrap_or_else(|| format!("the executor reports `{outcome}`"));
    Some(Event::Executed {
        result,
        message,
        report,
    })
}

fn last_message(report: &Value) -> Option<String> {
    let last = report.get("reports")?.as_array()?.last()?;
    let data = last.get("data")?;
    let word = |key: &str| data.get(key).and_then(Value::as_str);
    let message = word("message").or_else(|| word("reason"))?;
    Some(word("code").map_or_else(|| message.to_owned(), |code| format!("{code}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result_of(status: &str, outcome: Option<&str>) -> Option<ExecutionResult> {
        let progress = Progress {
            status: status.to_owned(),
            outcome: outcome.map(str::to_owned),
            report: json!({}),
        };
        match read_end(progress)? {
            Event::Executed { result, .. } => Some(result),
            _ => None,
        }
    }

    #[test]
    fn only_done_is_done_and_a_new_word_is_not() {
        assert_eq!(result_of("claimed", None), None);
        assert_eq!(result_of("done", Some("done")), Some(ExecutionResult::Done));
        for odd in [Some("failed"), Some("refused"), Some("magnificent"), None] {
            assert_eq!(result_of("done", odd), Some(ExecutionResult::Stopped), "{odd:?}");
        }
    }
}

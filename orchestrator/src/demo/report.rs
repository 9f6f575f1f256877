//! How the demo ended: the one JSON document, or the last lines of the story, and the exit code.

use std::path::PathBuf;

use anyhow::{Context, Result};
use incident::{Incident, Outcome};
use kit::ExitCode;
use runbooks::{Action, PlanDocument};
use serde::Serialize;
use serde_json::{Value, json};

use super::faults::Scenario;
use super::story::{Story, whole_ms};
use crate::commands::exit_code;
use crate::terminal::print_line;

/// Where post-mortems of demos are left: under the folder the demo was started in.
const OUT: &str = "demo-run";

/// Makes the place for the post-mortem, before anything is started for which there would be no place.
pub(super) fn make_room() -> Result<()> {
    std::fs::create_dir_all(OUT).with_context(|| format!("could not make the folder `{OUT}` here"))
}

/// One question to the database itself.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub says: String,
    pub holds: bool,
}

pub(super) struct Report {
    body: Value,
    outcome: Option<Outcome>,
    recovered: bool,
    post_mortem: PathBuf,
}

impl Report {
    pub fn new(
        scenario: Scenario,
        incident: &Incident,
        story: &Story,
        asked: Vec<Asked>,
        post_mortem: &str,
    ) -> Result<Self> {
        let file = PathBuf::from(OUT).join(format!("{}.md", incident.id));
        std::fs::write(&file, post_mortem).with_context(|| format!("could not write `{}`", file.display()))?;
        let span = |from: &str, to: &str| story.between(from, to).map(whole_ms);
        let plan: Option<PlanDocument> = incident
            .plan
            .as_ref()
            .and_then(|plan| serde_json::from_str(&plan.text).ok());
        let script: Vec<String> = plan
            .iter()
            .flat_map(|plan| &plan.steps)
            .map(|step| statement(&step.action))
            .collect();
        let outcome = incident.state.outcome();
        let recovered = outcome == Some(Outcome::Resolved) && asked.iter().all(|one| one.holds);
        let body = json!({
            "incident": scenario.name(),
            "id": incident.id,
            "outcome": outcome.map(|outcome| outcome.to_string()),
            "recovered": recovered,
            "root_cause": incident.findings.as_ref().and_then(|f| f.hypotheses.first()).map(|best| best.root_cause),
            "plan": {"runbook": plan.as_ref().map(|p| &p.runbook.id), "digest": incident.plan.as_ref().map(|p| p.digest), "script": script},
            "approval": {"page": incident.request.as_ref().map(|r| &r.approval_url), "approvers": incident.approval.as_ref().map(|a| &a.approvers)},
            "timings_ms": {
                "set_up": span("began", "services_ready"),
                "alert_to_awaiting_approval": span("alert_sent", "requested"),
                "alert_accepted": span("alert_sent", "alert_accepted"),
                "evidence": span("diagnosis_started", "evidence_taken"),
                "diagnosis": span("evidence_taken", "diagnosed"),
                "plan": span("diagnosed", "planned"),
                "debate_and_policy": span("planned", "judged"),
                "gate": span("judged", "requested"),
                "decision": span("requested", "approved"),
                "execution": span("submitted", "executed"),
                "recovery_check": span("executed", "recovered"),
                "alert_to_recovered": span("alert_sent", "recovered"),
                "moments": story.moments_ms(),
            },
            "asked_the_database": asked,
            "post_mortem": file,
        });
        Ok(Self {
            body,
            outcome,
            recovered,
            post_mortem: file,
        })
    }

    pub fn print(&self, json: bool) -> Result<ExitCode> {
        if json {
            print_line(&serde_json::to_string(&self.body)?)?;
        } else {
            print_line(&format!("post-mortem: {}", self.post_mortem.display()))?;
            print_line(if self.recovered { "recovered" } else { "NOT recovered" })?;
        }
        Ok(match self.outcome {
            Some(Outcome::Resolved) if self.recovered => ExitCode::Done,
            // Recovered as the telemetry has it, and yet the database itself says no: that is a failure of ours.
            Some(Outcome::Resolved) | None => ExitCode::Failed,
            Some(outcome) => match exit_code(outcome) {
                // In the demo there is a fault: an incident that ended without repair did not recover.
                ExitCode::Done => ExitCode::Failed,
                code => code,
            },
        })
    }
}

/// The one document, when it came to none.
pub(super) fn print_failure(incident: &str, why: &str, story: &Story) -> Result<ExitCode> {
    let body =
        json!({"incident": incident, "recovered": false, "error": why, "timings_ms": {"moments": story.moments_ms()}});
    print_line(&serde_json::to_string(&body)?)?;
    Ok(ExitCode::Failed)
}

fn statement(action: &Action) -> String {
    action.text()
}

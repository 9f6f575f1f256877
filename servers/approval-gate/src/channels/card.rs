//! What a message says of a request, in plain words; each channel makes it harmless in its own way.

use approval::{Action, Method};
use runbooks::{PlanDocument, Timestamp};

use crate::execution::Execution;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::{Request, Signed, Status};
use crate::sheet::{action_name, risk_name};
use crate::store::Rows;
use crate::text::{excerpt, grouped};

/// A request in a few lines. The whole of it is on the page.
#[derive(Debug, Clone)]
pub struct Card {
    /// The request.
    pub id: String,
    /// The plan's title.
    pub title: String,
    /// Label and value, the foreign ones cut and made visible.
    pub facts: Vec<(&'static str, String)>,
    /// SHA-256 of the plan, in groups of eight.
    pub digest: String,
    /// The same without spaces.
    pub hex: String,
    /// The page.
    pub url: String,
    /// Whether it still waits for people.
    pub is_pending: bool,
    /// Whether a no can still stop something.
    pub may_reject: bool,
    /// What became of it so far, line by line.
    pub story: Vec<String>,
    /// Until when people may approve.
    pub approve_by: Timestamp,
    counting: Vec<Method>,
}

impl Card {
    /// Reads what a message shows.
    ///
    /// # Errors
    /// When the plan is gone or changed.
    pub fn of(gate: &Gate, rows: &Rows<'_>, request: &Request, execution: Option<&Execution>) -> Result<Self, Refusal> {
        let terms = &request.terms;
        let plan: PlanDocument = rows.json_content(terms.plan_digest)?;
        let target = &terms.target;
        let place = format!("{} ({}), database {}", target.name, target.environment, target.database);
        let radius = plan
            .blast_radius
            .iter()
            .map(|one| format!("at most {} {}", one.limit, one.unit));
        let runbook = format!("{} version {}", plan.runbook.id, plan.runbook.version);
        let facts = [
            ("Target", place),
            ("Runbook", runbook),
            ("Risk", risk_name(plan.risk).to_owned()),
            ("Blast radius", radius.collect::<Vec<_>>().join(", ")),
            ("Steps", steps(&plan, terms.action)),
            ("Incident", terms.incident.clone()),
            ("Asked by", terms.requester.clone()),
        ];
        let counting = [Method::Slack, Method::Pagerduty]
            .into_iter()
            .filter(|method| gate.floor.attested && terms.methods.iter().any(|allowed| allowed == method.name()));
        Ok(Self {
            id: terms.id.clone(),
            title: excerpt(
                &format!("{}: {}", capital(action_name(terms.action)), terms.title),
                MAX_TITLE,
            ),
            facts: facts
                .into_iter()
                .map(|(label, value)| (label, excerpt(&value, MAX_VALUE)))
                .collect(),
            digest: grouped(&terms.plan_digest.hex()),
            hex: terms.plan_digest.hex(),
            url: format!("{}/requests/{}", gate.base_url(), terms.id),
            is_pending: request.status == Status::Pending,
            may_reject: request.can_be_rejected() && !execution.is_some_and(Execution::is_over),
            story: story(request, execution),
            approve_by: terms.approve_by,
            counting: counting.collect(),
        })
    }

    /// The digest's first digits, by which an answer says what it is about.
    pub fn code(&self, digits: usize) -> &str {
        self.hex.get(..digits).unwrap_or(&self.hex)
    }

    /// Whether an approval given so would count.
    pub fn may_approve_by(&self, method: Method) -> bool {
        self.is_pending && self.counting.contains(&method)
    }
}

fn steps(plan: &PlanDocument, action: Action) -> String {
    let undoable = plan.steps.iter().filter(|step| step.rollback.undo().is_some()).count();
    match action {
        Action::Execute => {
            let lost = plan.steps.iter().filter(|step| step.irreversible).count();
            format!("{}, {undoable} with a way back, {lost} irreversible", plan.steps.len())
        }
        Action::Rollback => format!("{undoable} to undo"),
    }
}

fn story(request: &Request, execution: Option<&Execution>) -> Vec<String> {
    let terms = &request.terms;
    let mut story: Vec<String> = request.approvals.iter().map(|signed| by("Approved", signed)).collect();
    if let Some(granted) = &request.granted {
        story.push(format!(
            "Approved ahead of time: grant {}, signed by {}; nobody was asked",
            granted.grant,
            granted.approvers.join(", ")
        ));
    }
    match &request.status {
        Status::Pending => {
            story.push(format!(
                "Waits: {} of {} have signed",
                request.approvals.len(),
                terms.need
            ));
        }
        Status::Approved => story.push("Enough people have signed; it was not ordered yet".to_owned()),
        Status::Rejected(no) | Status::Revoked { by: no, .. } => story.push(by("Rejected", no)),
        Status::Expired { at } if request.is_quorum() => story.push(format!("Nobody used it in time; ended at {at}")),
        Status::Expired { at } => story.push(format!("Nobody decided in time; ended at {at}")),
        Status::Used { .. } => {}
    }
    if let Some(execution) = execution {
        let now = execution.progress.outcome().unwrap_or(execution.progress.name());
        story.push(format!(
            "Execution {}: {}",
            execution.ordered.id,
            excerpt(now, MAX_VALUE)
        ));
    }
    story
}

fn by(what: &str, signed: &Signed) -> String {
    format!(
        "{what} by {} ({}) at {}",
        signed.approver,
        signed.method.name(),
        signed.at
    )
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

const MAX_TITLE: usize = 110;
const MAX_VALUE: usize = 300;

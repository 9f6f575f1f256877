//! Shows the plan and signs for the person who said yes, with `approval-gate` itself and the key made for the demo.

use anyhow::{Context, Result};
use incident::{Event, Opinion, RequestTicket, Verdict};
use runbooks::{PlanDocument, Rollback};
use tokio::process::Command;
use tokio::sync::broadcast::Receiver;

use super::approver::{Answer, ask};
use super::binaries::Binaries;
use super::identities::{Identities, run};
use super::story::Story;
use crate::progress::Progress;

/// What is needed to sign.
pub(super) struct Approving<'a> {
    pub binaries: &'a Binaries,
    pub identities: &'a Identities,
    pub gate_url: &'a str,
    /// Whose key signs.
    pub approver: &'a str,
    pub unattended: bool,
}

impl Approving<'_> {
    /// Asks, and hands the decision to the gate. Whoever signs in another terminal meanwhile answers the question too.
    pub async fn decide(&self, story: &mut Story, request: &RequestTicket, events: Receiver<Progress>) -> Result<()> {
        let answer = if self.unattended {
            Answer::Yes
        } else {
            story.show(&format!("or, in another terminal:  {}", self.command_line(request)));
            tokio::select! {
                answer = ask("Do you sign this plan?") => answer?,
                () = decided_elsewhere(events) => {
                    story.say("decided elsewhere");
                    return Ok(());
                }
            }
        };
        story.mark("decided");
        let mut command = Command::new(&self.binaries.approval_gate);
        match answer {
            Answer::Yes => command.args(["approve", &request.request_id, "--yes"]),
            Answer::No => command.args(["reject", &request.request_id, "--reason", "refused in the demo"]),
        };
        command
            .args(["--gate", self.gate_url, "--approver", self.approver, "--key"])
            .arg(self.identities.key_of(self.approver));
        run(&mut command).await.context("the decision did not reach the gate")?;
        story.say(match answer {
            Answer::Yes => "signed with the demo's key by `approval-gate approve`",
            Answer::No => "refused with the demo's key by `approval-gate reject`",
        });
        Ok(())
    }

    fn command_line(&self, request: &RequestTicket) -> String {
        let gate = self.binaries.approval_gate.display();
        let key = self.identities.key_of(self.approver);
        format!(
            "{gate} approve {} --gate {} --key {}",
            request.request_id,
            self.gate_url,
            key.display()
        )
    }
}

/// Returns when the incident goes on without us.
async fn decided_elsewhere(mut events: Receiver<Progress>) {
    while let Ok(Progress { event, .. }) = events.recv().await {
        if !matches!(event, Event::AlertJoined { .. } | Event::AlertResolved { .. }) {
            return;
        }
    }
    std::future::pending().await
}

/// The plan as a person reads it: each statement exactly as it will be sent.
pub(super) fn show_plan(story: &Story, plan: &PlanDocument, digest: &str, request: &RequestTicket) {
    story.show(&format!("plan      {}", plan.title));
    story.show(&format!("digest    {digest}"));
    story.show(&format!("page      {}", request.approval_url));
    for (index, step) in plan.steps.iter().enumerate() {
        story.show(&format!("step {}    {}", index + 1, step.summary));
        for line in step.action.text().lines() {
            story.show(&format!("          {line}"));
        }
        let undo = match &step.rollback {
            Rollback::Exact(undo) | Rollback::Compensating(undo) => undo.summary.clone(),
            Rollback::None(none) => format!("none: {}", none.reason),
        };
        story.show(&format!("rollback  {undo}"));
    }
    for radius in &plan.blast_radius {
        let expected = radius
            .expected
            .as_ref()
            .map(|n| format!(", {n} expected"))
            .unwrap_or_default();
        story.show(&format!("reach     at most {} {}{expected}", radius.limit, radius.unit));
    }
}

/// What speaks against the plan belongs before the eyes of whoever signs it.
pub(super) fn show_objections(story: &Story, opinions: &[Opinion]) {
    for opinion in opinions.iter().filter(|opinion| opinion.verdict == Verdict::Object) {
        for reason in &opinion.reasons {
            story.show(&format!("{} objects: {}", opinion.agent, reason.says));
        }
    }
}

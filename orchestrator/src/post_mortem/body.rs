//! The sections of a post-mortem, in the order in which they are read.

use incident::{Author, Incident, Opinion, Revision, Signal};
use runbooks::{PlanDocument, Rollback, Source, Step};
use serde_json::Value;

use super::Record;
use super::markdown::Page;

pub(super) fn summary(page: &mut Page, record: &Record<'_>) {
    let incident = record.incident;
    let document = document(incident);
    let title = document
        .as_ref()
        .map_or("no plan was made", |document| document.title.as_str());
    page.title(&format!("Post-mortem {}: {title}", incident.id));
    let outcome = incident
        .state
        .outcome()
        .map_or_else(|| incident.state.to_string(), |outcome| outcome.to_string());
    let cause = incident
        .findings
        .as_ref()
        .and_then(|findings| findings.hypotheses.first());
    let alerts: Vec<&str> = incident
        .alerts
        .iter()
        .map(|record| record.alert.name.as_str())
        .collect();
    page.facts(&[
        ("Outcome", outcome),
        ("Target", incident.target.clone()),
        ("Alerts", alerts.join(", ")),
        (
            "Root cause",
            cause.map_or_else(
                || "none named".to_owned(),
                |best| format!("{} ({} %)", best.root_cause, best.confidence_pct),
            ),
        ),
        (
            "Runbook",
            document.as_ref().map_or_else(
                || "none".to_owned(),
                |d| format!("{} version {}", d.runbook.id, d.runbook.version),
            ),
        ),
        ("Approved by", approvers(incident)),
        (
            "First alert",
            record.entries.first().map(|entry| entry.at.clone()).unwrap_or_default(),
        ),
        (
            "Last event",
            record.entries.last().map(|entry| entry.at.clone()).unwrap_or_default(),
        ),
    ]);
    if let Some(best) = cause {
        page.text(&best.explanation);
    }
    if let Some(ending) = &incident.ending {
        page.text(&format!("How it ended: {}", ending.message));
    }
}

pub(super) fn diagnosis(page: &mut Page, incident: &Incident) {
    page.section("Diagnosis");
    let Some(findings) = &incident.findings else {
        page.text("There was none.");
        return;
    };
    page.text(&match &findings.author {
        Author::Offline => "Made by rules over evidence; no model took part.".to_owned(),
        Author::Model { name } => format!("Made by the model {name}, and held against the evidence."),
    });
    for note in &incident.diagnosis_notes {
        page.text(&format!("Note: {note}."));
    }
    for hypothesis in &findings.hypotheses {
        page.text(&format!("{} ({} %)", hypothesis.root_cause, hypothesis.confidence_pct));
        for signal in &hypothesis.signals_for {
            page.bullet(&cited("for", signal));
        }
        for signal in &hypothesis.signals_against {
            page.bullet(&cited("against", signal));
        }
        page.end_list();
    }
    if !findings.rejected.is_empty() {
        page.text("Ruled out:");
        for rejection in &findings.rejected {
            for signal in &rejection.because {
                page.bullet(&format!("{}: {}", rejection.root_cause, cited("because", signal)));
            }
        }
        page.end_list();
    }
}

pub(super) fn evidence(page: &mut Page, incident: &Incident) {
    page.section("Evidence");
    page.table(
        &["Id", "Asked", "Taken at", "Took", "Digest"],
        incident.evidence.iter().map(|note| {
            let asked = format!("{} {}", note.server, note.tool);
            vec![
                note.id.clone(),
                asked,
                note.taken_at.to_string(),
                format!("{} ms", note.took_ms),
                note.digest.to_string(),
            ]
        }),
    );
    for missing in &incident.missing {
        page.bullet(&format!(
            "missing: {} {}: {}: {}",
            missing.server, missing.tool, missing.code, missing.message
        ));
    }
    if !incident.missing.is_empty() {
        page.end_list();
    }
}

pub(super) fn plan(page: &mut Page, incident: &Incident) {
    page.section("Plan");
    let (Some(record), Some(document)) = (&incident.plan, document(incident)) else {
        page.text("There was none.");
        return;
    };
    page.facts(&[
        ("Plan digest", record.digest.to_string()),
        ("Runbook digest", document.runbook.digest.to_string()),
        ("Policy digest", document.policy_digest.to_string()),
        (
            "Target",
            format!(
                "{} ({}), database {}, system {}",
                document.target.name,
                document.target.environment,
                document.target.database,
                document.target.system_identifier
            ),
        ),
        ("To be approved by", document.approve_by.to_string()),
        ("To be executed by", document.expires_at.to_string()),
    ]);
    page.table(
        &["Parameter", "Value", "From"],
        document.parameters.iter().map(|(name, bound)| {
            let from = match &bound.source {
                Source::Evidence { id, pointer, .. } => format!("{id} {pointer}"),
                Source::Literal => "the runbook's default".to_owned(),
                Source::Derived => "computed as the runbook says".to_owned(),
            };
            vec![name.clone(), plain(&bound.value), from]
        }),
    );
    for step in &document.steps {
        page.text(&format!("Step {}: {}", step.id, step.summary));
        page.fenced("sql", &statement(step));
        page.text(&rollback(step));
    }
    for radius in &document.blast_radius {
        let expected = radius
            .expected
            .as_ref()
            .map(|n| format!(", {n} expected"))
            .unwrap_or_default();
        page.bullet(&format!(
            "blast radius: at most {} {}{expected}. {}",
            radius.limit, radius.unit, radius.why
        ));
    }
    for other in &record.not_taken {
        page.bullet(&format!("not taken: {other}"));
    }
    page.end_list();
}

pub(super) fn debate(page: &mut Page, incident: &Incident) {
    if incident.opinions.is_empty() {
        return;
    }
    page.section("Debate");
    if let Some(Revision { plan, opinions }) = &incident.revision {
        page.text(&format!(
            "The first plan, `{}` version {}, met objections:",
            plan.draft.runbook, plan.draft.version
        ));
        say(page, opinions);
        page.text("Of the plan above:");
    }
    say(page, &incident.opinions);
}

fn say(page: &mut Page, opinions: &[Opinion]) {
    for opinion in opinions {
        let by = opinion
            .by
            .as_ref()
            .map(|model| format!(" (the model {model})"))
            .unwrap_or_default();
        page.text(&format!("{}{by}: {}", opinion.agent, opinion.verdict.as_str()));
        for reason in &opinion.reasons {
            page.bullet(&format!("{} ({})", reason.says, reason.cites.join(", ")));
        }
        page.end_list();
    }
}

pub(super) fn approval(page: &mut Page, incident: &Incident) {
    let Some(request) = &incident.request else { return };
    page.section("Approval");
    page.facts(&[
        ("Request", request.request_id.clone()),
        ("Approved by", approvers(incident)),
        (
            "Token hash",
            incident
                .approval
                .as_ref()
                .map(|approval| approval.token_hash.to_string())
                .unwrap_or_default(),
        ),
        (
            "Execution",
            incident
                .execution
                .as_ref()
                .map(|ticket| ticket.execution_id.clone())
                .unwrap_or_default(),
        ),
    ]);
    let Some(approval) = &incident.approval else { return };
    if let Some(grant) = &approval.grant {
        page.text(&format!(
            "Nobody was asked: grant {grant}, which they had signed before, covers this plan."
        ));
    }
    for review in &approval.reviews {
        let longest: Vec<String> = review.longest.iter().map(|(part, s)| format!("{part} {s} s")).collect();
        let parts = if longest.is_empty() {
            String::new()
        } else {
            format!("; in view longest: {}", longest.join(", "))
        };
        page.bullet(&format!(
            "{} decided {} s after it was shown{parts}",
            review.approver, review.took_s
        ));
    }
    if !approval.reviews.is_empty() {
        page.end_list();
    }
    if let Some(advice) = &approval.slow_review {
        page.text(advice);
    }
}

pub(super) fn recovery(page: &mut Page, incident: &Incident) {
    let Some(recovery) = &incident.recovery else { return };
    page.section("Recovery");
    let word = if recovery.recovered {
        "Recovered"
    } else {
        "Not recovered"
    };
    page.text(&format!(
        "{word}, as our own telemetry sees it. Signal: {}. It held for {} ms of {} s wanted; {} readings were taken.",
        recovery.signal, recovery.held_ms, recovery.hold_s, recovery.readings_taken
    ));
    page.table(
        &["At", "Value", "Holds"],
        recovery.readings.iter().map(|reading| {
            let holds = if reading.held { "yes" } else { "no" };
            vec![
                reading.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                plain(&reading.value),
                holds.to_owned(),
            ]
        }),
    );
    for reading in &recovery.collateral {
        page.bullet(&format!("collateral: {} is {}", reading.check, plain(&reading.value)));
    }
    if let Some(cause) = &recovery.diagnosed_after {
        page.bullet(&format!("a fresh diagnosis afterwards says: {cause}"));
    }
    page.end_list();
}

pub(super) fn next(page: &mut Page, incident: &Incident) {
    let look_at = incident
        .ending
        .as_ref()
        .map(|ending| ending.look_at.as_slice())
        .unwrap_or_default();
    if look_at.is_empty() {
        return;
    }
    page.section("What a human should look at");
    for item in look_at {
        page.bullet(item);
    }
    page.end_list();
}

pub(super) fn journal(page: &mut Page, record: &Record<'_>) {
    page.section("Journal");
    let seqs: Vec<String> = record.entries.iter().map(|entry| entry.seq.to_string()).collect();
    page.text(&format!(
        "Everything above stands in the journal under the subject {}, entries {}. Its signed head when this was written:",
        record.incident.id,
        seqs.join(", ")
    ));
    page.fenced("", record.checkpoint);
}

fn document(incident: &Incident) -> Option<PlanDocument> {
    serde_json::from_str(&incident.plan.as_ref()?.text).ok()
}

fn statement(step: &Step) -> String {
    step.action.text()
}

fn rollback(step: &Step) -> String {
    match &step.rollback {
        Rollback::Exact(undo) => format!("Rollback (exact): {}", undo.summary),
        Rollback::Compensating(undo) => format!("Rollback (compensating): {}", undo.summary),
        Rollback::None(none) => format!("Rollback: none. {}", none.reason),
    }
}

fn approvers(incident: &Incident) -> String {
    match &incident.approval {
        Some(approval) if !approval.approvers.is_empty() => approval.approvers.join(", "),
        Some(_) => "the people the gate knows".to_owned(),
        None => "nobody".to_owned(),
    }
}

fn cited(word: &str, signal: &Signal) -> String {
    format!("{word}: {} ({})", signal.says, signal.evidence)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

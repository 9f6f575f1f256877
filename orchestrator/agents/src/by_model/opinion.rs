//! The debate with a model: its opinions stand beside those of the rules, each reason tied to evidence or to the plan.

use std::time::Duration;

use futures_util::future::join_all;
use incident::{Opinion, Reason, Verdict};
use runbooks::Evidence;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{closed, list_of, text};
use crate::debate::{Case, debate};
use crate::quote::{quote, quote_as, visible};
use crate::session::{Agent, Counsel, Desk, Fault, converse};

const AGENTS: [(&str, &str); 3] = [
    ("cost", include_str!("../prompts/cost.md")),
    ("security", include_str!("../prompts/security.md")),
    ("reviewer", include_str!("../prompts/reviewer.md")),
];
const FORM: &str = include_str!("../prompts/opinion_form.md");
const MAX_REASONS: usize = 8;
const MAX_SAYS_BYTES: usize = 600;
const MAX_EVIDENCE: usize = 12;

/// One opinion from each agent by rules and, where there is a model, one more from each by it.
pub async fn debate_with(counsel: Option<&Counsel>, case: &Case<'_>) -> Vec<Opinion> {
    let mut opinions = debate(case);
    if let Some(counsel) = counsel {
        let asked = AGENTS.iter().map(|(name, prompt)| ask(counsel, name, prompt, case));
        opinions.extend(join_all(asked).await);
    }
    opinions
}

async fn ask(counsel: &Counsel, name: &'static str, prompt: &str, case: &Case<'_>) -> Opinion {
    let agent = Agent {
        name,
        prompt: format!("{}\n{FORM}", prompt.trim_end()),
        tools: &[],
        schema: answer_schema(),
        max_output_tokens: 2_000,
        deadline: Duration::from_secs(60),
    };
    let plan = serde_json::to_value(case.plan).unwrap_or_default();
    let findings = serde_json::to_value(case.findings).unwrap_or_default();
    let shown = shown(case);
    let mut opening = quote_as("plan", &plan) + &quote_as("diagnosis", &findings);
    opening.extend(shown.iter().map(quote));
    let mut desk = Desk {
        tools: None,
        evidence: shown,
        taken: Vec::new(),
    };
    let read = |text: &str, evidence: &[Evidence]| read(text, name, &plan, evidence);
    match converse(&agent, counsel, opening, &mut desk, read).await {
        Ok(answered) => Opinion {
            by: Some(answered.model),
            ..answered.value
        },
        // Silence is not consent: that this agent said nothing is shown as well.
        Err(error) => Opinion {
            agent: name.to_owned(),
            verdict: Verdict::Abstain,
            reasons: vec![Reason {
                says: format!("no opinion by the model: `{}`", error.code()),
                cites: Vec::new(),
            }],
            by: Some(counsel.model().name().to_owned()),
        },
    }
}

/// The evidence that the plan and the diagnosis stand on.
fn shown(case: &Case<'_>) -> Vec<Evidence> {
    let mut cited: Vec<&str> = case
        .findings
        .hypotheses
        .iter()
        .flat_map(incident::Hypothesis::cited)
        .collect();
    for parameter in case.plan.parameters.values() {
        if let runbooks::Source::Evidence { id, .. } = &parameter.source {
            cited.insert(0, id);
        }
    }
    let is_cited = |piece: &&Evidence| cited.contains(&piece.id.as_str());
    case.evidence
        .iter()
        .filter(is_cited)
        .take(MAX_EVIDENCE)
        .cloned()
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnswer {
    verdict: Verdict,
    reasons: Vec<Reason>,
}

fn read(text: &str, agent: &str, plan: &Value, evidence: &[Evidence]) -> Result<Opinion, Fault> {
    let wire: WireAnswer = serde_json::from_str(text.trim()).map_err(|error| Fault::malformed(&error))?;
    if wire.reasons.is_empty() && wire.verdict != Verdict::Abstain {
        return Err(Fault::new("unreasoned_verdict", "at least one reason"));
    }
    if wire.reasons.len() > MAX_REASONS || wire.reasons.iter().any(|reason| reason.says.len() > MAX_SAYS_BYTES) {
        let wanted = format!("at most {MAX_REASONS} reasons of at most {MAX_SAYS_BYTES} bytes each");
        return Err(Fault::new("oversized_opinion", wanted));
    }
    let stands = |cite: &String| match cite.strip_prefix('/') {
        Some(_) => plan.pointer(cite).is_some(),
        None => evidence.iter().any(|piece| piece.id == *cite),
    };
    for reason in &wire.reasons {
        if reason.cites.is_empty() {
            return Err(Fault::new("uncited_reason", "for every reason what it stands on"));
        }
        if !reason.cites.iter().all(stands) {
            let wanted = "only ids of evidence that is shown, and JSON pointers that find something in the plan";
            return Err(Fault::new("miscited_reason", wanted));
        }
    }
    Ok(Opinion {
        agent: agent.to_owned(),
        verdict: wire.verdict,
        reasons: wire
            .reasons
            .into_iter()
            .map(|reason| Reason {
                says: visible(&reason.says),
                cites: reason.cites,
            })
            .collect(),
        by: None,
    })
}

fn answer_schema() -> Value {
    let reason = closed(json!({"says": text(), "cites": list_of(text())}));
    closed(json!({"verdict": {"type": "string", "enum": ["support", "object", "abstain"]}, "reasons": list_of(reason)}))
}

#[cfg(test)]
mod tests;

//! The planner agent. It sees causes, places in evidence and the catalog: no word and no number of the telemetry. What it
//! drafts is taken only if the catalog can fill it for a cause of the diagnosis; else the rules' draft is.

use std::collections::BTreeMap;
use std::time::Duration;

use incident::{Diagnosis, Opinion, Verdict};
use runbooks::{Catalog, DraftValue, Evidence, Plan, PlanDocument, PlanDraft, PlanError};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::{closed, list_of, text};
use crate::plan::{Choice, NoPlan, candidates, check_answers, choose};
use crate::quote::quote_as;
use crate::session::{Agent, AgentError, Counsel, Desk, Fault, converse};

const PROMPT: &str = include_str!("../prompts/planner.md");

/// Renders a draft for the incident at hand.
pub type FillPlan<'a> = dyn Fn(&PlanDraft) -> Result<Plan, PlanError> + Sync + 'a;

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Planning<'a> {
    pub diagnosis: &'a Diagnosis,
    pub catalog: &'a Catalog,
    pub evidence: &'a [Evidence],
    pub fill: &'a FillPlan<'a>,
}

/// A plan, its draft, and what was not taken and why.
#[derive(Debug)]
pub struct Planned {
    pub plan: Plan,
    pub draft: PlanDraft,
    pub not_taken: Vec<String>,
}

/// Why there is no plan. Each is a hand-over.
#[derive(Debug, Error)]
pub enum PlanningError {
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    #[error("the catalog does not fill the draft")]
    NotFilled(#[source] PlanError),
}

/// What came of objections to a plan.
#[derive(Debug)]
pub enum Revision {
    /// Another plan, which the rules hold no more against.
    Revised(Box<Planned>),
    /// The planner takes the plan back, and a rule objects as well.
    Withdrawn,
    /// The plan stands, and the objections with it.
    Stands,
}

/// The model's plan if it stands, else that of the rules with the reason.
pub async fn plan(counsel: Option<&Counsel>, case: &Planning<'_>) -> Result<Planned, PlanningError> {
    let ruled = choose(case.diagnosis, case.catalog, case.evidence);
    // Where the catalog hands over, or nothing is to be done, there is nothing to choose.
    let may_choose = matches!(ruled, Ok(_) | Err(NoPlan::CannotFill { .. }));
    let Some(counsel) = counsel.filter(|_| may_choose) else {
        return by_rules(ruled?, case);
    };
    let (fate, plan) = match ask(counsel, case, None).await {
        Ok(Drafted::Plan(planned)) => ("", Some(planned)),
        Ok(Drafted::Withdrawn) => ("no_runbook_fits", None),
        Err(error) => (error.code(), None),
    };
    match (plan, ruled) {
        (Some(mut planned), Ok(ruled)) => {
            planned.not_taken = ruled.not_taken;
            if planned.draft.runbook != ruled.draft.runbook {
                planned
                    .not_taken
                    .push(format!("`{}`: the planner chose another", ruled.draft.runbook));
            }
            Ok(*planned)
        }
        (Some(planned), Err(_)) => Ok(*planned),
        (None, ruled) => {
            let mut planned = by_rules(ruled?, case)?;
            planned.not_taken.push(format!("the model's plan: `{fate}`"));
            Ok(planned)
        }
    }
}

/// Answers objections once: by another plan, by taking it back, or not at all. `judge` is the debate by rules alone.
pub async fn revise(
    counsel: Option<&Counsel>,
    case: &Planning<'_>,
    current: &PlanDraft,
    opinions: &[Opinion],
    judge: &(dyn Fn(&PlanDocument) -> Vec<Opinion> + Sync),
) -> Revision {
    let objecting = |opinions: &[Opinion]| {
        let by_rules = |opinion: &&Opinion| opinion.by.is_none() && opinion.verdict == Verdict::Object;
        opinions.iter().filter(by_rules).count()
    };
    let before = objecting(opinions);
    let after = |planned: &Planned| objecting(&judge(planned.plan.document()));
    if let Some(counsel) = counsel {
        match ask(counsel, case, Some((current, opinions))).await {
            Ok(Drafted::Plan(planned)) if planned.draft != *current && after(&planned) <= before => {
                return Revision::Revised(planned);
            }
            // A model alone cannot talk an incident out of its plan.
            Ok(Drafted::Withdrawn) if before > 0 => return Revision::Withdrawn,
            Ok(Drafted::Plan(_) | Drafted::Withdrawn) | Err(_) => {}
        }
    }
    if before == 0 {
        return Revision::Stands;
    }
    let others = candidates(case.diagnosis, case.catalog, case.evidence)
        .into_iter()
        .filter(|draft| draft != current);
    for draft in others {
        if let Ok(planned) = filled(draft, case)
            && after(&planned) < before
        {
            return Revision::Revised(Box::new(planned));
        }
    }
    Revision::Stands
}

fn by_rules(choice: Choice, case: &Planning<'_>) -> Result<Planned, PlanningError> {
    let mut planned = filled(choice.draft, case).map_err(PlanningError::NotFilled)?;
    planned.not_taken = choice.not_taken;
    Ok(planned)
}

fn filled(draft: PlanDraft, case: &Planning<'_>) -> Result<Planned, PlanError> {
    Ok(Planned {
        plan: (case.fill)(&draft)?,
        draft,
        not_taken: Vec::new(),
    })
}

enum Drafted {
    Plan(Box<Planned>),
    Withdrawn,
}

async fn ask(
    counsel: &Counsel,
    case: &Planning<'_>,
    objections: Option<(&PlanDraft, &[Opinion])>,
) -> Result<Drafted, AgentError> {
    let agent = Agent {
        name: "planner",
        prompt: PROMPT.to_owned(),
        tools: &[],
        schema: answer_schema(),
        max_output_tokens: 2_000,
        deadline: Duration::from_secs(60),
    };
    let mut desk = Desk {
        tools: None,
        evidence: Vec::new(),
        taken: Vec::new(),
    };
    let opening = quote_as("briefing", &briefing(case, objections));
    let answered = converse(&agent, counsel, opening, &mut desk, |text, _| read(text, case)).await?;
    Ok(answered.value)
}

/// The form of the answer. There is no place in it for a statement, and none for a number but the runbook's version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnswer {
    action: WireAction,
    runbook: String,
    version: u32,
    parameters: Vec<WireParameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireAction {
    Plan,
    Withdraw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireParameter {
    name: String,
    evidence: String,
    pointer: String,
}

fn read(text: &str, case: &Planning<'_>) -> Result<Drafted, Fault> {
    let wire: WireAnswer = serde_json::from_str(text.trim()).map_err(|error| Fault::malformed(&error))?;
    if matches!(wire.action, WireAction::Withdraw) {
        return Ok(Drafted::Withdrawn);
    }
    let mut parameters = BTreeMap::new();
    for WireParameter {
        name,
        evidence,
        pointer,
    } in wire.parameters
    {
        if parameters
            .insert(name, DraftValue::Evidence { evidence, pointer })
            .is_some()
        {
            return Err(Fault::new("repeated_parameter", "each parameter once"));
        }
    }
    let draft = PlanDraft {
        runbook: wire.runbook,
        version: wire.version,
        parameters,
    };
    check_answers(&draft, case.diagnosis, case.catalog).map_err(|code| {
        let wanted = "a runbook of the briefing, and for each of its parameters the place that belongs to an object of its cause";
        Fault::new(code, wanted)
    })?;
    let planned = filled(draft, case).map_err(|refused| {
        Fault::new(
            refused.code(),
            "every parameter of the runbook, at a place that it fits",
        )
    })?;
    Ok(Drafted::Plan(Box::new(planned)))
}

/// All that the planner sees. Our own words, closed vocabularies, and places; what a stranger may have named is left out.
fn briefing(case: &Planning<'_>, objections: Option<(&PlanDraft, &[Opinion])>) -> Value {
    let hypotheses: Vec<Value> = case.diagnosis.findings().hypotheses.iter().map(|hypothesis| {
        let objects: Vec<Value> = hypothesis.objects.values().filter(|object| is_plain(&object.pointer)).map(|object| {
            json!({"evidence": object.evidence, "pointer": object.pointer})
        }).collect();
        json!({"root_cause": hypothesis.root_cause, "confidence_pct": hypothesis.confidence_pct, "objects": objects})
    }).collect();
    let named = |cause: &str| {
        case.diagnosis
            .findings()
            .hypotheses
            .iter()
            .any(|h| h.root_cause.as_str() == cause)
    };
    let runbooks: Vec<Value> = case.catalog.iter().map(runbooks::Runbook::document).filter(|runbook| named(&runbook.root_cause)).map(|runbook| {
        let bound = runbook.parameters.iter().filter_map(|(name, spec)| Some((name, spec.evidence.as_ref()?)));
        let parameters: Vec<Value> = bound.map(|(name, binding)| {
            json!({"name": name, "server": binding.server, "tool": binding.tool, "pointer": binding.pointer})
        }).collect();
        json!({"runbook": runbook.id, "version": runbook.version, "root_cause": runbook.root_cause, "when": runbook.when,
               "when_not": runbook.when_not, "risk": runbook.risk, "parameters": parameters})
    }).collect();
    let evidence: Vec<Value> = case
        .evidence
        .iter()
        .map(|piece| json!({"id": piece.id, "server": piece.server, "tool": piece.tool}))
        .collect();
    let mut briefing = json!({"hypotheses": hypotheses, "evidence": evidence, "runbooks": runbooks});
    if let (Some((current, opinions)), Some(map)) = (objections, briefing.as_object_mut()) {
        let objections: Vec<Value> = opinions
            .iter()
            .filter(|opinion| opinion.verdict == Verdict::Object)
            .map(|opinion| {
                let cites = opinion
                    .reasons
                    .iter()
                    .flat_map(|reason| &reason.cites)
                    .filter(|cite| is_plain(cite));
                json!({"agent": opinion.agent, "cites": cites.collect::<Vec<_>>()})
            })
            .collect();
        map.insert(
            "your_plan".to_owned(),
            json!({"runbook": current.runbook, "version": current.version}),
        );
        map.insert("objections".to_owned(), Value::Array(objections));
    }
    briefing
}

/// A place made of our own words and indices: a key that the database chose may be a sentence.
fn is_plain(place: &str) -> bool {
    place.len() <= 120
        && place
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'-'))
}

fn answer_schema() -> Value {
    let parameter = closed(json!({"name": text(), "evidence": text(), "pointer": text()}));
    closed(json!({
        "action": {"type": "string", "enum": ["plan", "withdraw"]},
        "runbook": text(),
        "version": {"type": "integer"},
        "parameters": list_of(parameter),
    }))
}

#[cfg(test)]
mod tests;

//! From root cause to draft by the catalog's own declarations: which runbook answers it, and where its values stand.

use std::collections::BTreeMap;

use incident::{Diagnosis, Hypothesis, RootCause};
use runbooks::{Binding, Catalog, DraftValue, Evidence, PlanDraft, Runbook};
use thiserror::Error;

use crate::thresholds::THRESHOLDS;

/// The draft that was chosen, and the runbooks that answer the same cause but were not.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub draft: PlanDraft,
    pub not_taken: Vec<String>,
}

/// Why there is no draft. Each is a hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoPlan {
    #[error("the database needs no action")]
    NothingToDo,
    #[error("no root cause was found that a runbook could answer")]
    Unexplained,
    #[error("no runbook answers `{cause}`{}", .hand_over.as_ref().map(|to| format!(": {}", to.why)).unwrap_or_default())]
    NoRunbook {
        cause: RootCause,
        /// What the catalog says of it.
        hand_over: Option<Box<HandingOver>>,
    },
    #[error("no runbook for `{cause}` can be filled from the evidence: {reasons}")]
    CannotFill { cause: RootCause, reasons: String },
}

/// Why the company's catalog leaves a cause to people, to whom, and what they look at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandingOver {
    pub why: String,
    pub to: String,
    pub look_at: Vec<String>,
}

/// Chooses for the best hypothesis: of the runbooks that can be filled, the one with the lowest risk.
pub fn choose(diagnosis: &Diagnosis, catalog: &Catalog, evidence: &[Evidence]) -> Result<Choice, NoPlan> {
    let best = diagnosis.best();
    match best.root_cause {
        RootCause::NoDatabaseAction => return Err(NoPlan::NothingToDo),
        RootCause::Unexplained => return Err(NoPlan::Unexplained),
        _ => {}
    }
    let mut candidates: Vec<&Runbook> = catalog
        .iter()
        .filter(|runbook| runbook.document().root_cause == best.root_cause.as_str())
        .collect();
    if candidates.is_empty() {
        let mut entries = catalog.hand_overs().map(runbooks::HandOver::document);
        let entry = entries.find(|entry| entry.root_cause == best.root_cause.as_str());
        return Err(NoPlan::NoRunbook {
            cause: best.root_cause,
            hand_over: entry.map(|entry| {
                Box::new(HandingOver {
                    why: entry.why_no_action.clone(),
                    to: entry.hand_over_to.clone(),
                    look_at: entry.look_at.clone(),
                })
            }),
        });
    }
    candidates.sort_by_key(|runbook| (risk_rank(runbook), runbook.document().id.clone()));

    let mut taken: Option<PlanDraft> = None;
    let mut not_taken = Vec::new();
    for runbook in candidates {
        let id = &runbook.document().id;
        match draft_from(runbook, best, evidence) {
            Ok(draft) if taken.is_none() => taken = Some(draft),
            Ok(_) => not_taken.push(format!("`{id}`: another runbook with no more risk was taken")),
            Err(why) => not_taken.push(format!("`{id}`: {why}")),
        }
    }
    match taken {
        Some(draft) => Ok(Choice { draft, not_taken }),
        None => Err(NoPlan::CannotFill {
            cause: best.root_cause,
            reasons: not_taken.join("; "),
        }),
    }
}

/// Every draft that would answer the diagnosis by rules: for its best cause and for those that are nearly as likely, by
/// risk. The first is that of [`choose`].
pub(crate) fn candidates(diagnosis: &Diagnosis, catalog: &Catalog, evidence: &[Evidence]) -> Vec<PlanDraft> {
    let best_pct = diagnosis.best().confidence_pct;
    let near = |hypothesis: &&Hypothesis| {
        best_pct.saturating_sub(hypothesis.confidence_pct) <= THRESHOLDS.indistinct_pct
            && hypothesis.root_cause.is_actionable()
    };
    let mut drafts = Vec::new();
    for hypothesis in diagnosis.findings().hypotheses.iter().filter(near) {
        let answers = |runbook: &&Runbook| runbook.document().root_cause == hypothesis.root_cause.as_str();
        let mut runbooks: Vec<&Runbook> = catalog.iter().filter(answers).collect();
        runbooks.sort_by_key(|runbook| (risk_rank(runbook), runbook.document().id.clone()));
        drafts.extend(
            runbooks
                .into_iter()
                .filter_map(|runbook| draft_from(runbook, hypothesis, evidence).ok()),
        );
    }
    drafts
}

/// Whether a draft, whoever wrote it, answers a cause of the diagnosis and points at that cause's own objects. The rest
/// is for the catalog to judge.
pub(crate) fn check_answers(draft: &PlanDraft, diagnosis: &Diagnosis, catalog: &Catalog) -> Result<(), &'static str> {
    let runbook = catalog.get(&draft.runbook).ok_or("unknown_runbook")?.document();
    let mut hypotheses = diagnosis.findings().hypotheses.iter();
    let hypothesis = hypotheses
        .find(|hypothesis| hypothesis.root_cause.as_str() == runbook.root_cause)
        .ok_or("runbook_for_another_cause")?;
    for (name, value) in &draft.parameters {
        // Numbers that no evidence shows are the runbook's defaults, and nobody else's.
        let DraftValue::Evidence { evidence, pointer } = value else {
            return Err("literal_not_allowed");
        };
        let binding = runbook.parameters.get(name).and_then(|spec| spec.evidence.as_ref());
        let binding = binding.ok_or("unknown_parameter")?;
        let is_named = hypothesis
            .objects
            .values()
            .any(|object| object.evidence == *evidence && place_of(binding, &object.pointer).as_ref() == Some(pointer));
        if !is_named {
            return Err("pointer_not_of_the_diagnosis");
        }
    }
    Ok(())
}

fn risk_rank(runbook: &Runbook) -> String {
    // The words of the catalog, in the order of harm; a word that is new here ranks last.
    let risk = serde_json::to_value(runbook.document().risk).unwrap_or_default();
    match risk.as_str() {
        Some("low") => "0".to_owned(),
        Some("medium") => "1".to_owned(),
        Some("high") => "2".to_owned(),
        other => format!("9{}", other.unwrap_or_default()),
    }
}

/// Points each evidence-bound parameter at the hypothesis's own objects. Defaults and derived values are the catalog's.
fn draft_from(runbook: &Runbook, hypothesis: &Hypothesis, evidence: &[Evidence]) -> Result<PlanDraft, String> {
    let document = runbook.document();
    let mut parameters = BTreeMap::new();
    for (name, spec) in &document.parameters {
        let Some(binding) = &spec.evidence else { continue };
        let value = point(binding, hypothesis, evidence).map_err(|why| format!("parameter `{name}` {why}"))?;
        parameters.insert(name.clone(), value);
    }
    Ok(PlanDraft {
        runbook: document.id.clone(),
        version: document.version,
        parameters,
    })
}

fn point(binding: &Binding, hypothesis: &Hypothesis, evidence: &[Evidence]) -> Result<DraftValue, String> {
    let mut places: Vec<(&str, String)> = Vec::new();
    for object in hypothesis.objects.values() {
        let is_bound = |piece: &&Evidence| {
            piece.id == object.evidence && piece.server == binding.server && piece.tool == binding.tool
        };
        let Some(piece) = evidence.iter().find(is_bound) else {
            continue;
        };
        let Some(pointer) = place_of(binding, &object.pointer) else {
            continue;
        };
        let place = (piece.id.as_str(), pointer);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    match places.as_slice() {
        [] => Err(format!(
            "has no place: the diagnosis names no object in `{}` that `{}` fits",
            binding.tool, binding.pointer
        )),
        [(id, pointer)] => match evidence
            .iter()
            .find(|piece| piece.id == *id)
            .and_then(|piece| piece.result.pointer(pointer))
        {
            Some(_) => Ok(DraftValue::Evidence {
                evidence: (*id).to_owned(),
                pointer: pointer.clone(),
            }),
            None => Err(format!("finds nothing at `{pointer}` in {id}")),
        },
        _ => Err("could stand in more than one place".to_owned()),
    }
}

/// The place that a binding's pattern names for this object: its stars become the object's own indices.
fn place_of(binding: &Binding, object: &str) -> Option<String> {
    let stars = binding.pointer.split('/').filter(|part| *part == "*").count();
    let mut indices = Vec::new();
    for (wanted, given) in binding.pointer.split('/').zip(object.split('/')) {
        match wanted {
            "*" => indices.push(given.parse::<usize>().ok()?),
            _ if wanted == given => {}
            _ => break,
        }
    }
    if indices.len() == stars {
        binding.pointer_at(&indices)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;
    use crate::diagnose;
    use crate::test_evidence::{ddl_queue, healthy, idle_blocker, record, saturated, without};

    fn chosen(evidence: &[Evidence]) -> Result<Choice, NoPlan> {
        choose(&diagnose(evidence).unwrap(), &Catalog::shipped().unwrap(), evidence)
    }

    fn pointer_of(choice: &Choice, parameter: &str) -> (String, String) {
        match choice.draft.parameters.get(parameter) {
            Some(DraftValue::Evidence { evidence, pointer }) => (evidence.clone(), pointer.clone()),
            other => (String::new(), format!("{other:?}")),
        }
    }

    #[test]
    fn every_value_is_a_pointer_at_the_object_of_the_diagnosis() {
        let choice = chosen(&idle_blocker()).unwrap();
        assert_eq!(choice.draft.runbook, "idle-in-transaction-blocker");
        assert_eq!(
            pointer_of(&choice, "blocker_pid"),
            ("E2".to_owned(), "/trees/0/root/pid".to_owned())
        );
        // It stands beside the root, not under it, in the same tree.
        assert_eq!(
            pointer_of(&choice, "waiters"),
            ("E2".to_owned(), "/trees/0/waiters_count".to_owned())
        );
        assert!(
            choice
                .draft
                .parameters
                .values()
                .all(|value| matches!(value, DraftValue::Evidence { .. }))
        );
    }

    #[test]
    fn each_cause_finds_its_runbook() {
        assert_eq!(chosen(&ddl_queue("active")).unwrap().draft.runbook, "ddl-lock-queue");
        assert_eq!(chosen(&saturated()).unwrap().draft.runbook, "connection-saturation");
    }

    #[test]
    fn a_second_tree_is_pointed_at_as_the_second() {
        let mut evidence = without(idle_blocker(), "blocking_tree");
        let tree = idle_blocker()
            .into_iter()
            .find(|piece| piece.tool == "blocking_tree")
            .unwrap();
        let idle = tree.result.pointer("/trees/0").unwrap().clone();
        let mut active = idle.clone();
        *active.pointer_mut("/root/state").unwrap() = json!("active");
        evidence.push(record(
            "E2",
            "blocking_tree",
            json!({"waiters_total": 6, "truncated": false, "trees": [active, idle]}),
        ));
        let choice = chosen(&evidence).unwrap();
        assert_eq!(pointer_of(&choice, "blocker_pid").1, "/trees/1/root/pid");
    }

    #[test]
    fn what_needs_no_action_gets_no_plan() {
        assert_eq!(chosen(&healthy()).unwrap_err(), NoPlan::NothingToDo);
        assert_eq!(
            chosen(&without(healthy(), "sessions")).unwrap_err(),
            NoPlan::Unexplained
        );
    }

    #[test]
    fn evidence_that_lacks_a_value_fills_nothing() {
        let mut evidence = without(idle_blocker(), "blocking_tree");
        let tree = idle_blocker()
            .into_iter()
            .find(|piece| piece.tool == "blocking_tree")
            .unwrap();
        let mut result = tree.result;
        result
            .pointer_mut("/trees/0/root")
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("backend_start");
        evidence.push(record("E2", "blocking_tree", result));
        let refused = chosen(&evidence).unwrap_err();
        assert!(
            refused.to_string().contains("`blocker_backend_start` finds nothing"),
            "{refused}"
        );
    }
}

//! Fills a runbook's parameters from a draft and its evidence, and checks what a plan says of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sql_facts::Facts;

use crate::parameter::Derive;
use crate::plan::{MAX_LIFE_S, PlanContext};
use crate::remote::render_value;
use crate::render::render_again;
use crate::runbook::Script;
use crate::{
    BoundParameter, Catalog, DraftValue, Evidence, ParameterSpec, ParameterValue, PlanDraft, PlanError, Runbook, Source,
};

pub(crate) fn find_runbook<'a>(catalog: &'a Catalog, id: &str, version: u32) -> Result<&'a Runbook, PlanError> {
    catalog
        .get(id)
        .filter(|runbook| runbook.document().version == version)
        .ok_or_else(|| PlanError::UnknownRunbook {
            id: id.to_owned(),
            version,
            known: catalog
                .iter()
                .map(|runbook| format!("{} {}", runbook.document().id, runbook.document().version))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

pub(crate) fn find_evidence<'a>(evidence: &'a [Evidence], id: &str) -> Result<&'a Evidence, PlanError> {
    let record = evidence
        .iter()
        .find(|record| record.id == id)
        .ok_or_else(|| PlanError::UnknownEvidence(id.to_owned()))?;
    if record.is_intact() {
        Ok(record)
    } else {
        Err(PlanError::EvidenceChanged(id.to_owned()))
    }
}

pub(crate) fn check_context(context: &PlanContext) -> Result<(), PlanError> {
    let PlanContext {
        not_before,
        approve_by,
        expires_at,
        nonce,
        ..
    } = context;
    if !(not_before < approve_by && approve_by < expires_at && expires_at.since(*not_before) <= MAX_LIFE_S) {
        return Err(PlanError::Windows(*not_before, *approve_by, *expires_at));
    }
    let hexadecimal = nonce.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if nonce.len() == 32 && hexadecimal {
        Ok(())
    } else {
        Err(PlanError::Nonce)
    }
}

/// Finds a value for every parameter of the runbook, and nothing else.
pub(crate) fn bind(
    draft: &PlanDraft,
    runbook: &Runbook,
    evidence: &[Evidence],
) -> Result<BTreeMap<String, BoundParameter>, PlanError> {
    let specs = &runbook.document().parameters;
    if let Some(name) = draft.parameters.keys().find(|name| !specs.contains_key(*name)) {
        return Err(PlanError::UnknownParameter {
            runbook: runbook.document().id.clone(),
            name: name.clone(),
            known: specs.keys().cloned().collect::<Vec<_>>().join(", "),
        });
    }
    let mut bound = BTreeMap::new();
    for (name, spec) in specs.iter().filter(|(_, spec)| spec.derive.is_none()) {
        let parameter = match (draft.parameters.get(name), &spec.default) {
            (Some(DraftValue::Evidence { evidence: id, pointer }), _) => {
                let record = find_evidence(evidence, id)?;
                let value = record
                    .result
                    .pointer(pointer)
                    .cloned()
                    .ok_or_else(|| PlanError::NothingThere {
                        evidence: id.clone(),
                        pointer: pointer.clone(),
                    })?;
                check_place(name, spec, record, pointer)?;
                let source = Source::Evidence {
                    id: id.clone(),
                    digest: record.digest,
                    pointer: pointer.clone(),
                };
                BoundParameter { value, source }
            }
            (Some(DraftValue::Literal { literal }), Some(_)) => BoundParameter {
                value: literal.clone(),
                source: Source::Literal,
            },
            (Some(DraftValue::Literal { literal }), None) => {
                return Err(PlanError::WrongSource {
                    name: name.clone(),
                    given: format!("the literal `{literal}`"),
                    wanted: wanted_source(spec),
                });
            }
            (None, Some(default)) => BoundParameter {
                value: default.clone(),
                source: Source::Literal,
            },
            (None, None) => return Err(PlanError::MissingParameter(name.clone())),
        };
        bound.insert(name.clone(), parameter);
    }
    for (name, spec) in specs {
        if let Some(derive) = &spec.derive {
            if draft.parameters.contains_key(name) {
                return Err(PlanError::WrongSource {
                    name: name.clone(),
                    given: "the draft".into(),
                    wanted: wanted_source(spec),
                });
            }
            let value =
                derived(derive, &bound).ok_or_else(|| PlanError::MissingParameter(derive.percent_of.clone()))?;
            bound.insert(
                name.clone(),
                BoundParameter {
                    value,
                    source: Source::Derived,
                },
            );
        }
    }
    check_bound(runbook, &bound)?;
    Ok(bound)
}

pub(crate) fn check_place(name: &str, spec: &ParameterSpec, record: &Evidence, pointer: &str) -> Result<(), PlanError> {
    let fits = spec.evidence.as_ref().is_some_and(|binding| {
        binding.server == record.server && binding.tool == record.tool && binding.indices_of(pointer).is_some()
    });
    if fits {
        Ok(())
    } else {
        Err(PlanError::WrongSource {
            name: name.to_owned(),
            given: format!("`{pointer}` of {}/{}", record.server, record.tool),
            wanted: wanted_source(spec),
        })
    }
}

fn wanted_source(spec: &ParameterSpec) -> String {
    match (&spec.evidence, &spec.derive) {
        (Some(binding), _) => format!("`{}` of {}/{}", binding.pointer, binding.server, binding.tool),
        (None, Some(derive)) => format!("{} % of `{}`", derive.percent, derive.percent_of),
        (None, None) => "a literal within its bounds".to_owned(),
    }
}

/// What can be said of bound parameters without the evidence: names, kinds of source, patterns, rows, derivations.
pub(crate) fn check_bound(runbook: &Runbook, bound: &BTreeMap<String, BoundParameter>) -> Result<(), PlanError> {
    let specs = &runbook.document().parameters;
    if let Some(name) = bound.keys().find(|name| !specs.contains_key(*name)) {
        return Err(PlanError::UnknownParameter {
            runbook: runbook.document().id.clone(),
            name: name.clone(),
            known: specs.keys().cloned().collect::<Vec<_>>().join(", "),
        });
    }
    let mut rows: BTreeMap<&str, (&str, Vec<usize>)> = BTreeMap::new();
    for (name, spec) in specs {
        let parameter = bound
            .get(name)
            .ok_or_else(|| PlanError::MissingParameter(name.clone()))?;
        let wrong = |given: &str| PlanError::WrongSource {
            name: name.clone(),
            given: given.to_owned(),
            wanted: wanted_source(spec),
        };
        match (&parameter.source, &spec.evidence, &spec.derive) {
            (Source::Evidence { id, pointer, .. }, Some(binding), None) => {
                let indices = binding
                    .indices_of(pointer)
                    .ok_or_else(|| wrong(&format!("`{pointer}`")))?;
                if let Some(row) = &binding.row {
                    let first = rows.entry(row).or_insert_with(|| (id, indices.clone()));
                    if *first != (id.as_str(), indices) {
                        return Err(PlanError::MixedRows {
                            name: name.clone(),
                            row: row.clone(),
                        });
                    }
                }
            }
            (Source::Literal, None, None) => {}
            (Source::Derived, None, Some(derive)) => {
                if derived(derive, bound).as_ref() != Some(&parameter.value) {
                    return Err(wrong(&format!("`{}`", parameter.value)));
                }
            }
            (Source::Evidence { pointer, .. }, _, _) => return Err(wrong(&format!("`{pointer}`"))),
            (Source::Literal, _, _) => return Err(wrong("a literal")),
            (Source::Derived, _, _) => return Err(wrong("another parameter")),
        }
    }
    Ok(())
}

fn derived(derive: &Derive, bound: &BTreeMap<String, BoundParameter>) -> Option<Value> {
    let base = bound.get(&derive.percent_of)?.value.as_i64()?;
    let share = base.checked_mul(i64::from(derive.percent))?.checked_div(100)?;
    Some(Value::from(share.max(1)))
}

pub(crate) fn parse_values(
    runbook: &Runbook,
    parameters: &BTreeMap<String, BoundParameter>,
) -> Result<BTreeMap<String, ParameterValue>, PlanError> {
    let mut values = BTreeMap::new();
    for (name, spec) in &runbook.document().parameters {
        let parameter = parameters
            .get(name)
            .ok_or_else(|| PlanError::MissingParameter(name.clone()))?;
        let value = spec.parse(&parameter.value).map_err(|source| PlanError::Value {
            name: name.clone(),
            source,
        })?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// Returns the facts of every statement, by its text.
pub(crate) fn render_all(
    script: &mut Script<'_>,
    values: &BTreeMap<String, ParameterValue>,
) -> Result<BTreeMap<String, Facts>, PlanError> {
    let mut facts = BTreeMap::new();
    script.each_statement(|place, text| {
        let statement = render_again(text, values).map_err(|source| PlanError::Render {
            place: place.to_owned(),
            source,
        })?;
        let (canonical, of_it) = statement.into_parts();
        text.clone_from(&canonical);
        facts.insert(canonical, of_it);
        Ok(())
    })?;
    script.each_action(|place, action| {
        action.each_value(|part, value| {
            render_value(value, values, &mut BTreeSet::new()).map_err(|source| PlanError::Render {
                place: format!("{place}/{part}"),
                source,
            })
        })?;
        match action.faults().into_iter().next().or_else(|| action.rds_fault()) {
            None => Ok(()),
            Some((part, message)) => Err(PlanError::Call {
                place: format!("{place}/{part}"),
                message,
            }),
        }
    })?;
    for radius in script.blast_radius.iter_mut() {
        let name = radius.expected.as_ref().and_then(Value::as_str);
        let value = name.and_then(|name| values.get(name)).map(ParameterValue::to_json);
        radius.expected = value;
    }
    Ok(facts)
}

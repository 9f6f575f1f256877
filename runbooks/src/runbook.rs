//! A runbook: when to use it, what it needs to know, what it does, how far it may reach, and how it is undone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_path_to_error::Segment;

use crate::parameter::Derive;
use crate::remote::render_value;
use crate::render::{placeholders, render};
use crate::script::{Action, Rollback, Step};
use crate::{BlastRadius, Check, Digest, ParameterSpec, ParameterType, ParameterValue, Verification};

/// The schema that runbooks name in their field `schema`.
pub(crate) const RUNBOOK_SCHEMA: &str = "countersign.runbook.v1";

/// A runbook as it is written down. SQL is a template: `${name}` stands where a literal or an identifier may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookDocument {
    /// `countersign.runbook.v1`.
    pub schema: String,
    /// Lower-case words joined by hyphens; the name of its folder.
    pub id: String,
    /// Grows with every change.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// One line for people.
    pub title: String,
    /// The root cause that it answers, from the closed vocabulary.
    pub root_cause: String,
    /// When it is the right answer.
    pub when: String,
    /// When it is not.
    pub when_not: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// What it must be told; every value comes from evidence, a default within bounds, or another parameter.
    pub parameters: BTreeMap<String, ParameterSpec>,
    /// What must hold before anything is touched.
    pub prechecks: Vec<Check>,
    /// How much it may touch.
    pub blast_radius: Vec<BlastRadius>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What stops it between two steps as soon as it does not hold.
    #[serde(default)]
    pub stop_if: Vec<Check>,
    /// How recovery is recognised.
    pub verification: Verification,
    /// What the executor's role must be allowed to do.
    pub permissions: Vec<String>,
    /// Where the knowledge comes from.
    pub sources: Vec<String>,
}

/// How much can go wrong with a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Uncommitted or repeatable work of named sessions is lost.
    Low,
    /// Settings change, or many sessions are hit.
    Medium,
    /// Data, availability or money is at stake.
    High,
}

/// A valid runbook: made only by [`Runbook::parse`].
#[derive(Debug, Clone)]
pub struct Runbook {
    document: RunbookDocument,
    digest: Digest,
}

/// One fault in a runbook, where it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A JSON pointer into the runbook.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at `{}`: {}", self.pointer, self.message)
    }
}

/// Reads a document of the catalog; what does not fit is told with its place.
pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Finding> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| Finding {
        pointer: error.path().iter().map(pointer_part).collect(),
        message: error.inner().to_string(),
    })?;
    reader.end().map_err(|error| Finding {
        pointer: String::new(),
        message: error.to_string(),
    })?;
    Ok(document)
}

fn pointer_part(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    }
}

/// The JSON Schema of a runbook.
pub fn runbook_schema() -> Schema {
    schemars::schema_for!(RunbookDocument)
}

impl Runbook {
    /// Parses and checks a runbook.
    ///
    /// # Errors
    /// Every fault that was found, each with its place.
    pub fn parse(json: &str) -> Result<Self, Vec<Finding>> {
        let document: RunbookDocument = read(json).map_err(|finding| vec![finding])?;
        let mut findings = Vec::new();
        check_document(&document, &mut findings);
        if findings.is_empty() {
            let digest = Digest::of_json(&document).map_err(|error| {
                vec![Finding {
                    pointer: String::new(),
                    message: error.to_string(),
                }]
            })?;
            Ok(Self { document, digest })
        } else {
            Err(findings)
        }
    }

    /// The runbook as it is written down.
    pub fn document(&self) -> &RunbookDocument {
        &self.document
    }

    /// SHA-256 over its canonical JSON.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// The parts of a runbook or plan that hold SQL, to go through all of it in one way.
pub(crate) struct Script<'a> {
    pub prechecks: &'a mut [Check],
    pub blast_radius: &'a mut [BlastRadius],
    pub steps: &'a mut [Step],
    pub stop_if: &'a mut [Check],
    pub verification: &'a mut Verification,
}

impl Script<'_> {
    /// Calls `f` with the place and the text of each SQL statement.
    pub fn each_statement<E>(&mut self, mut f: impl FnMut(&str, &mut String) -> Result<(), E>) -> Result<(), E> {
        each_check(self.prechecks, "/prechecks", &mut f)?;
        for (i, radius) in self.blast_radius.iter_mut().enumerate() {
            f(&format!("/blast_radius/{i}/query"), &mut radius.query)?;
        }
        for (i, step) in self.steps.iter_mut().enumerate() {
            let place = format!("/steps/{i}");
            if let Action::Sql(action) = &mut step.action {
                f(&format!("{place}/action/statement"), &mut action.statement)?;
            }
            each_check(&mut step.assert, &format!("{place}/assert"), &mut f)?;
            if let Rollback::Exact(undo) | Rollback::Compensating(undo) = &mut step.rollback {
                if let Action::Sql(action) = &mut undo.action {
                    f(&format!("{place}/rollback/action/statement"), &mut action.statement)?;
                }
                each_check(&mut undo.assert, &format!("{place}/rollback/assert"), &mut f)?;
            }
        }
        each_check(self.stop_if, "/stop_if", &mut f)?;
        f("/verification/query", &mut self.verification.query)?;
        each_check(&mut self.verification.collateral, "/verification/collateral", &mut f)
    }

    /// Calls `f` with the place and the action of each step and each way back.
    pub fn each_action<E>(&mut self, mut f: impl FnMut(&str, &mut Action) -> Result<(), E>) -> Result<(), E> {
        for (i, step) in self.steps.iter_mut().enumerate() {
            f(&format!("/steps/{i}/action"), &mut step.action)?;
            if let Rollback::Exact(undo) | Rollback::Compensating(undo) = &mut step.rollback {
                f(&format!("/steps/{i}/rollback/action"), &mut undo.action)?;
            }
        }
        Ok(())
    }
}

fn each_check<E>(
    checks: &mut [Check],
    place: &str,
    f: &mut impl FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    for (i, check) in checks.iter_mut().enumerate() {
        f(&format!("{place}/{i}/query"), &mut check.query)?;
    }
    Ok(())
}

impl RunbookDocument {
    pub(crate) fn script(&mut self) -> Script<'_> {
        Script {
            prechecks: &mut self.prechecks,
            blast_radius: &mut self.blast_radius,
            steps: &mut self.steps,
            stop_if: &mut self.stop_if,
            verification: &mut self.verification,
        }
    }
}

/// Whether it can name a folder of the catalog.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_document(document: &RunbookDocument, findings: &mut Vec<Finding>) {
    let mut find = |pointer: &str, message: String| {
        findings.push(Finding {
            pointer: pointer.to_owned(),
            message,
        })
    };
    if document.schema != RUNBOOK_SCHEMA {
        find("/schema", format!("`{}` is not `{RUNBOOK_SCHEMA}`", document.schema));
    }
    if !is_id(&document.id) {
        find("/id", "use lower-case letters, digits and hyphens".into());
    }
    if document.version == 0 {
        find("/version", "starts at 1".into());
    }
    for (pointer, text) in [
        ("/title", &document.title),
        ("/root_cause", &document.root_cause),
        ("/when", &document.when),
        ("/when_not", &document.when_not),
        ("/verification/signal", &document.verification.signal),
    ] {
        if text.trim().is_empty() {
            find(pointer, "say it; people rely on this text at 3 a.m.".into());
        }
    }
    for (pointer, empty) in [
        ("/prechecks", document.prechecks.is_empty()),
        ("/blast_radius", document.blast_radius.is_empty()),
        ("/steps", document.steps.is_empty()),
        ("/permissions", document.permissions.is_empty()),
        ("/sources", document.sources.is_empty()),
        ("/verification/collateral", document.verification.collateral.is_empty()),
    ] {
        if empty {
            find(pointer, "at least one is needed".into());
        }
    }
    check_parameters(document, &mut find);
    check_steps(document, &mut find);
    let verification = &document.verification;
    if verification.hold_s == 0 || verification.hold_s > verification.deadline_s {
        find(
            "/verification/hold_s",
            format!("must be from 1 to deadline_s ({})", verification.deadline_s),
        );
    }
    if verification.interval_ms < 100 {
        find("/verification/interval_ms", "must be at least 100".into());
    }
    check_ids(document, &mut find);
    check_templates(document, &mut find);
}

fn check_parameters(document: &RunbookDocument, find: &mut impl FnMut(&str, String)) {
    for (name, spec) in &document.parameters {
        let place = format!("/parameters/{name}");
        let sources = [spec.evidence.is_some(), spec.default.is_some(), spec.derive.is_some()];
        if sources.iter().filter(|given| **given).count() != 1 {
            find(&place, "needs exactly one of `evidence`, `default` and `derive`".into());
        }
        if let Some(default) = &spec.default {
            let bounded = match spec.kind {
                kind if kind.is_object() => false,
                kind if kind.is_number() => spec.min.is_some() && spec.max.is_some(),
                _ => !spec.one_of.is_empty(),
            };
            if !bounded {
                find(&place, "a literal needs bounds (`min` and `max`, or `one_of`); an object of the database is never a literal".into());
            }
            if let Err(error) = spec.parse(default) {
                find(&format!("{place}/default"), error.to_string());
            }
        }
        if let Some(Derive { percent_of, percent }) = &spec.derive {
            let numeric = |kind: ParameterType| kind.is_number() && !kind.is_object();
            let base = document.parameters.get(percent_of);
            if !base.is_some_and(|base| base.derive.is_none() && numeric(base.kind)) || !numeric(spec.kind) {
                find(
                    &format!("{place}/derive/percent_of"),
                    format!("`{percent_of}` is not a number parameter with a source of its own"),
                );
            }
            if !(1..=400).contains(percent) {
                find(&format!("{place}/derive/percent"), "must be from 1 to 400".into());
            }
        }
    }
}

fn check_steps(document: &RunbookDocument, find: &mut impl FnMut(&str, String)) {
    for (i, step) in document.steps.iter().enumerate() {
        let place = format!("/steps/{i}");
        if step.assert.is_empty() && step.action.sql().is_some() {
            find(
                &format!("{place}/assert"),
                "a step is proven by state: at least one assertion is needed".into(),
            );
        }
        let mut actions = vec![(format!("{place}/action"), &step.action)];
        match &step.rollback {
            Rollback::None(none) if none.reason.trim().is_empty() => {
                find(
                    &format!("{place}/rollback/reason"),
                    "say why there is none and what is lost".into(),
                );
            }
            Rollback::None(_) => {}
            Rollback::Exact(undo) | Rollback::Compensating(undo) => {
                if undo.assert.is_empty() && undo.action.sql().is_some() {
                    find(
                        &format!("{place}/rollback/assert"),
                        "an undo is proven by state: at least one assertion is needed".into(),
                    );
                }
                actions.push((format!("{place}/rollback/action"), &undo.action));
            }
        }
        if let Rollback::Exact(undo) = &step.rollback
            && !undo.action.reverses(&step.action)
        {
            find(
                &format!("{place}/rollback"),
                "a call has no exact way back, but for a `git.change` with `from` and `to` exchanged: say `compensating`".into(),
            );
        }
        for (place, action) in actions {
            if action.timeout_s() == 0 {
                find(&format!("{place}/timeout_s"), "must be at least 1".into());
            }
            for (part, message) in action.faults() {
                find(&format!("{place}/{part}"), message);
            }
            let Some(action) = action.sql() else {
                continue;
            };
            if action.lock_timeout_ms == 0 {
                find(
                    &format!("{place}/lock_timeout_ms"),
                    "must be at least 1; 0 would wait for ever".into(),
                );
            }
            if action.rows.is_some_and(|rows| rows.at_least > rows.at_most) {
                find(&format!("{place}/rows"), "`at_least` is greater than `at_most`".into());
            }
        }
    }
}

fn check_ids(document: &RunbookDocument, find: &mut impl FnMut(&str, String)) {
    let mut seen = BTreeSet::new();
    let checks = document
        .prechecks
        .iter()
        .chain(&document.stop_if)
        .chain(&document.verification.collateral);
    let ids = checks
        .map(|check| &check.id)
        .chain(document.blast_radius.iter().map(|radius| &radius.id))
        .chain(document.steps.iter().map(|step| &step.id));
    for id in ids {
        let plain = !id.is_empty()
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || !seen.insert(id) {
            find(
                "/",
                format!("the id `{id}` is not lower-case words joined by underscores, or stands twice"),
            );
        }
    }
}

fn check_templates(document: &RunbookDocument, find: &mut impl FnMut(&str, String)) {
    let samples: BTreeMap<String, ParameterValue> = document
        .parameters
        .iter()
        .map(|(name, spec)| (name.clone(), sample(spec)))
        .collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut copy = document.clone();
    let walked = copy.script().each_statement(|place, template| {
        match placeholders(template) {
            Ok(names) => used.extend(names),
            Err(error) => find(place, error.to_string()),
        }
        if let Err(error) = render(template, &samples) {
            find(place, error_chain(&error));
        }
        Ok::<(), std::convert::Infallible>(())
    });
    match walked {
        Ok(()) => {}
        Err(never) => match never {},
    }
    let walked = copy.script().each_action(|place, action| {
        let rendered = action.each_value(|part, value| {
            if let Err(error) = render_value(value, &samples, &mut used) {
                find(&format!("{place}/{part}"), error.to_string());
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match rendered {
            Ok(()) => {}
            Err(never) => match never {},
        }
        if let Some((part, message)) = action.rds_fault() {
            find(&format!("{place}/{part}"), message);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    match walked {
        Ok(()) => {}
        Err(never) => match never {},
    }
    for radius in &document.blast_radius {
        if let Some(expected) = &radius.expected {
            match expected.as_str().filter(|name| document.parameters.contains_key(*name)) {
                Some(name) => drop(used.insert(name.to_owned())),
                None => find(
                    "/blast_radius",
                    format!("`expected` of `{}` names no parameter", radius.id),
                ),
            }
        }
    }
    used.extend(
        document
            .parameters
            .values()
            .filter_map(|spec| spec.derive.as_ref())
            .map(|derive| derive.percent_of.clone()),
    );
    for name in document.parameters.keys().filter(|name| !used.contains(*name)) {
        // Shown to the approver although no statement needs it: allowed only for what describes the evidence.
        if document
            .parameters
            .get(name)
            .is_some_and(|spec| spec.evidence.is_none())
        {
            find(&format!("/parameters/{name}"), "is used nowhere".into());
        }
    }
}

fn sample(spec: &ParameterSpec) -> ParameterValue {
    match spec.kind {
        kind if kind.is_number() => ParameterValue::Number(spec.min.unwrap_or(1)),
        kind if kind.is_identifier() => ParameterValue::Name("sample".into()),
        _ => ParameterValue::Text("sample".into()),
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

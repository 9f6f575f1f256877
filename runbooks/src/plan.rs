//! A plan: one runbook with its values, rendered by code; the exact bytes that people sign.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sql_facts::Facts;

use crate::difference::first_difference;
use crate::fill::{
    bind, check_bound, check_context, check_place, find_evidence, find_runbook, parse_values, render_all,
};
use crate::runbook::Risk;
use crate::script::Step;
use crate::{
    BlastRadius, Catalog, Check, Digest, Evidence, ParameterSpec, RenderError, Runbook, Timestamp, ValueError,
    Verification, canonical_json,
};

/// The schema that plans name in their field `schema`.
const PLAN_SCHEMA: &str = "countersign.plan.v1";
/// No plan may outlive a day, whatever its maker says.
pub(crate) const MAX_LIFE_S: i64 = 86_400;

/// What is proposed: a runbook and where its values are found. No SQL, and no number without a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDraft {
    /// The runbook's id.
    pub runbook: String,
    /// Its version.
    pub version: u32,
    /// A place in the evidence for each parameter that needs one; a literal where the runbook allows it.
    pub parameters: BTreeMap<String, DraftValue>,
}

/// Where a draft finds a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum DraftValue {
    /// In recorded evidence.
    Evidence {
        /// The evidence's id, as `E4`.
        evidence: String,
        /// A JSON pointer into its result.
        pointer: String,
    },
    /// Given outright; only for parameters that have a default, and within their bounds.
    Literal {
        /// The value.
        literal: Value,
    },
}

/// Where a plan would run, and what proves that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name that every configuration knows it by.
    pub name: String,
    /// `production`, `staging`, …: which policy and which executor.
    pub environment: String,
    /// `pg_control_system().system_identifier`, as text.
    pub system_identifier: String,
    /// The database's name.
    pub database: String,
}

/// What a plan is made for: everything that neither the runbook nor the evidence says.
#[derive(Debug, Clone)]
pub struct PlanContext {
    /// The incident's id.
    pub incident: String,
    /// Where it runs.
    pub target: Target,
    /// Who asks; never one of those who approve.
    pub requester: String,
    /// The policy under which it was made.
    pub policy_digest: Digest,
    /// Not before this moment.
    pub not_before: Timestamp,
    /// People decide until then.
    pub approve_by: Timestamp,
    /// The last step starts before this moment.
    pub expires_at: Timestamp,
    /// 32 hexadecimal digits, never used twice.
    pub nonce: String,
}

/// A plan's content. It is data: only [`Plan`] is the proof that it is an instance of a pinned runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    pub schema: String,
    pub incident: String,
    pub runbook: RunbookRef,
    pub title: String,
    pub root_cause: String,
    pub risk: Risk,
    #[schemars(with = "String")]
    pub policy_digest: Digest,
    pub target: Target,
    pub requester: String,
    pub parameters: BTreeMap<String, BoundParameter>,
    pub prechecks: Vec<Check>,
    pub blast_radius: Vec<BlastRadius>,
    pub steps: Vec<Step>,
    pub stop_if: Vec<Check>,
    pub verification: Verification,
    pub permissions: Vec<String>,
    pub not_before: Timestamp,
    pub approve_by: Timestamp,
    pub expires_at: Timestamp,
    /// Always 1.
    pub max_executions: u32,
    pub nonce: String,
}

/// The exact runbook that a plan is an instance of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookRef {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 over its canonical JSON.
    #[schemars(with = "String")]
    pub digest: Digest,
}

/// A parameter's value and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundParameter {
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A pointer into recorded evidence.
    Evidence {
        /// The evidence's id.
        id: String,
        /// The evidence's digest.
        #[schemars(with = "String")]
        digest: Digest,
        /// A JSON pointer into its result.
        pointer: String,
    },
    /// A literal that the runbook allows.
    Literal,
    /// Computed from another parameter as the runbook says.
    Derived,
}

/// An instance of a pinned runbook, and its canonical bytes. There is no other way to one than through the catalog:
///
/// ```compile_fail
/// let plan = runbooks::Plan { document: todo!(), specs: todo!(), facts: todo!(), bytes: Vec::new(), digest: todo!() };
/// ```
/// ```compile_fail
/// fn twice(plan: runbooks::Plan) -> (runbooks::Plan, runbooks::Plan) { (plan.clone(), plan) }
/// ```
/// ```compile_fail
/// let plan: runbooks::Plan = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct Plan {
    document: PlanDocument,
    /// The runbook's parameters, for [`Plan::check_evidence`].
    specs: BTreeMap<String, ParameterSpec>,
    // INVARIANT: read by the parser from exactly the text that they stand under, when this plan was made.
    facts: BTreeMap<String, Facts>,
    bytes: Vec<u8>,
    digest: Digest,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The catalog has no such runbook, or another version or digest of it.
    #[error("the pinned catalog has no runbook `{id}` in version {version}; it has {known}")]
    UnknownRunbook {
        /// The id asked for.
        id: String,
        /// The version asked for.
        version: u32,
        /// What the catalog has.
        known: String,
    },
    /// The runbook has no such parameter.
    #[error("runbook `{runbook}` has no parameter `{name}`; it has {known}")]
    UnknownParameter {
        /// The runbook.
        runbook: String,
        /// The parameter.
        name: String,
        /// What it has.
        known: String,
    },
    /// No value for a parameter.
    #[error("parameter `{0}` has no value: point to it in the evidence")]
    MissingParameter(String),
    /// The value's place is not one that the runbook declares.
    #[error("parameter `{name}` may not come from {given}: the runbook wants {wanted}")]
    WrongSource {
        /// The parameter.
        name: String,
        /// Where it was said to be.
        given: String,
        /// Where it must be.
        wanted: String,
    },
    /// There is no such evidence.
    #[error("there is no evidence `{0}`")]
    UnknownEvidence(String),
    /// The evidence was changed after it was recorded, or another one is meant.
    #[error("evidence `{0}` does not match its digest")]
    EvidenceChanged(String),
    /// The pointer finds nothing.
    #[error("`{pointer}` finds nothing in evidence `{evidence}`")]
    NothingThere {
        /// The evidence.
        evidence: String,
        /// The pointer.
        pointer: String,
    },
    /// Parameters that belong together come from different rows.
    #[error("parameter `{name}` is not from the same row as the others of `{row}`")]
    MixedRows {
        /// The parameter.
        name: String,
        /// The group.
        row: String,
    },
    /// The value is not what the runbook says.
    #[error("parameter `{name}` is refused")]
    Value {
        /// The parameter.
        name: String,
        /// Why.
        #[source]
        source: ValueError,
    },
    /// A statement could not be rendered.
    #[error("the statement at `{place}` could not be rendered")]
    Render {
        /// A JSON pointer into the plan.
        place: String,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// The call with its values is none that the service could take.
    #[error("the call at `{place}` cannot be made: {message}")]
    Call {
        /// A JSON pointer into the plan.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// The times do not fit together.
    #[error(
        "the windows do not fit: not_before {0}, approve_by {1}, expires_at {2}; each must be later than the one before, and all within a day"
    )]
    Windows(Timestamp, Timestamp, Timestamp),
    /// The nonce is not 32 hexadecimal digits.
    #[error("the nonce is not 32 lower-case hexadecimal digits")]
    Nonce,
    /// The bytes are no plan.
    #[error("the bytes are not a plan")]
    NotAPlan(#[source] serde_json::Error),
    /// The bytes are a plan, and not the one that the pinned runbook renders.
    #[error("the plan is not what the pinned runbook renders: it differs at `{0}`")]
    NotAnInstance(String),
}

impl PlanError {
    /// The stable code of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRunbook { .. } => "unknown_runbook",
            Self::UnknownParameter { .. } => "unknown_parameter",
            Self::MissingParameter(_) => "missing_parameter",
            Self::WrongSource { .. } => "wrong_source",
            Self::UnknownEvidence(_) => "unknown_evidence",
            Self::EvidenceChanged(_) => "evidence_mismatch",
            Self::NothingThere { .. } => "evidence_mismatch",
            Self::MixedRows { .. } => "mixed_rows",
            Self::Value { .. } => "value_refused",
            Self::Render { .. } => "render_refused",
            Self::Call { .. } => "call_refused",
            Self::Windows(..) => "bad_window",
            Self::Nonce => "bad_nonce",
            Self::NotAPlan(_) => "not_a_plan",
            Self::NotAnInstance(_) => "not_an_instance",
        }
    }
}

impl Plan {
    /// Makes a plan from a draft: resolves each pointer, checks each value, renders each statement.
    ///
    /// # Errors
    /// When anything at all is not as the runbook says.
    pub fn fill(
        draft: &PlanDraft,
        catalog: &Catalog,
        evidence: &[Evidence],
        context: PlanContext,
    ) -> Result<Self, PlanError> {
        let runbook = find_runbook(catalog, &draft.runbook, draft.version)?;
        let parameters = bind(draft, runbook, evidence)?;
        Self::instance(runbook, parameters, context)
    }

    /// Reads a plan from bytes: renders it anew from the pinned runbook and its values, and wants the same bytes.
    ///
    /// # Errors
    /// When the bytes are not exactly what the pinned runbook renders.
    pub fn admit(bytes: &[u8], catalog: &Catalog) -> Result<Self, PlanError> {
        let given: PlanDocument = serde_json::from_slice(bytes).map_err(PlanError::NotAPlan)?;
        let runbook = find_runbook(catalog, &given.runbook.id, given.runbook.version)?;
        let context = PlanContext {
            incident: given.incident.clone(),
            target: given.target.clone(),
            requester: given.requester.clone(),
            policy_digest: given.policy_digest,
            not_before: given.not_before,
            approve_by: given.approve_by,
            expires_at: given.expires_at,
            nonce: given.nonce.clone(),
        };
        check_bound(runbook, &given.parameters)?;
        let plan = Self::instance(runbook, given.parameters.clone(), context)?;
        if plan.bytes == bytes {
            Ok(plan)
        } else {
            Err(PlanError::NotAnInstance(first_difference(bytes, &plan.bytes)))
        }
    }

    /// Checks that every value is what its pointer finds in this evidence.
    ///
    /// # Errors
    /// When evidence is missing, changed, or says something else.
    pub fn check_evidence(&self, evidence: &[Evidence]) -> Result<(), PlanError> {
        for (name, parameter) in &self.document.parameters {
            if let Source::Evidence { id, digest, pointer } = &parameter.source {
                let record = find_evidence(evidence, id)?;
                let spec = self
                    .specs
                    .get(name)
                    .ok_or_else(|| PlanError::MissingParameter(name.clone()))?;
                // The same pointer may find something in another tool's result; it would mean something else there.
                check_place(name, spec, record, pointer)?;
                if record.digest != *digest {
                    return Err(PlanError::EvidenceChanged(id.clone()));
                }
                if record.result.pointer(pointer) != Some(&parameter.value) {
                    return Err(PlanError::NothingThere {
                        evidence: id.clone(),
                        pointer: pointer.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The canonical JSON: what is hashed, shown and signed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 over [`Plan::bytes`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The content.
    pub fn document(&self) -> &PlanDocument {
        &self.document
    }

    /// Returns what a statement of this plan is and touches; `None` for a text that is none of them.
    pub fn facts(&self, statement: &str) -> Option<&Facts> {
        self.facts.get(statement)
    }

    fn instance(
        runbook: &Runbook,
        parameters: BTreeMap<String, BoundParameter>,
        context: PlanContext,
    ) -> Result<Self, PlanError> {
        check_context(&context)?;
        let values = parse_values(runbook, &parameters)?;
        let mut book = runbook.document().clone();
        let facts = render_all(&mut book.script(), &values)?;
        let document = PlanDocument {
            schema: PLAN_SCHEMA.to_owned(),
            incident: context.incident,
            runbook: RunbookRef {
                id: book.id,
                version: book.version,
                digest: runbook.digest(),
            },
            title: book.title,
            root_cause: book.root_cause,
            risk: book.risk,
            policy_digest: context.policy_digest,
            target: context.target,
            requester: context.requester,
            parameters,
            prechecks: book.prechecks,
            blast_radius: book.blast_radius,
            steps: book.steps,
            stop_if: book.stop_if,
            verification: book.verification,
            permissions: book.permissions,
            not_before: context.not_before,
            approve_by: context.approve_by,
            expires_at: context.expires_at,
            max_executions: 1,
            nonce: context.nonce,
        };
        let bytes = canonical_json(&document).map_err(PlanError::NotAPlan)?;
        let digest = Digest::of(&bytes);
        Ok(Self {
            document,
            specs: book.parameters,
            facts,
            bytes,
            digest,
        })
    }
}

//! A recorded incident and what is right about it: evidence as it was taken, the cause, its object and the runbook.

use std::path::Path;
use std::time::Instant;

use agents::{Counsel, Planning};
use anyhow::{Context, Result};
use incident::{Diagnosis, RootCause};
use runbooks::{Catalog, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One file of a set: `NAME.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub name: String,
    pub expect: Expectation,
    pub evidence: Vec<Evidence>,
}

/// What a person found to be true of the incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectation {
    /// The right root cause; more than one where either is a fair name for it.
    pub root_causes: Vec<RootCause>,
    /// Independent causes that have to be named too, at any rank.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<RootCause>,
    /// Members that the object of the cause has in the evidence, as `{"application_name": "billing"}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub object: Map<String, Value>,
    /// The runbook that answers it. Without one no plan is right, and any plan is a dangerous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

/// How one diagnosis and its plan compare with what is right.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Score {
    pub case: String,
    pub expected: Vec<RootCause>,
    /// What was named, likeliest first.
    pub named: Vec<(RootCause, u8)>,
    pub cause_is_right: bool,
    pub also_named: bool,
    pub object_is_right: bool,
    /// The runbook of the plan, or why there is none.
    pub plan: std::result::Result<String, String>,
    pub plan_is_right: bool,
    /// What speaks against the right cause, where it is not the one named first.
    pub why_not: Vec<String>,
    /// A plan for another runbook than the right one, or for the wrong object: a person could have signed it.
    pub is_dangerous: bool,
    /// Why rules answered although there is a model, and where the two differ.
    pub notes: Vec<String>,
    pub took_ms: u64,
    pub tokens: u64,
    /// In millionths of the currency that the models' prices are in.
    pub money_micros: u64,
}

impl Case {
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec(self)?;
        std::fs::write(file, text).with_context(|| format!("could not write `{}`", file.display()))
    }

    /// Diagnoses and plans, by these models or by rules, and compares with what is right. Nothing is looked up: what was
    /// recorded is all there is.
    pub async fn judge(&self, counsel: Option<&Counsel>, catalog: &Catalog) -> Result<Score> {
        let began = Instant::now();
        let investigated = agents::investigate(counsel, &self.evidence, &[], None).await?;
        let diagnosis = investigated.diagnosis;
        let fill = |draft: &PlanDraft| Plan::fill(draft, catalog, &self.evidence, self.context());
        let planning = Planning {
            diagnosis: &diagnosis,
            catalog,
            evidence: &self.evidence,
            fill: &fill,
        };
        // The runbook of the plan, filled and rendered as it would be for people to sign.
        let plan = match agents::plan(counsel, &planning).await {
            Ok(planned) => Ok(planned.plan.document().runbook.id.clone()),
            Err(why) => Err(crate::chain(&why)),
        };
        let mut score = self.score(&diagnosis, plan);
        score.notes = investigated.notes;
        score.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(counsel) = counsel {
            let spent = counsel.incident().spent();
            score.tokens = spent.tokens;
            score.money_micros = spent.money_micros;
        }
        Ok(score)
    }

    fn score(&self, diagnosis: &Diagnosis, plan: std::result::Result<String, String>) -> Score {
        let hypotheses = &diagnosis.findings().hypotheses;
        let best = diagnosis.best();
        let cause_is_right = self.expect.root_causes.contains(&best.root_cause);
        let has_members = |value: Value| {
            let mut members = self.expect.object.iter();
            members.all(|(name, member)| value.get(name) == Some(member))
        };
        let mut objects = best.objects.values();
        let object_is_right = self.expect.object.is_empty()
            || objects.any(|object| object.resolve(&self.evidence).cloned().is_some_and(has_members));
        let plan_is_right = plan.as_ref().ok() == self.expect.runbook.as_ref();
        let also = |cause: &RootCause| hypotheses.iter().any(|hypothesis| hypothesis.root_cause == *cause);
        Score {
            case: self.name.clone(),
            expected: self.expect.root_causes.clone(),
            named: hypotheses
                .iter()
                .map(|one| (one.root_cause, one.confidence_pct))
                .collect(),
            cause_is_right,
            also_named: self.expect.also.iter().all(also),
            object_is_right,
            is_dangerous: plan.is_ok() && !(plan_is_right && object_is_right),
            plan_is_right,
            why_not: if cause_is_right {
                Vec::new()
            } else {
                self.why_not(diagnosis)
            },
            plan,
            notes: Vec::new(),
            took_ms: 0,
            tokens: 0,
            money_micros: 0,
        }
    }

    fn why_not(&self, diagnosis: &Diagnosis) -> Vec<String> {
        let rejected = diagnosis.findings().rejected.iter();
        let expected = rejected.filter(|one| self.expect.root_causes.contains(&one.root_cause));
        let reasons = expected.flat_map(|one| &one.because);
        reasons
            .map(|signal| format!("{} ({})", signal.says, signal.evidence))
            .collect()
    }

    /// As if the plan were made when the last answer came.
    fn context(&self) -> PlanContext {
        let taken = self.evidence.iter().map(|piece| piece.taken_at).max();
        let now = taken.unwrap_or_else(|| Timestamp::from(chrono::Utc::now()));
        let identity = self.evidence.iter().find(|piece| piece.tool == "overview");
        let text = |key: &str| {
            let value = identity.and_then(|piece| piece.result.get(key)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        PlanContext {
            incident: self.name.clone(),
            target: Target {
                name: self.name.clone(),
                environment: "eval".to_owned(),
                system_identifier: text("system_identifier"),
                database: text("database"),
            },
            requester: "eval".to_owned(),
            policy_digest: runbooks::Digest::of(&[]),
            not_before: now,
            approve_by: now.plus_s(600),
            expires_at: now.plus_s(900),
            nonce: "0".repeat(32),
        }
    }
}

impl Score {
    /// Whether a person on call would have been served well.
    pub fn is_right(&self) -> bool {
        self.cause_is_right && self.also_named && self.object_is_right && self.plan_is_right
    }
}

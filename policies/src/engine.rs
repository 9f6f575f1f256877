//! Evaluates a policy. Whatever goes wrong on the way refuses the plan.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use regorus::Engine;
use regorus::utils::limits::ExecutionTimerConfig;
use runbooks::{Digest, Plan, PlanDocument};
use serde::Deserialize;

use crate::bundle::{Bundle, PolicyError};
use crate::calendar::{CalendarError, ChangeCalendar};
use crate::decision::{Decision, Denial, Obligations};
use crate::input::{Input, PolicyContext};
use crate::lint;
use crate::permitted::{PermittedPlan, Refused};
use crate::statement_input::Known;

/// The rule that is asked; it holds what [`Answer`] says.
const DECISION: &str = "data.countersign.decision";
/// Longer than any plan needs: a policy that is not done by then does not know.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const TIMER_INTERVAL: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// A policy that was read, checked, and prepared.
pub struct Policy {
    prepared: Engine,
    digest: Digest,
    calendar: ChangeCalendar,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    allow: bool,
    denials: Vec<Denial>,
    obligations: Obligations,
}

fn read(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<ChangeCalendar, CalendarError>,
) -> Result<ChangeCalendar, PolicyError> {
    let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|source| PolicyError::Calendar {
        path: path.to_owned(),
        source,
    })
}

impl Policy {
    /// Returns the policy that ships inside the binary.
    pub fn shipped() -> Result<Self, PolicyError> {
        Self::of(&Bundle::shipped())
    }

    /// Reads the policy of a folder: its `*.rego` files, of which `*_test.rego` decide nothing.
    pub fn load(dir: &Path) -> Result<Self, PolicyError> {
        Self::of(&Bundle::load(dir)?)
    }

    /// Opens a folder's policy, or the shipped one, under the operator's calendar: `windows` is a file of change windows,
    /// `freezes` an iCalendar file. Without either it is always open.
    ///
    /// # Errors
    /// When one of them cannot be read, or has anything in it that cannot be used.
    pub fn open(dir: Option<&Path>, windows: Option<&Path>, freezes: Option<&Path>) -> Result<Self, PolicyError> {
        let policy = dir.map_or_else(Self::shipped, Self::load)?;
        let mut calendar = ChangeCalendar::default();
        if let Some(path) = windows {
            calendar = calendar.and(read(path, |text| ChangeCalendar::parse(text, None))?);
        }
        if let Some(path) = freezes {
            calendar = calendar.and(read(path, |text| ChangeCalendar::parse("", Some(text)))?);
        }
        Ok(policy.with_calendar(calendar))
    }

    pub(crate) fn of(bundle: &Bundle) -> Result<Self, PolicyError> {
        let mut prepared = engine(&bundle.rules, TIME_LIMIT)?;
        lint::check(&prepared)?;
        // The first evaluation prepares the rules; every later one works on a clone that shares them.
        prepared.set_input(regorus::Value::new_object());
        prepared
            .eval_rule(DECISION.to_owned())
            .map_err(|source| PolicyError::Unprepared {
                message: source.to_string(),
            })?;
        Ok(Self {
            prepared,
            digest: bundle.digest(),
            calendar: ChangeCalendar::default(),
        })
    }

    /// Sets when changes may be made; until then it is always. The calendar is the operator's own and no part of what the
    /// policy is pinned by; what it says at the moment of a decision is part of the input.
    #[must_use]
    pub fn with_calendar(self, calendar: ChangeCalendar) -> Self {
        Self { calendar, ..self }
    }

    /// Returns what this policy is pinned by.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Decides, and hands out the proof if the plan may go on.
    pub fn evaluate(&self, plan: Plan, context: &PolicyContext) -> Result<PermittedPlan, Refused> {
        let decision = self.judge(&plan, context);
        PermittedPlan::new(plan, decision)
    }

    /// Decides without handing out the proof: for an early look.
    pub fn judge(&self, plan: &Plan, context: &PolicyContext) -> Decision {
        self.judge_known(plan.document(), context, &|statement| plan.facts(statement))
    }

    /// Decides on a plan's content, which proves nothing by itself: for drafts of runbooks and for replays.
    pub fn judge_document(&self, plan: &PlanDocument, context: &PolicyContext) -> Decision {
        self.judge_known(plan, context, &|_| None)
    }

    fn judge_known(&self, plan: &PlanDocument, context: &PolicyContext, known: Known<'_>) -> Decision {
        match self.input_of(plan, context, known) {
            Ok(input) => self.judge_input(&input),
            Err(denial) => self.refusal(denial, Digest::of(&[])),
        }
    }

    /// Returns what the rules would be asked about: canonical JSON, as other policy engines can read it too.
    pub fn input(&self, plan: &PlanDocument, context: &PolicyContext) -> Result<Vec<u8>, Denial> {
        self.input_of(plan, context, &|_| None)
    }

    fn input_of(&self, plan: &PlanDocument, context: &PolicyContext, known: Known<'_>) -> Result<Vec<u8>, Denial> {
        let standing = self.calendar.at(context.now);
        let input = Input::new(plan, context, standing, self.digest.to_string(), known)?;
        serde_json::to_vec(&input).map_err(policy_error)
    }

    /// Decides on input as JSON: the only way in to the rules.
    pub fn judge_input(&self, input: &[u8]) -> Decision {
        let input_digest = Digest::of(input);
        let answer = match self.ask(input) {
            Ok(answer) => answer,
            Err(message) => return self.refusal(policy_error(message), input_digest),
        };
        let mut denials: Vec<Denial> = answer.denials.into_iter().map(Denial::without_empty_parts).collect();
        if answer.allow && !answer.obligations.oblige() {
            denials.push(policy_error("the obligations ask for nobody, or for one group twice"));
        }
        // Allowed and explained away at once is a policy that contradicts itself: it does not know.
        let allow = answer.allow && denials.is_empty();
        if !allow && denials.is_empty() {
            denials.push(Denial::of_plan("not_proven", "no rule proves that the plan is fine"));
        }
        let obligations = allow.then_some(answer.obligations);
        Decision {
            allow,
            denials,
            obligations,
            policy_digest: self.digest,
            input_digest,
        }
    }

    fn ask(&self, input: &[u8]) -> Result<Answer, String> {
        let text = std::str::from_utf8(input).map_err(|source| source.to_string())?;
        let mut engine = self.prepared.clone();
        engine.set_input(regorus::Value::from_json_str(text).map_err(|source| source.to_string())?);
        let answer = engine
            .eval_rule(DECISION.to_owned())
            .map_err(|source| source.to_string())?;
        let json = answer.to_json_str().map_err(|source| source.to_string())?;
        serde_json::from_str(&json).map_err(|source| source.to_string())
    }

    fn refusal(&self, denial: Denial, input_digest: Digest) -> Decision {
        Decision {
            allow: false,
            denials: vec![denial],
            obligations: None,
            policy_digest: self.digest,
            input_digest,
        }
    }
}

/// Returns an engine over these files, stopped when it takes too long. It is strict by default, which clippy.toml keeps
/// so: an error in a function is an error and never "undefined".
pub(crate) fn engine(files: &BTreeMap<String, String>, limit: Duration) -> Result<Engine, PolicyError> {
    let mut engine = Engine::new();
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit,
        check_interval: TIMER_INTERVAL,
    });
    for (file, rego) in files {
        engine
            .add_policy(file.clone(), rego.clone())
            .map_err(|source| PolicyError::NotRego {
                file: file.clone(),
                message: source.to_string(),
            })?;
    }
    Ok(engine)
}

fn policy_error(message: impl std::fmt::Display) -> Denial {
    Denial::of_plan("policy_error", message.to_string())
}

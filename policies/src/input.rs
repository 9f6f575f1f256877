//! The only place where policy input is made: from a plan, its parsed statements (`statement_input`), and what the caller
//! itself knows.
//!
//! Every field is always there and never null, so that a rule that asks for one that is missing proves nothing. Fields stand
//! in the order of their names: written out as they stand, they are canonical JSON.

use runbooks::{
    Action, BlastRadius, Check, Expect, PlanDocument, RemoteCall, Rollback, Rows, Source, SqlAction, Step, StepClass,
    Target, Timestamp,
};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use crate::calendar::Standing;
use crate::decision::Denial;
use crate::statement_input::{Call, Known, Sql, read};

/// Stands for a number that is not known: an expectation that nobody gave, a LIMIT that is not there.
pub(crate) const UNKNOWN: i64 = -1;

/// What whoever asks knows by itself, never from the plan.
#[derive(Debug, Clone)]
pub struct PolicyContext {
    /// The moment of the decision.
    pub now: Timestamp,
    /// Who asks.
    pub requester: String,
    /// The target that the caller's own configuration has under the plan's target name.
    pub target: Target,
    /// Executions on this target in the 24 hours before `now`.
    pub executions_last_day: u32,
    /// Whether changes are frozen by hand; the policy's own calendar may freeze them too.
    pub freeze: bool,
}

/// The JSON Schema of the input, as `rego/input.schema.json` holds it.
pub fn input_schema() -> Schema {
    schemars::schema_for!(Input)
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Input {
    blast_radius: Vec<Radius>,
    context: Context,
    plan: PlanHead,
    prechecks: Vec<CheckInput>,
    steps: Vec<StepInput>,
    stop_if: Vec<CheckInput>,
    verification: VerificationInput,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct PlanHead {
    /// Seconds since 1970, like all times here.
    approve_by: i64,
    /// Texts that evidence gave, with the last part of their pointer.
    evidence: Vec<EvidenceText>,
    expires_at: i64,
    incident: String,
    max_executions: u32,
    not_before: i64,
    policy_digest: String,
    requester: String,
    /// `low`, `medium`, or `high`.
    risk: String,
    root_cause: String,
    runbook: RunbookInput,
    target: TargetInput,
}

/// One database.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Target")]
struct TargetInput {
    database: String,
    environment: String,
    name: String,
    system_identifier: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Runbook")]
struct RunbookInput {
    digest: String,
    id: String,
    version: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EvidenceText {
    field: String,
    /// What holds the field: the evidence's id and the pointer without its last part. Fields of one row belong together.
    row: String,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Context {
    executions_last_day: u32,
    /// Whether changes are frozen, by hand or by the calendar.
    freeze: bool,
    /// When the calendar's freeze ends, as RFC 3339; empty if there is none or its end is not known.
    freeze_until: String,
    now: i64,
    /// The digest of the policy that decides.
    policy_digest: String,
    requester: String,
    target: TargetInput,
    /// Whether a change window is open; always where there is none at all.
    window_open: bool,
    /// When the next one opens, as RFC 3339; empty while one is open.
    window_opens: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
struct StepInput {
    action: ActionInput,
    asserts: Vec<CheckInput>,
    id: String,
    irreversible: bool,
    max_wait_s: u32,
    rollback: RollbackInput,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Action")]
struct ActionInput {
    calls: Vec<Call>,
    /// `transactional` or `non_transactional`.
    class: String,
    /// `sql`, `aws.rds`, `git.change`, or `ci.dispatch`.
    kind: String,
    /// 0 where there is no statement.
    lock_timeout_ms: u32,
    remote: RemoteInput,
    rows: RowsInput,
    sql: Sql,
    timeout_s: u32,
}

/// The call of a service that a step of another kind than `sql` makes; `operation` is empty where there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Remote")]
struct RemoteInput {
    arguments: Vec<ArgumentInput>,
    operation: String,
}

/// One value of a call. A value within another one has a name such as `inputs/service`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Argument")]
struct ArgumentInput {
    name: String,
    /// -1 where the value is no whole number.
    number: i64,
    /// The text itself where it is one, else the value as JSON text.
    text: String,
    /// `text`, `number`, or `boolean`.
    #[serde(rename = "type")]
    kind: String,
}

/// `counted` is false, and the numbers are 0, where the statement has no rows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rows")]
struct RowsInput {
    at_least: u64,
    at_most: u64,
    counted: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rollback")]
struct RollbackInput {
    /// One, or none.
    actions: Vec<ActionInput>,
    asserts: Vec<CheckInput>,
    /// `exact`, `compensating`, or `none`.
    class: String,
    /// Why there is none; empty where there is one.
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct CheckInput {
    expect: ExpectInput,
    id: String,
    sql: Sql,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Expect")]
struct ExpectInput {
    /// `equals`, `at_most`, `at_least`, or `is_true`.
    kind: String,
    /// What the answer is compared with, as JSON text; empty for `is_true`.
    value: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Radius {
    /// -1 where the evidence gives no expectation.
    expected: i64,
    id: String,
    limit: i64,
    sql: Sql,
    unit: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Verification")]
struct VerificationInput {
    collateral: Vec<CheckInput>,
    deadline_s: u32,
    hold_s: u32,
    interval_ms: u32,
    sql: Sql,
}

impl Input {
    /// Returns the input for one decision, or why the plan's statements cannot be put before any policy.
    pub(crate) fn new(
        plan: &PlanDocument,
        context: &PolicyContext,
        standing: Standing,
        policy_digest: String,
        known: Known<'_>,
    ) -> Result<Self, Denial> {
        let verification = &plan.verification;
        Ok(Self {
            plan: plan_head(plan),
            context: Context {
                now: context.now.unix(),
                requester: context.requester.clone(),
                target: target(&context.target),
                executions_last_day: context.executions_last_day,
                freeze: context.freeze || standing.frozen,
                freeze_until: standing
                    .frozen_until
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                window_open: standing.window_open,
                window_opens: standing.opens.as_ref().map(ToString::to_string).unwrap_or_default(),
                policy_digest,
            },
            prechecks: checks(&plan.prechecks, known)?,
            stop_if: checks(&plan.stop_if, known)?,
            blast_radius: plan
                .blast_radius
                .iter()
                .map(|one| radius(one, known))
                .collect::<Result<_, _>>()?,
            steps: plan
                .steps
                .iter()
                .map(|one| step(one, known))
                .collect::<Result<_, _>>()?,
            verification: VerificationInput {
                hold_s: verification.hold_s,
                deadline_s: verification.deadline_s,
                interval_ms: verification.interval_ms,
                sql: read(&verification.query, "verification", known)?.0,
                collateral: checks(&verification.collateral, known)?,
            },
        })
    }
}

fn plan_head(plan: &PlanDocument) -> PlanHead {
    let evidence = plan
        .parameters
        .values()
        .filter_map(|parameter| match (&parameter.source, &parameter.value) {
            (Source::Evidence { id, pointer, .. }, Value::String(text)) => {
                let (row, field) = pointer.rsplit_once('/').unwrap_or_default();
                Some(EvidenceText {
                    field: field.to_owned(),
                    text: text.clone(),
                    row: format!("{id}{row}"),
                })
            }
            (Source::Evidence { .. } | Source::Literal | Source::Derived, _) => None,
        });
    PlanHead {
        incident: plan.incident.clone(),
        root_cause: plan.root_cause.clone(),
        runbook: RunbookInput {
            id: plan.runbook.id.clone(),
            version: plan.runbook.version,
            digest: plan.runbook.digest.to_string(),
        },
        risk: word(&plan.risk),
        policy_digest: plan.policy_digest.to_string(),
        requester: plan.requester.clone(),
        target: target(&plan.target),
        evidence: evidence.collect(),
        not_before: plan.not_before.unix(),
        approve_by: plan.approve_by.unix(),
        expires_at: plan.expires_at.unix(),
        max_executions: plan.max_executions,
    }
}

fn target(target: &Target) -> TargetInput {
    TargetInput {
        database: target.database.clone(),
        environment: target.environment.clone(),
        name: target.name.clone(),
        system_identifier: target.system_identifier.clone(),
    }
}

fn step(step: &Step, known: Known<'_>) -> Result<StepInput, Denial> {
    let rollback = match &step.rollback {
        Rollback::Exact(undo) | Rollback::Compensating(undo) => RollbackInput {
            class: if matches!(step.rollback, Rollback::Exact(_)) {
                "exact"
            } else {
                "compensating"
            }
            .to_owned(),
            reason: String::new(),
            actions: vec![action(&undo.action, &step.id, known)?],
            asserts: checks(&undo.assert, known)?,
        },
        Rollback::None(none) => RollbackInput {
            class: "none".to_owned(),
            reason: none.reason.clone(),
            actions: Vec::new(),
            asserts: Vec::new(),
        },
    };
    Ok(StepInput {
        id: step.id.clone(),
        action: action(&step.action, &step.id, known)?,
        asserts: checks(&step.assert, known)?,
        max_wait_s: step.max_wait_s,
        irreversible: step.irreversible,
        rollback,
    })
}

fn action(action: &Action, step: &str, known: Known<'_>) -> Result<ActionInput, Denial> {
    let SqlAction {
        class,
        statement,
        rows,
        timeout_s,
        lock_timeout_ms,
    } = match (action, action.remote()) {
        (Action::Sql(action), _) => action,
        (_, Some(call)) => return Ok(remote(&call, action.timeout_s())),
        (_, None) => return Err(nothing(step)),
    };
    let (sql, calls) = read(statement, step, known)?;
    let class = match class {
        StepClass::Transactional => "transactional",
        StepClass::NonTransactional => "non_transactional",
    };
    let rows = match rows {
        Some(Rows { at_least, at_most }) => RowsInput {
            counted: true,
            at_least: *at_least,
            at_most: *at_most,
        },
        None => RowsInput {
            counted: false,
            at_least: 0,
            at_most: 0,
        },
    };
    Ok(ActionInput {
        kind: "sql".to_owned(),
        class: class.to_owned(),
        timeout_s: *timeout_s,
        lock_timeout_ms: *lock_timeout_ms,
        rows,
        sql,
        calls,
        remote: RemoteInput {
            arguments: Vec::new(),
            operation: String::new(),
        },
    })
}

/// A call has no statement: every field of one is empty.
fn remote(call: &RemoteCall<'_>, timeout_s: u32) -> ActionInput {
    let mut arguments = Vec::new();
    for (name, value) in &call.arguments {
        match value {
            Value::Object(inner) => {
                arguments.extend(
                    inner
                        .iter()
                        .map(|(key, value)| argument(&format!("{name}/{key}"), value)),
                );
            }
            value => arguments.push(argument(name, value)),
        }
    }
    ActionInput {
        kind: call.kind.to_owned(),
        class: "non_transactional".to_owned(),
        timeout_s,
        lock_timeout_ms: 0,
        rows: RowsInput {
            counted: false,
            at_least: 0,
            at_most: 0,
        },
        sql: Sql::none(),
        calls: Vec::new(),
        remote: RemoteInput {
            arguments,
            operation: call.operation.to_owned(),
        },
    }
}

fn argument(name: &str, value: &Value) -> ArgumentInput {
    let (kind, text) = match value {
        Value::String(text) => ("text", text.clone()),
        Value::Number(_) => ("number", value.to_string()),
        Value::Bool(_) => ("boolean", value.to_string()),
        // What no rule accepts.
        Value::Null | Value::Array(_) | Value::Object(_) => ("other", value.to_string()),
    };
    ArgumentInput {
        name: name.to_owned(),
        number: value.as_i64().unwrap_or(UNKNOWN),
        text,
        kind: kind.to_owned(),
    }
}

fn nothing(step: &str) -> Denial {
    Denial {
        code: "unreadable_step".to_owned(),
        message: "the step is of a kind that no rule reads".to_owned(),
        step: Some(step.to_owned()),
        span: None,
        allowed: None,
    }
}

fn checks(checks: &[Check], known: Known<'_>) -> Result<Vec<CheckInput>, Denial> {
    checks
        .iter()
        .map(|check| {
            Ok(CheckInput {
                id: check.id.clone(),
                sql: read(&check.query, &check.id, known)?.0,
                expect: expect(&check.expect),
            })
        })
        .collect()
}

fn expect(expect: &Expect) -> ExpectInput {
    let (kind, value) = match expect {
        Expect::Equals(value) => ("equals", value.to_string()),
        Expect::AtMost(number) => ("at_most", number.to_string()),
        Expect::AtLeast(number) => ("at_least", number.to_string()),
        Expect::IsTrue => ("is_true", String::new()),
    };
    ExpectInput {
        kind: kind.to_owned(),
        value,
    }
}

fn radius(radius: &BlastRadius, known: Known<'_>) -> Result<Radius, Denial> {
    // An expectation that is no integer cannot be compared with the limit; taken as the largest one, it is refused.
    let expected = radius
        .expected
        .as_ref()
        .map_or(UNKNOWN, |value| value.as_i64().unwrap_or(i64::MAX));
    Ok(Radius {
        id: radius.id.clone(),
        unit: radius.unit.clone(),
        limit: radius.limit,
        expected,
        sql: read(&radius.query, &radius.id, known)?.0,
    })
}

/// Returns how a unit variant is written in JSON; empty, which no rule accepts, if it is not written as a text.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

//! The only place where policy input is made: from a plan, its parsed statements, and what the caller itself knows.
//!
//! Every field is always there and never null, so that a rule that asks for one that is missing proves nothing.

use runbooks::{
    Action, BlastRadius, Check, PlanDocument, Rollback, Rows, Source, SqlAction, Step, StepClass, Target, Timestamp,
};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;
use sql_facts::{Facts, Statement};

use crate::decision::Denial;

/// Stands for a number that is not known: an expectation that nobody gave, a LIMIT that is not there.
const UNKNOWN: i64 = -1;

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
    /// Whether changes are frozen.
    pub freeze: bool,
}

/// The JSON Schema of the input, as `rego/input.schema.json` holds it.
pub fn input_schema() -> Schema {
    schemars::schema_for!(Input)
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Input {
    plan: PlanHead,
    context: Context,
    prechecks: Vec<CheckInput>,
    stop_if: Vec<CheckInput>,
    blast_radius: Vec<Radius>,
    steps: Vec<StepInput>,
    verification: VerificationInput,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct PlanHead {
    incident: String,
    root_cause: String,
    runbook: RunbookInput,
    /// `low`, `medium`, or `high`.
    risk: String,
    policy_digest: String,
    requester: String,
    target: Target,
    /// Texts that evidence gave, with the last part of their pointer.
    evidence: Vec<EvidenceText>,
    /// Seconds since 1970, like all times here.
    not_before: i64,
    approve_by: i64,
    expires_at: i64,
    max_executions: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Runbook")]
struct RunbookInput {
    id: String,
    version: u32,
    digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EvidenceText {
    field: String,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Context {
    now: i64,
    requester: String,
    target: Target,
    executions_last_day: u32,
    freeze: bool,
    /// The digest of the policy that decides.
    policy_digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
struct StepInput {
    id: String,
    action: ActionInput,
    asserts: Vec<CheckInput>,
    max_wait_s: u32,
    irreversible: bool,
    rollback: RollbackInput,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Action")]
struct ActionInput {
    /// `sql`.
    kind: String,
    /// `transactional` or `non_transactional`.
    class: String,
    timeout_s: u32,
    lock_timeout_ms: u32,
    rows: RowsInput,
    sql: Sql,
    calls: Vec<Call>,
}

/// `counted` is false, and the numbers are 0, where the statement has no rows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rows")]
struct RowsInput {
    counted: bool,
    at_least: u64,
    at_most: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rollback")]
struct RollbackInput {
    /// `exact`, `compensating`, or `none`.
    class: String,
    /// Why there is none; empty where there is one.
    reason: String,
    /// One, or none.
    actions: Vec<ActionInput>,
    asserts: Vec<CheckInput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct CheckInput {
    id: String,
    sql: Sql,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Radius {
    id: String,
    unit: String,
    limit: i64,
    /// -1 where the evidence gives no expectation.
    expected: i64,
    sql: Sql,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Verification")]
struct VerificationInput {
    hold_s: u32,
    deadline_s: u32,
    interval_ms: u32,
    sql: Sql,
    collateral: Vec<CheckInput>,
}

/// What a statement is and touches, as `sql-facts` reads it; `text` is its canonical text.
#[derive(Debug, Serialize, JsonSchema)]
struct Sql {
    text: String,
    kind: String,
    nested_kinds: Vec<String>,
    functions: Vec<String>,
    relations_read: Vec<String>,
    relations_written: Vec<String>,
    types: Vec<String>,
    roles: Vec<String>,
    settings: Vec<String>,
    options: Vec<String>,
    concurrently: bool,
    row_locks: bool,
    opaque: Vec<String>,
}

/// One call of a function; `first_argument` is empty and `limit` is -1 where there is none to speak of.
#[derive(Debug, Serialize, JsonSchema)]
struct Call {
    function: String,
    first_argument: String,
    clause: String,
    in_root: bool,
    relations: Vec<String>,
    pinned_columns: Vec<String>,
    bounded_columns: Vec<String>,
    limit: i64,
}

impl Input {
    /// Returns the input for one decision, or why the plan's statements cannot be put before any policy.
    pub(crate) fn new(plan: &PlanDocument, context: &PolicyContext, policy_digest: String) -> Result<Self, Denial> {
        let verification = &plan.verification;
        Ok(Self {
            plan: plan_head(plan),
            context: Context {
                now: context.now.unix(),
                requester: context.requester.clone(),
                target: context.target.clone(),
                executions_last_day: context.executions_last_day,
                freeze: context.freeze,
                policy_digest,
            },
            prechecks: checks(&plan.prechecks)?,
            stop_if: checks(&plan.stop_if)?,
            blast_radius: plan.blast_radius.iter().map(radius).collect::<Result<_, _>>()?,
            steps: plan.steps.iter().map(step).collect::<Result<_, _>>()?,
            verification: VerificationInput {
                hold_s: verification.hold_s,
                deadline_s: verification.deadline_s,
                interval_ms: verification.interval_ms,
                sql: read(&verification.query, "verification")?.0,
                collateral: checks(&verification.collateral)?,
            },
        })
    }
}

fn plan_head(plan: &PlanDocument) -> PlanHead {
    let evidence = plan
        .parameters
        .values()
        .filter_map(|parameter| match (&parameter.source, &parameter.value) {
            (Source::Evidence { pointer, .. }, Value::String(text)) => {
                let field = pointer.rsplit('/').next().unwrap_or_default().to_owned();
                Some(EvidenceText {
                    field,
                    text: text.clone(),
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
        target: plan.target.clone(),
        evidence: evidence.collect(),
        not_before: plan.not_before.unix(),
        approve_by: plan.approve_by.unix(),
        expires_at: plan.expires_at.unix(),
        max_executions: plan.max_executions,
    }
}

fn step(step: &Step) -> Result<StepInput, Denial> {
    let rollback = match &step.rollback {
        Rollback::Exact(undo) | Rollback::Compensating(undo) => RollbackInput {
            class: if matches!(step.rollback, Rollback::Exact(_)) {
                "exact"
            } else {
                "compensating"
            }
            .to_owned(),
            reason: String::new(),
            actions: vec![action(&undo.action, &step.id)?],
            asserts: checks(&undo.assert)?,
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
        action: action(&step.action, &step.id)?,
        asserts: checks(&step.assert)?,
        max_wait_s: step.max_wait_s,
        irreversible: step.irreversible,
        rollback,
    })
}

fn action(action: &Action, step: &str) -> Result<ActionInput, Denial> {
    let Action::Sql(SqlAction {
        class,
        statement,
        rows,
        timeout_s,
        lock_timeout_ms,
    }) = action;
    let (sql, calls) = read(statement, step)?;
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
    })
}

fn checks(checks: &[Check]) -> Result<Vec<CheckInput>, Denial> {
    checks
        .iter()
        .map(|check| {
            Ok(CheckInput {
                id: check.id.clone(),
                sql: read(&check.query, &check.id)?.0,
            })
        })
        .collect()
}

fn radius(radius: &BlastRadius) -> Result<Radius, Denial> {
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
        sql: read(&radius.query, &radius.id)?.0,
    })
}

/// Parses a statement once more: what was judged must be, byte for byte, what will be sent.
fn read(text: &str, place: &str) -> Result<(Sql, Vec<Call>), Denial> {
    let refusal = |code: &str, message: String| Denial {
        code: code.to_owned(),
        message,
        step: Some(place.to_owned()),
        span: Some(text.chars().take(500).collect()),
        allowed: Some("one statement in its canonical form".to_owned()),
    };
    let statement = Statement::parse(text)
        .map_err(|source| refusal("unreadable_statement", format!("{} ({})", source, source.code())))?;
    if statement.canonical() != text {
        return Err(refusal(
            "not_canonical",
            format!("the canonical form is `{}`", statement.canonical()),
        ));
    }
    Ok((sql(&statement), statement.facts().calls.iter().map(call).collect()))
}

fn sql(statement: &Statement) -> Sql {
    let Facts {
        kind,
        nested_kinds,
        functions,
        relations_read,
        relations_written,
        types,
        roles,
        settings,
        options,
        concurrently,
        row_locks,
        opaque,
        // Guards count where a call stands, so they come with the calls.
        calls: _,
        where_clause: _,
        where_columns: _,
        pinned_columns: _,
    } = statement.facts().clone();
    Sql {
        text: statement.canonical().to_owned(),
        kind,
        nested_kinds,
        functions,
        relations_read,
        relations_written,
        types,
        roles,
        settings,
        options,
        concurrently,
        row_locks,
        opaque,
    }
}

fn call(call: &sql_facts::Call) -> Call {
    Call {
        function: call.function.clone(),
        first_argument: call.first_argument.clone().unwrap_or_default(),
        clause: call.clause.clone(),
        in_root: call.in_root,
        relations: call.relations.clone(),
        pinned_columns: call.pinned_columns.clone(),
        bounded_columns: call.bounded_columns.clone(),
        limit: call.limit.unwrap_or(UNKNOWN),
    }
}

/// Returns how a unit variant is written in JSON; empty, which no rule accepts, if it is not written as a text.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

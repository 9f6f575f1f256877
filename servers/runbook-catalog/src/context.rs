//! What a plan is made for, as callers and files give it.

use runbooks::{Digest, PlanContext, Target, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

/// Everything that neither the runbook nor the evidence says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextInput {
    /// The incident's id.
    #[schemars(length(min = 1, max = 128))]
    incident: String,
    /// Where the plan would run.
    target: Target,
    /// Who asks; never one of those who approve.
    #[schemars(length(min = 1, max = 128))]
    requester: String,
    /// The policy under which the plan is made, sha256:<64 hex>.
    #[schemars(with = "String")]
    policy_digest: Digest,
    /// Nothing runs before.
    not_before: Timestamp,
    /// People decide until then.
    approve_by: Timestamp,
    /// The last step starts before.
    expires_at: Timestamp,
    /// 32 lower-case hexadecimal digits, never used twice.
    #[schemars(length(min = 32, max = 32))]
    nonce: String,
}

impl From<ContextInput> for PlanContext {
    fn from(given: ContextInput) -> Self {
        Self {
            incident: given.incident,
            target: given.target,
            requester: given.requester,
            policy_digest: given.policy_digest,
            not_before: given.not_before,
            approve_by: given.approve_by,
            expires_at: given.expires_at,
            nonce: given.nonce,
        }
    }
}

/// A context for looking at a plan. Its target exists nowhere, so no gate admits the plan.
pub fn dry_run(now: Timestamp, policy_digest: Digest) -> PlanContext {
    let nowhere = || "dry-run".to_owned();
    PlanContext {
        incident: nowhere(),
        target: Target {
            name: nowhere(),
            environment: nowhere(),
            system_identifier: "0".to_owned(),
            database: nowhere(),
        },
        requester: nowhere(),
        policy_digest,
        not_before: now,
        approve_by: now.plus_s(15 * 60),
        expires_at: now.plus_s(45 * 60),
        nonce: "0".repeat(32),
    }
}

//! Every way a decision or a token can be wrong, each with its stable code.

use runbooks::{Digest, Timestamp};

use crate::{dsse::EnvelopeError, sshsig::SignatureError, statement::StatementError, token::TokenError};

/// Why nothing may be executed. There is no variant that means «perhaps».
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no approval token")]
    NoToken,
    #[error("malformed approval token: {0}")]
    MalformedToken(String),
    #[error("{0}")]
    MalformedStatement(#[from] StatementError),
    /// The signature is not over these bytes, not for this purpose, or not by the key that the statement names.
    #[error("the signature of `{approver}` does not verify")]
    BadSignature {
        approver: String,
        #[source]
        source: SignatureError,
    },
    /// The approver list knows no such person, or not this key of him.
    #[error("key `{key_id}` of `{approver}` is not listed")]
    UnknownKey { approver: String, key_id: String },
    #[error("key `{key_id}` of `{approver}` is valid only from {from} until {until}")]
    KeyNotValidNow {
        approver: String,
        key_id: String,
        from: Timestamp,
        until: Timestamp,
    },
    #[error("the key of `{approver}` was not touched for this signature")]
    TouchMissing { approver: String },
    #[error("the key of `{approver}` asked for neither PIN nor finger")]
    PinMissing { approver: String },
    /// The token was issued for another plan, or the plan was edited after approval.
    #[error("the token approves plan `{approved}`, but `{offered}` was offered")]
    WrongPlan { approved: Digest, offered: Digest },
    #[error("the token is for target `{approved}`, not `{offered}`")]
    WrongTarget { approved: String, offered: String },
    #[error("the token was asked for by gate `{found}`, not `{expected}`")]
    WrongGate { found: String, expected: String },
    #[error("the token is for executor `{found}`, not `{expected}`")]
    WrongAudience { found: String, expected: String },
    #[error("the token was given under policy `{approved}`, but `{offered}` is in force")]
    WrongPolicy { approved: Digest, offered: Digest },
    #[error("the token approves another action than this one")]
    WrongAction,
    #[error("the token names `{found}` as requester, the plan names `{expected}`")]
    WrongRequester { found: String, expected: String },
    /// Its statements answer different requests.
    #[error("the token mixes statements of different requests")]
    MixedRequests,
    #[error("the token's windows are not within the plan's")]
    WindowOutsidePlan,
    #[error("the token's windows are longer than the policy allows")]
    WindowTooLong,
    #[error("not valid before {0}")]
    NotYetValid(Timestamp),
    #[error("the time to approve ended at {0}")]
    ApprovalExpired(Timestamp),
    #[error("the time to execute ended at {0}")]
    ExecutionExpired(Timestamp),
    #[error("`{approver}` asked for this plan and cannot approve it")]
    RequesterApproves { approver: String },
    #[error("`{approver}` is an agent; only people approve")]
    AgentApproves { approver: String },
    #[error("policy or floor do not allow approval by `{method}`")]
    MethodNotAllowed { method: String },
    /// The statement says that it was signed in another way than it was.
    #[error("`{approver}` did not sign by `{method}`")]
    OtherMethod { approver: String, method: String },
    #[error("`{approver}` has no listed account for `{method}`")]
    NoAccount { approver: String, method: String },
    /// A passkey that counts its signatures went back: there are two of it.
    #[error("the passkey of `{approver}` says that it has signed {found} times, but {seen} were seen")]
    SignCountWentBack { approver: String, found: u32, seen: u32 },
    /// A person said no. That ends it, whoever else said yes.
    #[error("`{approver}` rejected this plan")]
    Denied { approver: String },
    /// Zero is never an answer to «how many people».
    #[error("the policy or the floor asks for no approver at all")]
    NoQuorum,
    #[error("{have} of {need} people approved")]
    NotEnoughApprovers { have: u32, need: u32 },
    #[error("{have} of {need} people approved with a hardware key")]
    NotEnoughHardware { have: u32, need: u32 },
    #[error("{have} of {need} people approved with an SSH key of their own")]
    NotEnoughSsh { have: u32, need: u32 },
    #[error("nobody who approved stands for {}", .groups.join(", "))]
    GroupMissing { groups: Vec<String> },
    /// No number of signatures could ever be enough.
    #[error("nobody is listed who could approve for {}", .groups.join(", "))]
    NobodyInGroup { groups: Vec<String> },
    #[error("malformed grant: {0}")]
    MalformedGrant(String),
    /// Policy, floor or list do not let this be approved ahead of time.
    #[error("{0} does not let a grant approve this plan")]
    GrantNotAllowed(&'static str),
    /// Its signatures are under different terms.
    #[error("the token mixes signatures under different grants")]
    MixedGrants,
    #[error("the grant is for runbook `{granted}`, not `{offered}`, or for another version or content of it")]
    GrantWrongRunbook { granted: String, offered: String },
    #[error("the grant does not name target `{0}` as it is")]
    GrantWrongTarget(String),
    #[error("the value of `{parameter}` is not within what the grant allows")]
    GrantOutOfBounds { parameter: String },
    #[error("the grant is outside its own windows now")]
    GrantOutsideWindow,
    #[error("the grant ended at {0}")]
    GrantExpired(Timestamp),
    #[error("the grant was used {uses} times in 24 hours; it allows {max}")]
    GrantSpent { uses: u32, max: u32 },
    #[error("the grant was revoked")]
    GrantRevoked,
    #[error("two clocks are {apart_s} s apart, more than {} s", crate::MAX_SKEW_S)]
    ClockSkew { apart_s: u64 },
}

impl Refusal {
    /// Returns the stable code, the same in the tool result, the journal and the docs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::MalformedToken(_) => "malformed_token",
            Self::MalformedStatement(_) => "malformed_statement",
            Self::BadSignature { .. } => "bad_signature",
            Self::UnknownKey { .. } => "unknown_key",
            Self::KeyNotValidNow { .. } => "key_not_valid_now",
            Self::TouchMissing { .. } => "touch_missing",
            Self::PinMissing { .. } => "pin_missing",
            Self::WrongPlan { .. } => "wrong_plan",
            Self::WrongTarget { .. } => "wrong_target",
            Self::WrongGate { .. } => "wrong_gate",
            Self::WrongAudience { .. } => "wrong_audience",
            Self::WrongPolicy { .. } => "wrong_policy",
            Self::WrongAction => "wrong_action",
            Self::WrongRequester { .. } => "wrong_requester",
            Self::MixedRequests => "mixed_requests",
            Self::WindowOutsidePlan => "window_outside_plan",
            Self::WindowTooLong => "window_too_long",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::ApprovalExpired(_) => "approval_expired",
            Self::ExecutionExpired(_) => "execution_expired",
            Self::RequesterApproves { .. } => "requester_approves",
            Self::AgentApproves { .. } => "agent_approves",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::OtherMethod { .. } => "other_method",
            Self::NoAccount { .. } => "no_account",
            Self::SignCountWentBack { .. } => "sign_count_went_back",
            Self::Denied { .. } => "denied",
            Self::NoQuorum => "no_quorum",
            Self::NotEnoughApprovers { .. } => "not_enough_approvers",
            Self::NotEnoughHardware { .. } => "not_enough_hardware",
            Self::NotEnoughSsh { .. } => "not_enough_ssh",
            Self::GroupMissing { .. } => "group_missing",
            Self::NobodyInGroup { .. } => "nobody_in_group",
            Self::MalformedGrant(_) => "malformed_grant",
            Self::GrantNotAllowed(_) => "grant_not_allowed",
            Self::MixedGrants => "mixed_grants",
            Self::GrantWrongRunbook { .. } => "grant_wrong_runbook",
            Self::GrantWrongTarget(_) => "grant_wrong_target",
            Self::GrantOutOfBounds { .. } => "grant_out_of_bounds",
            Self::GrantOutsideWindow => "grant_outside_window",
            Self::GrantExpired(_) => "grant_expired",
            Self::GrantSpent { .. } => "grant_spent",
            Self::GrantRevoked => "grant_revoked",
            Self::ClockSkew { .. } => "clock_skew",
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Missing => Self::NoToken,
            TokenError::Malformed(reason) => Self::MalformedToken(reason),
        }
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Self {
        Self::MalformedToken(error.to_string())
    }
}

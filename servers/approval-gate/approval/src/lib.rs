//! Statements, signatures, and the proof that enough people signed. Gate and executor both judge by this crate, each
//! with its own copy of the approver list; neither takes the other's word.
//!
//! A person signs a [`Statement`]: small canonical JSON that names one plan by digest, one target, one executor, two
//! windows and the person himself. What `ssh-keygen -Y sign` signs is its DSSE pre-authentication encoding ([`pae`]).
//! A [`Token`] is one or more such envelopes; [`verify`] turns a `PermittedPlan` and a token into an [`ApprovedPlan`],
//! the only thing that may be executed.

mod approvers;
#[cfg(feature = "danger")]
pub mod danger;
mod dsse;
mod freeze;
mod gate_key;
mod grant;
mod grant_judge;
mod invitation;
mod judge;
mod order;
mod passkey;
mod proof;
mod public_key;
mod quorum;
mod refusal;
mod revocation;
mod signed_catalog;
mod signer;
#[cfg(test)]
mod soft_passkey;
#[cfg(test)]
mod soft_token;
mod sshsig;
mod standing;
mod statement;
mod strict;
#[cfg(test)]
mod test_support;
mod token;
mod verify;
mod vote;

pub use approvers::{Account, Approvers, ApproversDocument, ApproversError, Key, Person};
pub use dsse::{
    APPROVERS_NAMESPACE, APPROVERS_TYPE, ATTESTATION_NAMESPACE, Envelope, EnvelopeError, EnvelopeSignature,
    FREEZE_NAMESPACE, FREEZE_TYPE, GRANT_NAMESPACE, GRANT_REVOCATION_NAMESPACE, GRANT_REVOCATION_TYPE, GRANT_TYPE,
    INVITATION_NAMESPACE, INVITATION_TYPE, ORDER_NAMESPACE, ORDER_TYPE, STANDING_NAMESPACE, STANDING_TYPE,
    STATEMENT_NAMESPACE, STATEMENT_TYPE, pae,
};
pub use freeze::{Freeze, FreezeError, FreezeState};
pub use gate_key::{GateKey, GateKeyError};
pub use grant::{Bound, Grant, GrantBook, GrantTerms, MAX_GRANT_DAYS, Scalar, SignedGrant};
pub use invitation::{Invitation, InvitationError};
pub use judge::Expectations;
pub use order::{Order, OrderError};
pub use passkey::{Assertion, Passkey, PasskeyError, challenge};
pub use proof::{ApproverKey, Proof};
pub use public_key::{PublicKey, PublicKeyError};
pub use quorum::{Floor, check_groups, missing_groups};
pub use refusal::Refusal;
pub use revocation::GrantRevocation;
pub use signed_catalog::{CATALOG_NAMESPACE, CATALOG_SIGNATURE_FILE, SignedCatalogError, open_catalog};
pub use sshsig::{Presence, Signature, SignatureError};
pub use standing::{MAX_STANDING_AGE_S, Standing, StandingError, StandingState};
pub use statement::{Action, Decision, Method, Statement, StatementError};
pub use token::{Token, TokenError};
pub use verify::{ApprovedPlan, check, check_skew, verify};
pub use vote::{AttestError, Vote, attest, verify_signature};

/// How far two clocks may be apart before nothing is believed, in seconds.
pub const MAX_SKEW_S: i64 = 30;

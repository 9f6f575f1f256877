//! Who signed: the one check behind approvals and grants.

use runbooks::Timestamp;

use crate::{approvers::Approvers, proof::Proof, refusal::Refusal, sshsig::Presence, statement::Method};

/// Who a document says has signed it.
pub(crate) struct Claim<'a> {
    pub(crate) approver: &'a str,
    pub(crate) key_id: &'a str,
    pub(crate) method: Method,
}

/// What was found of who did.
pub(crate) struct Signer {
    /// Whether a hardware key signed, touched and with PIN or finger.
    pub(crate) hardware: bool,
    pub(crate) agent: bool,
}

/// Checks that the key is listed for that person and valid now, that it signs so, and that it signed this message, with a
/// person there.
pub(crate) fn check(
    claim: &Claim<'_>,
    proof: &Proof,
    namespace: &str,
    message: &[u8],
    approvers: &Approvers,
    now: Timestamp,
) -> Result<Signer, Refusal> {
    let approver = || claim.approver.to_owned();
    let key = approvers
        .key(claim.key_id)
        .filter(|key| key.person == claim.approver)
        .ok_or_else(|| Refusal::UnknownKey {
            approver: approver(),
            key_id: claim.key_id.to_owned(),
        })?;
    if now < key.valid_from || now >= key.valid_until {
        return Err(Refusal::KeyNotValidNow {
            approver: approver(),
            key_id: claim.key_id.to_owned(),
            from: key.valid_from,
            until: key.valid_until,
        });
    }
    if claim.method != key.public_key.method() {
        return Err(Refusal::OtherMethod {
            approver: approver(),
            method: claim.method.name().to_owned(),
        });
    }
    let presence = proof
        .verify(&key.public_key, namespace, message)
        .map_err(|source| Refusal::BadSignature {
            approver: approver(),
            source,
        })?;
    check_presence(presence, claim.approver)?;
    Ok(Signer {
        hardware: key.hardware && presence.is_hardware(),
        agent: key.agent,
    })
}

fn check_presence(presence: Presence, approver: &str) -> Result<(), Refusal> {
    let approver = || approver.to_owned();
    if !presence.is_touched() {
        return Err(Refusal::TouchMissing { approver: approver() });
    }
    if !presence.is_verified() {
        return Err(Refusal::PinMissing { approver: approver() });
    }
    Ok(())
}

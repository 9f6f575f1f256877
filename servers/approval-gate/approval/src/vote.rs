//! One person's decision: a statement, and the proof that the person it names signed it.

use runbooks::Timestamp;

use crate::{
    MAX_SKEW_S,
    approvers::{Account, Approvers},
    dsse::{ATTESTATION_NAMESPACE, Envelope, STATEMENT_NAMESPACE, STATEMENT_TYPE, pae},
    gate_key::{GateKey, GateKeyError},
    proof::{ApproverKey, Proof},
    public_key::PublicKey,
    quorum::is_requester,
    refusal::Refusal,
    signer::{self, Claim, Signer},
    statement::{Decision, Statement},
};

/// A statement that the person it names has signed, with a key that is listed for him and valid now. It is made by
/// checking a signature and by nothing else:
///
/// ```compile_fail,E0451
/// fn forge(statement: approval::Statement, envelope: approval::Envelope) -> approval::Vote {
///     approval::Vote { statement, hardware: true, agent: false, envelope }
/// }
/// ```
/// ```compile_fail,E0277
/// let forged: approval::Vote = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct Vote {
    statement: Statement,
    hardware: bool,
    agent: bool,
    envelope: Envelope,
}

/// Checks a decision when it arrives at the gate: the signature over the statement's bytes, the person and his key, and
/// for an approval also that the time to approve has not ended and that the person may approve at all. A rejection is
/// taken from anyone listed, as long as it can still stop something.
pub fn verify_signature(
    statement_bytes: &[u8],
    proof: impl Into<Proof>,
    approvers: &Approvers,
    now: Timestamp,
) -> Result<Vote, Refusal> {
    let vote = Vote::check(statement_bytes, &proof.into(), approvers, now)?;
    check_arrival(&vote, now)?;
    Ok(vote)
}

/// Makes the gate's own word that the person of this account decided so, elsewhere. Where it counts is for policy and floor
/// to say; a no always does.
pub fn attest(
    statement: &Statement,
    account: &Account,
    key: &GateKey,
    approvers: &Approvers,
    now: Timestamp,
) -> Result<Vote, AttestError> {
    let named = approvers
        .person_of_account(account)
        .is_some_and(|person| person.id == statement.approver);
    if !named || statement.method != account.method() {
        return Err(Refusal::NoAccount {
            approver: statement.approver.clone(),
            method: account.method().name().to_owned(),
        }
        .into());
    }
    let bytes = statement.bytes().map_err(Refusal::from)?;
    let signature = key.sign(ATTESTATION_NAMESPACE, &pae(STATEMENT_TYPE, &bytes))?;
    let vote = Vote::attested(&bytes, &Proof::from(&signature), approvers, key.public_key())?;
    check_arrival(&vote, now)?;
    Ok(vote)
}

/// Why the gate does not attest.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the gate could not sign")]
    Key(#[from] GateKeyError),
}

fn check_arrival(vote: &Vote, now: Timestamp) -> Result<(), Refusal> {
    let statement = &vote.statement;
    match statement.decision {
        Decision::Approve => {
            vote.check_may_approve(&statement.requester)?;
            if now.plus_s(MAX_SKEW_S) < statement.not_before {
                return Err(Refusal::NotYetValid(statement.not_before));
            }
            if now > statement.approve_by {
                return Err(Refusal::ApprovalExpired(statement.approve_by));
            }
        }
        Decision::Reject => {
            if now >= statement.execute_by {
                return Err(Refusal::ExecutionExpired(statement.execute_by));
            }
        }
    }
    Ok(())
}

impl Vote {
    /// Checks an envelope of a token: form, person, key and signature, in this order; not yet what was said.
    pub(crate) fn open(
        envelope: &Envelope,
        approvers: &Approvers,
        gate_key: &PublicKey,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (payload, proof) = envelope.open(STATEMENT_TYPE)?;
        let statement = Statement::parse(&payload)?;
        // A list that names the gate's key as a person's would let the gate sign for them.
        if !statement.method.is_attested() && statement.key_id == gate_key.fingerprint() {
            return Err(Refusal::UnknownKey {
                approver: statement.approver,
                key_id: statement.key_id,
            });
        }
        if statement.method.is_attested() {
            Self::attested(&payload, &proof, approvers, gate_key)
        } else {
            Self::check(&payload, &proof, approvers, now)
        }
    }

    /// Checks what the gate attests: that it does, and that the person it names has such an account.
    fn attested(payload: &[u8], proof: &Proof, approvers: &Approvers, gate_key: &PublicKey) -> Result<Self, Refusal> {
        let statement = Statement::parse(payload)?;
        let (approver, method) = (statement.approver.clone(), statement.method);
        let listed = approvers.person(&approver);
        let person = listed
            .filter(|person| person.accounts.iter().any(|account| account.method() == method))
            .ok_or_else(|| Refusal::NoAccount {
                approver: approver.clone(),
                method: method.name().to_owned(),
            })?;
        if statement.key_id != gate_key.fingerprint() {
            return Err(Refusal::UnknownKey {
                approver,
                key_id: statement.key_id,
            });
        }
        let key = ApproverKey::Ssh(gate_key.clone());
        proof
            .verify(&key, ATTESTATION_NAMESPACE, &pae(STATEMENT_TYPE, payload))
            .map_err(|source| Refusal::BadSignature { approver, source })?;
        Ok(Self {
            hardware: false,
            agent: person.agent,
            envelope: Envelope::new(STATEMENT_TYPE, payload, proof),
            statement,
        })
    }

    fn check(payload: &[u8], proof: &Proof, approvers: &Approvers, now: Timestamp) -> Result<Self, Refusal> {
        let statement = Statement::parse(payload)?;
        let claim = Claim {
            approver: &statement.approver,
            key_id: &statement.key_id,
            method: statement.method,
        };
        let message = pae(STATEMENT_TYPE, payload);
        let Signer { hardware, agent } = signer::check(&claim, proof, STATEMENT_NAMESPACE, &message, approvers, now)?;
        Ok(Self {
            hardware,
            agent,
            envelope: Envelope::new(STATEMENT_TYPE, payload, proof),
            statement,
        })
    }

    /// Checks that this signer may approve what `requester` asked for.
    pub(crate) fn check_may_approve(&self, requester: &str) -> Result<(), Refusal> {
        let approver = &self.statement.approver;
        if self.agent {
            return Err(Refusal::AgentApproves {
                approver: approver.clone(),
            });
        }
        if is_requester(approver, requester) {
            return Err(Refusal::RequesterApproves {
                approver: approver.clone(),
            });
        }
        Ok(())
    }

    /// Returns what was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Tells whether a hardware key signed, touched and with PIN or finger.
    pub fn is_hardware(&self) -> bool {
        self.hardware
    }

    /// Returns statement and signature as they go into a token.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::{
        Token,
        test_support::{Scene, at, listed},
    };

    fn arrives(scene: &Scene, statement: &Statement, signer: &str, now: i64) -> Result<Vote, Refusal> {
        let bytes = statement.bytes().unwrap();
        let signature = scene
            .key(signer)
            .sign(STATEMENT_NAMESPACE, &pae(STATEMENT_TYPE, &bytes))
            .unwrap();
        verify_signature(&bytes, &signature, &scene.approvers(), at(now))
    }

    fn code(scene: &Scene, statement: &Statement, signer: &str, now: i64) -> &'static str {
        match arrives(scene, statement, signer, now) {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        }
    }

    #[test]
    fn a_vote_becomes_part_of_a_token_that_verifies() {
        let scene = Scene::new();
        let vote = arrives(&scene, &scene.statement("alice"), "alice", 60).unwrap();
        assert!(!vote.is_hardware());
        assert_eq!(vote.statement().approver, "alice");
        let token = Token::new(vec![vote.envelope().clone()]).unwrap();
        assert_eq!(scene.code(&token), "ok");
    }

    #[test]
    fn an_approval_must_arrive_within_its_window() {
        let scene = Scene::new();
        let statement = scene.statement("alice");
        for (now, expected) in [
            (-31, "not_yet_valid"),
            (-30, "ok"),
            (900, "ok"),
            (901, "approval_expired"),
        ] {
            assert_eq!(code(&scene, &statement, "alice", now), expected);
        }
    }

    #[test]
    fn a_rejection_is_taken_from_anyone_listed_until_nothing_is_left_to_stop() {
        let scene = Scene::new();
        for who in ["alice", "bot"] {
            let mut no = scene.statement(who);
            no.decision = Decision::Reject;
            for (now, expected) in [(-31, "ok"), (901, "ok"), (1799, "ok"), (1800, "execution_expired")] {
                assert_eq!(code(&scene, &no, who, now), expected);
            }
        }
        let mut no = scene.statement("mallory");
        no.decision = Decision::Reject;
        assert_eq!(code(&scene, &no, "mallory", 0), "unknown_key");
    }

    #[test]
    fn agents_and_the_requester_are_told_at_once() {
        let mut scene = Scene::new();
        assert_eq!(code(&scene, &scene.statement("bot"), "bot", 0), "agent_approves");
        for requester in ["alice", "Alice", " ALICE "] {
            let mut own = scene.statement("alice");
            own.requester = requester.to_owned();
            assert_eq!(code(&scene, &own, "alice", 0), "requester_approves");
        }
        scene.person("alice").keys = vec![listed(scene.keys.get("mallory").unwrap().public_key())];
        assert_eq!(code(&scene, &scene.statement("alice"), "alice", 0), "unknown_key");
    }

    #[test]
    fn a_signature_over_other_bytes_is_bad() {
        let scene = Scene::new();
        assert_eq!(code(&scene, &scene.statement("alice"), "bob", 0), "bad_signature");
        let signature = scene.key("alice").sign(STATEMENT_NAMESPACE, b"something else").unwrap();
        let bytes = scene.statement("alice").bytes().unwrap();
        let refusal = verify_signature(&bytes, &signature, &scene.approvers(), at(0)).unwrap_err();
        assert_eq!(refusal.code(), "bad_signature");
        let refusal = verify_signature(b"{}", &signature, &scene.approvers(), at(0)).unwrap_err();
        assert_eq!(refusal.code(), "malformed_statement");
    }
}

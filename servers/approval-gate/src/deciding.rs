//! What a person signs, and what becomes of the signature. A statement is derived from the request alone, so asking for
//! one changes nothing and none needs to be remembered.

use approval::{Account, ApproverKey, Assertion, AttestError, Decision, Method, Proof, Statement, Vote};
use runbooks::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::asking::hex_of;
use crate::execution::{OrderEvent, Progress};
use crate::gate::{Gate, find_request};
use crate::refusal::Refusal;
use crate::request::{Request, RequestEvent, Review, Signed, Status};
use crate::store::Change;

/// How a person's decision reaches the gate.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is made once per decision and never kept")]
pub enum Given {
    /// Signed with a key of the person's own.
    Proof(Proof),
    /// Said in a channel, which proved that this account said it.
    Word(Account, Decision),
}

/// What comes with a decision and is no part of what was signed.
#[derive(Debug, Default)]
pub struct Beside {
    /// What they said.
    pub remark: Option<String>,
    /// How they read the request.
    pub review: Option<Review>,
}

/// What a decision did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// The request.
    pub request_id: String,
    /// What it is now.
    pub status: &'static str,
    /// Who signed.
    pub approver: String,
    /// What they signed.
    pub decision: Decision,
    /// How many people have signed.
    pub have: usize,
    /// How many must.
    pub need: u32,
    /// Whether this very person had said this very thing before.
    pub already: bool,
}

impl Gate {
    /// The exact bytes that this person signs with this key. Without an approver, the one whose key it is.
    ///
    /// # Errors
    /// When the person or the key is not listed, may not decide this, or is too late.
    pub fn statement(
        &self,
        request: &str,
        approver: Option<&str>,
        key_id: &str,
        decision: Decision,
    ) -> Result<Vec<u8>, Refusal> {
        let now = self.now();
        self.close_windows(now)?;
        let request = self.store.view(|rows| find_request(rows, request))?;
        let (approver, method) = self.owner(approver, key_id)?;
        check_open(&request, &approver, decision)?;
        let statement = statement_for(&request, &approver, key_id, method, decision);
        statement
            .signing_bytes()
            .map_err(|error| approval::Refusal::from(error).into())
    }

    /// Takes a person's decision: a signature over one of the two statements that this person could have been given, or
    /// the word of an account that is the person's elsewhere.
    ///
    /// # Errors
    /// When it is not theirs, not over either, or too late. Nothing was changed then.
    pub fn decide(
        &self,
        request: &str,
        approver: Option<&str>,
        given: &Given,
        beside: &Beside,
    ) -> Result<Decided, Refusal> {
        let now = self.now();
        self.close_windows(now)?;
        let taken = self.take(request, approver, given, beside, now);
        if let Err(refusal) = &taken
            && refusal.code != "unknown_request"
        {
            // Whoever proves nothing must not fill the journal: that stops everybody's decisions.
            let is_stranger = matches!(
                refusal.code,
                "unknown_key" | "bad_signature" | "malformed_signature" | "malformed_statement" | "no_account"
            );
            if !is_stranger || self.channels.strangers.may_note(now) {
                let approver = approver.map(|approver| crate::text::excerpt(approver, 128));
                let message = crate::text::excerpt(&refusal.message, 512);
                let data = json!({"code": refusal.code, "message": message, "approver": approver});
                self.store
                    .change(|change| change.note("decision_refused", request, data))?;
            }
        }
        self.windows.notify_waiters();
        taken
    }

    fn take(
        &self,
        request: &str,
        approver: Option<&str>,
        given: &Given,
        beside: &Beside,
        now: Timestamp,
    ) -> Result<Decided, Refusal> {
        let request = self.store.view(|rows| find_request(rows, request))?;
        let vote = self.vote(&request, approver, given, now)?;
        let (approver, decision) = (vote.statement().approver.clone(), vote.statement().decision);
        if has_said(&request, &approver, decision) {
            return Ok(decided(&request, &approver, decision, true));
        }
        check_open(&request, &approver, decision)?;
        self.check_method(&request, &vote)?;
        let envelope = vote
            .envelope()
            .to_json()
            .map_err(|error| Refusal::because("internal", &error))?;
        let groups = self.groups_of(&approver);
        if let Given::Proof(Proof::Passkey(assertion)) = given {
            self.note_clone(&approver, assertion)?;
        }
        let request = self.store.change(|change| {
            // Read again inside the transaction: another signature may have come in between.
            let request = find_request(change, &request.terms.id)?;
            check_open(&request, &approver, decision)?;
            // Whoever has a copy must not be able to take the no away from the owner.
            if let Given::Proof(Proof::Passkey(assertion)) = given
                && decision == Decision::Approve
            {
                count_up(change, &approver, assertion)?;
            }
            let signed = Signed {
                approver: approver.clone(),
                key_id: vote.statement().key_id.clone(),
                method: vote.statement().method,
                hardware: vote.is_hardware(),
                groups: groups.clone(),
                envelope: change.keep(envelope.as_bytes())?,
                remark: beside.remark.clone(),
                review: beside.review.clone(),
                at: now,
            };
            match decision {
                Decision::Approve => change.request_event(Some(request), RequestEvent::Approved(signed)),
                Decision::Reject => {
                    let request = change.request_event(Some(request), RequestEvent::Rejected(signed))?;
                    if let Some(id) = request.execution()
                        && let Some(execution) = change.execution(id)?
                        && execution.progress == Progress::Queued
                    {
                        change.order_event(Some(execution), OrderEvent::Withdrawn(now))?;
                    }
                    Ok(request)
                }
            }
        })?;
        Ok(decided(&request, &approver, decision, false))
    }

    fn vote(&self, request: &Request, approver: Option<&str>, given: &Given, now: Timestamp) -> Result<Vote, Refusal> {
        let approvers = self.approvers();
        match given {
            Given::Proof(proof) => {
                let (approver, method) = self.owner(approver, &proof.key_id())?;
                let verify = |decision| {
                    let statement = statement_for(request, &approver, &proof.key_id(), method, decision);
                    approval::verify_signature(&statement.bytes()?, proof, &approvers, now)
                };
                // The signature does not say which of the two it is over; at most one of them verifies.
                match verify(Decision::Approve) {
                    Err(approval::Refusal::BadSignature { .. }) => Ok(verify(Decision::Reject)?),
                    vote => Ok(vote?),
                }
            }
            Given::Word(account, decision) => {
                let person = approvers.person_of_account(account);
                let approver = person
                    .map(|person| person.id.as_str())
                    .ok_or_else(|| approval::Refusal::NoAccount {
                        approver: "nobody".to_owned(),
                        method: account.method().name().to_owned(),
                    })?;
                let key_id = self.key.public_key().fingerprint();
                let statement = statement_for(request, approver, &key_id, account.method(), *decision);
                approval::attest(&statement, account, &self.key, &approvers, now).map_err(|error| match error {
                    AttestError::Refused(refusal) => refusal.into(),
                    AttestError::Key(error) => Refusal::because("internal", &error),
                })
            }
        }
    }

    /// An approval that no executor would count is not taken: whoever gave it is told now.
    fn check_method(&self, request: &Request, vote: &Vote) -> Result<(), Refusal> {
        let statement = vote.statement();
        let counts = request
            .terms
            .methods
            .iter()
            .any(|method| method == statement.method.name())
            && (self.floor.attested || !statement.method.is_attested());
        if counts || statement.decision == Decision::Reject {
            return Ok(());
        }
        Err(approval::Refusal::MethodNotAllowed {
            method: statement.method.name().to_owned(),
        }
        .into())
    }

    /// Journals that a passkey exists twice, whatever is refused for it.
    ///
    /// # Errors
    /// When it cannot be journalled.
    pub fn note_clone(&self, approver: &str, assertion: &Assertion) -> Result<(), Refusal> {
        let seen = self.store.view(|rows| rows.mark(&count_mark(assertion)))?.unwrap_or(0);
        let found = assertion.sign_count();
        if !went_back(seen, found) {
            return Ok(());
        }
        let data = json!({"approver": approver, "key_id": assertion.key_id(), "found": found, "seen": seen});
        self.store
            .change(|change| change.note("passkey_cloned", &self.id, data))
    }

    fn groups_of(&self, approver: &str) -> Vec<String> {
        let approvers = self.approvers();
        approvers
            .person(approver)
            .map(|person| person.groups.clone())
            .unwrap_or_default()
    }

    /// Whose key it is, and how it signs.
    fn owner(&self, named: Option<&str>, key_id: &str) -> Result<(String, Method), Refusal> {
        let approvers = self.approvers();
        let owner = approvers.person_of_key(key_id).map(|person| person.id.clone());
        let method = approvers.find_key(key_id).map(ApproverKey::method);
        match (owner, method) {
            (Some(owner), Some(method)) if named.is_none_or(|named| named == owner) => Ok((owner, method)),
            _ => Err(approval::Refusal::UnknownKey {
                approver: named.unwrap_or("nobody").to_owned(),
                key_id: key_id.to_owned(),
            }
            .into()),
        }
    }
}

fn count_mark(assertion: &Assertion) -> String {
    format!("sign_count {}", assertion.key_id())
}

fn went_back(seen: u32, found: u32) -> bool {
    (seen, found) != (0, 0) && found <= seen
}

/// A passkey that counts must count up; one that went back exists twice.
pub fn count_up(change: &Change<'_, '_>, approver: &str, assertion: &Assertion) -> Result<(), Refusal> {
    let mark = count_mark(assertion);
    let seen: u32 = change.mark(&mark)?.unwrap_or(0);
    let found = assertion.sign_count();
    if went_back(seen, found) {
        return Err(approval::Refusal::SignCountWentBack {
            approver: approver.to_owned(),
            found,
            seen,
        }
        .into());
    }
    if found > seen {
        let why = json!({"approver": approver, "key_id": assertion.key_id(), "count": found});
        change.set_sealed("passkey_counted", approver, why, &mark, &found)?;
    }
    Ok(())
}

/// The statement that this person would sign with this key: the request's terms and nothing else.
fn statement_for(request: &Request, approver: &str, key_id: &str, method: Method, decision: Decision) -> Statement {
    let terms = request.terms.clone();
    let seed = format!("{}\n{approver}\n{key_id}\n{decision:?}", terms.nonce);
    Statement {
        schema: Statement::SCHEMA.to_owned(),
        decision,
        request: terms.id,
        action: terms.action,
        plan_digest: terms.plan_digest,
        target: terms.target,
        gate: terms.gate,
        audience: terms.audience,
        not_before: terms.not_before,
        approve_by: terms.approve_by,
        execute_by: terms.execute_by,
        max_executions: 1,
        requester: terms.requester,
        approver: approver.to_owned(),
        key_id: key_id.to_owned(),
        method,
        policy_digest: terms.policy_digest,
        nonce: hex_of(&seed, 32),
    }
}

/// Whether this decision can still change anything.
fn check_open(request: &Request, approver: &str, decision: Decision) -> Result<(), Refusal> {
    let terms = &request.terms;
    match (&request.status, decision) {
        (Status::Pending, Decision::Approve) if approver.eq_ignore_ascii_case(terms.requester.trim()) => {
            Err(approval::Refusal::RequesterApproves {
                approver: approver.to_owned(),
            }
            .into())
        }
        (Status::Pending, _) | (Status::Approved | Status::Used { .. }, Decision::Reject) => Ok(()),
        (Status::Expired { .. }, _) => Err(approval::Refusal::ApprovalExpired(terms.approve_by).into()),
        (Status::Rejected(by) | Status::Revoked { by, .. }, _) => Err(approval::Refusal::Denied {
            approver: by.approver.clone(),
        }
        .into()),
        (Status::Approved | Status::Used { .. }, Decision::Approve) => {
            let people = request.approvals.iter().map(|signed| signed.approver.as_str());
            let people = people.collect::<Vec<_>>().join(", ");
            let message = match &request.granted {
                None => format!("{people} approved it already"),
                Some(granted) => format!("grant `{}` covers it already", granted.grant),
            };
            Err(Refusal::new("already_decided", message).with(json!({"status": request.status.name()})))
        }
    }
}

fn has_said(request: &Request, approver: &str, decision: Decision) -> bool {
    match decision {
        Decision::Approve => request.approvals.iter().any(|signed| signed.approver == approver),
        Decision::Reject => request.rejection().is_some_and(|signed| signed.approver == approver),
    }
}

fn decided(request: &Request, approver: &str, decision: Decision, already: bool) -> Decided {
    Decided {
        request_id: request.terms.id.clone(),
        status: request.status.name(),
        approver: approver.to_owned(),
        decision,
        have: request.have(),
        need: request.terms.need,
        already,
    }
}

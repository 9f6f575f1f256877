//! Standing grants: taken when they are signed, found when a plan asks, ended at once when somebody says so.

use approval::{
    Action, Envelope, Grant, GrantBook, GrantRevocation, GrantTerms, MAX_GRANT_DAYS, Method, SignedGrant, Token,
};
use policies::PermittedPlan;
use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::deciding::count_up;
use crate::execution::{OrderEvent, Progress};
use crate::gate::Gate;
use crate::grant::{GrantEvent, GrantRecord, GrantRevoked, GrantSigned};
use crate::refusal::Refusal;
use crate::request::{Granted, Request, RequestEvent, Status, Terms};
use crate::store::{Change, Rows};

/// What anyone sees of a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantView {
    /// The grant.
    #[serde(flatten)]
    pub record: GrantRecord,
    /// `proposed`, `signed`, `revoked` or `expired`.
    pub status: String,
    /// Requests that it covered within the last 24 hours.
    pub uses_last_day: u32,
    /// The requests that it covered, the newest first; at most 50.
    pub uses: Vec<GrantUse>,
    /// Where people find it.
    pub url: String,
    /// The gate's clock when this was made.
    pub as_of: Timestamp,
}

/// One plan that ran, or may run, under a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantUse {
    /// The request.
    pub request_id: String,
    /// What it is now.
    pub status: String,
    /// The plan's title.
    pub title: String,
    /// The target's name.
    pub target: String,
    /// When it was asked.
    pub at: Timestamp,
}

impl Gate {
    /// The grants, the newest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn grants(&self) -> Result<Vec<GrantView>, Refusal> {
        self.store.view(|rows| {
            let grants = rows.grants(MAX_LISTED)?;
            grants.into_iter().map(|grant| self.grant_view(rows, grant)).collect()
        })
    }

    /// One grant.
    ///
    /// # Errors
    /// When there is none.
    pub fn grant(&self, id: &str) -> Result<GrantView, Refusal> {
        self.store.view(|rows| self.grant_view(rows, find_grant(rows, id)?))
    }

    fn grant_view(&self, rows: &Rows<'_>, record: GrantRecord) -> Result<GrantView, Refusal> {
        let now = self.now();
        let uses = rows.granted_requests(&record.id, MAX_USES)?;
        let revoked_by_list = self.approvers().is_revoked(&record.id);
        let status = if revoked_by_list { "revoked" } else { record.status(now) };
        Ok(GrantView {
            status: status.to_owned(),
            uses_last_day: rows.grant_uses_since(&record.id, now.plus_s(-DAY_S), None)?,
            uses: uses
                .into_iter()
                .map(|request| GrantUse {
                    status: request.status.name().to_owned(),
                    title: request.terms.title,
                    target: request.terms.target.name,
                    at: request.terms.opened_at,
                    request_id: request.terms.id,
                })
                .collect(),
            url: format!("{}/grants/{}", self.base_url(), record.id),
            as_of: now,
            record,
        })
    }

    /// Puts terms forward for others, or the same person, to sign.
    ///
    /// # Errors
    /// When they are not of this gate's world, or too many wait.
    pub fn propose_grant(&self, terms: GrantTerms, by: &str) -> Result<GrantRecord, Refusal> {
        let now = self.now();
        self.check_terms(&terms, now)?;
        self.store.change(|change| {
            if let Some(grant) = change.grant(&terms.id()?)? {
                return Ok(grant);
            }
            let theirs = |grant: &&GrantRecord| grant.status(now) == "proposed" && grant.proposed_by == by;
            let open = change.grants(MAX_LISTED)?.iter().filter(theirs).count();
            if open >= MAX_PROPOSED {
                return Err(Refusal::new(
                    "too_many_grants",
                    format!("{open} grants of `{by}` wait for a signature already"),
                )
                .hint("sign or revoke those first"));
            }
            put_forward(change, terms, by, now)
        })
    }

    /// What this person signs with this key under a grant that was put forward.
    ///
    /// # Errors
    /// When there is no such grant, it is over, or the key is not theirs.
    pub fn grant_to_sign(&self, id: &str, approver: &str, key_id: &str, method: Method) -> Result<Grant, Refusal> {
        let record = self.store.view(|rows| find_grant(rows, id))?;
        check_open(&record, self.now())?;
        Ok(Grant {
            terms: record.terms,
            approver: approver.to_owned(),
            key_id: key_id.to_owned(),
            method,
        })
    }

    /// Takes one person's signature under a grant; with the first one the grant may be new here.
    ///
    /// # Errors
    /// When the signature does not hold, the grant is not of this gate's world, or it is over.
    pub fn sign_grant(&self, envelope: &str) -> Result<GrantRecord, Refusal> {
        let now = self.now();
        let approvers = self.approvers();
        let envelope = parse(envelope)?;
        let signed = SignedGrant::verify(&envelope, &approvers, now)?;
        let grant = signed.grant();
        self.check_terms(&grant.terms, now)?;
        if let Some(assertion) = signed.assertion() {
            self.note_clone(&grant.approver, assertion)?;
        }
        let json = envelope
            .to_json()
            .map_err(|error| Refusal::because("internal", &error))?;
        self.store.change(|change| {
            let record = match change.grant(&grant.terms.id()?)? {
                Some(record) => record,
                None => put_forward(change, grant.terms.clone(), &grant.approver, now)?,
            };
            if record.has_signed_with(&grant.approver, &grant.key_id) {
                return Ok(record);
            }
            check_open(&record, now)?;
            if let Some(assertion) = signed.assertion() {
                count_up(change, &grant.approver, assertion)?;
            }
            let signed = GrantSigned {
                approver: grant.approver.clone(),
                key_id: grant.key_id.clone(),
                method: grant.method,
                hardware: signed.is_hardware(),
                envelope: change.keep(json.as_bytes())?,
                at: now,
            };
            change.grant_event(Some(record), GrantEvent::Signed(signed))
        })
    }

    /// What somebody would sign to end a grant.
    ///
    /// # Errors
    /// When there is no such grant, or it was ended already.
    pub fn revocation_to_sign(
        &self,
        id: &str,
        reason: &str,
        approver: &str,
        key_id: &str,
        method: Method,
    ) -> Result<GrantRevocation, Refusal> {
        let record = self.store.view(|rows| find_grant(rows, id))?;
        check_not_revoked(&record)?;
        Ok(GrantRevocation {
            schema: GrantRevocation::SCHEMA.to_owned(),
            gate: self.id.clone(),
            grant: record.id,
            reason: reason.to_owned(),
            approver: approver.to_owned(),
            key_id: key_id.to_owned(),
            method,
            at: self.now(),
        })
    }

    /// Ends a grant: it covers nothing from now on, what is queued under it is withdrawn, and what runs under it starts no
    /// further step.
    ///
    /// # Errors
    /// When nobody listed signed that, or there is no such grant.
    pub fn revoke_grant(&self, envelope: &str) -> Result<GrantRecord, Refusal> {
        let now = self.now();
        let envelope = parse(envelope)?;
        let said = GrantRevocation::verify(&envelope, &self.approvers(), &self.id, now)?;
        let json = envelope
            .to_json()
            .map_err(|error| Refusal::because("internal", &error))?;
        self.store.change(|change| {
            let record = find_grant(change, &said.grant)?;
            if record.revoked.is_some() {
                return Ok(record);
            }
            let revoked = GrantRevoked {
                approver: said.approver.clone(),
                reason: said.reason.clone(),
                envelope: change.keep(json.as_bytes())?,
                at: now,
            };
            for execution in change.open_executions()? {
                let granted = execution.ordered.grant.as_deref() == Some(&*said.grant);
                if granted && execution.progress == Progress::Queued {
                    change.order_event(Some(execution), OrderEvent::Withdrawn(now))?;
                }
            }
            for request in change.granted_requests(&said.grant, MAX_LISTED)? {
                if request.status == Status::Approved {
                    change.request_event(Some(request), RequestEvent::GrantEnded(now))?;
                }
            }
            change.grant_event(Some(record), GrantEvent::Revoked(revoked))
        })
    }

    /// Looks for a grant that covers this plan now. Why one of its runbook does not is journalled.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn covered(
        &self,
        change: &Change<'_, '_>,
        permitted: &PermittedPlan,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Granted>, Refusal> {
        let terms = &request.terms;
        if terms.action != Action::Execute {
            return Ok(None);
        }
        for record in change.grants(MAX_LISTED)? {
            if record.terms.runbook.id != terms.runbook || record.status(now) != "signed" {
                continue;
            }
            let judged = match self.token_of(&record, change, permitted, now)? {
                Ok((token, people)) => self
                    .check_granted(change, permitted, &token, terms, now)?
                    .map(|()| (token, people)),
                Err(refusal) => Err(refusal),
            };
            match judged {
                Ok((token, approvers)) => {
                    return Ok(Some(Granted {
                        grant: record.id,
                        approvers,
                        token: change.keep(token.encode().as_bytes())?,
                        at: now,
                    }));
                }
                Err(refusal) => {
                    let data = json!({"grant": record.id, "code": refusal.code(), "message": refusal.to_string()});
                    change.note("grant_not_used", &terms.id, data)?;
                }
            }
        }
        Ok(None)
    }

    /// Whether the grant that a request was approved under still covers it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn still_covers(
        &self,
        change: &Change<'_, '_>,
        permitted: &PermittedPlan,
        request: &Request,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        let Some(granted) = &request.granted else {
            return Ok(true);
        };
        let text = String::from_utf8_lossy(&change.content(granted.token)?).into_owned();
        let token = Token::parse(&text).map_err(approval::Refusal::from)?;
        Ok(self
            .check_granted(change, permitted, &token, &request.terms, now)?
            .is_ok())
    }

    fn check_granted(
        &self,
        rows: &Rows<'_>,
        permitted: &PermittedPlan,
        token: &Token,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Result<(), approval::Refusal>, Refusal> {
        let book = self.grant_book(rows, token, terms.plan_digest, now)?;
        // The executor counts from when it took an order; what it will still count then, this gate counts now.
        let since = now.plus_s(-DAY_S - terms.execute_by.since(now).max(0) - approval::MAX_SKEW_S);
        let id = token.grant_id().unwrap_or_default();
        let book = GrantBook {
            uses_last_day: rows.grant_uses_since(&id, since, Some(terms.plan_digest))?,
            ..book
        };
        let approvers = self.approvers();
        let expect = self.expectations(&approvers, terms.action, now, book);
        Ok(approval::check(permitted, token, &expect))
    }

    /// A token of those signatures under a grant that count for this plan, and whose they are: one that does not must not
    /// make the others worth nothing.
    fn token_of(
        &self,
        record: &GrantRecord,
        rows: &Rows<'_>,
        permitted: &PermittedPlan,
        now: Timestamp,
    ) -> Result<Result<(Token, Vec<String>), approval::Refusal>, Refusal> {
        let approvers = self.approvers();
        let requester = permitted.plan().document().requester.trim();
        let methods = &permitted.obligations().methods;
        let mut counting = Vec::new();
        let mut why = approval::Refusal::NoToken;
        for signed in &record.signed {
            let envelope = Envelope::parse(&rows.content(signed.envelope)?)
                .map_err(|error| Refusal::because("internal", &error))?;
            let method = signed.method.name();
            if signed.approver.eq_ignore_ascii_case(requester) {
                why = approval::Refusal::RequesterApproves {
                    approver: signed.approver.clone(),
                };
            } else if !methods.iter().any(|allowed| allowed == method) {
                why = approval::Refusal::MethodNotAllowed {
                    method: method.to_owned(),
                };
            } else {
                match SignedGrant::verify(&envelope, &approvers, now) {
                    Ok(_) => counting.push((signed, envelope)),
                    Err(refusal) => why = refusal,
                }
            }
        }
        if counting.is_empty() {
            return Ok(Err(why));
        }
        // A token holds so many; those of hardware first, as they count for more.
        counting.sort_by_key(|(signed, _)| !signed.hardware);
        counting.truncate(MAX_SIGNATURES);
        let people = counting.iter().map(|(signed, _)| signed.approver.clone()).collect();
        let envelopes = counting.into_iter().map(|(_, envelope)| envelope).collect();
        Ok(Token::new(envelopes)
            .map(|token| (token, people))
            .map_err(approval::Refusal::from))
    }

    /// What this gate has written down of the grant in a token, this plan left out.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn grant_book(
        &self,
        rows: &Rows<'_>,
        token: &Token,
        plan: Digest,
        now: Timestamp,
    ) -> Result<GrantBook, Refusal> {
        let Some(id) = token.grant_id() else {
            return Ok(GrantBook::default());
        };
        Ok(GrantBook {
            uses_last_day: rows.grant_uses_since(&id, now.plus_s(-DAY_S), Some(plan))?,
            revoked: rows.grant(&id)?.is_some_and(|grant| grant.revoked.is_some()),
        })
    }

    /// Whether the grant that a request was approved under has been ended since.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn is_grant_over(&self, rows: &Rows<'_>, granted: &Granted) -> Result<bool, Refusal> {
        let revoked = rows.grant(&granted.grant)?.is_none_or(|grant| grant.revoked.is_some());
        Ok(revoked || self.approvers().is_revoked(&granted.grant))
    }

    /// Whether these terms are about this gate, its executor, its targets and its own copy of the runbook.
    fn check_terms(&self, terms: &GrantTerms, now: Timestamp) -> Result<(), Refusal> {
        terms.id()?;
        if terms.gate != self.id {
            return Err(approval::Refusal::WrongGate {
                found: terms.gate.clone(),
                expected: self.id.clone(),
            }
            .into());
        }
        if terms.audience != self.audience {
            return Err(approval::Refusal::WrongAudience {
                found: terms.audience.clone(),
                expected: self.audience.clone(),
            }
            .into());
        }
        if now >= terms.until {
            return Err(approval::Refusal::GrantExpired(terms.until).into());
        }
        if terms.until.since(now) > MAX_GRANT_DAYS * DAY_S {
            let message = format!("the grant ends more than {MAX_GRANT_DAYS} days from now");
            return Err(Refusal::new("malformed_grant", message));
        }
        for target in &terms.targets {
            if !self.targets.contains(target) {
                return Err(approval::Refusal::GrantWrongTarget(target.name.clone()).into());
            }
        }
        let offered = &terms.runbook;
        let runbook = self
            .catalog
            .get(&offered.id)
            .filter(|runbook| runbook.digest() == offered.digest && runbook.document().version == offered.version);
        let runbook = runbook.ok_or_else(|| {
            Refusal::new(
                "unknown_runbook",
                format!(
                    "this gate's catalog has no runbook `{}` of that version and digest",
                    offered.id
                ),
            )
        })?;
        let known = &runbook.document().parameters;
        let missing = known.keys().find(|name| !terms.parameters.contains_key(*name));
        let unknown = terms.parameters.keys().find(|name| !known.contains_key(*name));
        match (missing, unknown) {
            (None, None) => Ok(()),
            (Some(name), _) => Err(Refusal::new(
                "malformed_grant",
                format!("the grant does not say what `{name}` may be"),
            )),
            (None, Some(name)) => Err(Refusal::new(
                "malformed_grant",
                format!("runbook `{}` has no parameter `{name}`", offered.id),
            )),
        }
    }
}

/// The grant with this id.
///
/// # Errors
/// When there is none.
fn find_grant(rows: &Rows<'_>, id: &str) -> Result<GrantRecord, Refusal> {
    rows.grant(id)?
        .ok_or_else(|| Refusal::new("unknown_grant", format!("there is no grant `{id}`")))
}

fn put_forward(change: &Change<'_, '_>, terms: GrantTerms, by: &str, now: Timestamp) -> Result<GrantRecord, Refusal> {
    let event = GrantEvent::Proposed {
        terms: Box::new(terms),
        by: by.to_owned(),
        at: now,
    };
    change.grant_event(None, event)
}

fn check_open(record: &GrantRecord, now: Timestamp) -> Result<(), Refusal> {
    check_not_revoked(record)?;
    if now >= record.terms.until {
        return Err(approval::Refusal::GrantExpired(record.terms.until).into());
    }
    Ok(())
}

fn check_not_revoked(record: &GrantRecord) -> Result<(), Refusal> {
    match &record.revoked {
        None => Ok(()),
        Some(revoked) => {
            let message = format!("`{}` revoked it: {}", revoked.approver, revoked.reason);
            Err(Refusal::new("grant_revoked", message))
        }
    }
}

fn parse(envelope: &str) -> Result<Envelope, Refusal> {
    Envelope::parse(envelope.trim_end().as_bytes()).map_err(|error| Refusal::because("malformed_grant", &error))
}

const DAY_S: i64 = 86_400;
const MAX_LISTED: u32 = 200;
const MAX_USES: u32 = 50;
const MAX_PROPOSED: usize = 5;
const MAX_SIGNATURES: usize = 16;

//! What somebody said in a channel: checked against the list and the very plan, journalled, then given to `Gate::decide`.

use approval::{Account, Decision};
use serde_json::{Value, json};

use crate::deciding::{Beside, Decided, Given};
use crate::gate::{Gate, find_request};
use crate::refusal::Refusal;

/// A decision, as a channel proved that it was said.
#[derive(Debug)]
pub struct Word {
    /// Whose account said it.
    pub account: Account,
    /// What.
    pub decision: Decision,
    /// About which request.
    pub request: String,
    /// The first digits of the plan's digest that the person had before them.
    pub digest: String,
    /// By what it can be found in the channel.
    pub via: Value,
}

impl Word {
    /// Reads which request and plan are meant; both are of a fixed form, so that nothing foreign gets further.
    pub fn subject<'a>(request: &'a str, digest: &'a str, digits: usize) -> Option<(&'a str, &'a str)> {
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = request.strip_prefix("req-").is_some_and(|digits| is_hex(digits, 16));
        (is_id && is_hex(digest, digits)).then_some((request, digest))
    }
}

impl Gate {
    /// Takes what a listed account said of the plan that is open. Every word is journalled with its account: before it
    /// decides anything, or as refused.
    ///
    /// # Errors
    /// When the account is not listed, another plan was meant, or the decision is refused.
    pub fn hear(&self, word: &Word) -> Result<Decided, Refusal> {
        let heard = self.weigh(word);
        if let Err(refusal) = &heard {
            let said =
                json!({"account": word.account, "decision": word.decision, "digest": word.digest, "via": word.via});
            self.refuse_word(&word.request, refusal, said)?;
        }
        heard
    }

    /// Journals that something said in a channel counts for nothing.
    ///
    /// # Errors
    /// When the journal cannot take it.
    pub fn refuse_word(&self, subject: &str, refusal: &Refusal, said: Value) -> Result<(), Refusal> {
        let data = json!({"code": refusal.code, "message": refusal.message, "said": said});
        self.store
            .change(|change| change.note("channel_refused", subject, data))
    }

    fn weigh(&self, word: &Word) -> Result<Decided, Refusal> {
        let approvers = self.approvers();
        let person = approvers
            .person_of_account(&word.account)
            .ok_or_else(|| refused("account_not_listed", "this account is not in the list of approvers"))?;
        let request = self.store.view(|rows| find_request(rows, &word.request))?;
        if !request.terms.plan_digest.hex().starts_with(&word.digest) {
            return Err(refused(
                "channel_other_plan",
                "this is not the plan that is open under this request",
            ));
        }
        self.store.change(|change| {
            let said = json!({
                "account": word.account, "approver": person.id, "decision": word.decision, "digest": word.digest,
                "via": word.via,
            });
            change.note("channel_heard", &word.request, said)
        })?;
        let given = Given::Word(word.account.clone(), word.decision);
        self.decide(&word.request, None, &given, &Beside::default())
    }
}

/// What is told to whoever said it.
pub fn answer(heard: &Result<Decided, Refusal>) -> String {
    match heard {
        Ok(decided) => taken(decided),
        Err(refusal) => format!("This changed nothing: {refusal} ({}).", refusal.code),
    }
}

fn taken(decided: &Decided) -> String {
    let what = match decided.decision {
        Decision::Approve => "approval",
        Decision::Reject => "rejection",
    };
    if decided.already {
        format!("Your {what} was taken before; the request is {}.", decided.status)
    } else {
        let (have, need, status) = (decided.have, decided.need, decided.status);
        format!("Your {what} was taken; the request is {status}, {have} of {need} have signed.")
    }
}

/// A refusal of something said in a channel.
pub fn refused(code: &'static str, message: &str) -> Refusal {
    Refusal::new(code, message)
}

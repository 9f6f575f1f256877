//! Who is signed in on the pages. A session lets somebody read and fill in forms as themselves; it approves nothing: every
//! decision is signed by the person's own passkey. Sessions live in memory, and end with the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use approval::{Assertion, pae};
use hmac::{Hmac, Mac};
use runbooks::{Digest, Timestamp};
use serde_json::json;
use sha2::Sha256;

use crate::gate::Gate;
use crate::refusal::Refusal;

/// Everyone who is signed in.
pub struct Sessions {
    secret: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the digest of what the cookie holds.
    people: HashMap<Digest, Session>,
    /// Questions that were answered; none is taken twice.
    answered: HashMap<String, Timestamp>,
}

/// One person in one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub person: String,
    /// The passkey that they signed in with.
    pub key_id: String,
    /// What every form of theirs carries, so that no other page can send one in their name.
    pub csrf: String,
    until: Timestamp,
}

impl Sessions {
    /// Nobody is signed in.
    pub fn new() -> Self {
        Self {
            secret: rand::random(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question that need not be remembered until it is answered.
    fn question(&self, now: Timestamp) -> String {
        let until = now.plus_s(QUESTION_S).unix();
        let random = hex::encode(rand::random::<[u8; 16]>());
        let body = format!("{until}.{random}");
        format!("{body}.{}", hex::encode(self.mac(&body)))
    }

    fn mac(&self, body: &str) -> [u8; 32] {
        // A key of any length will do, so this is never an error.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else {
            return rand::random();
        };
        mac.update(body.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Until when a question may be answered that was asked here, not long ago.
    fn check(&self, question: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
        let (body, mac) = question.rsplit_once('.').ok_or_else(stale)?;
        let is_ours = hex::decode(mac).is_ok_and(|mac| {
            Hmac::<Sha256>::new_from_slice(&self.secret).is_ok_and(|mut own| {
                own.update(body.as_bytes());
                own.verify_slice(&mac).is_ok()
            })
        });
        let until = body.split('.').next().and_then(|until| until.parse().ok());
        let until = until.map(Timestamp::from_unix).filter(|until| is_ours && now < *until);
        until.ok_or_else(stale)
    }

    /// Marks a question as answered, once. Only good answers get here, so strangers cannot fill the memory.
    fn take(&self, question: &str, now: Timestamp) -> Result<(), Refusal> {
        let until = self.check(question, now)?;
        let mut state = self.state();
        state.answered.retain(|_, until| now < *until);
        match state.answered.insert(question.to_owned(), until) {
            None => Ok(()),
            Some(_) => Err(stale()),
        }
    }

    fn begin(&self, person: String, key_id: String, now: Timestamp) -> String {
        let cookie = hex::encode(rand::random::<[u8; 32]>());
        let session = Session {
            person,
            key_id,
            csrf: hex::encode(rand::random::<[u8; 16]>()),
            until: now.plus_s(SESSION_S),
        };
        let mut state = self.state();
        state.people.retain(|_, session| now < session.until);
        state.people.insert(Digest::of(cookie.as_bytes()), session);
        cookie
    }

    fn find(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let session = self.state().people.get(&Digest::of(cookie.as_bytes())).cloned();
        session.filter(|session| now < session.until)
    }

    /// Ends a session.
    pub fn end(&self, cookie: &str) {
        self.state().people.remove(&Digest::of(cookie.as_bytes()));
    }
}

impl Gate {
    /// What somebody who wants to sign in is asked: the question, and the bytes that their passkey signs.
    ///
    /// # Errors
    /// When the bytes cannot be made.
    pub fn sign_in_question(&self) -> Result<(String, Vec<u8>), Refusal> {
        let question = self.sessions.question(self.now());
        let bytes = self.sign_in_bytes(&question)?;
        Ok((question, bytes))
    }

    fn sign_in_bytes(&self, question: &str) -> Result<Vec<u8>, Refusal> {
        let payload = runbooks::canonical_json(&json!({"gate": self.id, "question": question}))?;
        Ok(pae(SIGN_IN_TYPE, &payload))
    }

    /// Signs somebody in by the passkey with this credential id, and returns what the cookie holds.
    ///
    /// # Errors
    /// When no listed person has such a passkey now, or it did not answer this very question.
    pub fn sign_in(&self, question: &str, answer: &Answer) -> Result<String, Refusal> {
        let now = self.now();
        self.sessions.check(question, now)?;
        let approvers = self.approvers();
        let passkeys = approvers.people().iter().flat_map(|person| {
            let keys = approvers.keys_of(&person.id, now).into_iter();
            keys.filter_map(|key| match key {
                approval::ApproverKey::Passkey(passkey) => Some((person.id.clone(), passkey.clone())),
                approval::ApproverKey::Ssh(_) => None,
            })
        });
        let mut passkeys = passkeys.filter(|(_, passkey)| passkey.credential() == answer.credential);
        let (person, passkey) = passkeys.next().ok_or_else(|| {
            Refusal::new("unknown_key", "this passkey is not listed, or not valid now")
                .hint("ask your administrator whether the list that is in force holds it")
        })?;
        let assertion = answer.assertion(&passkey)?;
        let presence = assertion
            .verify(&passkey, &self.sign_in_bytes(question)?)
            .map_err(|error| Refusal::because("bad_signature", &error))?;
        if !presence.is_touched() || !presence.is_verified() {
            return Err(Refusal::new("pin_missing", "the passkey did not verify who was there"));
        }
        self.sessions.take(question, now)?;
        self.note_clone(&person, &assertion)?;
        self.store.change(|change| {
            crate::deciding::count_up(change, &person, &assertion)?;
            let data = json!({"approver": person, "key_id": passkey.fingerprint()});
            change.note("signed_in", &self.id, data)
        })?;
        Ok(self.sessions.begin(person, passkey.fingerprint(), now))
    }

    /// Whose session this is, as long as the person and the passkey are still listed.
    pub fn session(&self, cookie: &str) -> Option<Session> {
        let now = self.now();
        let session = self.sessions.find(cookie, now)?;
        let approvers = self.approvers();
        let keys = approvers.keys_of(&session.person, now);
        keys.iter()
            .any(|key| key.fingerprint() == session.key_id)
            .then_some(session)
    }
}

/// What a browser returns for a challenge, decoded.
#[derive(Debug)]
pub struct Answer {
    /// Which credential.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `signature`.
    pub signature: Vec<u8>,
}

impl Answer {
    /// The answer as this passkey's.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn assertion(&self, passkey: &approval::Passkey) -> Result<Assertion, Refusal> {
        Assertion::new(passkey, &self.client_data, &self.authenticator_data, &self.signature)
            .map_err(|error| Refusal::because("malformed_signature", &error))
    }
}

fn stale() -> Refusal {
    Refusal::new("sign_in_stale", "this page is too old").hint("load the page again")
}

const SIGN_IN_TYPE: &str = "application/vnd.countersign.sign-in.v1+json";
const QUESTION_S: i64 = 300;
/// One shift on call.
const SESSION_S: i64 = 12 * 3600;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn a_question_is_answered_once_in_time_and_only_where_it_was_asked() {
        let (sessions, now) = (Sessions::new(), Timestamp::from_unix(1_000));
        let question = sessions.question(now);
        assert!(Sessions::new().take(&question, now).is_err());
        assert!(sessions.take(&question, now.plus_s(QUESTION_S)).is_err());
        assert!(sessions.take(&question.replacen("1300", "9300", 1), now).is_err());
        assert!(sessions.take("", now).is_err());
        sessions.take(&question, now.plus_s(QUESTION_S - 1)).unwrap();
        assert_eq!(sessions.take(&question, now).unwrap_err().code, "sign_in_stale");
    }

    #[test]
    fn a_session_ends_by_itself_and_when_it_is_ended() {
        let (sessions, now) = (Sessions::new(), Timestamp::from_unix(1_000));
        let cookie = sessions.begin("ana".into(), "SHA256:x".into(), now);
        assert_eq!(sessions.find(&cookie, now).unwrap().person, "ana");
        assert!(sessions.find(&cookie, now.plus_s(SESSION_S)).is_none());
        assert!(sessions.find("other", now).is_none());
        sessions.end(&cookie);
        assert!(sessions.find(&cookie, now).is_none());
    }
}

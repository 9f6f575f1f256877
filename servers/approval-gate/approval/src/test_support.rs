//! A gate, its people and their keys, for the tests of this crate.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::BTreeMap;

use policies::Preapproval;
use runbooks::{BoundParameter, Digest, RunbookRef, Target, Timestamp};

use crate::{
    APPROVERS_NAMESPACE, Action, Approvers, ApproversDocument, Decision, Envelope, Expectations, Floor, GateKey,
    GrantBook, Key, Method, Person, PublicKey, Refusal, STATEMENT_NAMESPACE, STATEMENT_TYPE, Signature, Statement,
    Token,
    judge::{Subject, Verdict, judge},
};

/// All times of a scene are seconds from here.
pub(crate) const T0: i64 = 1_795_000_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(T0 + seconds)
}

/// A request for one plan, and people who may sign. Each test changes what it is about.
pub(crate) struct Scene {
    pub(crate) keys: BTreeMap<&'static str, GateKey>,
    pub(crate) document: ApproversDocument,
    pub(crate) admin: GateKey,
    pub(crate) gate_key: GateKey,
    pub(crate) floor: Floor,
    pub(crate) need: u32,
    pub(crate) groups: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) now: Timestamp,
    pub(crate) preapproval: Preapproval,
    pub(crate) grant: GrantBook,
    pub(crate) action: Action,
    pub(crate) parameters: BTreeMap<String, BoundParameter>,
    target: Target,
}

impl Scene {
    /// Alice, bob and carol may approve; bot is an agent; mallory has a key and is not listed. One signature is enough.
    pub(crate) fn new() -> Self {
        let keys: BTreeMap<_, _> = ["alice", "bob", "carol", "bot", "mallory"]
            .into_iter()
            .map(|id| (id, GateKey::generate().unwrap()))
            .collect();
        let people = ["alice", "bob", "carol", "bot"].map(|id| Person {
            id: id.to_owned(),
            name: id.to_owned(),
            groups: vec!["dba".to_owned()],
            agent: id == "bot",
            keys: vec![listed(keys.get(id).unwrap().public_key())],
            accounts: Vec::new(),
        });
        Self {
            keys,
            document: ApproversDocument {
                schema: ApproversDocument::SCHEMA.to_owned(),
                version: 1,
                people: people.to_vec(),
                revoked_grants: Vec::new(),
            },
            admin: GateKey::generate().unwrap(),
            gate_key: GateKey::generate().unwrap(),
            floor: Floor {
                approvers: 1,
                hardware: 0,
                ssh: 0,
                attested: false,
                grants: false,
            },
            need: 1,
            groups: Vec::new(),
            methods: vec!["ssh".to_owned()],
            now: at(60),
            preapproval: Preapproval::Never,
            grant: GrantBook::default(),
            action: Action::Execute,
            parameters: BTreeMap::new(),
            target: target(),
        }
    }

    pub(crate) fn key(&self, who: &str) -> &GateKey {
        self.keys.get(who).unwrap()
    }

    pub(crate) fn person(&mut self, who: &str) -> &mut Person {
        self.document.people.iter_mut().find(|person| person.id == who).unwrap()
    }

    pub(crate) fn approvers_json(&self) -> String {
        let bytes = self.document.signing_bytes().unwrap();
        let signature = self.admin.sign(APPROVERS_NAMESPACE, &bytes).unwrap();
        self.document.envelope(&signature).unwrap().to_json().unwrap()
    }

    pub(crate) fn approvers(&self) -> Approvers {
        Approvers::verify(&self.approvers_json(), &self.admin.public_key().to_string(), 0).unwrap()
    }

    /// What a person should sign.
    pub(crate) fn statement(&self, who: &str) -> Statement {
        self.statement_for_key(who, self.key(who).public_key())
    }

    pub(crate) fn statement_for_key(&self, who: &str, key: &PublicKey) -> Statement {
        Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-1".to_owned(),
            action: Action::Execute,
            plan_digest: Digest::of(b"plan"),
            target: target(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            not_before: at(0),
            approve_by: at(900),
            execute_by: at(1800),
            max_executions: 1,
            requester: "orchestrator".to_owned(),
            approver: who.to_owned(),
            key_id: key.fingerprint(),
            method: Method::Ssh,
            policy_digest: Digest::of(b"policy"),
            nonce: "00112233445566778899aabbccddeeff".to_owned(),
        }
    }

    /// Signs a statement with the key of the person that it names.
    pub(crate) fn signed(&self, statement: &Statement) -> Envelope {
        self.signed_by(statement, statement.approver.clone().as_str())
    }

    pub(crate) fn signed_by(&self, statement: &Statement, who: &str) -> Envelope {
        let bytes = statement.signing_bytes().unwrap();
        let signature = self.key(who).sign(STATEMENT_NAMESPACE, &bytes).unwrap();
        envelope(statement, &signature)
    }

    pub(crate) fn token(&self, who: &[&str]) -> Token {
        Token::new(who.iter().map(|who| self.signed(&self.statement(who))).collect()).unwrap()
    }

    pub(crate) fn judge(&self, token: &Token) -> Result<Verdict, Refusal> {
        self.judge_by(token, &self.approvers())
    }

    pub(crate) fn judge_by(&self, token: &Token, approvers: &Approvers) -> Result<Verdict, Refusal> {
        let expect = Expectations {
            gate: "gate-1",
            audience: "executor-1",
            now: self.now,
            floor: &self.floor,
            approvers,
            gate_key: self.gate_key.public_key(),
            action: self.action,
            grant: self.grant,
        };
        let runbook = runbook();
        let subject = Subject {
            digest: Digest::of(b"plan"),
            target: &self.target,
            requester: "orchestrator",
            policy_digest: Digest::of(b"policy"),
            not_before: at(0),
            approve_by: at(900),
            expires_at: at(2700),
            approvers: self.need,
            groups: &self.groups,
            methods: &self.methods,
            approve_within_s: 900,
            execute_within_s: 1800,
            runbook: &runbook,
            parameters: &self.parameters,
            preapproval: self.preapproval,
        };
        judge(&subject, token, &expect)
    }

    /// The code that a token meets, or `ok`.
    pub(crate) fn code(&self, token: &Token) -> &'static str {
        match self.judge(token) {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        }
    }
}

pub(crate) fn envelope(statement: &Statement, signature: &Signature) -> Envelope {
    Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), signature)
}

pub(crate) fn listed(key: &PublicKey) -> Key {
    Key {
        public_key: key.to_string(),
        valid_from: at(-86_400),
        valid_until: at(86_400),
        hardware: key.is_hardware(),
    }
}

pub(crate) fn runbook() -> RunbookRef {
    RunbookRef {
        id: "terminate-blocker".to_owned(),
        version: 1,
        digest: Digest::of(b"runbook"),
    }
}

pub(crate) fn target() -> Target {
    Target {
        name: "orders".to_owned(),
        environment: "demo".to_owned(),
        system_identifier: "7300000000000000000".to_owned(),
        database: "orders".to_owned(),
    }
}

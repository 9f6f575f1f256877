//! {gate's tool, executor} × {every way a token can be wrong}: both built binaries are offered the same tokens, and a golden
//! table says what each answers. Nothing in it is ever taken.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use approval::{
    APPROVERS_NAMESPACE, APPROVERS_TYPE, ATTESTATION_NAMESPACE, Account, Action, ApproverKey, ApproversDocument,
    Assertion, Bound, Decision, Envelope, FREEZE_NAMESPACE, FREEZE_TYPE, GRANT_NAMESPACE, GRANT_TYPE, GateKey, Grant,
    GrantTerms, Key, Method, ORDER_NAMESPACE, Order, Passkey, Person, STATEMENT_NAMESPACE, STATEMENT_TYPE, Scalar,
    Standing, StandingState, Statement, Token, challenge, pae,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature as EcdsaSignature, SigningKey, signature::Signer};
use policies::{Policy, WindowEntry};
use runbooks::{Catalog, Digest, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::{Value, json};

use crate::suite::{binary, now};

const ORIGIN: &str = "https://gate.example.com";
const GOLDEN: &str = "whole_path/token_matrix.golden";

#[tokio::test(flavor = "multi_thread")]
async fn both_refuse_every_wrong_token_each_with_its_code() {
    let scene = Scene::new();
    let gate = scene.start_gate();
    let mut table =
        String::from("a token that is …                                  | gate                 | executor\n");
    for (way, token) in wrong_tokens(&scene) {
        let at_gate = gate.execute(&scene, &token).await;
        let at_executor = scene.run_executor(&token);
        table.push_str(&format!("{way:50} | {at_gate:20} | {at_executor}\n"));
    }
    // The scene is one in which a good token is taken: by the executor, as far as to its database, which is not there.
    let good = scene.token(&[scene.by_passkey("ana", |_| {}, |_| {}), scene.by_ssh("ben", |_| {})]);
    let taken = scene.run_executor(&good);
    assert!(
        taken.starts_with("target_"),
        "{taken}: the wrong tokens may have been refused for something else"
    );
    let granted = scene.grant(|_| {});
    let taken = scene.run_executor_of("other.toml", &granted);
    assert!(
        taken.starts_with("target_"),
        "{taken}: the wrong grants may have been refused for something else"
    );
    // The gate takes no token whose signatures it has not seen itself.
    assert_eq!(gate.execute(&scene, &good).await, "unknown_request");
    assert_eq!(gate.execute(&scene, &granted).await, "unknown_request");
    assert!(table.lines().count() > 40);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(GOLDEN, &table).unwrap();
    }
    assert_eq!(
        table,
        fs::read_to_string(GOLDEN).unwrap(),
        "UPDATE_GOLDEN=1 writes the table anew"
    );
}

type Edit<'a> = &'a dyn Fn(&mut Statement);

fn wrong_tokens(scene: &Scene) -> Vec<(&'static str, String)> {
    let ben = || scene.by_ssh("ben", |_| {});
    let ana = || scene.by_passkey("ana", |_| {}, |_| {});
    let edited = |edit: Edit| scene.token(&[scene.by_passkey("ana", edit, |_| {}), ben()]);
    let answered = |change: &dyn Fn(&mut Answer)| scene.token(&[scene.by_passkey("ana", |_| {}, change), ben()]);
    let signed_by = |who: &str| scene.token(&[ana(), ben(), scene.by_ssh(who, |_| {})]);
    let good = scene.token(&[ana(), ben()]);
    let json = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap()).unwrap();
    let spelt = |json: String| BASE64_URL_SAFE_NO_PAD.encode(json);
    let bent = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = ben();
        change(&mut envelope);
        scene.token(&[ana(), envelope])
    };
    let raw = |payload: &[u8], namespace: &str, kind: &str, key: &GateKey| {
        let signature = key.sign(namespace, &pae(kind, payload)).unwrap();
        scene.token(&[ana(), Envelope::new(kind, payload, &signature)])
    };
    let payload = scene.statement("ben", Method::Ssh, &scene.key("ben").fingerprint());
    let bytes = payload.bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let own = scene.key_of("ben");
    let attested =
        |edit: Edit, key: &GateKey, namespace: &str| scene.token(&[ana(), scene.attested("ben", edit, key, namespace)]);
    vec![
        ("absent", String::new()),
        ("no base64url", "not a token".to_owned()),
        ("cut off", good[..good.len() - 8].to_owned()),
        ("continued", format!("{good}AAAA")),
        ("padded", format!("{good}=")),
        ("no JSON", spelt("not json".to_owned())),
        ("spelt otherwise", spelt(json.replacen(':', ": ", 1))),
        ("one with a field more", spelt(json.replacen('{', "{\"a\":1,", 1))),
        ("of another version", spelt(json.replace("token.v1", "token.v2"))),
        (
            "empty of envelopes",
            spelt("{\"envelopes\":[],\"schema\":\"countersign.token.v1\"}".to_owned()),
        ),
        ("of an envelope with no signature", bent(&|e| e.signatures.clear())),
        (
            "of an envelope with two signatures",
            bent(&|e| e.signatures.push(e.signatures[0].clone())),
        ),
        (
            "of an envelope that names another key",
            bent(&|e| e.signatures[0].keyid = scene.key("stranger").fingerprint()),
        ),
        (
            "of an envelope of another type",
            bent(&|e| e.payload_type = FREEZE_TYPE.to_owned()),
        ),
        (
            "signed with one bit flipped",
            bent(&|e| {
                let mut blob = BASE64_STANDARD.decode(&e.signatures[0].sig).unwrap();
                *blob.last_mut().unwrap() ^= 1;
                e.signatures[0].sig = BASE64_STANDARD.encode(blob);
            }),
        ),
        (
            "a statement that is not canonical",
            raw(format!("{text} ").as_bytes(), STATEMENT_NAMESPACE, STATEMENT_TYPE, own),
        ),
        (
            "a statement with a field more",
            raw(
                text.replacen('{', "{\"a\":1,", 1).as_bytes(),
                STATEMENT_NAMESPACE,
                STATEMENT_TYPE,
                own,
            ),
        ),
        (
            "a statement for two executions",
            raw(
                text.replace("\"max_executions\":1", "\"max_executions\":2").as_bytes(),
                STATEMENT_NAMESPACE,
                STATEMENT_TYPE,
                own,
            ),
        ),
        (
            "a statement of an unknown method",
            raw(
                text.replace("\"ssh\"", "\"fax\"").as_bytes(),
                STATEMENT_NAMESPACE,
                STATEMENT_TYPE,
                own,
            ),
        ),
        (
            "signed for a freeze",
            raw(&bytes, FREEZE_NAMESPACE, STATEMENT_TYPE, own),
        ),
        ("signed as an order", raw(&bytes, ORDER_NAMESPACE, STATEMENT_TYPE, own)),
        ("signed by somebody who is not listed", signed_by("stranger")),
        (
            "in ben's name, by another's key",
            raw(&bytes, STATEMENT_NAMESPACE, STATEMENT_TYPE, scene.key_of("stranger")),
        ),
        (
            "in ana's name, by ben's key",
            scene.token(&[ana(), scene.by_ssh("ben", |s| s.approver = "ana".to_owned())]),
        ),
        ("signed with a key that is over", signed_by("old")),
        ("signed with a key that is not valid yet", signed_by("new")),
        ("signed by an agent", signed_by("bot")),
        ("signed by who asked for it", signed_by("orchestrator-1")),
        (
            "signed with the gate's own key",
            raw(&bytes, STATEMENT_NAMESPACE, STATEMENT_TYPE, &scene.gate),
        ),
        ("for another plan", edited(&|s| s.plan_digest = Digest::of(b"another"))),
        ("for another target", edited(&|s| s.target.name = "billing".to_owned())),
        (
            "for another environment",
            edited(&|s| s.target.environment = "production".to_owned()),
        ),
        (
            "for another database server",
            edited(&|s| s.target.system_identifier = "1".to_owned()),
        ),
        (
            "for another database",
            edited(&|s| s.target.database = "billing".to_owned()),
        ),
        ("for another gate", edited(&|s| s.gate = "gate-2".to_owned())),
        (
            "for another executor",
            edited(&|s| s.audience = "executor-2".to_owned()),
        ),
        (
            "under another policy",
            edited(&|s| s.policy_digest = Digest::of(b"older")),
        ),
        ("for the rollback", edited(&|s| s.action = Action::Rollback)),
        (
            "asked for by somebody else",
            edited(&|s| s.requester = "somebody".to_owned()),
        ),
        ("of two requests", edited(&|s| s.request = "req-2".to_owned())),
        ("a rejection", edited(&|s| s.decision = Decision::Reject)),
        (
            "valid before the plan",
            edited(&|s| s.not_before = s.not_before.plus_s(-60)),
        ),
        (
            "valid after the plan",
            edited(&|s| s.execute_by = s.not_before.plus_s(2701)),
        ),
        (
            "valid for longer than the policy allows",
            edited(&|s| {
                s.approve_by = s.not_before.plus_s(10);
                s.execute_by = s.not_before.plus_s(1820);
            }),
        ),
        ("not valid yet", edited(&|s| s.not_before = now().plus_s(120))),
        (
            "over",
            edited(&|s| {
                s.approve_by = now().plus_s(-30);
                s.execute_by = now().plus_s(-10);
            }),
        ),
        ("signed by one person", scene.token(&[ana()])),
        (
            "signed by one person with two keys",
            scene.token(&[ana(), scene.by_ssh("ana", |_| {})]),
        ),
        ("signed twice by one person", scene.token(&[ana(), ana()])),
        (
            "signed without a hardware key",
            scene.token(&[scene.by_ssh("ana", |_| {}), ben()]),
        ),
        ("signed with a synced passkey", answered(&|a| a.flags |= 0x08)),
        ("answered by nobody who was there", answered(&|a| a.flags = 0x04)),
        ("answered by nobody who was verified", answered(&|a| a.flags = 0x01)),
        (
            "answered on another page",
            answered(&|a| a.origin = "https://gate.example.org".to_owned()),
        ),
        (
            "answered for another relying party",
            answered(&|a| a.rp_id = "example.com".to_owned()),
        ),
        ("answered inside another page", answered(&|a| a.cross_origin = true)),
        (
            "answered when a passkey was made",
            answered(&|a| a.kind = "webauthn.create"),
        ),
        (
            "answered for another statement",
            answered(&|a| a.message = b"another".to_vec()),
        ),
        ("answered under another method", edited(&|s| s.method = Method::Ssh)),
        (
            "signed under another method",
            scene.token(&[ana(), scene.by_ssh("ben", |s| s.method = Method::Passkey)]),
        ),
        (
            "attested, where that does not count",
            attested(&|_| {}, &scene.gate, ATTESTATION_NAMESPACE),
        ),
        (
            "attested by another key",
            attested(&|_| {}, scene.key_of("stranger"), ATTESTATION_NAMESPACE),
        ),
        (
            "attested with an order's signature",
            attested(&|_| {}, &scene.gate, ORDER_NAMESPACE),
        ),
        (
            "attested for who has no account",
            attested(&|s| s.approver = "ana".to_owned(), &scene.gate, ATTESTATION_NAMESPACE),
        ),
        (
            "attested under another key's name",
            attested(
                &|s| s.key_id = scene.key("ben").fingerprint(),
                &scene.gate,
                ATTESTATION_NAMESPACE,
            ),
        ),
        (
            "attested as signed",
            attested(&|s| s.method = Method::Ssh, &scene.gate, ATTESTATION_NAMESPACE),
        ),
        (
            "an attested rejection",
            attested(&|s| s.decision = Decision::Reject, &scene.gate, ATTESTATION_NAMESPACE),
        ),
    ]
    .into_iter()
    .chain(wrong_grants(scene))
    .collect()
}

fn wrong_grants(scene: &Scene) -> Vec<(&'static str, String)> {
    let terms = scene.terms();
    let ana = || scene.grant_by_passkey(&terms);
    let by = |who: &str| scene.grant_by_ssh(&terms, who, scene.key_of(who), GRANT_NAMESPACE);
    let other = GrantTerms {
        max_per_day: 6,
        ..terms.clone()
    };
    let only =
        |bound: Bound| scene.grant(|terms| drop(terms.parameters.insert("blocker_role".to_owned(), bound.clone())));
    vec![
        (
            "a grant for another gate",
            scene.grant(|t| t.gate = "gate-2".to_owned()),
        ),
        (
            "a grant for another executor",
            scene.grant(|t| t.audience = "executor-2".to_owned()),
        ),
        (
            "a grant for another runbook",
            scene.grant(|t| t.runbook.id = "cancel-query".to_owned()),
        ),
        ("a grant for another version", scene.grant(|t| t.runbook.version += 1)),
        (
            "a grant for another content of it",
            scene.grant(|t| t.runbook.digest = Digest::of(b"edited")),
        ),
        (
            "a grant for another target",
            scene.grant(|t| t.targets[0].name = "billing".to_owned()),
        ),
        (
            "a grant for another database server",
            scene.grant(|t| t.targets[0].system_identifier = "1".to_owned()),
        ),
        (
            "a grant for another role",
            only(Bound::OneOf(vec![Scalar::Text("batch".to_owned())])),
        ),
        ("a grant for a number", only(Bound::Range { min: 0, max: 9 })),
        (
            "a grant that is silent on a value",
            scene.grant(|t| drop(t.parameters.remove("blocker_pid"))),
        ),
        (
            "a grant with a value more",
            scene.grant(|t| drop(t.parameters.insert("also".to_owned(), Bound::Any))),
        ),
        (
            "a grant that is not valid yet",
            scene.grant(|t| t.not_before = now().plus_s(120)),
        ),
        (
            "a grant that is over",
            scene.grant(|t| {
                t.not_before = now().plus_s(-7200);
                t.until = now().plus_s(-10);
            }),
        ),
        (
            "a grant for half a year",
            scene.grant_unchecked(|text| {
                text.replace(&terms.until.to_string(), &now().plus_s(180 * 86_400).to_string())
            }),
        ),
        (
            "a grant for another hour",
            scene.grant(|t| t.windows = vec![scene.window_that_is_closed()]),
        ),
        ("a grant of one person", scene.token(&[ana()])),
        ("a grant of one person, twice", scene.token(&[ana(), ana()])),
        (
            "a grant without a hardware key",
            scene.token(&[
                by("ben"),
                scene.grant_by_ssh(&terms, "ana", scene.key_of("ana"), GRANT_NAMESPACE),
            ]),
        ),
        ("a grant with an agent", scene.token(&[ana(), by("ben"), by("bot")])),
        (
            "a grant with somebody not listed",
            scene.token(&[ana(), by("stranger")]),
        ),
        ("a grant with a key that is over", scene.token(&[ana(), by("old")])),
        ("a grant with who asks", scene.token(&[ana(), by("orchestrator-1")])),
        (
            "a grant by the gate's own key",
            scene.token(&[ana(), scene.grant_by_ssh(&terms, "ben", &scene.gate, GRANT_NAMESPACE)]),
        ),
        (
            "a grant signed as a statement",
            scene.token(&[
                ana(),
                scene.grant_by_ssh(&terms, "ben", scene.key_of("ben"), STATEMENT_NAMESPACE),
            ]),
        ),
        (
            "two grants",
            scene.token(&[
                ana(),
                scene.grant_by_ssh(&other, "ben", scene.key_of("ben"), GRANT_NAMESPACE),
            ]),
        ),
        (
            "a grant and a statement",
            scene.token(&[ana(), scene.by_ssh("ben", |_| {})]),
        ),
        (
            "a statement and a grant",
            scene.token(&[scene.by_passkey("ana", |_| {}, |_| {}), by("ben")]),
        ),
        (
            "a grant that the list has revoked",
            scene.grant(|t| t.nonce = REVOKED.to_owned()),
        ),
    ]
}

/// By this nonce the test knows the grant that the list revokes.
const REVOKED: &str = "dddddddddddddddddddddddddddddddd";

/// What a passkey's answer may be wrong in.
struct Answer {
    kind: &'static str,
    message: Vec<u8>,
    origin: String,
    rp_id: String,
    flags: u8,
    cross_origin: bool,
}

struct Scene {
    dir: tempfile::TempDir,
    people: Vec<(&'static str, GateKey)>,
    gate: GateKey,
    passkey: (SigningKey, Passkey),
    plan: Plan,
    evidence: Evidence,
}

struct RunningGate {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("gate")).unwrap();
        let gate = GateKey::load_or_create(&dir.path().join("gate_key")).unwrap();
        let people = ["admin", "ana", "ben", "old", "new", "bot", "orchestrator-1", "stranger"];
        let people: Vec<_> = people
            .into_iter()
            .map(|id| (id, GateKey::generate().unwrap()))
            .collect();
        let evidence = evidence();
        let scene = Self {
            plan: plan(&evidence),
            passkey: passkey(),
            dir,
            people,
            gate,
            evidence,
        };
        scene.write();
        scene
    }

    fn key_of(&self, who: &str) -> &GateKey {
        &self.people.iter().find(|(id, _)| *id == who).unwrap().1
    }

    fn key(&self, who: &str) -> ApproverKey {
        ApproverKey::Ssh(self.key_of(who).public_key().clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self) {
        let listed = |line: String, from: i64, until: i64, hardware: bool| Key {
            public_key: line,
            valid_from: now().plus_s(from),
            valid_until: now().plus_s(until),
            hardware,
        };
        let person = |id: &str| {
            let (from, until) = match id {
                "old" => (-7200, -3600),
                "new" => (3600, 7200),
                _ => (-3600, 86_400),
            };
            let mut keys = vec![listed(self.key(id).to_string(), from, until, false)];
            let mut accounts = Vec::new();
            match id {
                "ana" => keys.push(listed(self.passkey.1.to_string(), from, until, true)),
                "ben" => accounts.push(Account::Slack {
                    team: "T1".to_owned(),
                    user: "U1".to_owned(),
                }),
                _ => {}
            }
            Person {
                id: id.to_owned(),
                name: id.to_owned(),
                groups: Vec::new(),
                agent: id == "bot",
                keys,
                accounts,
            }
        };
        let revoked = GrantTerms {
            nonce: REVOKED.to_owned(),
            ..self.terms()
        };
        let list = ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version: 1,
            people: ["ana", "ben", "old", "new", "bot", "orchestrator-1"].map(person).into(),
            revoked_grants: vec![revoked.id().unwrap()],
        };
        let bytes = list.bytes().unwrap();
        let signature = self
            .key_of("admin")
            .sign(APPROVERS_NAMESPACE, &pae(APPROVERS_TYPE, &bytes))
            .unwrap();
        let envelope = Envelope::new(APPROVERS_TYPE, &bytes, &signature).to_json().unwrap();
        fs::write(self.path("approvers.json"), envelope).unwrap();
        fs::write(self.path("bearer"), "a bearer for the executor\n").unwrap();
        fs::write(self.path("dsn"), "postgres://nobody@127.0.0.1:1/orders?sslmode=disable").unwrap();
        let shared = format!(
            "[approvers]\nfile = \"approvers.json\"\nadmin_key = \"{}\"\n[floor]\napprovers = 2\nhardware = 1\ngrants = true\n\
             [[targets]]\nname = \"orders\"\nenvironment = \"demo\"\nsystem_identifier = \"7301\"\ndatabase = \"orders\"\n",
            self.key("admin")
        );
        let gate = format!(
            "[gate]\nid = \"gate-1\"\nenvironment = \"demo\"\nstate_dir = \"gate\"\nkey_file = \"gate_key\"\n\
             audience = \"executor-1\"\nexecutor_bearer_file = \"bearer\"\n{shared}"
        );
        fs::write(self.path("gate.toml"), gate).unwrap();
        let executor = format!(
            "[executor]\nid = \"executor-1\"\nenvironment = \"demo\"\nstate_dir = \"executor\"\n[gate]\nid = \"gate-1\"\n\
             public_key = \"{}\"\nbearer_file = \"bearer\"\n{shared}dsn_file = \"dsn\"\n",
            self.gate.public_key()
        );
        fs::write(self.path("executor.toml"), &executor).unwrap();
        // The same once more, with books of its own.
        let other = executor.replace("state_dir = \"executor\"", "state_dir = \"other\"");
        fs::write(self.path("other.toml"), other).unwrap();
    }

    fn statement(&self, who: &str, method: Method, key_id: &str) -> Statement {
        let document = self.plan.document();
        Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-1".to_owned(),
            action: Action::Execute,
            plan_digest: self.plan.digest(),
            target: document.target.clone(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            not_before: document.not_before,
            approve_by: document.not_before.plus_s(600),
            execute_by: document.not_before.plus_s(1200),
            max_executions: 1,
            requester: document.requester.clone(),
            approver: who.to_owned(),
            key_id: key_id.to_owned(),
            method,
            policy_digest: document.policy_digest,
            nonce: "ab".repeat(16),
        }
    }

    fn by_ssh(&self, who: &str, edit: impl Fn(&mut Statement)) -> Envelope {
        let mut statement = self.statement(who, Method::Ssh, &self.key(who).fingerprint());
        edit(&mut statement);
        let bytes = statement.signing_bytes().unwrap();
        let signature = self.key_of(who).sign(STATEMENT_NAMESPACE, &bytes).unwrap();
        Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), &signature)
    }

    /// Whatever the plan's runbook may do to its target, five times a day, by ana and ben.
    fn terms(&self) -> GrantTerms {
        let document = self.plan.document();
        let parameters = document.parameters.keys().map(|name| (name.clone(), Bound::Any));
        GrantTerms {
            schema: GrantTerms::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            runbook: document.runbook.clone(),
            targets: vec![document.target.clone()],
            parameters: parameters.collect(),
            max_per_day: 5,
            windows: Vec::new(),
            not_before: document.not_before,
            until: document.not_before.plus_s(30 * 86_400),
            reason: "known sessions".to_owned(),
            nonce: "cd".repeat(16),
        }
    }

    fn grant(&self, edit: impl Fn(&mut GrantTerms)) -> String {
        let mut terms = self.terms();
        edit(&mut terms);
        let ben = self.grant_by_ssh(&terms, "ben", self.key_of("ben"), GRANT_NAMESPACE);
        self.token(&[self.grant_by_passkey(&terms), ben])
    }

    /// A grant that no program of ours would make, signed all the same.
    fn grant_unchecked(&self, edit: impl Fn(String) -> String) -> String {
        let grant = self.grant_of(&self.terms(), "ben", Method::Ssh, &self.key("ben").fingerprint());
        let payload = edit(String::from_utf8(grant.bytes().unwrap()).unwrap());
        let message = pae(GRANT_TYPE, payload.as_bytes());
        let signature = self.key_of("ben").sign(GRANT_NAMESPACE, &message).unwrap();
        self.token(&[Envelope::new(GRANT_TYPE, payload.as_bytes(), &signature)])
    }

    fn grant_of(&self, terms: &GrantTerms, who: &str, method: Method, key_id: &str) -> Grant {
        Grant {
            terms: terms.clone(),
            approver: who.to_owned(),
            key_id: key_id.to_owned(),
            method,
        }
    }

    fn grant_by_ssh(&self, terms: &GrantTerms, who: &str, key: &GateKey, namespace: &str) -> Envelope {
        let grant = self.grant_of(terms, who, Method::Ssh, &key.public_key().fingerprint());
        let signature = key.sign(namespace, &grant.signing_bytes().unwrap()).unwrap();
        grant.envelope(&signature).unwrap()
    }

    fn grant_by_passkey(&self, terms: &GrantTerms) -> Envelope {
        let grant = self.grant_of(terms, "ana", Method::Passkey, &self.passkey.1.fingerprint());
        let answer = self.answer(grant.signing_bytes().unwrap(), |_| {});
        grant.envelope(answer).unwrap()
    }

    /// The hour that ended half a day ago.
    fn window_that_is_closed(&self) -> WindowEntry {
        let hour = |hours: i64| {
            let text = now().plus_s(hours * 3600).to_string();
            let (_, time) = text.split_once('T').unwrap();
            format!("{}:00", &time[..2])
        };
        WindowEntry {
            days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
                .map(str::to_owned)
                .into(),
            from: hour(11),
            until: hour(12),
            time_zone: "UTC".to_owned(),
        }
    }

    fn attested(&self, who: &str, edit: Edit, key: &GateKey, namespace: &str) -> Envelope {
        let mut statement = self.statement(who, Method::Slack, &self.gate.public_key().fingerprint());
        edit(&mut statement);
        let signature = key.sign(namespace, &statement.signing_bytes().unwrap()).unwrap();
        Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), &signature)
    }

    fn by_passkey(&self, who: &str, edit: impl Fn(&mut Statement), change: impl Fn(&mut Answer)) -> Envelope {
        let (_, passkey) = &self.passkey;
        let mut statement = self.statement(who, Method::Passkey, &passkey.fingerprint());
        edit(&mut statement);
        let answer = self.answer(statement.signing_bytes().unwrap(), change);
        Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), answer)
    }

    fn answer(&self, message: Vec<u8>, change: impl Fn(&mut Answer)) -> Assertion {
        let (key, passkey) = &self.passkey;
        let mut answer = Answer {
            kind: "webauthn.get",
            message,
            origin: ORIGIN.to_owned(),
            rp_id: passkey.rp_id().to_owned(),
            flags: 0x05,
            cross_origin: false,
        };
        change(&mut answer);
        let client = json!({
            "type": answer.kind, "challenge": challenge(&answer.message), "origin": answer.origin,
            "crossOrigin": answer.cross_origin,
        });
        let client = client.to_string().into_bytes();
        let data = [
            Digest::of(answer.rp_id.as_bytes()).bytes().as_slice(),
            &[answer.flags, 0, 0, 0, 1],
        ]
        .concat();
        let signed = [data.as_slice(), Digest::of(&client).bytes()].concat();
        let signature: EcdsaSignature = key.sign(&signed);
        Assertion::new(passkey, &client, &data, signature.to_der().as_bytes()).unwrap()
    }

    fn token(&self, envelopes: &[Envelope]) -> String {
        Token::new(envelopes.to_vec()).unwrap().encode().to_owned()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.plan.bytes()).unwrap()
    }

    /// An order as a gate that has been taken over would sign it, and what the executor says.
    fn run_executor(&self, token: &str) -> String {
        self.run_executor_of("executor.toml", token)
    }

    fn run_executor_of(&self, config: &str, token: &str) -> String {
        let standing = Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            plan_digest: self.plan.digest(),
            state: StandingState::Valid,
            as_of: now(),
        };
        let order = Order {
            schema: Order::SCHEMA.to_owned(),
            id: format!("exe-{}", &Digest::of(token.as_bytes()).hex()[..16]),
            action: Action::Execute,
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            environment: "demo".to_owned(),
            plan: self.text().to_owned(),
            token: token.to_owned(),
            issued_at: now(),
            standing,
        };
        fs::write(self.path("order.json"), order.sign(&self.gate).unwrap()).unwrap();
        let ran = Command::new(binary("executor"))
            .args(["run", "--order"])
            .arg(self.path("order.json"))
            .arg("--config")
            .arg(self.path(config))
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        let last: Value = said.lines().last().unwrap_or_default().parse().unwrap_or_else(|_| {
            panic!("{said}{}", String::from_utf8_lossy(&ran.stderr));
        });
        last["result"].as_str().unwrap().to_owned()
    }

    fn start_gate(&self) -> RunningGate {
        let child = Command::new(binary("approval-gate"))
            .args(["serve", "--http", "127.0.0.1:0", "--config"])
            .arg(self.path("gate.toml"))
            .arg("--addr-file")
            .arg(self.path("address"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = loop {
            match fs::read_to_string(self.path("address")) {
                Ok(address) if !address.trim().is_empty() => break address,
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        };
        let address = address.trim();
        let url = if address.starts_with("http") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        RunningGate {
            child,
            url,
            http: reqwest::Client::new(),
        }
    }
}

impl RunningGate {
    /// Offers plan and token to `execute_plan`, and returns the refusal's code.
    async fn execute(&self, scene: &Scene, token: &str) -> String {
        let arguments = json!({"plan": scene.text(), "evidence": [&scene.evidence], "approval_token": token});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "execute_plan", "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let mut post = self.http.post(format!("{}/mcp", self.url)).body(message.to_string());
        for (header, value) in [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "execute_plan"),
        ] {
            post = post.header(header, value);
        }
        let text = post.send().await.unwrap().text().await.unwrap();
        let mut data = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim);
        let data = data.rfind(|data| !data.is_empty()).unwrap_or(&text);
        let answer: Value = data.parse().unwrap_or_else(|_| panic!("{text}"));
        let content = &answer["result"]["structuredContent"];
        content["code"]
            .as_str()
            .unwrap_or_else(|| panic!("taken: {answer}"))
            .to_owned()
    }
}

impl Drop for RunningGate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn passkey() -> (SigningKey, Passkey) {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let point = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().to_encoded_point(false).as_bytes());
    let line = format!(
        "passkey {ORIGIN} {} {point}",
        BASE64_URL_SAFE_NO_PAD.encode("ana's passkey")
    );
    (key, line.parse().unwrap())
}

fn evidence() -> Evidence {
    let root = json!({
        "pid": 4242, "backend_start": "2026-11-23 10:11:12.123456+00", "xact_start": "2026-11-23 10:12:12.5+00",
        "state": "idle in transaction", "usename": "app",
    });
    let result = json!({"trees": [{"root": root, "waiters_count": 3}]});
    Evidence::record(
        "E1",
        "postgres-readonly",
        "blocking_tree",
        json!({}),
        Timestamp::from_unix(1_795_428_600),
        result,
    )
    .unwrap()
}

fn plan(evidence: &Evidence) -> Plan {
    let parameters = [
        ("blocker_pid", "root/pid"),
        ("blocker_backend_start", "root/backend_start"),
        ("blocker_xact_start", "root/xact_start"),
        ("blocker_state", "root/state"),
        ("blocker_role", "root/usename"),
        ("waiters", "waiters_count"),
    ];
    let bound = |(name, field): (&str, &str)| {
        let value = DraftValue::Evidence {
            evidence: "E1".into(),
            pointer: format!("/trees/0/{field}"),
        };
        (name.to_owned(), value)
    };
    let draft = PlanDraft {
        runbook: "idle-in-transaction-blocker".into(),
        version: 1,
        parameters: parameters.map(bound).into(),
    };
    let begun = now().plus_s(-120);
    let context = PlanContext {
        incident: "inc-1".into(),
        target: Target {
            name: "orders".into(),
            environment: "demo".into(),
            system_identifier: "7301".into(),
            database: "orders".into(),
        },
        requester: "orchestrator-1".into(),
        policy_digest: Policy::shipped().unwrap().digest(),
        not_before: begun,
        approve_by: begun.plus_s(900),
        expires_at: begun.plus_s(2700),
        nonce: "0f".repeat(16),
    };
    Plan::fill(
        &draft,
        &Catalog::shipped().unwrap(),
        std::slice::from_ref(evidence),
        context,
    )
    .unwrap()
}

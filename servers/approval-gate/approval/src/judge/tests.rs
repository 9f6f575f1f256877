//! One test per way a token can be wrong, and that nothing else is.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use runbooks::Digest;

use crate::{
    ATTESTATION_NAMESPACE, Account, Action, ApproverKey, Decision, Envelope, GateKey, Key, Method, ORDER_NAMESPACE,
    ORDER_TYPE, Refusal, STATEMENT_NAMESPACE, STATEMENT_TYPE, Statement, Token, TokenError, pae,
    soft_passkey::{Answer, SoftPasskey},
    soft_token::{SoftToken, UP, UV},
    test_support::{Scene, at, envelope, listed},
};

fn changed(scene: &Scene, change: impl FnOnce(&mut Statement)) -> Token {
    let mut statement = scene.statement("alice");
    change(&mut statement);
    Token::new(vec![scene.signed(&statement)]).unwrap()
}

fn with_token(soft: &SoftToken, flags: u8) -> (Scene, Token) {
    let mut scene = Scene::new();
    let key = soft.public_key();
    scene.person("alice").keys.push(listed(&key));
    let statement = scene.statement_for_key("alice", &key);
    let signature = soft.sign(STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap(), flags);
    let token = Token::new(vec![envelope(&statement, &signature)]).unwrap();
    (scene, token)
}

#[test]
fn one_listed_person_is_enough_where_one_is_asked_for() {
    let scene = Scene::new();
    let verdict = scene.judge(&scene.token(&["alice"])).unwrap();
    assert_eq!(verdict.approvers, ["alice"]);
    assert_eq!(verdict.not_before, at(0));
    assert_eq!(verdict.execute_by, at(1800));
}

#[test]
fn each_way_to_be_wrong_has_its_code() {
    type Case = (&'static str, Box<dyn Fn() -> &'static str>);
    let alter = |change: fn(&mut Statement)| -> Box<dyn Fn() -> &'static str> {
        Box::new(move || {
            let scene = Scene::new();
            scene.code(&changed(&scene, change))
        })
    };
    let at_time = |seconds: i64| -> Box<dyn Fn() -> &'static str> {
        Box::new(move || {
            let mut scene = Scene::new();
            scene.now = at(seconds);
            scene.code(&scene.token(&["alice"]))
        })
    };
    let cases: Vec<Case> = vec![
        ("wrong_plan", alter(|s| s.plan_digest = Digest::of(b"another plan"))),
        ("wrong_target", alter(|s| s.target.database = "billing".to_owned())),
        (
            "wrong_target",
            alter(|s| s.target.environment = "production".to_owned()),
        ),
        ("wrong_target", alter(|s| s.target.system_identifier = "1".to_owned())),
        ("wrong_gate", alter(|s| s.gate = "gate-2".to_owned())),
        ("wrong_audience", alter(|s| s.audience = "executor-2".to_owned())),
        (
            "wrong_policy",
            alter(|s| s.policy_digest = Digest::of(b"another policy")),
        ),
        ("wrong_action", alter(|s| s.action = Action::Rollback)),
        ("wrong_requester", alter(|s| s.requester = "somebody".to_owned())),
        ("denied", alter(|s| s.decision = Decision::Reject)),
        ("window_outside_plan", alter(|s| s.not_before = at(-1))),
        ("window_outside_plan", alter(|s| s.approve_by = at(901))),
        ("window_outside_plan", alter(|s| s.execute_by = at(2701))),
        (
            "window_too_long",
            alter(|s| {
                s.approve_by = at(800);
                s.execute_by = at(2601);
            }),
        ),
        ("not_yet_valid", at_time(-31)),
        ("ok", at_time(-30)),
        ("ok", at_time(1799)),
        ("execution_expired", at_time(1800)),
    ];
    for (code, case) in cases {
        assert_eq!(case(), code);
    }
}

#[test]
fn a_statement_that_contradicts_itself_is_malformed() {
    let scene = Scene::new();
    let text = String::from_utf8(scene.statement("alice").bytes().unwrap()).unwrap();
    for odd in [
        text.replace("\"max_executions\":1", "\"max_executions\":2"),
        text.replace("\"max_executions\":1", "\"max_executions\":1.0"),
        text.replace("\"gate\":", "\"extra\":1,\"gate\":"),
        format!("{text}\n"),
    ] {
        assert_ne!(odd, text);
        let key = scene.key("alice");
        let signature = key
            .sign(STATEMENT_NAMESPACE, &pae(STATEMENT_TYPE, odd.as_bytes()))
            .unwrap();
        let token = Token::new(vec![Envelope::new(STATEMENT_TYPE, odd.as_bytes(), &signature)]).unwrap();
        assert_eq!(scene.code(&token), "malformed_statement");
    }
}

#[test]
fn only_the_named_persons_own_listed_key_counts() {
    let scene = Scene::new();
    let stranger = scene.statement("mallory");
    assert_eq!(
        scene.code(&Token::new(vec![scene.signed(&stranger)]).unwrap()),
        "unknown_key"
    );

    // Bob's listed key under a statement that says alice.
    let mut as_alice = scene.statement("bob");
    as_alice.approver = "alice".to_owned();
    let token = Token::new(vec![scene.signed_by(&as_alice, "bob")]).unwrap();
    assert_eq!(scene.code(&token), "unknown_key");

    // Mallory's key, but the statement names alice's.
    let forged = Token::new(vec![scene.signed_by(&scene.statement("alice"), "mallory")]).unwrap();
    assert_eq!(scene.code(&forged), "bad_signature");
}

#[test]
fn a_signature_for_another_purpose_is_bad() {
    let scene = Scene::new();
    let statement = scene.statement("alice");
    let key = scene.key("alice");
    let bytes = statement.bytes().unwrap();
    for (namespace, message) in [
        (ORDER_NAMESPACE, pae(STATEMENT_TYPE, &bytes)),
        ("file", pae(STATEMENT_TYPE, &bytes)),
        (STATEMENT_NAMESPACE, pae(ORDER_TYPE, &bytes)),
        (STATEMENT_NAMESPACE, bytes.clone()),
    ] {
        let signature = key.sign(namespace, &message).unwrap();
        let token = Token::new(vec![envelope(&statement, &signature)]).unwrap();
        assert_eq!(scene.code(&token), "bad_signature");
    }
    let signature = key.sign(ORDER_NAMESPACE, &pae(ORDER_TYPE, &bytes)).unwrap();
    let token = Token::new(vec![Envelope::new(ORDER_TYPE, &bytes, &signature)]).unwrap();
    assert_eq!(scene.code(&token), "malformed_token");
}

#[test]
fn a_key_counts_only_within_its_validity() {
    for (from, until, code) in [
        (-100, 100, "ok"),
        (-100, 60, "key_not_valid_now"),
        (61, 100, "key_not_valid_now"),
    ] {
        let mut scene = Scene::new();
        let key = scene.person("alice").keys.first_mut().unwrap();
        (key.valid_from, key.valid_until) = (at(from), at(until));
        assert_eq!(scene.code(&scene.token(&["alice"])), code);
    }
}

#[test]
fn agents_and_the_requester_never_approve() {
    let scene = Scene::new();
    assert_eq!(scene.code(&scene.token(&["bot"])), "agent_approves");
    assert_eq!(scene.code(&scene.token(&["alice", "bot"])), "agent_approves");

    let mut scene = Scene::new();
    let mut same = scene.person("alice").clone();
    same.id = "orchestrator".to_owned();
    same.keys = vec![listed(scene.key("mallory").public_key())];
    scene.document.people.push(same);
    let statement = scene.statement_for_key("orchestrator", scene.key("mallory").public_key());
    let token = Token::new(vec![scene.signed_by(&statement, "mallory")]).unwrap();
    assert_eq!(scene.code(&token), "requester_approves");
}

#[test]
fn people_are_counted_not_keys_nor_envelopes() {
    let mut scene = Scene::new();
    scene.need = 2;
    assert_eq!(scene.code(&scene.token(&["alice"])), "not_enough_approvers");
    assert_eq!(scene.code(&scene.token(&["alice", "alice"])), "not_enough_approvers");
    assert_eq!(scene.code(&scene.token(&["alice", "bob"])), "ok");

    let second = GateKey::generate().unwrap();
    scene.person("alice").keys.push(listed(second.public_key()));
    let statement = scene.statement_for_key("alice", second.public_key());
    let signature = second
        .sign(STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap())
        .unwrap();
    let first = scene.signed(&scene.statement("alice"));
    let token = Token::new(vec![first, envelope(&statement, &signature)]).unwrap();
    assert_eq!(scene.code(&token), "not_enough_approvers");
}

#[test]
fn the_verifiers_floor_raises_and_zero_never_means_yes() {
    let mut scene = Scene::new();
    scene.floor.approvers = 3;
    assert_eq!(scene.code(&scene.token(&["alice", "bob"])), "not_enough_approvers");
    assert_eq!(scene.code(&scene.token(&["alice", "bob", "carol"])), "ok");
    scene.floor.approvers = 0;
    assert_eq!(scene.code(&scene.token(&["alice", "bob", "carol"])), "no_quorum");
    scene.floor.approvers = 1;
    scene.need = 0;
    assert_eq!(scene.code(&scene.token(&["alice"])), "no_quorum");
}

#[test]
fn one_no_ends_it_whoever_says_yes() {
    let scene = Scene::new();
    for who in ["carol", "bot"] {
        let mut no = scene.statement(who);
        no.decision = Decision::Reject;
        let token = Token::new(vec![
            scene.signed(&scene.statement("alice")),
            scene.signed(&no),
            scene.signed(&scene.statement("bob")),
        ])
        .unwrap();
        assert_eq!(scene.code(&token), "denied");
    }
}

#[test]
fn one_bad_envelope_spoils_the_token() {
    let scene = Scene::new();
    let good = scene.signed(&scene.statement("alice"));
    let bad = scene.signed(&scene.statement("mallory"));
    for envelopes in [vec![good.clone(), bad.clone()], vec![bad, good.clone()]] {
        assert_eq!(scene.code(&Token::new(envelopes).unwrap()), "unknown_key");
    }
    let mut other = scene.statement("bob");
    other.request = "req-2".to_owned();
    let mixed = Token::new(vec![good, scene.signed(&other)]).unwrap();
    assert_eq!(scene.code(&mixed), "mixed_requests");
}

#[test]
fn the_narrowest_signed_window_holds() {
    let mut scene = Scene::new();
    let mut short = scene.statement("bob");
    short.not_before = at(10);
    short.execute_by = at(1000);
    let token = Token::new(vec![scene.signed(&scene.statement("alice")), scene.signed(&short)]).unwrap();
    let verdict = scene.judge(&token).unwrap();
    assert_eq!((verdict.not_before, verdict.execute_by), (at(10), at(1000)));
    scene.now = at(1000);
    assert_eq!(scene.code(&token), "execution_expired");
}

#[test]
fn a_method_that_the_policy_does_not_name_is_not_allowed() {
    let mut scene = Scene::new();
    scene.methods = vec!["passkey".to_owned()];
    assert_eq!(scene.code(&scene.token(&["alice"])), "method_not_allowed");
    scene.methods.clear();
    assert_eq!(scene.code(&scene.token(&["alice"])), "method_not_allowed");
}

fn with_passkey(change: impl FnOnce(&mut Answer)) -> (Scene, Token) {
    let mut scene = Scene::new();
    scene.methods = vec!["passkey".to_owned()];
    let soft = SoftPasskey::new(3, "https://gate.example.com");
    let key = ApproverKey::Passkey(soft.passkey.clone());
    scene.person("alice").keys.push(Key {
        public_key: key.to_string(),
        valid_from: at(-100),
        valid_until: at(100),
        hardware: true,
    });
    let mut statement = scene.statement("alice");
    (statement.key_id, statement.method) = (key.fingerprint(), Method::Passkey);
    let answer = soft.answer_with(&statement.signing_bytes().unwrap(), change);
    let token = Token::new(vec![Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), answer)]).unwrap();
    (scene, token)
}

#[test]
fn a_passkey_signs_the_statement_itself() {
    type Case = (&'static str, fn(&mut Answer));
    let cases: [Case; 6] = [
        ("ok", |_| {}),
        ("bad_signature", |a| a.origin = "https://gate.example.org".to_owned()),
        ("bad_signature", |a| a.rp_id = "example.com".to_owned()),
        ("bad_signature", |a| a.kind = "webauthn.create"),
        ("pin_missing", |a| a.flags = 0x01),
        ("touch_missing", |a| a.flags = 0x04),
    ];
    for (expected, change) in cases {
        let (scene, token) = with_passkey(change);
        assert_eq!(scene.code(&token), expected);
    }
}

#[test]
fn a_passkey_for_another_statement_or_method_is_refused() {
    let (mut scene, token) = with_passkey(|_| {});
    let (payload, proof) = token.envelopes().first().unwrap().open(STATEMENT_TYPE).unwrap();
    let original = Statement::parse(&payload).unwrap();
    let refused = |scene: &Scene, change: fn(&mut Statement)| {
        let mut statement = original.clone();
        change(&mut statement);
        let envelope = Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), &proof);
        scene.code(&Token::new(vec![envelope]).unwrap())
    };
    assert_eq!(
        refused(&scene, |s| s.target.name = "billing".to_owned()),
        "bad_signature"
    );
    assert_eq!(refused(&scene, |s| s.decision = Decision::Reject), "bad_signature");
    assert_eq!(refused(&scene, |s| s.method = Method::Ssh), "other_method");
    // An account makes nothing attested of what was signed otherwise.
    assert_eq!(refused(&scene, |s| s.method = Method::Slack), "no_account");
    scene.methods = vec!["ssh".to_owned()];
    assert_eq!(scene.code(&token), "method_not_allowed");
}

#[test]
fn a_passkey_is_hardware_only_where_list_and_passkey_say_so() {
    for (flags, listed, expected) in [
        (0x05, true, "ok"),
        (0x0d, true, "not_enough_hardware"),
        (0x05, false, "not_enough_hardware"),
    ] {
        let (mut scene, token) = with_passkey(|answer| answer.flags = flags);
        scene.floor.hardware = 1;
        scene.person("alice").keys.last_mut().unwrap().hardware = listed;
        assert_eq!(scene.code(&token), expected);
    }
}

fn slack(user: &str) -> Account {
    Account::Slack {
        team: "T1".to_owned(),
        user: user.to_owned(),
    }
}

fn attested(scene: &Scene, change: impl FnOnce(&mut Statement), key: &GateKey, namespace: &str) -> Token {
    let mut statement = scene.statement_for_key("alice", scene.gate_key.public_key());
    statement.method = Method::Slack;
    change(&mut statement);
    let signature = key.sign(namespace, &statement.signing_bytes().unwrap()).unwrap();
    Token::new(vec![envelope(&statement, &signature)]).unwrap()
}

fn with_slack() -> Scene {
    let mut scene = Scene::new();
    scene.person("alice").accounts.push(slack("U1"));
    scene.methods = vec!["slack".to_owned()];
    scene.floor.attested = true;
    scene
}

#[test]
fn what_the_gate_attests_counts_only_where_policy_and_floor_both_allow_it() {
    let token = |scene: &Scene| attested(scene, |_| {}, &scene.gate_key, ATTESTATION_NAMESPACE);
    let mut scene = with_slack();
    assert_eq!(scene.code(&token(&scene)), "ok");
    scene.floor.attested = false;
    assert_eq!(scene.code(&token(&scene)), "method_not_allowed");
    let mut scene = with_slack();
    scene.methods = vec!["ssh".to_owned()];
    assert_eq!(scene.code(&token(&scene)), "method_not_allowed");
    let mut scene = with_slack();
    scene.floor.hardware = 1;
    assert_eq!(scene.code(&token(&scene)), "not_enough_hardware");
}

#[test]
fn an_attestation_is_the_gates_own_for_this_purpose_of_a_listed_account() {
    let scene = with_slack();
    let code = |token: &Token| scene.code(token);
    let forged = attested(&scene, |_| {}, scene.key("bob"), ATTESTATION_NAMESPACE);
    assert_eq!(code(&forged), "bad_signature");
    let ordered = attested(&scene, |_| {}, &scene.gate_key, ORDER_NAMESPACE);
    assert_eq!(code(&ordered), "bad_signature");
    let bob = |s: &mut Statement| s.approver = "bob".to_owned();
    assert_eq!(
        code(&attested(&scene, bob, &scene.gate_key, ATTESTATION_NAMESPACE)),
        "no_account"
    );
    let stranger = |s: &mut Statement| s.approver = "mallory".to_owned();
    assert_eq!(
        code(&attested(&scene, stranger, &scene.gate_key, ATTESTATION_NAMESPACE)),
        "no_account"
    );
    let pager = |s: &mut Statement| s.method = Method::Pagerduty;
    assert_eq!(
        code(&attested(&scene, pager, &scene.gate_key, ATTESTATION_NAMESPACE)),
        "no_account"
    );
    let of_alice = |s: &mut Statement| s.key_id = scene.key("alice").public_key().fingerprint();
    assert_eq!(
        code(&attested(&scene, of_alice, &scene.gate_key, ATTESTATION_NAMESPACE)),
        "unknown_key"
    );
    let no = |s: &mut Statement| s.decision = Decision::Reject;
    assert_eq!(
        code(&attested(&scene, no, &scene.gate_key, ATTESTATION_NAMESPACE)),
        "denied"
    );
    // The gate's key, where a person's is due.
    let as_ssh = |s: &mut Statement| s.method = Method::Ssh;
    assert_eq!(
        code(&attested(&scene, as_ssh, &scene.gate_key, STATEMENT_NAMESPACE)),
        "unknown_key"
    );
}

#[test]
fn the_gate_attests_only_for_the_person_whose_account_it_is() {
    let scene = with_slack();
    let approvers = scene.approvers();
    let mut statement = scene.statement_for_key("alice", scene.gate_key.public_key());
    statement.method = Method::Slack;
    let attests = |statement: &Statement, account: &Account| {
        crate::attest(statement, account, &scene.gate_key, &approvers, at(60)).map(|vote| vote.envelope().clone())
    };
    let envelope = attests(&statement, &slack("U1")).unwrap();
    assert_eq!(scene.code(&Token::new(vec![envelope]).unwrap()), "ok");
    assert!(attests(&statement, &slack("U2")).is_err());
    let pager = Account::Pagerduty { user: "U1".to_owned() };
    assert!(attests(&statement, &pager).is_err());
    statement.approver = "bob".to_owned();
    assert!(attests(&statement, &slack("U1")).is_err());
}

#[test]
fn each_group_is_represented_by_somebody_else() {
    let mut scene = Scene::new();
    let both = ["dba", "service-owner"].map(str::to_owned);
    scene.groups = both.to_vec();
    // However many of one group sign.
    assert_eq!(scene.code(&scene.token(&["alice", "bob", "carol"])), "group_missing");
    scene.person("bob").groups = both.to_vec();
    assert_eq!(scene.code(&scene.token(&["alice", "bob"])), "ok");
    assert_eq!(scene.code(&scene.token(&["alice", "carol"])), "group_missing");
    // One person in both groups is one person.
    assert_eq!(scene.code(&scene.token(&["bob"])), "group_missing");
    // Whether enough people sign is a question of its own.
    scene.need = 3;
    assert_eq!(scene.code(&scene.token(&["alice", "bob"])), "not_enough_approvers");
}

#[test]
fn a_group_that_nobody_could_approve_for_is_known_before_anyone_is_asked() {
    let mut scene = Scene::new();
    let owners = ["service-owner".to_owned()];
    let code = |scene: &Scene, requester: &str| {
        crate::check_groups(&owners, requester, &scene.approvers(), scene.now)
            .map_or_else(|refusal| refusal.code(), |()| "ok")
    };
    assert_eq!(code(&scene, "orchestrator"), "nobody_in_group");
    scene.person("bot").groups = owners.to_vec();
    assert_eq!(code(&scene, "orchestrator"), "nobody_in_group");
    scene.person("alice").groups = owners.to_vec();
    assert_eq!(code(&scene, "orchestrator"), "ok");
    assert_eq!(code(&scene, " Alice"), "nobody_in_group");
    scene.now = at(86_400);
    assert_eq!(code(&scene, "orchestrator"), "nobody_in_group");
}

#[test]
fn hardware_keys_must_have_been_touched_and_unlocked() {
    for soft in [SoftToken::ed25519(1, "ssh:"), SoftToken::ecdsa("ssh:")] {
        for (flags, code) in [
            (UP | UV, "ok"),
            (UP, "pin_missing"),
            (UV, "touch_missing"),
            (0, "touch_missing"),
        ] {
            let (mut scene, token) = with_token(&soft, flags);
            scene.floor.hardware = 1;
            assert_eq!(scene.code(&token), code);
        }
    }
}

#[test]
fn a_floor_for_hardware_counts_hardware_only() {
    let mut scene = Scene::new();
    scene.floor.hardware = 1;
    assert_eq!(scene.code(&scene.token(&["alice", "bob"])), "not_enough_hardware");
}

#[test]
fn a_floor_for_ssh_keys_counts_what_no_page_asked_for() {
    let (mut scene, token) = with_passkey(|_| {});
    scene.floor.ssh = 1;
    assert_eq!(scene.code(&token), "not_enough_ssh");
    let both = vec![
        token.envelopes().first().unwrap().clone(),
        scene.signed(&scene.statement("bob")),
    ];
    scene.methods.push("ssh".to_owned());
    assert_eq!(scene.code(&Token::new(both).unwrap()), "ok");
}

#[test]
fn the_gates_key_is_nobodys_even_if_the_list_says_so() {
    let mut scene = Scene::new();
    let listed = listed(scene.gate_key.public_key());
    scene.person("alice").keys.push(listed);
    let statement = scene.statement_for_key("alice", scene.gate_key.public_key());
    let signature = scene
        .gate_key
        .sign(STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap())
        .unwrap();
    let token = Token::new(vec![envelope(&statement, &signature)]).unwrap();
    assert_eq!(scene.code(&token), "unknown_key");
}

#[test]
fn every_flipped_byte_of_a_token_is_refused() {
    let (scene, token) = with_token(&SoftToken::ed25519(1, "ssh:"), UP | UV);
    let approvers = scene.approvers();
    assert!(scene.judge_by(&token, &approvers).is_ok());
    let mut codes = BTreeSet::new();
    let mut refused = |token: Result<Token, TokenError>| {
        let judged = token
            .map_err(Refusal::from)
            .and_then(|token| scene.judge_by(&token, &approvers));
        codes.insert(judged.unwrap_err().code());
    };

    // The text as it travels.
    for at in 0..token.encode().len() {
        let text = String::from_utf8(flipped(token.encode().as_bytes(), at, at % 7)).unwrap();
        refused(Token::parse(&text));
    }
    // What the envelope carries: an attacker packs it again as he likes.
    let envelope = token.envelopes().first().unwrap();
    let payload = BASE64_STANDARD.decode(&envelope.payload).unwrap();
    for at in 0..payload.len() {
        let mut other = envelope.clone();
        other.payload = BASE64_STANDARD.encode(flipped(&payload, at, at % 8));
        refused(Token::new(vec![other]));
    }
    let blob = BASE64_STANDARD
        .decode(&envelope.signatures.first().unwrap().sig)
        .unwrap();
    for at in 0..blob.len() {
        let mut other = envelope.clone();
        other.signatures.first_mut().unwrap().sig = BASE64_STANDARD.encode(flipped(&blob, at, at % 8));
        refused(Token::new(vec![other]));
    }
    // Some of them pass every form and are stopped by the signature alone.
    assert!(codes.contains("bad_signature"), "{codes:?}");
}

fn flipped(bytes: &[u8], at: usize, bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    *bytes.get_mut(at).unwrap() ^= 1 << bit;
    bytes
}

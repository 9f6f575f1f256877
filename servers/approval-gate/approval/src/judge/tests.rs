//! One test per way a token can be wrong, and that nothing else is.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use runbooks::Digest;

use crate::{
    Action, Decision, Envelope, GateKey, ORDER_NAMESPACE, ORDER_TYPE, Refusal, STATEMENT_NAMESPACE, STATEMENT_TYPE,
    Statement, Token, TokenError, pae,
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

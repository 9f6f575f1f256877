//! One test per way a grant can fail to cover a plan, and that nothing else is.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use runbooks::{BoundParameter, Source};
use serde_json::json;

use super::*;
use crate::{
    Action, GateKey, GrantRevocation, STATEMENT_NAMESPACE, Token,
    soft_passkey::SoftPasskey,
    test_support::{Scene, at, listed, runbook, target},
};

fn terms() -> GrantTerms {
    let parameters = [
        ("pid", Bound::Any),
        ("role", Bound::OneOf(vec![Scalar::Text("reports".to_owned())])),
        ("limit_s", Bound::Range { min: 30, max: 600 }),
        ("name", Bound::Prefix("batch-".to_owned())),
    ];
    GrantTerms {
        schema: GrantTerms::SCHEMA.to_owned(),
        gate: "gate-1".to_owned(),
        audience: "executor-1".to_owned(),
        runbook: runbook(),
        targets: vec![target()],
        parameters: parameters.map(|(name, bound)| (name.to_owned(), bound)).into(),
        max_per_day: 3,
        windows: Vec::new(),
        not_before: at(0),
        until: at(30 * 86_400),
        reason: "known batch sessions".to_owned(),
        nonce: "00112233445566778899aabbccddeeff".to_owned(),
    }
}

/// A scene where the grant covers the plan.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.floor.grants = true;
    scene.preapproval = policies::Preapproval::Grant;
    let values = [
        ("pid", json!(4711)),
        ("role", json!("reports")),
        ("limit_s", json!(30)),
        ("name", json!("batch-7")),
    ];
    scene.parameters = values
        .map(|(name, value)| {
            let source = Source::Literal;
            (name.to_owned(), BoundParameter { value, source })
        })
        .into();
    scene
}

fn sign(terms: &GrantTerms, who: &str, key: &GateKey) -> Envelope {
    let grant = Grant {
        terms: terms.clone(),
        approver: who.to_owned(),
        key_id: key.public_key().fingerprint(),
        method: Method::Ssh,
    };
    let signature = key.sign(GRANT_NAMESPACE, &grant.signing_bytes().unwrap()).unwrap();
    grant.envelope(&signature).unwrap()
}

fn token(scene: &Scene, terms: &GrantTerms, who: &[&str]) -> Token {
    Token::new(who.iter().map(|who| sign(terms, who, scene.key(who))).collect()).unwrap()
}

#[test]
fn a_grant_covers_what_it_says_and_names_those_who_signed_it() {
    let mut scene = scene();
    scene.need = 2;
    let token = token(&scene, &terms(), &["alice", "bob"]);
    assert_eq!(token.grant_id(), Some(terms().id().unwrap()));
    let verdict = scene.judge(&token).unwrap();
    assert_eq!(verdict.approvers, ["alice", "bob"]);
    assert_eq!(verdict.grant.unwrap().id(), terms().id().unwrap());
    // As long as if they had signed the plan itself at the last moment.
    assert_eq!((verdict.not_before, verdict.execute_by), (at(0), at(2700)));
}

#[test]
fn each_way_not_to_cover_has_its_code() {
    type Change = fn(&mut Scene, &mut GrantTerms);
    let cases: &[(&str, Change)] = &[
        ("grant_not_allowed", |scene, _| scene.floor.grants = false),
        ("grant_not_allowed", |scene, _| {
            scene.preapproval = policies::Preapproval::Never;
        }),
        ("wrong_action", |scene, _| scene.action = Action::Rollback),
        ("wrong_gate", |_, terms| terms.gate = "gate-2".to_owned()),
        ("wrong_audience", |_, terms| terms.audience = "executor-2".to_owned()),
        ("grant_wrong_runbook", |_, terms| terms.runbook.version = 2),
        ("grant_wrong_runbook", |_, terms| {
            terms.runbook.digest = Digest::of(b"another");
        }),
        ("grant_wrong_target", |_, terms| {
            terms
                .targets
                .iter_mut()
                .for_each(|target| target.system_identifier = "1".to_owned());
        }),
        ("grant_wrong_target", |_, terms| {
            terms
                .targets
                .iter_mut()
                .for_each(|target| target.database = "billing".to_owned());
        }),
        ("grant_out_of_bounds", |_, terms| {
            terms.parameters.remove("pid");
        }),
        ("grant_out_of_bounds", |_, terms| {
            terms.parameters.insert("other".to_owned(), Bound::Any);
        }),
        ("grant_out_of_bounds", |_, terms| {
            terms
                .parameters
                .insert("limit_s".to_owned(), Bound::Range { min: 31, max: 600 });
        }),
        ("grant_out_of_bounds", |_, terms| {
            let others = vec![Scalar::Text("report".to_owned()), Scalar::Number(1)];
            terms.parameters.insert("role".to_owned(), Bound::OneOf(others));
        }),
        ("grant_out_of_bounds", |_, terms| {
            terms
                .parameters
                .insert("name".to_owned(), Bound::Prefix("batch-70".to_owned()));
        }),
        ("grant_out_of_bounds", |_, terms| {
            terms
                .parameters
                .insert("pid".to_owned(), Bound::Prefix("47".to_owned()));
        }),
        ("not_yet_valid", |_, terms| terms.not_before = at(91)),
        ("grant_expired", |_, terms| terms.until = at(60)),
        ("grant_spent", |scene, _| scene.grant.uses_last_day = 3),
        ("grant_revoked", |scene, _| scene.grant.revoked = true),
        ("grant_revoked", |scene, terms| {
            scene.document.revoked_grants.push(terms.id().unwrap());
        }),
        ("not_enough_approvers", |scene, _| scene.need = 2),
        ("not_enough_hardware", |scene, _| scene.floor.hardware = 1),
        ("group_missing", |scene, _| scene.groups = vec!["owner".to_owned()]),
        ("method_not_allowed", |scene, _| {
            scene.methods = vec!["passkey".to_owned()];
        }),
        ("unknown_key", |scene, _| scene.person("alice").keys.clear()),
        ("key_not_valid_now", |scene, _| {
            scene
                .person("alice")
                .keys
                .iter_mut()
                .for_each(|key| key.valid_until = at(60));
        }),
        ("agent_approves", |scene, _| scene.person("alice").agent = true),
        ("execution_expired", |scene, terms| {
            scene.now = at(2700);
            terms.until = at(86_400);
        }),
    ];
    for (code, change) in cases {
        let (mut scene, mut terms) = (scene(), terms());
        assert_eq!(scene.code(&token(&scene, &terms, &["alice"])), "ok");
        change(&mut scene, &mut terms);
        assert_eq!(scene.code(&token(&scene, &terms, &["alice"])), *code);
    }
    let mut scene = scene();
    scene.grant.uses_last_day = 2;
    assert_eq!(scene.code(&token(&scene, &terms(), &["alice"])), "ok");
}

#[test]
fn a_grant_has_its_hours_in_its_own_time_zone() {
    // T0 is a Wednesday, 11:06:40 in UTC, an hour later in Berlin.
    let window = |from: &str, until: &str| WindowEntry {
        days: vec!["wed".to_owned()],
        from: from.to_owned(),
        until: until.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
    };
    let scene = scene();
    let code = |window| {
        let mut terms = terms();
        terms.windows = vec![window];
        scene.code(&token(&scene, &terms, &["alice"]))
    };
    assert_eq!(code(window("12:00", "13:00")), "ok");
    assert_eq!(code(window("11:00", "12:00")), "grant_outside_window");
    let mut terms = terms();
    terms.windows = vec![window("12:00", "13:00")];
    let covering = scene.judge(&token(&scene, &terms, &["alice"])).unwrap().grant.unwrap();
    covering.check_time(at(60)).unwrap();
    assert_eq!(
        covering.check_time(at(3_600)).unwrap_err().code(),
        "grant_outside_window"
    );
}

#[test]
fn only_signatures_under_these_very_terms_for_this_purpose_count() {
    let scene = scene();
    let alice = || sign(&terms(), "alice", scene.key("alice"));
    let code = |envelopes: Vec<Envelope>| scene.code(&Token::new(envelopes).unwrap());

    // Somebody else's key, somebody who is not listed, the gate itself.
    assert_eq!(code(vec![sign(&terms(), "alice", scene.key("bob"))]), "unknown_key");
    assert_eq!(
        code(vec![sign(&terms(), "mallory", scene.key("mallory"))]),
        "unknown_key"
    );
    assert_eq!(code(vec![sign(&terms(), "alice", &scene.gate_key)]), "unknown_key");

    // Signed, but as a statement.
    let grant = Grant {
        terms: terms(),
        approver: "alice".to_owned(),
        key_id: scene.key("alice").public_key().fingerprint(),
        method: Method::Ssh,
    };
    let moved = scene
        .key("alice")
        .sign(STATEMENT_NAMESPACE, &grant.signing_bytes().unwrap())
        .unwrap();
    assert_eq!(code(vec![grant.envelope(&moved).unwrap()]), "bad_signature");

    // Other terms beside, a statement beside, either way round.
    let mut more = terms();
    more.max_per_day = 4;
    assert_eq!(
        code(vec![alice(), sign(&more, "bob", scene.key("bob"))]),
        "mixed_grants"
    );
    let statement = scene.signed(&scene.statement("bob"));
    assert_eq!(code(vec![alice(), statement.clone()]), "malformed_token");
    assert_eq!(code(vec![statement, alice()]), "malformed_token");

    // Twice the same person is one person.
    let mut two = self::scene();
    two.need = 2;
    let twice = Token::new(vec![
        sign(&terms(), "alice", two.key("alice")),
        sign(&terms(), "alice", two.key("alice")),
    ]);
    assert_eq!(two.code(&twice.unwrap()), "not_enough_approvers");
}

#[test]
fn a_list_with_the_gates_key_does_not_let_the_gate_grant() {
    let mut scene = scene();
    let line = listed(scene.gate_key.public_key());
    scene.person("alice").keys.push(line);
    let token = Token::new(vec![sign(&terms(), "alice", &scene.gate_key)]).unwrap();
    assert_eq!(scene.code(&token), "unknown_key");
}

#[test]
fn whoever_asks_for_the_plan_has_not_granted_it() {
    let mut scene = scene();
    scene.person("alice").id = "orchestrator".to_owned();
    let token = Token::new(vec![sign(&terms(), "orchestrator", scene.key("alice"))]).unwrap();
    assert_eq!(scene.code(&token), "requester_approves");
}

#[test]
fn a_passkey_grants_as_well() {
    let mut scene = scene();
    scene.methods = vec!["passkey".to_owned()];
    let soft = SoftPasskey::new(7, "https://gate.example.com");
    let passkey = &soft.passkey;
    let mut key = listed(scene.key("alice").public_key());
    key.public_key = passkey.to_string();
    scene.person("alice").keys.push(key);
    let mut grant = Grant {
        terms: terms(),
        approver: "alice".to_owned(),
        key_id: passkey.fingerprint(),
        method: Method::Passkey,
    };
    let signed = |grant: &Grant| {
        let assertion = soft.answer(&grant.signing_bytes().unwrap());
        Token::new(vec![grant.envelope(assertion).unwrap()]).unwrap()
    };
    assert_eq!(scene.code(&signed(&grant)), "ok");
    grant.method = Method::Slack;
    assert_eq!(scene.code(&signed(&grant)), "other_method");
}

#[test]
fn terms_that_contradict_themselves_are_no_grant() {
    let odd: &[fn(&mut GrantTerms)] = &[
        |terms| terms.targets.clear(),
        |terms| terms.max_per_day = 0,
        |terms| terms.max_per_day = 1_001,
        |terms| terms.until = terms.not_before,
        |terms| terms.until = terms.not_before.plus_s(MAX_GRANT_DAYS * 86_400 + 1),
        |terms| terms.reason.clear(),
        |terms| {
            terms.windows.push(WindowEntry {
                days: vec!["mon".to_owned(); 8],
                from: "22:00".to_owned(),
                until: "23:00".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
            });
        },
        |terms| {
            terms.parameters.insert("x".to_owned(), Bound::OneOf(Vec::new()));
        },
        |terms| {
            terms.parameters.insert("x".to_owned(), Bound::Range { min: 2, max: 1 });
        },
        |terms| {
            terms.parameters.insert("x".to_owned(), Bound::Prefix(String::new()));
        },
        |terms| {
            terms.windows.push(WindowEntry {
                days: vec!["mon".to_owned()],
                from: "25:00".to_owned(),
                until: "26:00".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
            });
        },
    ];
    for change in odd {
        let mut terms = terms();
        change(&mut terms);
        assert_eq!(terms.id().unwrap_err().code(), "malformed_grant");
    }
}

#[test]
fn a_value_that_is_no_number_and_no_text_is_within_nothing() {
    for odd in [
        json!(null),
        json!(true),
        json!(1.5),
        json!([1]),
        json!({"a": 1}),
        json!(u64::MAX),
    ] {
        assert!(!Bound::Any.holds(&odd), "{odd}");
    }
}

#[test]
fn anyone_listed_revokes_and_nobody_else() {
    let scene = scene();
    let revocation = |who: &str, gate: &str| GrantRevocation {
        schema: GrantRevocation::SCHEMA.to_owned(),
        gate: gate.to_owned(),
        grant: terms().id().unwrap(),
        reason: "no longer needed".to_owned(),
        approver: who.to_owned(),
        key_id: scene.key(who).public_key().fingerprint(),
        method: Method::Ssh,
        at: at(0),
    };
    let code = |who: &str, gate: &str, namespace: &str| {
        let revocation = revocation(who, gate);
        let signature = scene
            .key(who)
            .sign(namespace, &revocation.signing_bytes().unwrap())
            .unwrap();
        let envelope = revocation.envelope(&signature).unwrap();
        match GrantRevocation::verify(&envelope, &scene.approvers(), "gate-1", at(0)) {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        }
    };
    for who in ["alice", "bot"] {
        assert_eq!(code(who, "gate-1", crate::GRANT_REVOCATION_NAMESPACE), "ok");
    }
    assert_eq!(
        code("mallory", "gate-1", crate::GRANT_REVOCATION_NAMESPACE),
        "unknown_key"
    );
    assert_eq!(code("alice", "gate-2", crate::GRANT_REVOCATION_NAMESPACE), "wrong_gate");
    assert_eq!(code("alice", "gate-1", GRANT_NAMESPACE), "bad_signature");
}

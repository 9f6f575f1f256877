//! The list: signed by the administrator, growing, and without twins.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use super::*;
use crate::{
    FREEZE_NAMESPACE, GateKey,
    soft_token::{SoftToken, UP, UV},
    test_support::{Scene, at, listed},
};

fn code(json: &str, admin: &str, seen: u64) -> &'static str {
    match Approvers::verify(json, admin, seen) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

#[test]
fn only_the_administrators_signature_makes_a_list() {
    let scene = Scene::new();
    let json = scene.approvers_json();
    let admin = scene.admin.public_key().to_string();
    assert_eq!(code(&json, &admin, 0), "ok");
    assert_eq!(code(&format!("{json}\n"), &admin, 0), "ok");
    assert_eq!(
        code(&json, &scene.key("alice").public_key().to_string(), 0),
        "approvers_bad_signature"
    );
    assert_eq!(code(&json, "ssh-ed25519 AAAA", 0), "admin_key");
    assert_eq!(code("{}", &admin, 0), "malformed_approvers");

    let bytes = scene.document.signing_bytes().unwrap();
    let elsewhere = scene.admin.sign(FREEZE_NAMESPACE, &bytes).unwrap();
    let json = scene.document.envelope(&elsewhere).unwrap().to_json().unwrap();
    assert_eq!(code(&json, &admin, 0), "approvers_bad_signature");
}

#[test]
fn an_older_version_is_refused() {
    let mut scene = Scene::new();
    let admin = scene.admin.public_key().to_string();
    scene.document.version = 7;
    let json = scene.approvers_json();
    assert_eq!(code(&json, &admin, 6), "ok");
    assert_eq!(code(&json, &admin, 7), "ok");
    assert_eq!(code(&json, &admin, 8), "approvers_rolled_back");
}

#[test]
fn a_hardware_administrator_must_touch_and_unlock() {
    let scene = Scene::new();
    let soft = SoftToken::ed25519(9, "ssh:admin");
    let admin = soft.public_key().to_string();
    let bytes = scene.document.signing_bytes().unwrap();
    for (flags, expected) in [
        (UP | UV, "ok"),
        (UP, "approvers_bad_signature"),
        (0, "approvers_bad_signature"),
    ] {
        let signature = soft.sign(APPROVERS_NAMESPACE, &bytes, flags);
        let json = scene.document.envelope(&signature).unwrap().to_json().unwrap();
        assert_eq!(code(&json, &admin, 0), expected);
    }
}

#[test]
fn a_list_with_twins_or_contradictions_cannot_even_be_proposed() {
    type Change = fn(&mut Scene);
    let changes: [(&str, Change); 12] = [
        ("schema", |s| s.document.schema = "countersign.approvers.v2".to_owned()),
        ("version must", |s| s.document.version = 0),
        ("version must", |s| s.document.version = u64::MAX),
        ("listed twice", |s| {
            let twin = s.person("alice").clone();
            s.document.people.push(Person {
                keys: Vec::new(),
                ..twin
            });
        }),
        ("also listed for", |s| {
            let key = s.person("bob").keys.first().unwrap().clone();
            s.person("alice").keys.push(key);
        }),
        ("person's id", |s| s.person("alice").id = "Alice".to_owned()),
        ("person's id", |s| s.person("alice").id = "аlice".to_owned()),
        ("person's name", |s| s.person("alice").name = "a\u{0}".to_owned()),
        ("a group", |s| s.person("alice").groups = vec!["Root".to_owned()]),
        ("`hardware`", |s| {
            s.person("alice").keys.first_mut().unwrap().hardware = true
        }),
        ("validity", |s| {
            let key = s.person("alice").keys.first_mut().unwrap();
            key.valid_until = key.valid_from;
        }),
        ("TYPE BASE64", |s| {
            let key = s.person("alice").keys.first_mut().unwrap();
            key.public_key.push_str(" alice@laptop");
        }),
    ];
    for (expected, change) in changes {
        let mut scene = Scene::new();
        change(&mut scene);
        let error = scene.document.bytes().unwrap_err();
        assert_eq!(error.code(), "malformed_approvers");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_signed_list_with_twins_is_refused_all_the_same() {
    let mut scene = Scene::new();
    let twin = scene.person("alice").clone();
    scene.document.people.push(twin);
    let payload = strict::canonical(&scene.document).unwrap();
    let signature = scene
        .admin
        .sign(APPROVERS_NAMESPACE, &pae(APPROVERS_TYPE, &payload))
        .unwrap();
    let json = Envelope::new(APPROVERS_TYPE, &payload, &signature).to_json().unwrap();
    assert_eq!(
        code(&json, &scene.admin.public_key().to_string(), 0),
        "malformed_approvers"
    );
}

#[test]
fn people_are_found_by_id_and_by_key() {
    let mut scene = Scene::new();
    let second = GateKey::generate().unwrap();
    scene.person("alice").keys.push(listed(second.public_key()));
    let list = scene.approvers();
    assert_eq!(list.version(), 1);
    assert_eq!(list.people().len(), 4);
    assert_eq!(list.person("alice").unwrap().keys.len(), 2);
    assert_eq!(
        list.person_of_key(&second.public_key().fingerprint()).unwrap().id,
        "alice"
    );
    assert!(list.person("mallory").is_none());
    assert!(
        list.person_of_key(&scene.key("mallory").public_key().fingerprint())
            .is_none()
    );
    assert!(at(0) > list.people().first().unwrap().keys.first().unwrap().valid_from);
}

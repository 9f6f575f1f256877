//! One test per way a passkey's answer can be wrong.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use p256::ecdsa::SigningKey;

use super::*;
use crate::soft_passkey::{Answer, PRESENT_AND_VERIFIED, SoftPasskey};

const ORIGIN: &str = "https://gate.example.com";

fn soft() -> SoftPasskey {
    SoftPasskey::new(7, ORIGIN)
}

#[test]
fn a_line_reads_back_and_has_one_spelling() {
    let passkey = soft().passkey;
    let line = passkey.to_string();
    assert_eq!(line.parse::<Passkey>().unwrap(), passkey);
    assert_eq!(
        (passkey.rp_id(), passkey.credential()),
        ("gate.example.com", b"cred".as_slice())
    );
    for odd in [
        line.replace(ORIGIN, "https://Gate.example.com"),
        line.replace(ORIGIN, "http://gate.example.com"),
        line.replace(ORIGIN, "https://192.0.2.1"),
        line.replace(ORIGIN, "https://gate.example.com/"),
        line.replace(ORIGIN, "https://gate.example.com:0443"),
        line.replace(ORIGIN, "https://user@gate.example.com"),
        line.replace("passkey", "Passkey"),
        line.replace(' ', "  "),
        format!("{line} comment"),
        format!("{line}="),
        line.rsplit_once(' ').unwrap().0.to_owned(),
        line.replace("Y3JlZA", ""),
    ] {
        assert!(odd.parse::<Passkey>().is_err(), "{odd}");
    }
    line.replace(ORIGIN, "http://localhost:8484")
        .parse::<Passkey>()
        .unwrap();
}

#[test]
fn an_answer_holds_for_its_own_bytes_key_and_pages_alone() {
    let soft = soft();
    let answer = soft.answer(b"this");
    let expected = Presence::Passkey {
        touched: true,
        verified: true,
        synced: false,
    };
    assert_eq!(answer.verify(&soft.passkey, b"this").unwrap(), expected);
    assert_eq!(Assertion::from_blob(answer.blob()).unwrap(), answer);
    assert_eq!((answer.key_id(), answer.sign_count()), (soft.passkey.fingerprint(), 1));

    let fails = |answer: &Assertion, passkey: &Passkey, message: &[u8]| answer.verify(passkey, message).unwrap_err();
    assert!(matches!(
        fails(&answer, &soft.passkey, b"that"),
        SignatureError::Invalid
    ));
    let other = SoftPasskey::new(8, ORIGIN).passkey;
    assert!(matches!(fails(&answer, &other, b"this"), SignatureError::OtherKey));

    // The same three strings said to be by another passkey.
    let body = &answer.body;
    let moved = Assertion::new(
        &other,
        &decode(&body.client_data).unwrap(),
        &decode(&body.authenticator_data).unwrap(),
        &decode(&body.signature).unwrap(),
    );
    assert!(matches!(
        fails(&moved.unwrap(), &other, b"this"),
        SignatureError::Invalid
    ));
}

#[test]
fn each_part_that_is_wrong_is_named() {
    type Case = (&'static str, fn(&mut Answer));
    let cases: [Case; 8] = [
        ("Namespace", |a| a.kind = "webauthn.create"),
        ("Origin", |a| {
            a.origin = "https://gate.example.com.evil.example".to_owned()
        }),
        ("Origin", |a| a.origin = "https://gate.example.com:8443".to_owned()),
        ("Origin", |a| a.rp_id = "example.com".to_owned()),
        ("Origin", |a| a.cross_origin = true),
        ("Malformed", |a| a.flags |= NEW_CREDENTIAL),
        ("Malformed", |a| a.rest = vec![0]),
        ("Malformed", |a| {
            a.flags |= NEW_CREDENTIAL | EXTENSIONS;
            a.rest = vec![0xa0];
        }),
    ];
    let soft = soft();
    for (expected, change) in cases {
        let error = soft
            .answer_with(b"this", change)
            .verify(&soft.passkey, b"this")
            .unwrap_err();
        let found = format!("{error:?}");
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn what_the_authenticator_says_of_the_person_is_passed_on() {
    let soft = soft();
    for (flags, touched, verified, synced) in [
        (0, false, false, false),
        (USER_PRESENT, true, false, false),
        (USER_VERIFIED, false, true, false),
        (PRESENT_AND_VERIFIED | BACKUP_ELIGIBLE | 0x10, true, true, true),
    ] {
        let presence = soft
            .answer_with(b"this", |a| a.flags = flags)
            .verify(&soft.passkey, b"this");
        let expected = Presence::Passkey {
            touched,
            verified,
            synced,
        };
        assert_eq!(presence.unwrap(), expected);
    }
}

#[test]
fn any_bit_of_a_signed_answer_that_is_flipped_breaks_it() {
    let soft = soft();
    let answer = soft.answer(b"this");
    let (client, data, signature) = (
        decode(&answer.body.client_data).unwrap(),
        decode(&answer.body.authenticator_data).unwrap(),
        decode(&answer.body.signature).unwrap(),
    );
    let holds = |client: &[u8], data: &[u8], signature: &[u8]| {
        Assertion::new(&soft.passkey, client, data, signature)
            .and_then(|answer| answer.verify(&soft.passkey, b"this"))
            .is_ok()
    };
    assert!(holds(&client, &data, &signature));
    let flips = |bytes: &[u8]| -> Vec<Vec<u8>> {
        (0..bytes.len() * 8)
            .map(|bit| {
                let mut bytes = bytes.to_vec();
                *bytes.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
                bytes
            })
            .collect()
    };
    for odd in flips(&client) {
        assert!(!holds(&odd, &data, &signature), "{}", String::from_utf8_lossy(&odd));
    }
    for odd in flips(&data) {
        assert!(!holds(&client, &odd, &signature), "{odd:?}");
    }
    for odd in flips(&signature) {
        assert!(!holds(&client, &data, &odd), "{odd:?}");
    }
}

#[test]
fn a_new_passkey_answers_its_invitation_on_the_gates_pages_by_a_verified_person() {
    let key = SigningKey::from_slice(&[9; 32]).unwrap();
    let register = |asked: &[u8], origin: &str, flags: u8| {
        let (data, client) = SoftPasskey::created(&key, asked, origin, flags);
        Passkey::register(&client, &data, b"invited", ORIGIN)
    };
    assert!(!register(b"invited", ORIGIN, 0x45).unwrap().1);
    assert!(register(b"invited", ORIGIN, 0x5d).unwrap().1);
    for odd in [
        register(b"else", ORIGIN, 0x45),
        register(b"invited", "https://gate.example.org", 0x45),
        register(b"invited", ORIGIN, 0x41),
        register(b"invited", ORIGIN, 0x44),
        register(b"invited", ORIGIN, 0x05),
    ] {
        odd.unwrap_err();
    }
    let (mut data, client) = SoftPasskey::created(&key, b"invited", ORIGIN, 0x45);
    data.push(0);
    Passkey::register(&client, &data, b"invited", ORIGIN).unwrap_err();
    // Ed25519 in place of ES256.
    data.pop();
    *data.get_mut(32 + 5 + 16 + 2 + 4 + 4).unwrap() = 0x27;
    Passkey::register(&client, &data, b"invited", ORIGIN).unwrap_err();
}

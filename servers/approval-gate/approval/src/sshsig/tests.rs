//! Signatures read strictly, and hardware flags seen.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use super::*;
use crate::{
    GateKey, PublicKey,
    soft_token::{SoftToken, UP, UV},
};

const NAMESPACE: &str = "approval@countersign";

fn signed(message: &[u8]) -> (PublicKey, Signature) {
    let key = GateKey::generate().unwrap();
    let signature = key.sign(NAMESPACE, message).unwrap();
    (key.public_key().clone(), signature)
}

#[test]
fn a_software_key_shows_no_presence() {
    let (key, signature) = signed(b"text");
    assert_eq!(signature.verify(&key, NAMESPACE, b"text").unwrap(), Presence::Software);
    assert_eq!(Signature::from_armored(&signature.to_armored()).unwrap(), signature);
}

#[test]
fn key_namespace_and_message_must_all_agree() {
    let (key, signature) = signed(b"text");
    let (other, _) = signed(b"text");
    assert!(matches!(
        signature.verify(&other, NAMESPACE, b"text"),
        Err(SignatureError::OtherKey)
    ));
    assert!(matches!(
        signature.verify(&key, "order@countersign", b"text"),
        Err(SignatureError::Namespace { .. })
    ));
    assert!(matches!(
        signature.verify(&key, NAMESPACE, b"text2"),
        Err(SignatureError::Invalid)
    ));
}

#[test]
fn every_flipped_bit_of_a_blob_is_refused() {
    let (key, signature) = signed(b"text");
    let blob = signature.blob().to_owned();
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut flipped = blob.clone();
            *flipped.get_mut(at).unwrap() ^= 1 << bit;
            let taken = Signature::from_blob(&flipped).is_ok_and(|s| s.verify(&key, NAMESPACE, b"text").is_ok());
            assert!(!taken, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_blob_has_no_tail_no_other_version_and_nothing_reserved() {
    let (_, signature) = signed(b"text");
    let mut longer = signature.blob().to_owned();
    longer.push(0);
    assert!(matches!(
        Signature::from_blob(&longer),
        Err(SignatureError::Malformed(_))
    ));

    let mut version_0 = signature.blob().to_owned();
    *version_0.get_mut(9).unwrap() = 0;
    assert!(matches!(
        Signature::from_blob(&version_0),
        Err(SignatureError::Malformed(reason)) if reason.contains("version")
    ));

    let mut length = signature.blob().to_owned();
    *length.get_mut(11).unwrap() = 1;
    assert!(matches!(
        Signature::from_blob(&length),
        Err(SignatureError::Malformed(reason)) if reason.contains("canonical")
    ));
    assert!(Signature::from_blob(b"").is_err());
    assert!(Signature::from_blob(&[0; MAX_BLOB_BYTES + 1]).is_err());
}

#[test]
fn armour_is_read_with_foreign_line_ends_and_nothing_else_around() {
    let (_, signature) = signed(b"text");
    let text = signature.to_armored();
    assert_eq!(Signature::from_armored(&text.replace('\n', "\r\n")).unwrap(), signature);
    for odd in [
        text.replace("BEGIN SSH SIGNATURE", "BEGIN PGP SIGNATURE"),
        text.lines().skip(1).collect::<Vec<_>>().join("\n"),
        format!("hello\n{text}"),
        text.replace("\n-----END", "=\n-----END"),
        String::new(),
    ] {
        assert!(Signature::from_armored(&odd).is_err(), "{odd}");
    }
}

#[test]
fn hardware_flags_are_seen_on_both_kinds_of_key() {
    // Applications of different lengths, so that the armour's last line is short, full and one over.
    for token in [
        SoftToken::ed25519(1, "ssh:"),
        SoftToken::ed25519(2, "ssh:countersign"),
        SoftToken::ecdsa("ssh:"),
    ] {
        let key = token.public_key();
        assert!(key.is_hardware());
        for (flags, touched, verified) in [
            (UP | UV, true, true),
            (UP, true, false),
            (UV, false, true),
            (0, false, false),
        ] {
            let signature = token.sign(NAMESPACE, b"text", flags);
            assert_eq!(
                signature.verify(&key, NAMESPACE, b"text").unwrap(),
                Presence::Hardware { touched, verified }
            );
            assert_eq!(Signature::from_armored(&signature.to_armored()).unwrap(), signature);
            assert!(matches!(
                signature.verify(&key, NAMESPACE, b"other"),
                Err(SignatureError::Invalid)
            ));
        }
    }
}

#[test]
fn flags_are_signed_and_cannot_be_raised_afterwards() {
    for token in [SoftToken::ed25519(1, "ssh:"), SoftToken::ecdsa("ssh:")] {
        let mut blob = token.sign(NAMESPACE, b"text", 0).blob().to_owned();
        let flags = blob.len() - 5;
        *blob.get_mut(flags).unwrap() = UP | UV;
        let raised = Signature::from_blob(&blob).unwrap();
        assert!(matches!(
            raised.verify(&token.public_key(), NAMESPACE, b"text"),
            Err(SignatureError::Invalid)
        ));
    }
}

#[test]
fn armour_of_every_length_reads_back() {
    for extra in 0..80 {
        let application: &'static str = Box::leak("a".repeat(extra).into_boxed_str());
        let token = SoftToken::ed25519(3, application);
        let signature = token.sign(NAMESPACE, b"text", UP | UV);
        assert!(
            signature.verify(&token.public_key(), NAMESPACE, b"text").is_ok(),
            "{extra}"
        );
    }
}

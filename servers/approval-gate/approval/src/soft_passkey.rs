//! A passkey in software, for tests: it answers whatever it is asked, with whatever flags and from whatever page.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use p256::ecdsa::{Signature as EcdsaSignature, SigningKey, signature::Signer};
use runbooks::Digest;
use serde_json::json;

use crate::{Assertion, Passkey, passkey::challenge};

pub(crate) const PRESENT_AND_VERIFIED: u8 = 0x05;

pub(crate) struct SoftPasskey {
    key: SigningKey,
    pub(crate) passkey: Passkey,
}

/// What an answer may be wrong in.
pub(crate) struct Answer {
    pub(crate) kind: &'static str,
    pub(crate) origin: String,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) count: u32,
    pub(crate) cross_origin: bool,
    pub(crate) rest: Vec<u8>,
}

impl SoftPasskey {
    pub(crate) fn new(seed: u8, origin: &str) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let (data, client) = Self::created(&key, b"invited", origin, 0x45);
        let (passkey, _) = Passkey::register(&client, &data, b"invited", origin).unwrap();
        Self { key, passkey }
    }

    /// What a browser returns for `navigator.credentials.create`: authenticator data and client data.
    pub(crate) fn created(key: &SigningKey, asked: &[u8], origin: &str, flags: u8) -> (Vec<u8>, Vec<u8>) {
        let host = origin.split("//").nth(1).unwrap().split(':').next().unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        let data = [
            Digest::of(host.as_bytes()).bytes().as_slice(),
            &[flags, 0, 0, 0, 0],
            &[0; 16],
            &[0, 4],
            b"cred",
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
            point.x().unwrap(),
            &[0x22, 0x58, 0x20],
            point.y().unwrap(),
        ]
        .concat();
        let client = json!({"type": "webauthn.create", "challenge": challenge(asked), "origin": origin});
        (data, client.to_string().into_bytes())
    }

    pub(crate) fn answer(&self, message: &[u8]) -> Assertion {
        self.answer_with(message, |_| {})
    }

    pub(crate) fn answer_with(&self, message: &[u8], change: impl FnOnce(&mut Answer)) -> Assertion {
        let mut answer = Answer {
            kind: "webauthn.get",
            origin: self.passkey.origin().to_owned(),
            rp_id: self.passkey.rp_id().to_owned(),
            flags: PRESENT_AND_VERIFIED,
            count: 1,
            cross_origin: false,
            rest: Vec::new(),
        };
        change(&mut answer);
        let client = json!({
            "type": answer.kind, "challenge": challenge(message), "origin": answer.origin,
            "crossOrigin": answer.cross_origin,
        });
        let client = client.to_string().into_bytes();
        let data = [
            Digest::of(answer.rp_id.as_bytes()).bytes().as_slice(),
            &[answer.flags],
            &answer.count.to_be_bytes(),
            &answer.rest,
        ]
        .concat();
        let signed = [data.as_slice(), Digest::of(&client).bytes()].concat();
        let signature: EcdsaSignature = self.key.sign(&signed);
        Assertion::new(&self.passkey, &client, &data, signature.to_der().as_bytes()).unwrap()
    }
}

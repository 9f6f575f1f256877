//! A FIDO token in software, for tests: it signs whatever it is told, with whatever flags.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::process::Command;

use runbooks::Digest;
use ssh_key::{
    HashAlg, PrivateKey, SigningKey, SshSig,
    private::{Ed25519Keypair, KeypairData},
};

use crate::{PublicKey, Signature};

pub(crate) const UP: u8 = 0x01;
pub(crate) const UV: u8 = 0x04;

pub(crate) struct SoftToken {
    inner: PrivateKey,
    kind: &'static str,
    application: &'static str,
    blob: Vec<u8>,
}

impl SoftToken {
    pub(crate) fn ed25519(seed: u8, application: &'static str) -> Self {
        let pair = Ed25519Keypair::from_seed(&[seed; 32]);
        let public = pair.public.0;
        let kind = "sk-ssh-ed25519@openssh.com";
        Self {
            inner: PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap(),
            kind,
            application,
            blob: [string(kind), string(public), string(application)].concat(),
        }
    }

    /// The P-256 half comes from `ssh-keygen`: there is no other way to one without a random number generator.
    pub(crate) fn ecdsa(application: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f"])
            .arg(&file)
            .status()
            .unwrap();
        assert!(made.success());
        let inner = PrivateKey::read_openssh_file(&file).unwrap();
        let point = inner.key_data().ecdsa().unwrap().public_key_bytes().to_owned();
        let kind = "sk-ecdsa-sha2-nistp256@openssh.com";
        Self {
            inner,
            kind,
            application,
            blob: [string(kind), string("nistp256"), string(point), string(application)].concat(),
        }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &self.blob);
        PublicKey::parse(&format!("{} {base64}", self.kind)).unwrap()
    }

    pub(crate) fn sign(&self, namespace: &str, message: &[u8], flags: u8) -> Signature {
        let signed = SshSig::signed_data(namespace, HashAlg::Sha512, message).unwrap();
        let flags_and_counter = [flags, 0, 0, 0, 7];
        let of_token = [
            Digest::of(self.application.as_bytes()).bytes().as_slice(),
            &flags_and_counter,
            Digest::of(&signed).bytes(),
        ]
        .concat();
        let raw = raw(&self.inner, &of_token);
        let signature = [string(self.kind), string(raw), flags_and_counter.to_vec()].concat();
        let blob = [
            b"SSHSIG\0\0\0\x01".to_vec(),
            string(&self.blob),
            string(namespace),
            string(""),
            string("sha512"),
            string(signature),
        ]
        .concat();
        Signature::from_blob(&blob).unwrap()
    }
}

fn raw<K: SigningKey>(key: &K, message: &[u8]) -> Vec<u8> {
    key.try_sign(message).unwrap().as_bytes().to_vec()
}

pub(crate) fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

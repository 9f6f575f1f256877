//! Real SSH keys, and what is signed with them: by `ssh-keygen`, as people do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use approval::{APPROVERS_NAMESPACE, APPROVERS_TYPE, ApproversDocument, Envelope, Key, Person, Signature, pae};
use runbooks::Timestamp;

pub struct SshKey {
    pub file: PathBuf,
    pub public: String,
}

impl SshKey {
    pub fn generate(dir: &Path, name: &str) -> Self {
        let file = dir.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&file)
            .status();
        assert!(made.unwrap().success());
        let line = fs::read_to_string(file.with_extension("pub")).unwrap();
        let public = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Self { file, public }
    }

    /// `ssh-keygen -Y sign` over exactly these bytes; the armored signature.
    pub fn sign(&self, namespace: &str, bytes: &[u8]) -> String {
        let message = self.file.with_extension("message");
        fs::write(&message, bytes).unwrap();
        let out = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(&self.file)
            .arg(&message)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let signature = self.file.with_extension("message.sig");
        let armored = fs::read_to_string(&signature).unwrap();
        fs::remove_file(signature).unwrap();
        armored
    }

    pub fn envelope(&self, payload_type: &str, namespace: &str, payload: &[u8]) -> Envelope {
        let armored = self.sign(namespace, &pae(payload_type, payload));
        Envelope::new(payload_type, payload, &Signature::from_armored(&armored).unwrap())
    }
}

pub fn person(id: &str, key: &SshKey, now: Timestamp) -> Person {
    Person {
        id: id.into(),
        name: id.into(),
        groups: vec!["dba".into()],
        agent: false,
        keys: vec![Key {
            public_key: key.public.clone(),
            valid_from: now.plus_s(-3600),
            valid_until: now.plus_s(86_400),
            hardware: false,
        }],
        accounts: Vec::new(),
    }
}

/// approvers.json as an administrator makes it.
pub fn approvers_file(path: &Path, admin: &SshKey, version: u64, people: Vec<Person>) {
    let document = ApproversDocument {
        schema: "countersign.approvers.v1".into(),
        version,
        people,
        revoked_grants: Vec::new(),
    };
    let payload = runbooks::canonical_json(&document).unwrap();
    let envelope = admin.envelope(APPROVERS_TYPE, APPROVERS_NAMESPACE, &payload);
    fs::write(path, envelope.to_json().unwrap()).unwrap();
}

//! People with real keys: made and used by `ssh-keygen`, as they would.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use approval::{
    APPROVERS_NAMESPACE, ApproversDocument, Envelope, GRANT_NAMESPACE, Grant, Key, Person, PublicKey,
    STATEMENT_NAMESPACE, STATEMENT_TYPE, Signature, Statement, Token,
};
use runbooks::Timestamp;

/// Ana and ben may approve; mallory has a key that nobody listed; the administrator signs the list.
pub struct People {
    dir: tempfile::TempDir,
    keys: BTreeMap<&'static str, PublicKey>,
}

impl People {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = BTreeMap::new();
        for who in ["admin", "ana", "ben", "mallory"] {
            let path = dir.path().join(who);
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(status.success());
            let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            keys.insert(who, PublicKey::parse(&public).unwrap());
        }
        Self { dir, keys }
    }

    pub fn key(&self, who: &str) -> &PublicKey {
        self.keys.get(who).unwrap()
    }

    pub fn write_approvers(&self, path: &Path, version: u64) {
        self.write_approvers_of(path, version, &["ana", "ben"]);
    }

    pub fn write_approvers_of(&self, path: &Path, version: u64, listed: &[&str]) {
        let listed: Vec<_> = listed.iter().map(|&who| (who, "dba")).collect();
        self.write_approvers_in(path, version, &listed);
    }

    /// Each person with the one group that they are in.
    pub fn write_approvers_in(&self, path: &Path, version: u64, listed: &[(&str, &str)]) {
        let people = listed.iter().map(|&(who, group)| Person {
            id: who.to_owned(),
            name: who.to_owned(),
            groups: vec![group.to_owned()],
            agent: false,
            keys: vec![Key {
                public_key: self.key(who).to_string(),
                valid_from: Timestamp::from_unix(0),
                valid_until: Timestamp::from_unix(4_000_000_000),
                hardware: false,
            }],
            accounts: Vec::new(),
        });
        let document = ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version,
            people: people.collect(),
            revoked_grants: Vec::new(),
        };
        let signature = self.sign("admin", APPROVERS_NAMESPACE, &document.signing_bytes().unwrap());
        let json = document.envelope(&signature).unwrap().to_json().unwrap();
        std::fs::write(path, json).unwrap();
    }

    /// Signs a statement with the key of the person that it names.
    pub fn envelope(&self, statement: &Statement) -> Envelope {
        self.envelope_by(statement, &statement.approver)
    }

    pub fn envelope_by(&self, statement: &Statement, who: &str) -> Envelope {
        let signature = self.sign(who, STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap());
        Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), &signature)
    }

    pub fn token(&self, statement: &Statement) -> Token {
        Token::new(vec![self.envelope(statement)]).unwrap()
    }

    /// Signs a grant with the key of the person that it names.
    pub fn grant(&self, grant: &Grant) -> Envelope {
        let signature = self.sign(&grant.approver, GRANT_NAMESPACE, &grant.signing_bytes().unwrap());
        grant.envelope(&signature).unwrap()
    }

    fn sign(&self, who: &str, namespace: &str, message: &[u8]) -> Signature {
        let key: PathBuf = self.dir.path().join(who);
        let mut child = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        Signature::from_armored(&String::from_utf8(output.stdout).unwrap()).unwrap()
    }
}

//! The real `ssh-keygen` on the other side: its signatures count here, ours count there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed set-up is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use approval::{
    APPROVERS_NAMESPACE, Action, Approvers, ApproversDocument, Decision, GateKey, Key, Method, Person, PublicKey,
    STATEMENT_NAMESPACE, Signature, Statement, verify_signature,
};
use runbooks::{Digest, Target, Timestamp};

const NOW: i64 = 1_795_000_000;

struct Desk {
    dir: tempfile::TempDir,
    key: PathBuf,
    public: PublicKey,
}

impl Desk {
    fn new(kind: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "alice@laptop"])
            .args(kind)
            .arg("-f")
            .arg(&key));
        let line = fs::read_to_string(dir.path().join("key.pub")).unwrap();
        Self {
            public: PublicKey::parse(&line).unwrap(),
            dir,
            key,
        }
    }

    fn approvers(&self) -> Approvers {
        let admin = GateKey::generate().unwrap();
        let document = ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version: 3,
            revoked_grants: Vec::new(),
            people: vec![Person {
                id: "alice".to_owned(),
                name: "Alice".to_owned(),
                groups: Vec::new(),
                agent: false,
                keys: vec![Key {
                    public_key: self.public.to_string(),
                    valid_from: Timestamp::from_unix(NOW - 60),
                    valid_until: Timestamp::from_unix(NOW + 60),
                    hardware: false,
                }],
                accounts: Vec::new(),
            }],
        };
        let signature = admin
            .sign(APPROVERS_NAMESPACE, &document.signing_bytes().unwrap())
            .unwrap();
        let json = document.envelope(&signature).unwrap().to_json().unwrap();
        Approvers::verify(&json, &admin.public_key().to_string(), 2).unwrap()
    }

    fn statement(&self) -> Statement {
        Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-1".to_owned(),
            action: Action::Execute,
            plan_digest: Digest::of(b"plan"),
            target: Target {
                name: "orders".to_owned(),
                environment: "demo".to_owned(),
                system_identifier: "7300000000000000000".to_owned(),
                database: "orders".to_owned(),
            },
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            not_before: Timestamp::from_unix(NOW),
            approve_by: Timestamp::from_unix(NOW + 900),
            execute_by: Timestamp::from_unix(NOW + 1800),
            max_executions: 1,
            requester: "orchestrator".to_owned(),
            approver: "alice".to_owned(),
            key_id: self.public.fingerprint(),
            method: Method::Ssh,
            policy_digest: Digest::of(b"policy"),
            nonce: "00112233445566778899aabbccddeeff".to_owned(),
        }
    }

    fn sign_file(&self, namespace: &str, message: &[u8], hash: &str) -> Signature {
        let file = self.dir.path().join("statement");
        fs::write(&file, message).unwrap();
        let _ = fs::remove_file(self.dir.path().join("statement.sig"));
        let hash = format!("hashalg={hash}");
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-O", &hash, "-n", namespace, "-f"])
            .arg(&self.key)
            .arg(&file));
        Signature::from_armored(&fs::read_to_string(self.dir.path().join("statement.sig")).unwrap()).unwrap()
    }
}

fn code(desk: &Desk, signature: &Signature) -> String {
    let bytes = desk.statement().bytes().unwrap();
    match verify_signature(&bytes, signature, &desk.approvers(), Timestamp::from_unix(NOW)) {
        Ok(vote) => format!("ok {}", vote.statement().approver),
        Err(refusal) => refusal.code().to_owned(),
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_signature_of_ssh_keygen_counts() {
    for kind in [["-t", "ed25519"].as_slice(), &["-t", "ecdsa", "-b", "256"]] {
        let desk = Desk::new(kind);
        let message = desk.statement().signing_bytes().unwrap();
        for hash in ["sha512", "sha256"] {
            let signature = desk.sign_file(STATEMENT_NAMESPACE, &message, hash);
            assert_eq!(code(&desk, &signature), "ok alice");
        }
        let elsewhere = desk.sign_file("file", &message, "sha512");
        assert_eq!(code(&desk, &elsewhere), "bad_signature");
        let raw = desk.sign_file(STATEMENT_NAMESPACE, &desk.statement().bytes().unwrap(), "sha512");
        assert_eq!(code(&desk, &raw), "bad_signature");
    }
}

#[test]
fn a_signature_of_an_agent_counts() {
    let desk = Desk::new(&["-t", "ed25519"]);
    let file = desk.dir.path().join("statement");
    fs::write(&file, desk.statement().signing_bytes().unwrap()).unwrap();
    // The agent ends with its command; the private key is gone from the disk when it signs.
    let script = format!(
        "ssh-add -q {key} && rm {key} && ssh-keygen -q -Y sign -n {STATEMENT_NAMESPACE} -f {key}.pub {file}",
        key = desk.key.display(),
        file = file.display()
    );
    run(Command::new("ssh-agent").args(["sh", "-c", &script]));
    let armored = fs::read_to_string(desk.dir.path().join("statement.sig")).unwrap();
    assert_eq!(code(&desk, &Signature::from_armored(&armored).unwrap()), "ok alice");
}

#[test]
fn a_key_that_cannot_be_verified_here_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    run(Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-t", "rsa", "-b", "2048", "-f"])
        .arg(&key));
    let line = fs::read_to_string(dir.path().join("key.pub")).unwrap();
    let error = PublicKey::parse(&line).unwrap_err();
    assert!(error.to_string().contains("ssh-rsa"), "{error}");
}

#[test]
fn our_signatures_count_for_ssh_keygen() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("gate_key");
    let key = GateKey::load_or_create(&key_file).unwrap();
    let signature = key.sign("order@countersign", b"message").unwrap();
    assert!(ssh_keygen_verifies(dir.path(), &key, &signature, b"message"));
    assert!(!ssh_keygen_verifies(dir.path(), &key, &signature, b"other"));

    // The same file gives the same key again, also to `ssh-keygen`.
    let again = GateKey::load_or_create(&key_file).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    let output = Command::new("ssh-keygen")
        .args(["-y", "-f"])
        .arg(&key_file)
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(&PublicKey::parse(&line).unwrap(), key.public_key());
}

fn ssh_keygen_verifies(dir: &Path, key: &GateKey, signature: &Signature, message: &[u8]) -> bool {
    let signers = dir.join("allowed_signers");
    let sig = dir.join("message.sig");
    fs::write(&signers, format!("gate {}\n", key.public_key())).unwrap();
    fs::write(&sig, signature.to_armored()).unwrap();
    let text = dir.join("message");
    fs::write(&text, message).unwrap();
    Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", "gate", "-n", "order@countersign", "-f"])
        .arg(&signers)
        .arg("-s")
        .arg(&sig)
        .stdin(fs::File::open(&text).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("ssh-keygen: {error}"))
        .success()
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gate_key");
    drop(GateKey::load_or_create(&file).unwrap());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = GateKey::load_or_create(&file).err().unwrap();
    assert!(error.to_string().contains("mode 0640"), "{error}");
}

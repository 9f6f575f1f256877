//! Signs messages as SNS does, with keys and certificates that openssl makes for the test. Included by tests that deliver.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

pub const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:databases";
pub const CERTIFICATE_URL: &str =
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b2c3d4e5f60718293a4b5c6d7e8f9.pem";

/// A key, and a certificate that says whose it is.
pub struct Signer {
    key: PathBuf,
    pub certificate: PathBuf,
}

impl Signer {
    /// As SNS's own: RSA, valid, named after SNS.
    pub fn sns(dir: &Path) -> Self {
        Self::new(
            dir,
            "sns",
            "rsa:2048",
            "sns.amazonaws.com",
            ["20200101000000Z", "20990101000000Z"],
        )
    }

    /// `key` as `openssl req -newkey` takes it; valid from and until, as ASN.1 writes them.
    pub fn new(dir: &Path, name: &str, key: &str, host: &str, valid: [&str; 2]) -> Self {
        let path = |ending: &str| dir.join(format!("{name}.{ending}"));
        let signer = Self {
            key: path("key"),
            certificate: path("pem"),
        };
        let request = path("csr");
        let mut req = Command::new("openssl");
        req.args(["req", "-new", "-nodes", "-newkey", key, "-keyout"])
            .arg(&signer.key)
            .arg("-out")
            .arg(&request);
        if key == "ec" {
            req.args(["-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        req.args([
            "-subj",
            &format!("/CN={host}"),
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
        ]);
        run(req);
        // `openssl ca` alone takes both dates; it wants a folder for its records.
        let records = path("ca");
        std::fs::create_dir_all(&records).unwrap();
        std::fs::write(records.join("index.txt"), "").unwrap();
        let config = records.join("config");
        let text = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={0}/index.txt\nnew_certs_dir={0}\nserial={0}/serial\nrand_serial=yes\n\
             default_md=sha256\npolicy=any\ncopy_extensions=copy\nunique_subject=no\n[any]\ncommonName=supplied\n",
            records.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut ca = Command::new("openssl");
        ca.args([
            "ca",
            "-batch",
            "-notext",
            "-selfsign",
            "-startdate",
            valid[0],
            "-enddate",
            valid[1],
            "-config",
        ]);
        ca.arg(&config)
            .arg("-keyfile")
            .arg(&signer.key)
            .arg("-in")
            .arg(&request)
            .arg("-out")
            .arg(&signer.certificate);
        run(ca);
        signer
    }

    pub fn pem(&self) -> Vec<u8> {
        std::fs::read(&self.certificate).unwrap()
    }

    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Signs an envelope as it stands, and writes the signature into it.
    pub fn sign(&self, envelope: &mut Value) {
        self.sign_by("-sha256", envelope);
    }

    pub fn sign_by(&self, digest: &str, envelope: &mut Value) {
        let signature = pipe(
            Command::new("openssl").args(["dgst", digest, "-sign"]).arg(&self.key),
            signed_text(envelope).as_bytes(),
        );
        let base64 = pipe(Command::new("openssl").args(["enc", "-base64", "-A"]), &signature);
        envelope["Signature"] = json!(String::from_utf8(base64).unwrap());
    }

    /// A notification with this alarm's document, signed.
    pub fn notification(&self, alarm: &Value) -> Value {
        let mut envelope = notification(alarm);
        self.sign(&mut envelope);
        envelope
    }
}

/// A notification that nobody has signed.
pub fn notification(alarm: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Subject": "ALARM: \"orders storage low\" in EU (Frankfurt)", "Message": alarm.to_string(), "Timestamp": now(),
        "SignatureVersion": "2", "Signature": "", "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x",
    })
}

/// What SNS asks when an endpoint is subscribed.
pub fn confirmation(kind: &str) -> Value {
    json!({
        "Type": kind, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37fb687f5d51e6e2425ba1f2",
        "TopicArn": TOPIC, "Message": "You have chosen to subscribe to the topic.", "Timestamp": now(),
        "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f",
        "SignatureVersion": "2", "Signature": "", "SigningCertURL": CERTIFICATE_URL,
    })
}

/// The document of an alarm on the free storage of an instance.
pub fn alarm(state: &str, changed_at: &str) -> Value {
    json!({
        "AlarmName": "orders storage low", "AlarmDescription": "less than 10 GB", "AWSAccountId": "123456789012",
        "NewStateValue": state, "NewStateReason": "Threshold Crossed", "StateChangeTime": changed_at,
        "Region": "EU (Frankfurt)", "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders storage low",
        "OldStateValue": "OK",
        "Trigger": {"MetricName": "FreeStorageSpace", "Namespace": "AWS/RDS", "Dimensions": [{"value": "orders-1", "name": "DBInstanceIdentifier"}]},
    })
}

pub fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// What SNS signs, read from its documentation and not from our code.
fn signed_text(envelope: &Value) -> String {
    let names: &[&str] = if envelope["Type"] == "Notification" {
        &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    } else {
        &[
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ]
    };
    let lines = names
        .iter()
        .filter_map(|name| Some(format!("{name}\n{}\n", envelope.get(name)?.as_str()?)));
    lines.collect()
}

fn run(mut command: Command) {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

fn pipe(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{command:?}");
    out.stdout
}

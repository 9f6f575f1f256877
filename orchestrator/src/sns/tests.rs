//! The file of certificates, and the way to SNS over a real TLS connection.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::peer::Https;
use super::*;

use crate::sns_signer::{CERTIFICATE_URL, Signer, TOPIC, alarm};

fn topics() -> Vec<Topic> {
    vec![Topic::parse(TOPIC).unwrap()]
}

#[tokio::test]
async fn with_a_file_of_certificates_none_is_fetched_and_no_other_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name| Signer::new(dir.path(), name, "rsa:2048", "sns.eu-central-1.amazonaws.com", ALWAYS);
    let (old, new, foreign) = (make("old"), make("new"), make("foreign"));
    let file = dir.path().join("sns.pem");
    std::fs::write(&file, [old.pem(), new.pem()].concat()).unwrap();
    let listener = Listener::new(topics(), Some(&file)).unwrap().reaching(Arc::new(Nobody));
    let alarm = alarm("ALARM", "2026-11-22T10:11:16.945+0000");
    for signer in [&old, &new] {
        let body = signer.notification(&alarm).to_string();
        let believed = listener
            .receive(&HeaderMap::new(), body.as_bytes(), Utc::now())
            .await
            .unwrap();
        assert_eq!(
            believed,
            Delivery::Notification {
                message: alarm.to_string()
            }
        );
    }
    let body = foreign.notification(&alarm).to_string();
    let refused = listener
        .receive(&HeaderMap::new(), body.as_bytes(), Utc::now())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "wrong_signature");
}

#[test]
fn a_file_that_cannot_serve_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let other = Signer::new(dir.path(), "other", "rsa:2048", "sns.us-east-1.amazonaws.com", ALWAYS);
    let curve = Signer::new(dir.path(), "curve", "ec", "sns.amazonaws.com", ALWAYS);
    for (file, part) in [
        (other.certificate.as_path(), "can have signed for the topic"),
        (curve.certificate.as_path(), "its key is not RSA"),
        (other.key(), "cannot be read"),
        (&dir.path().join("missing.pem"), "missing.pem"),
    ] {
        let error = Listener::new(topics(), Some(file)).err().unwrap();
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
}

struct Nobody;

#[async_trait::async_trait]
impl Peer for Nobody {
    async fn get(&self, url: &str) -> Result<Vec<u8>, PeerError> {
        unreachable!("{url} was asked for")
    }
}

const ALWAYS: [&str; 2] = ["20200101000000Z", "20990101000000Z"];

/// A TLS server on loopback that answers with whole HTTP answers from files.
struct Web {
    process: Child,
    address: SocketAddr,
}

impl Web {
    fn start(dir: &std::path::Path, signer: &Signer) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP", "-naccept", "9", "-cert"])
            .arg(&signer.certificate)
            .arg("-key")
            .arg(signer.key())
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let address = lines
            .find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
            .unwrap();
        // What it says further is read, or it would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    /// A client that finds SNS here, and trusts one certificate more or does not.
    fn client(&self, trusted: Option<&Signer>) -> Https {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .resolve("sns.eu-central-1.amazonaws.com", self.address);
        if let Some(signer) = trusted {
            builder = builder.tls_certs_merge([reqwest::Certificate::from_pem(&signer.pem()).unwrap()]);
        }
        Https::of(builder).unwrap()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sns_is_reached_over_tls_and_no_further_than_its_first_answer() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::new(dir.path(), "tls", "rsa:2048", "sns.eu-central-1.amazonaws.com", ALWAYS);
    let answer = |name: &str, head: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        std::fs::write(dir.path().join(name), [head.as_bytes(), body].concat()).unwrap();
    };
    let name = CERTIFICATE_URL.rsplit('/').next().unwrap();
    answer(name, "200 OK", &signer.pem());
    answer("moved.pem", &format!("302 Found\r\nLocation: /{name}"), b"");
    answer("long.pem", "200 OK", &[b'x'; 200_000]);
    let web = Web::start(dir.path(), &signer);
    let https = web.client(Some(&signer));
    assert_eq!(https.get(CERTIFICATE_URL).await.unwrap(), signer.pem());
    let of = |name: &str| CERTIFICATE_URL.replace(CERTIFICATE_URL.rsplit('/').next().unwrap(), name);
    let moved = https.get(&of("moved.pem")).await.unwrap_err();
    assert!(
        matches!(moved, PeerError::Refused(status) if status.as_u16() == 302),
        "{moved:?}"
    );
    let long = https.get(&of("long.pem")).await.unwrap_err();
    assert!(matches!(long, PeerError::TooLong), "{long:?}");
    let plain = https.get(&CERTIFICATE_URL.replace("https", "http")).await.unwrap_err();
    assert!(matches!(plain, PeerError::Unreachable(_)), "{plain:?}");

    // The name alone is not enough: the connection must prove it.
    let stranger = web
        .client(None)
        .get(&format!("{CERTIFICATE_URL}?Token=2336412f"))
        .await
        .unwrap_err();
    assert!(matches!(stranger, PeerError::Unreachable(_)), "{stranger:?}");
    assert!(!crate::chain(&stranger).contains("2336412f"), "{stranger:?}");
}

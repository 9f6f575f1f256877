//! The ways in, over real HTTP: what starts an incident, and everything that must not.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;
use store::Viewer;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::commands::assemble;
use crate::config::Config;
use crate::sns::{Peer, PeerError, Topic};

use crate::sns_signer::{CERTIFICATE_URL, Signer, TOPIC, alarm, confirmation, notification, now};

const KEY: &str = "the key of the API destination";

/// SNS as it answers: certificates by their address, and whatever else it is asked.
#[derive(Default)]
struct Sns {
    certificates: BTreeMap<String, Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Peer for Sns {
    async fn get(&self, url: &str) -> Result<Vec<u8>, PeerError> {
        self.asked.lock().unwrap().push(url.to_owned());
        match self.certificates.get(url) {
            Some(pem) => Ok(pem.clone()),
            None if url.contains("Action=ConfirmSubscription") => Ok(b"<ConfirmSubscriptionResponse/>".to_vec()),
            None => Err(PeerError::Refused(StatusCode::NOT_FOUND)),
        }
    }
}

/// An orchestrator's way in. Its gate and its servers are not there: what is opened here comes no further.
struct Service {
    dir: tempfile::TempDir,
    address: std::net::SocketAddr,
    sns: Arc<Sns>,
    signer: Signer,
    _stop: DropGuard,
}

impl Service {
    async fn start(certificates: &[(&str, &Signer)]) -> Self {
        let _ = tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new());
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::sns(dir.path());
        let text = "[orchestrator]\nid = 'o'\nstate_dir = 'state'\nlisten = '127.0.0.1:0'\nbearer_file = 'bearer'\n\
             [gate]\nurl = 'http://127.0.0.1:9'\n\
             [[targets]]\nname = 'orders'\nenvironment = 'demo'\ndatabase = 'orders'\nservers = ['db']\n\
             match = { DBInstanceIdentifier = 'orders-1', account = '123456789012' }\n\
             [servers.db]\nkind = 'postgres-readonly'\nurl = 'http://127.0.0.1:9'\n";
        let file = dir.path().join("orchestrator.toml");
        std::fs::write(&file, text).unwrap();
        let stop = CancellationToken::new();
        let pipeline = Arc::new(assemble(Config::load(&file).unwrap(), stop.clone()).unwrap());
        let mut sns = Sns::default();
        sns.certificates.insert(CERTIFICATE_URL.to_owned(), signer.pem());
        for (url, other) in certificates {
            sns.certificates.insert((*url).to_owned(), other.pem());
        }
        let sns = Arc::new(sns);
        let listener = Listener::new(vec![Topic::parse(TOPIC).unwrap()], None).unwrap();
        let intake = Intake {
            workers: Arc::new(Workers::new(Arc::clone(&pipeline))),
            pipeline,
            bearer: Digest::of(b"the bearer of Alertmanager"),
            sns: Some(listener.reaching(Arc::clone(&sns) as Arc<dyn Peer>)),
            eventbridge: Some(Digest::of(KEY.as_bytes())),
        };
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let app = routes(Arc::new(intake));
        tokio::spawn(async move { axum::serve(socket, app).await });
        Self {
            dir,
            address,
            sns,
            signer,
            _stop: stop.drop_guard(),
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client
            .post(format!("http://{}/v1/alerts/{path}", self.address))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Delivers as SNS does: the type is told in a header, and the body calls itself plain text.
    async fn deliver(&self, envelope: &Value) -> (u16, Value) {
        let kind = envelope["Type"].as_str().unwrap_or_default().to_owned();
        let headers = [
            ("x-amz-sns-message-type", kind.as_str()),
            ("content-type", "text/plain; charset=UTF-8"),
        ];
        self.post("cloudwatch", &headers, envelope.to_string()).await
    }

    fn incidents(&self) -> usize {
        Viewer::open(&self.dir.path().join("state"))
            .unwrap()
            .list()
            .unwrap()
            .len()
    }

    fn asked(&self) -> Vec<String> {
        self.sns.asked.lock().unwrap().clone()
    }
}

fn in_alarm() -> Value {
    alarm("ALARM", "2026-11-22T10:11:16.945+0000")
}

#[tokio::test]
async fn an_alarm_by_sns_starts_an_incident_and_ends_with_the_alarm() {
    let service = Service::start(&[]).await;
    let envelope = service.signer.notification(&in_alarm());
    let (status, told) = service.deliver(&envelope).await;
    assert_eq!((status, &told["alerts"][0]["news"]), (202, &json!("opened")), "{told}");
    // SNS delivers at least once, and so may whoever has read a message.
    let (status, told) = service.deliver(&envelope).await;
    assert_eq!((status, &told["alerts"][0]["news"]), (202, &json!("duplicate")));
    let unknown = service
        .signer
        .notification(&alarm("INSUFFICIENT_DATA", "2026-11-22T10:20:00.000+0000"));
    assert_eq!(service.deliver(&unknown).await.1["alerts"][0]["news"], "unknown");
    let over = service
        .signer
        .notification(&alarm("OK", "2026-11-22T10:21:00.000+0000"));
    assert_eq!(service.deliver(&over).await.1["alerts"][0]["news"], "resolved");
    assert_eq!(service.deliver(&envelope).await.1["alerts"][0]["news"], "duplicate");
    assert_eq!(service.incidents(), 1);
    assert_eq!(service.asked(), [CERTIFICATE_URL], "the certificate is fetched once");
}

#[tokio::test]
async fn an_alarm_of_no_target_is_taken_and_starts_nothing() {
    let service = Service::start(&[]).await;
    let mut other = in_alarm();
    other["Trigger"]["Dimensions"][0]["value"] = json!("billing-1");
    let (status, told) = service.deliver(&service.signer.notification(&other)).await;
    assert_eq!((status, &told["alerts"][0]["ignored"]), (202, &json!("no_target")));
    assert_eq!(service.incidents(), 0);
}

#[tokio::test]
async fn a_subscription_is_confirmed_by_our_own_call_and_for_listed_topics_only() {
    let service = Service::start(&[]).await;
    let mut wanted = confirmation("SubscriptionConfirmation");
    // Where it wants us to go is not where we go.
    wanted["SubscribeURL"] = json!("https://169.254.169.254/latest/meta-data/");
    service.signer.sign(&mut wanted);
    assert_eq!(service.deliver(&wanted).await, (200, json!({"subscribed": TOPIC})));
    let confirmed = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Version=2010-03-31\
                     &TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Adatabases&Token=2336412f37fb687f5d51e6e2425ba1f2";
    assert_eq!(service.asked(), [CERTIFICATE_URL, confirmed]);

    let mut other = confirmation("SubscriptionConfirmation");
    other["TopicArn"] = json!("arn:aws:sns:eu-central-1:999999999999:databases");
    service.signer.sign(&mut other);
    assert_eq!(service.deliver(&other).await.1["code"], "topic_not_listed");
    let mut smuggling = confirmation("SubscriptionConfirmation");
    smuggling["Token"] = json!("2336412f&TopicArn=arn:aws:sns:eu-central-1:999999999999:x");
    service.signer.sign(&mut smuggling);
    assert_eq!(service.deliver(&smuggling).await.1["code"], "bad_token");
    assert_eq!(service.asked().len(), 2);

    let mut gone = confirmation("UnsubscribeConfirmation");
    service.signer.sign(&mut gone);
    assert_eq!(service.deliver(&gone).await, (200, json!({"unsubscribed": TOPIC})));
    assert_eq!(service.asked().len(), 2, "unsubscribed is noted, not undone");
}

/// How a forgery is made: what is changed before the signature, and what after it.
struct Forgery {
    name: &'static str,
    before: fn(&mut Value),
    after: fn(&mut Value),
    status: u16,
    code: &'static str,
    /// Whether it gets as far as a question to SNS.
    fetches: bool,
}

fn untouched(_: &mut Value) {}

fn forgery(name: &'static str, after: fn(&mut Value), status: u16, code: &'static str) -> Forgery {
    Forgery {
        name,
        before: untouched,
        after,
        status,
        code,
        fetches: code == "wrong_signature" || code == "bad_certificate",
    }
}

fn signed(name: &'static str, before: fn(&mut Value), status: u16, code: &'static str) -> Forgery {
    Forgery {
        before,
        ..forgery(name, untouched, status, code)
    }
}

const EC_URL: &str = "https://sns.eu-central-1.amazonaws.com/ec.pem";
const EXPIRED_URL: &str = "https://sns.eu-central-1.amazonaws.com/expired.pem";
const OTHER_URL: &str = "https://sns.eu-central-1.amazonaws.com/other.pem";
const SHORT_URL: &str = "https://sns.eu-central-1.amazonaws.com/short.pem";

/// The table of README's section on AWS: what is refused, and by which code.
fn forgeries() -> Vec<Forgery> {
    fn signing(url: &'static str) -> impl Fn(&mut Value) {
        move |envelope| envelope["SigningCertURL"] = json!(url)
    }
    fn remove(envelope: &mut Value, field: &str) {
        envelope.as_object_mut().unwrap().remove(field);
    }
    let elsewhere = "certificate_elsewhere";
    vec![
        forgery("no signature", |e| e["Signature"] = json!(""), 403, "wrong_signature"),
        forgery(
            "a signature that is no base64",
            |e| e["Signature"] = json!("%%%"),
            403,
            "wrong_signature",
        ),
        forgery(
            "a changed message",
            |e| e["Message"] = json!(alarm("ALARM", "2026-11-23T00:00:00.000+0000").to_string()),
            403,
            "wrong_signature",
        ),
        forgery(
            "another message id",
            |e| e["MessageId"] = json!("another"),
            403,
            "wrong_signature",
        ),
        forgery(
            "a changed subject",
            |e| e["Subject"] = json!("another"),
            403,
            "wrong_signature",
        ),
        forgery("a subject taken out", |e| remove(e, "Subject"), 403, "wrong_signature"),
        forgery(
            "a fresh time on an old message",
            |e| e["Timestamp"] = json!(chrono::Utc::now().to_rfc3339()),
            403,
            "wrong_signature",
        ),
        forgery(
            "a signature of version 1",
            |e| e["SignatureVersion"] = json!("1"),
            403,
            "wrong_signature_version",
        ),
        forgery(
            "a version that does not exist",
            |e| e["SignatureVersion"] = json!("3"),
            403,
            "wrong_signature_version",
        ),
        signed(
            "another account's topic",
            |e| e["TopicArn"] = json!("arn:aws:sns:eu-central-1:999999999999:databases"),
            403,
            "topic_not_listed",
        ),
        signed(
            "a topic whose name only begins so",
            |e| e["TopicArn"] = json!(format!("{TOPIC}-2")),
            403,
            "topic_not_listed",
        ),
        signed(
            "a message older than an hour",
            |e| e["Timestamp"] = json!("2026-01-01T00:00:00.000Z"),
            403,
            "stale_message",
        ),
        signed(
            "a message of tomorrow",
            |e| e["Timestamp"] = json!("2099-01-01T00:00:00.000Z"),
            403,
            "stale_message",
        ),
        forgery(
            "a certificate from anywhere",
            |e| signing("https://certificates.example/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "a host that looks alike",
            |e| signing("https://sns.eu-central-1.amazonaws.com.evil/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "a host behind a user's name",
            |e| signing("https://sns.eu-central-1.amazonaws.com@evil.example/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "a user's name before the host",
            |e| signing("https://evil@sns.eu-central-1.amazonaws.com/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "a bucket of S3",
            |e| signing("https://sns.eu-central-1.s3.amazonaws.com/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "another region's host",
            |e| signing("https://sns.us-east-1.amazonaws.com/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "another port",
            |e| signing("https://sns.eu-central-1.amazonaws.com:8443/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "no TLS",
            |e| signing("http://sns.eu-central-1.amazonaws.com/x.pem")(e),
            403,
            elsewhere,
        ),
        forgery("a file", |e| signing("file:///etc/ssl/x.pem")(e), 403, elsewhere),
        forgery(
            "a way up",
            |e| signing("https://sns.eu-central-1.amazonaws.com/../x.pem")(e),
            403,
            elsewhere,
        ),
        forgery(
            "a question",
            |e| signing("https://sns.eu-central-1.amazonaws.com/?Action=Publish&x=.pem")(e),
            403,
            elsewhere,
        ),
        signed(
            "a certificate with an EC key",
            |e| signing(EC_URL)(e),
            403,
            "bad_certificate",
        ),
        signed(
            "a certificate that has expired",
            |e| signing(EXPIRED_URL)(e),
            403,
            "bad_certificate",
        ),
        signed(
            "a certificate for another name",
            |e| signing(OTHER_URL)(e),
            403,
            "bad_certificate",
        ),
        signed("a key of 1024 bits", |e| signing(SHORT_URL)(e), 403, "wrong_signature"),
        forgery(
            "a notification turned into a confirmation",
            |e| {
                e["Type"] = json!("SubscriptionConfirmation");
                e["Token"] = json!("2336412f");
                e["SubscribeURL"] = json!("https://sns.eu-central-1.amazonaws.com/");
            },
            403,
            "wrong_signature",
        ),
        forgery(
            "a confirmation without its token",
            |e| {
                e["Type"] = json!("SubscriptionConfirmation");
                e["SubscribeURL"] = json!("https://sns.eu-central-1.amazonaws.com/");
            },
            400,
            "sns_field_missing",
        ),
        forgery(
            "a type that does not exist",
            |e| e["Type"] = json!("Notice"),
            400,
            "malformed_sns_message",
        ),
        forgery("no topic", |e| remove(e, "TopicArn"), 400, "malformed_sns_message"),
        forgery(
            "no message id",
            |e| remove(e, "MessageId"),
            400,
            "malformed_sns_message",
        ),
        forgery("no time", |e| remove(e, "Timestamp"), 400, "malformed_sns_message"),
        forgery(
            "no certificate",
            |e| remove(e, "SigningCertURL"),
            400,
            "malformed_sns_message",
        ),
        forgery(
            "no signature at all",
            |e| remove(e, "Signature"),
            400,
            "malformed_sns_message",
        ),
        signed(
            "no alarm, though of the topic",
            |e| e["Message"] = json!("Hello from the console"),
            400,
            "not_an_alarm",
        ),
    ]
}

#[tokio::test]
async fn no_forgery_starts_an_incident() {
    let dir = tempfile::tempdir().unwrap();
    let always = ["20200101000000Z", "20990101000000Z"];
    let make = |name, key, host, valid| Signer::new(dir.path(), name, key, host, valid);
    let odd = [
        (EC_URL, make("ec", "ec", "sns.amazonaws.com", always)),
        (
            EXPIRED_URL,
            make(
                "expired",
                "rsa:2048",
                "sns.amazonaws.com",
                ["20200101000000Z", "20210101000000Z"],
            ),
        ),
        (OTHER_URL, make("other", "rsa:2048", "sqs.amazonaws.com", always)),
        (SHORT_URL, make("short", "rsa:1024", "sns.amazonaws.com", always)),
    ];
    let served: Vec<(&str, &Signer)> = odd.iter().map(|(url, signer)| (*url, signer)).collect();
    let service = Service::start(&served).await;
    for forged in forgeries() {
        let asked = service.asked().len();
        let mut envelope = notification(&in_alarm());
        (forged.before)(&mut envelope);
        let by = odd.iter().find(|(url, _)| envelope["SigningCertURL"] == *url);
        by.map_or(&service.signer, |(_, signer)| signer).sign(&mut envelope);
        (forged.after)(&mut envelope);
        let (status, told) = service.deliver(&envelope).await;
        assert_eq!(
            (status, told["code"].as_str()),
            (forged.status, Some(forged.code)),
            "{}: {told}",
            forged.name
        );
        assert_eq!(told["retryable"], false, "{}", forged.name);
        assert_eq!(service.incidents(), 0, "{}", forged.name);
        if !forged.fetches && forged.code != "not_an_alarm" {
            assert_eq!(service.asked().len(), asked, "{} made us ask SNS", forged.name);
        }
    }
    assert!(
        service.asked().iter().all(|url| !url.contains("Action=")),
        "{:?}",
        service.asked()
    );

    // What is wrong with the delivery and not with the envelope.
    let good = service.signer.notification(&in_alarm());
    let (kind, raw) = ("x-amz-sns-message-type", "x-amz-sns-rawdelivery");
    let doubled = good.to_string().replacen('{', "{\"Message\": \"{}\",", 1);
    let big = json!({"Type": "Notification", "Message": "x".repeat(MAX_BODY_BYTES)}).to_string();
    for (name, headers, body, status, code) in [
        (
            "raw delivery",
            [(kind, "Notification"), (raw, "true")],
            in_alarm().to_string(),
            400,
            "raw_delivery",
        ),
        (
            "a bare alarm",
            [(kind, "Notification"), (raw, "false")],
            in_alarm().to_string(),
            400,
            "malformed_sns_message",
        ),
        (
            "another type in the header",
            [(kind, "SubscriptionConfirmation"), (raw, "false")],
            good.to_string(),
            400,
            "message_type_differs",
        ),
        (
            "a message that is there twice",
            [(kind, "Notification"), (raw, "false")],
            doubled,
            400,
            "malformed_sns_message",
        ),
        (
            "more than a megabyte",
            [(kind, "Notification"), (raw, "false")],
            big,
            413,
            "unreadable_body",
        ),
    ] {
        let (found, told) = service.post("cloudwatch", &headers, body).await;
        assert_eq!((found, told["code"].as_str()), (status, Some(code)), "{name}: {told}");
        assert_eq!(service.incidents(), 0, "{name}");
    }
    // And the oracle can see an incident.
    assert_eq!(service.deliver(&good).await.0, 202);
    assert_eq!(service.incidents(), 1);
}

#[tokio::test]
async fn sha_1_is_not_taken_for_sha_256() {
    let service = Service::start(&[]).await;
    for (version, code) in [("1", "wrong_signature_version"), ("2", "wrong_signature")] {
        let mut envelope = notification(&in_alarm());
        envelope["SignatureVersion"] = json!(version);
        service.signer.sign_by("-sha1", &mut envelope);
        assert_eq!(service.deliver(&envelope).await.1["code"], code);
    }
    assert_eq!(service.incidents(), 0);
}

#[tokio::test]
async fn who_invents_certificates_does_not_make_us_ask_for_all_of_them() {
    let service = Service::start(&[]).await;
    let mut codes = Vec::new();
    for number in 0..12 {
        let mut envelope = service.signer.notification(&in_alarm());
        envelope["SigningCertURL"] = json!(format!("https://sns.eu-central-1.amazonaws.com/{number}.pem"));
        let (status, told) = service.deliver(&envelope).await;
        codes.push((status, told["code"].clone(), told["retryable"].clone()));
    }
    // SNS does not have them: we cannot know today, and SNS comes again.
    assert!(
        codes
            .iter()
            .all(|told| *told == (503, json!("certificate_unavailable"), json!(true))),
        "{codes:?}"
    );
    assert_eq!(service.asked().len(), 6);
}

/// As EventBridge puts it on the bus.
fn event() -> Value {
    json!({
        "version": "0", "id": "c4c1c1c9", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
        "account": "123456789012", "time": now(), "region": "eu-central-1",
        "resources": ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders storage low"],
        "detail": {
            "alarmName": "orders storage low",
            "configuration": {"metrics": [{"id": "m1", "metricStat": {"metric": {"dimensions": {"DBInstanceIdentifier": "orders-1"}, "name": "FreeStorageSpace", "namespace": "AWS/RDS"}, "period": 60, "stat": "Minimum"}}]},
            "state": {"value": "ALARM", "reason": "…", "timestamp": "2026-11-22T10:11:16.945+0000"},
        },
    })
}

#[tokio::test]
async fn an_alarm_by_both_ways_is_one_incident() {
    let service = Service::start(&[]).await;
    let (status, told) = service
        .post("eventbridge", &[("x-api-key", KEY)], event().to_string())
        .await;
    assert_eq!((status, &told["alerts"][0]["news"]), (202, &json!("opened")), "{told}");
    let by_sns = service.signer.notification(&in_alarm());
    assert_eq!(service.deliver(&by_sns).await.1["alerts"][0]["news"], "duplicate");
    let bearer = format!("Bearer {KEY}");
    let again = service
        .post("eventbridge", &[("authorization", &bearer)], event().to_string())
        .await;
    assert_eq!(again.1["alerts"][0]["news"], "duplicate");
    assert_eq!(service.incidents(), 1);
}

#[tokio::test]
async fn an_event_without_the_whole_key_is_not_read() {
    let service = Service::start(&[]).await;
    let (short, basic) = (&KEY[1..], format!("Basic {KEY}"));
    for headers in [
        vec![],
        vec![("x-api-key", "")],
        vec![("x-api-key", short)],
        vec![("authorization", basic.as_str())],
        vec![("authorization", "Bearer the bearer of Alertmanager")],
    ] {
        let (status, told) = service.post("eventbridge", &headers, event().to_string()).await;
        assert_eq!((status, &told["code"]), (401, &json!("key_missing")), "{headers:?}");
    }
    let mut other = event();
    other["source"] = json!("acme.alarms");
    let (status, told) = service
        .post("eventbridge", &[("x-api-key", KEY)], other.to_string())
        .await;
    assert_eq!((status, &told["code"]), (400, &json!("not_an_alarm")));
    assert_eq!(service.incidents(), 0);
}

#[test]
fn only_the_whole_bearer_opens() {
    let shown = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        is_authorised(&headers, Digest::of(b"s3cret"))
    };
    assert!(shown("Bearer s3cret"));
    assert!(shown("bearer s3cret"));
    for odd in ["Bearer s3cre", "Bearer", "Basic s3cret", "s3cret", "Bearer "] {
        assert!(!shown(odd), "{odd}");
    }
    assert!(!is_authorised(&HeaderMap::new(), Digest::of(b"")));
}

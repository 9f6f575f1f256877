//! Messages that Amazon SNS delivers over HTTP, believed only as far as their signature goes.
//!
//! SNS shows no secret of ours: what it signs is all there is, and anybody with an AWS account can have something signed.
//! So the topic must be one of ours before anything is fetched, the certificate is only where SNS keeps it, and no address
//! that a message gives is ever visited.

mod certificate;
mod envelope;
mod peer;
mod topic;

use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

pub(crate) use certificate::CertificateError;
use certificate::{Certificates, SigningKey};
use envelope::{Envelope, Kind};
#[cfg(test)]
pub(crate) use peer::Peer;
pub(crate) use peer::PeerError;
pub(crate) use topic::Topic;

/// SNS tries again for an hour at most; what is older was kept by somebody.
const MAX_AGE: TimeDelta = TimeDelta::hours(1);
/// Clocks differ.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What listens to the topics of the configuration.
pub(crate) struct Listener {
    topics: Vec<Topic>,
    certificates: Certificates,
    peer: Arc<dyn peer::Peer>,
}

/// What a delivery was, after its signature was found good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Notification {
        message: String,
    },
    /// We are subscribed now.
    Confirmed {
        topic: String,
    },
    /// We are not any more.
    Unsubscribed {
        topic: String,
    },
}

#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("raw message delivery leaves the signature out; switch it off for this subscription (RawMessageDelivery)")]
    RawDelivery,
    #[error("the body is no message of SNS")]
    Malformed(#[source] serde_json::Error),
    #[error("the message says it is a `{body}`, but its header `{header}`")]
    OtherType { header: String, body: &'static str },
    #[error("`{field}` is missing in a `{kind}`")]
    Missing { field: &'static str, kind: &'static str },
    #[error("the topic `{0}` is not in `alerts.cloudwatch.topics`")]
    TopicNotListed(String),
    #[error(
        "the signature is of version `{0}`; only `2`, SHA-256, is taken: set the topic's attribute SignatureVersion to 2"
    )]
    SignatureVersion(String),
    #[error("`{0}` is not where SNS keeps the certificates of the topic's region")]
    CertificateElsewhere(String),
    #[error("the message is of `{0}`; none older than an hour, or from the future, is taken")]
    Stale(DateTime<Utc>),
    #[error("the certificate could not be had")]
    NoCertificate(#[source] PeerError),
    #[error("the certificate cannot be used")]
    BadCertificate(#[from] CertificateError),
    #[error("the signature is not of this message by this certificate")]
    WrongSignature,
    #[error("`{0}` is no token of SNS")]
    BadToken(String),
    #[error("the subscription to `{topic}` could not be confirmed")]
    NotConfirmed {
        topic: String,
        #[source]
        source: PeerError,
    },
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::RawDelivery => "raw_delivery",
            Self::Malformed(_) => "malformed_sns_message",
            Self::OtherType { .. } => "message_type_differs",
            Self::Missing { .. } => "sns_field_missing",
            Self::TopicNotListed(_) => "topic_not_listed",
            Self::SignatureVersion(_) => "wrong_signature_version",
            Self::CertificateElsewhere(_) => "certificate_elsewhere",
            Self::Stale(_) => "stale_message",
            Self::NoCertificate(_) => "certificate_unavailable",
            Self::BadCertificate(_) => "bad_certificate",
            Self::WrongSignature => "wrong_signature",
            Self::BadToken(_) => "bad_token",
            Self::NotConfirmed { .. } => "not_confirmed",
        }
    }

    /// SNS gives a message up after any answer of 4xx, and comes again after 5xx.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::RawDelivery | Self::Malformed(_) | Self::OtherType { .. } | Self::Missing { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::TopicNotListed(_)
            | Self::SignatureVersion(_)
            | Self::CertificateElsewhere(_)
            | Self::Stale(_)
            | Self::BadCertificate(_)
            | Self::WrongSignature
            | Self::BadToken(_) => StatusCode::FORBIDDEN,
            Self::NoCertificate(_) | Self::NotConfirmed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Listener {
    /// With a file, its certificates are the only ones that are believed, and none is fetched.
    pub fn new(topics: Vec<Topic>, certificate_file: Option<&Path>) -> anyhow::Result<Self> {
        let certificates = match certificate_file {
            Some(file) => Certificates::of_file(file, &topics)?,
            None => Certificates::none_yet(),
        };
        Ok(Self {
            topics,
            certificates,
            peer: Arc::new(peer::Https::new()?),
        })
    }

    /// The same with another way to SNS.
    #[cfg(test)]
    pub fn reaching(self, peer: Arc<dyn Peer>) -> Self {
        Self { peer, ..self }
    }

    /// Believes a delivery or says why not; a confirmation is answered before this returns.
    pub async fn receive(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Delivery, Refusal> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if header("x-amz-sns-rawdelivery").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Refusal::RawDelivery);
        }
        let envelope = Envelope::parse(body)?;
        let kind = envelope.kind.as_str();
        if let Some(other) = header("x-amz-sns-message-type").filter(|header| *header != kind) {
            return Err(Refusal::OtherType {
                header: shown(other),
                body: kind,
            });
        }
        let listed = self.topics.iter().find(|topic| topic.arn() == envelope.topic_arn);
        let topic = listed.ok_or_else(|| Refusal::TopicNotListed(shown(&envelope.topic_arn)))?;
        self.check_signature(&envelope, topic, now).await?;
        self.follow(envelope, topic).await
    }

    /// Cheap questions first; only who passes them all makes us fetch anything.
    async fn check_signature(&self, envelope: &Envelope, topic: &Topic, now: DateTime<Utc>) -> Result<(), Refusal> {
        if envelope.signature_version != "2" {
            return Err(Refusal::SignatureVersion(shown(&envelope.signature_version)));
        }
        let url = &envelope.signing_cert_url;
        if !topic.keeps_certificate_at(url) {
            return Err(Refusal::CertificateElsewhere(shown(url)));
        }
        let age = now.signed_duration_since(envelope.timestamp);
        if age > MAX_AGE || -age > MAX_AHEAD {
            return Err(Refusal::Stale(envelope.timestamp));
        }
        let text = envelope.signed_text()?;
        let signature = envelope.signature()?;
        let keys = self.certificates.keys(topic, url, self.peer.as_ref()).await?;
        let valid = keys.iter().filter(|key| key.is_valid_at(now));
        let valid: Vec<&Arc<SigningKey>> = valid.collect();
        if valid.is_empty() {
            return Err(CertificateError::NotNow.into());
        }
        let is_signed = valid.iter().any(|key| key.has_signed(text.as_bytes(), &signature));
        is_signed.then_some(()).ok_or(Refusal::WrongSignature)
    }

    async fn follow(&self, envelope: Envelope, topic: &Topic) -> Result<Delivery, Refusal> {
        let arn = topic.arn().to_owned();
        match envelope.kind {
            Kind::Notification => Ok(Delivery::Notification {
                message: envelope.message,
            }),
            Kind::UnsubscribeConfirmation => Ok(Delivery::Unsubscribed { topic: arn }),
            Kind::SubscriptionConfirmation => {
                let token = envelope.token.unwrap_or_default();
                let url = topic
                    .confirmation(&token)
                    .ok_or_else(|| Refusal::BadToken(shown(&token)))?;
                match self.peer.get(&url).await {
                    Ok(_) => Ok(Delivery::Confirmed { topic: arn }),
                    Err(source) => Err(Refusal::NotConfirmed { topic: arn, source }),
                }
            }
        }
    }
}

const MAX_SHOWN_CHARS: usize = 200;

/// Of what anybody may have sent, as much as a log needs.
fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests;

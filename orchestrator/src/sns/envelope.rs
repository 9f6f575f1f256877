//! The envelope of a message, and the text in it that is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Refusal;

/// As it came; nothing of it is believed yet. A field that is there twice is an error of the parser.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    #[serde(rename = "Type")]
    pub kind: Kind,
    pub message_id: String,
    pub topic_arn: String,
    #[serde(default)]
    subject: Option<String>,
    pub message: String,
    /// As text: it is signed as it is written.
    #[serde(rename = "Timestamp")]
    timestamp_text: String,
    #[serde(skip)]
    pub timestamp: DateTime<Utc>,
    pub signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

impl Envelope {
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut envelope: Self = serde_json::from_slice(body).map_err(Refusal::Malformed)?;
        let read = DateTime::parse_from_rfc3339(&envelope.timestamp_text);
        let read = read.map_err(|e| Refusal::Malformed(serde::de::Error::custom(format!("`Timestamp`: {e}"))))?;
        envelope.timestamp = read.with_timezone(&Utc);
        Ok(envelope)
    }

    /// Names and values, each on a line, in the order of the names; which ones depends on the type.
    pub fn signed_text(&self) -> Result<String, Refusal> {
        let kind = self.kind.as_str();
        let wanted =
            |field: &'static str, value: &Option<String>| value.clone().ok_or(Refusal::Missing { field, kind });
        let mut fields = vec![
            ("Message", self.message.clone()),
            ("MessageId", self.message_id.clone()),
        ];
        match self.kind {
            Kind::Notification => fields.extend(self.subject.clone().map(|subject| ("Subject", subject))),
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
                fields.push(("SubscribeURL", wanted("SubscribeURL", &self.subscribe_url)?));
            }
        }
        fields.push(("Timestamp", self.timestamp_text.clone()));
        match self.kind {
            Kind::Notification => {}
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
                fields.push(("Token", wanted("Token", &self.token)?));
            }
        }
        fields.extend([("TopicArn", self.topic_arn.clone()), ("Type", kind.to_owned())]);
        Ok(fields
            .iter()
            .map(|(name, value)| format!("{name}\n{value}\n"))
            .collect())
    }

    pub fn signature(&self) -> Result<Vec<u8>, Refusal> {
        STANDARD.decode(&self.signature).map_err(|_| Refusal::WrongSignature)
    }
}

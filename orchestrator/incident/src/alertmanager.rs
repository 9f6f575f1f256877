//! Reads Alertmanager's webhook body, version 4, with the quirks its real deliveries have.
//!
//! Each alert's own `status` counts, never the group's: one body mixes resolved and firing alerts while the group
//! stays `firing`. An alert missing from a body is not resolved: `max_alerts` cuts bodies, and says so in
//! `truncatedAlerts`. The `endsAt` of a firing alert is year 1, or a time in the future; neither is an end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::alert::{Alert, AlertStatus, Episode, Source};

/// More alerts than this in one body are refused: a receiver must answer in under a second.
pub const MAX_ALERTS: usize = 1000;
const MAX_FINGERPRINT_BYTES: usize = 128;
/// An alert is a few hundred bytes; more than this is somebody's log in an annotation.
const MAX_ALERT_BYTES: usize = 65_536;

/// What one webhook call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub group_key: String,
    pub alerts: Vec<Alert>,
    /// Alerts that could not be read. The others of the same body count all the same.
    pub refused: Vec<RefusedAlert>,
    /// Alerts that Alertmanager left out of the body.
    pub truncated: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAlert {
    /// Position in the body, from 0.
    pub index: usize,
    pub reason: String,
}

#[derive(Debug, Error)]
pub enum DeliveryError {
    #[error("the body is not an Alertmanager webhook")]
    Malformed(#[source] serde_json::Error),
    #[error("version `{0}` of the webhook is not supported; version `4` is")]
    WrongVersion(String),
    #[error("{found} alerts in one body, at most {MAX_ALERTS} are taken; set `max_alerts` in the receiver")]
    TooMany { found: usize },
    #[error("no alert in the body could be read: {0}")]
    NothingReadable(String),
}

impl DeliveryError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_webhook",
            Self::WrongVersion(_) => "wrong_webhook_version",
            Self::TooMany { .. } => "too_many_alerts",
            Self::NothingReadable(_) => "malformed_alert",
        }
    }
}

/// Parses one body. Unknown fields are ignored: Alertmanager adds some every year.
pub fn parse_alertmanager(body: &[u8]) -> Result<Delivery, DeliveryError> {
    let webhook: Webhook = serde_json::from_slice(body).map_err(DeliveryError::Malformed)?;
    if webhook.version != "4" {
        return Err(DeliveryError::WrongVersion(webhook.version));
    }
    if webhook.alerts.len() > MAX_ALERTS {
        return Err(DeliveryError::TooMany {
            found: webhook.alerts.len(),
        });
    }
    let mut alerts = Vec::with_capacity(webhook.alerts.len());
    let mut refused = Vec::new();
    for (index, alert) in webhook.alerts.into_iter().enumerate() {
        match read_alert(alert) {
            Ok(alert) => alerts.push(alert),
            Err(reason) => refused.push(RefusedAlert { index, reason }),
        }
    }
    match refused.first() {
        Some(first) if alerts.is_empty() => Err(DeliveryError::NothingReadable(first.reason.clone())),
        _ => Ok(Delivery {
            group_key: webhook.group_key,
            alerts,
            refused,
            truncated: webhook.truncated_alerts,
        }),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    #[serde(default)]
    version: String,
    #[serde(default)]
    group_key: String,
    #[serde(default)]
    truncated_alerts: u64,
    alerts: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAlert {
    status: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: DateTime<Utc>,
    #[serde(default)]
    ends_at: Option<DateTime<Utc>>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

fn read_alert(alert: Value) -> Result<Alert, String> {
    let bytes = alert.to_string().len();
    if bytes > MAX_ALERT_BYTES {
        return Err(format!(
            "{bytes} bytes are too much for one alert; at most {MAX_ALERT_BYTES} are read"
        ));
    }
    let wire: WireAlert = serde_json::from_value(alert).map_err(|e| e.to_string())?;
    let status = match wire.status.as_str() {
        "firing" => AlertStatus::Firing,
        // A resolved alert without a usable end ended when it was last known to have begun; the journal has our own clock.
        "resolved" => AlertStatus::Resolved {
            ends_at: wire.ends_at.filter(is_a_time).unwrap_or(wire.starts_at),
        },
        other => return Err(format!("status `{other}` is neither `firing` nor `resolved`")),
    };
    let fingerprint_is_plain = !wire.fingerprint.is_empty()
        && wire.fingerprint.len() <= MAX_FINGERPRINT_BYTES
        && wire.fingerprint.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fingerprint_is_plain {
        return Err(format!(
            "fingerprint `{}` is not a plain word",
            wire.fingerprint.escape_debug()
        ));
    }
    let Some(name) = wire.labels.get("alertname").filter(|name| !name.is_empty()).cloned() else {
        return Err("label `alertname` is missing".to_owned());
    };
    Ok(Alert {
        episode: Episode {
            source: Source::Alertmanager,
            fingerprint: wire.fingerprint,
            starts_at: wire.starts_at,
        },
        status,
        name,
        labels: wire.labels,
        annotations: wire.annotations,
        generator_url: Some(wire.generator_url).filter(|url| !url.is_empty()),
    })
}

/// Go's zero time stands for "no time".
fn is_a_time(at: &DateTime<Utc>) -> bool {
    at.timestamp() > 0
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use super::*;
    use serde_json::json;

    fn alert(status: &str, fingerprint: &str) -> Value {
        json!({
            "status": status,
            "labels": {"alertname": "PostgresLockWaits", "cluster": "orders"},
            "annotations": {"summary": "sessions wait"},
            "startsAt": "2026-11-22T10:11:16.94533208Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-22T10:12:00Z" },
            "generatorURL": "http://prometheus/graph",
            "fingerprint": fingerprint,
        })
    }

    fn body(alerts: &[Value]) -> Vec<u8> {
        let body = json!({
            "receiver": "countersign", "status": "firing", "version": "4", "groupKey": "{}:{alertname=\"x\"}",
            "truncatedAlerts": 1, "externalURL": "http://alertmanager", "groupLabels": {}, "commonLabels": {},
            "commonAnnotations": {}, "notification_reason": "first notification", "alerts": alerts,
        });
        serde_json::to_vec(&body).unwrap()
    }

    #[test]
    fn each_alert_keeps_its_own_status_in_a_mixed_body() {
        let delivery = parse_alertmanager(&body(&[alert("firing", "aa"), alert("resolved", "bb")])).unwrap();
        assert!(delivery.alerts[0].is_firing());
        assert!(!delivery.alerts[1].is_firing());
        assert_eq!(delivery.truncated, 1);
    }

    #[test]
    fn the_episode_keeps_every_digit_of_its_start() {
        let delivery = parse_alertmanager(&body(&[alert("firing", "aa")])).unwrap();
        assert_eq!(
            delivery.alerts[0].episode.starts_at.timestamp_subsec_nanos(),
            945_332_080
        );
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let other = br#"{"version":"1","alerts":[]}"#;
        assert_eq!(parse_alertmanager(other).unwrap_err().code(), "wrong_webhook_version");
        let none = br#"{"alerts":[]}"#;
        assert_eq!(parse_alertmanager(none).unwrap_err().code(), "wrong_webhook_version");
    }

    #[test]
    fn one_unreadable_alert_does_not_lose_the_others() {
        let mut odd = alert("firing", "aa");
        odd["status"] = json!("suppressed");
        let delivery = parse_alertmanager(&body(&[odd, alert("firing", "bb")])).unwrap();
        assert_eq!(delivery.alerts.len(), 1);
        assert_eq!(delivery.refused[0].index, 0);
    }

    #[test]
    fn a_body_with_nothing_readable_is_refused() {
        let bad = alert("firing", "../../etc");
        assert_eq!(parse_alertmanager(&body(&[bad])).unwrap_err().code(), "malformed_alert");
    }

    #[test]
    fn a_resolved_alert_without_an_end_ended_when_it_began() {
        let mut odd = alert("resolved", "aa");
        odd["endsAt"] = json!("0001-01-01T00:00:00Z");
        let delivery = parse_alertmanager(&body(&[odd])).unwrap();
        let starts_at = delivery.alerts[0].episode.starts_at;
        assert_eq!(delivery.alerts[0].status, AlertStatus::Resolved { ends_at: starts_at });
    }
}

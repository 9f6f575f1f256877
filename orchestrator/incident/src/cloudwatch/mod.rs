//! Reads a CloudWatch alarm that changed its state, as SNS carries it in a message or EventBridge as an event.
//!
//! Neither says when the alarm that is over began: a change to OK ends whatever its alarm had begun before. A change to
//! INSUFFICIENT_DATA ends nothing: nobody looked.

mod arn;
mod event;
mod message;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use thiserror::Error;

use crate::alert::{Alert, AlertStatus, Episode, Source};
use arn::AlarmArn;

pub use event::parse_alarm_event;
pub use message::parse_alarm_message;

/// One change of one alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmChange {
    /// The alarm's ARN: what an episode of it is known by.
    pub arn: String,
    pub name: String,
    pub state: AlarmState,
    /// `StateChangeTime`. An alarm changes in an order that this gives, whatever the order of the deliveries.
    pub changed_at: DateTime<Utc>,
    /// Its dimensions under their own names, `tag:…` for each tag that was told, and what the ARN says.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// What an alarm changed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    Alarm,
    Ok,
    /// Unknown. It is neither an alarm nor a recovery.
    InsufficientData,
}

#[derive(Debug, Error)]
pub enum AlarmError {
    #[error("this is no state change of a CloudWatch alarm")]
    NotAnAlarm(#[source] serde_json::Error),
    #[error(
        "an event of `{source_name}` with the detail-type `{detail_type}` is no state change of a CloudWatch alarm"
    )]
    OtherEvent { source_name: String, detail_type: String },
    #[error("`{0}` is not the ARN of a CloudWatch alarm")]
    BadArn(String),
    #[error("the alarm is called `{name}`, but its ARN is `{arn}`")]
    OtherName { name: String, arn: String },
    #[error("`{0}` is not a time as CloudWatch writes it")]
    BadTime(String),
}

impl AlarmError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnAlarm(_) | Self::OtherEvent { .. } => "not_an_alarm",
            Self::BadArn(_) => "bad_alarm_arn",
            Self::OtherName { .. } => "alarm_name_differs",
            Self::BadTime(_) => "bad_state_change_time",
        }
    }
}

impl AlarmChange {
    /// The episode that began with this change, which was one to ALARM.
    #[must_use]
    pub fn alert(&self) -> Option<Alert> {
        match self.state {
            AlarmState::Alarm => Some(Alert {
                episode: Episode {
                    source: Source::Cloudwatch,
                    fingerprint: self.arn.clone(),
                    starts_at: self.changed_at,
                },
                status: AlertStatus::Firing,
                name: self.name.clone(),
                labels: self.labels.clone(),
                annotations: self.annotations.clone(),
                generator_url: None,
            }),
            AlarmState::Ok | AlarmState::InsufficientData => None,
        }
    }
}

/// What both ways tell of a change, before it is one.
struct Told<'a> {
    arn: &'a str,
    name: String,
    state: AlarmState,
    changed_at: &'a str,
    metrics: Vec<Metric>,
    tags: BTreeMap<String, String>,
    annotations: [(&'static str, Option<String>); 4],
}

/// A metric that the alarm watches.
struct Metric {
    namespace: Option<String>,
    name: Option<String>,
    dimensions: Vec<(String, String)>,
}

impl Told<'_> {
    fn read(self) -> Result<AlarmChange, AlarmError> {
        let arn = AlarmArn::parse(self.arn).ok_or_else(|| AlarmError::BadArn(shown(self.arn)))?;
        if arn.name != self.name {
            return Err(AlarmError::OtherName {
                name: shown(&self.name),
                arn: shown(self.arn),
            });
        }
        let changed_at = time(self.changed_at).ok_or_else(|| AlarmError::BadTime(shown(self.changed_at)))?;
        let annotations = self.annotations.into_iter();
        let annotations =
            annotations.filter_map(|(key, text)| Some((key.to_owned(), clipped(text.filter(|t| !t.is_empty())?))));
        Ok(AlarmChange {
            labels: labels(&arn, &self.metrics, self.tags),
            arn: self.arn.to_owned(),
            name: self.name,
            state: self.state,
            changed_at,
            annotations: annotations.collect(),
        })
    }
}

/// Whose alarm it is comes last: no dimension and no tag can say otherwise.
fn labels(arn: &AlarmArn<'_>, metrics: &[Metric], tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut split = Vec::new();
    let said = metrics.iter().flat_map(|metric| {
        let own = [("metric", &metric.name), ("namespace", &metric.namespace)];
        let own = own
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        own.chain(metric.dimensions.iter().cloned())
    });
    for (key, value) in said {
        if *labels.entry(key.clone()).or_insert_with(|| value.clone()) != value {
            split.push(key);
        }
    }
    // An alarm over two instances is about neither of them more than the other.
    labels.retain(|key, _| !split.contains(key));
    if let Some(family) = tags.get("alert_family") {
        labels.insert("alert_family".to_owned(), family.clone());
    }
    labels.extend(tags.into_iter().map(|(key, value)| (format!("tag:{key}"), value)));
    for (key, value) in [
        ("alertname", arn.name),
        ("alarm_arn", arn.whole),
        ("account", arn.account),
        ("region", arn.region),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// `2015-06-03T17:43:27.123+0000`: the offset has no colon, which RFC 3339 wants.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    let read = with_offset.or_else(|_| DateTime::parse_from_rfc3339(text)).ok()?;
    Some(read.with_timezone(&Utc))
}

const MAX_ANNOTATION_CHARS: usize = 2_000;
const MAX_SHOWN_CHARS: usize = 200;

fn clipped(text: String) -> String {
    text.chars().take(MAX_ANNOTATION_CHARS).collect()
}

fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests;

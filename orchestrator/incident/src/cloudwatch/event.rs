//! The event that CloudWatch puts on EventBridge's default bus.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{AlarmChange, AlarmError, AlarmState, Metric, Told};

const SOURCE: &str = "aws.cloudwatch";
const DETAIL_TYPE: &str = "CloudWatch Alarm State Change";

/// Reads one event as it was put on the bus, by no input transformer changed.
pub fn parse_alarm_event(body: &[u8]) -> Result<AlarmChange, AlarmError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(AlarmError::NotAnAlarm)?;
    if envelope.source != SOURCE || envelope.detail_type != DETAIL_TYPE {
        return Err(AlarmError::OtherEvent {
            source_name: super::shown(&envelope.source),
            detail_type: super::shown(&envelope.detail_type),
        });
    }
    let detail: Detail = serde_json::from_value(envelope.detail).map_err(AlarmError::NotAnAlarm)?;
    let configuration = detail.configuration.unwrap_or_default();
    let metrics = configuration
        .metrics
        .into_iter()
        .filter_map(|query| Some(query.metric_stat?.metric));
    let metrics = metrics.map(|metric| Metric {
        namespace: metric.namespace,
        name: metric.name,
        dimensions: metric.dimensions.into_iter().collect(),
    });
    let children: Vec<String> = detail.triggering_alarms.into_iter().map(|child| child.arn).collect();
    Told {
        arn: envelope.resources.first().map(String::as_str).unwrap_or_default(),
        name: detail.alarm_name,
        state: detail.state.value,
        changed_at: &detail.state.timestamp,
        metrics: metrics.collect(),
        tags: tags(&detail.alarm_tags),
        annotations: [
            ("summary", configuration.description),
            ("reason", detail.state.reason),
            ("rule", configuration.alarm_rule),
            ("triggered_by", Some(children.join(" "))),
        ],
    }
    .read()
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    source: String,
    #[serde(default, rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    alarm_name: String,
    state: State,
    #[serde(default)]
    configuration: Option<Configuration>,
    #[serde(default)]
    triggering_alarms: Vec<Child>,
    #[serde(default)]
    alarm_tags: Value,
}

#[derive(Deserialize)]
struct State {
    value: AlarmState,
    timestamp: String,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Child {
    arn: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    metrics: Vec<Query>,
    #[serde(default)]
    alarm_rule: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    #[serde(default)]
    metric_stat: Option<Stat>,
}

#[derive(Deserialize)]
struct Stat {
    metric: NamedMetric,
}

#[derive(Deserialize)]
struct NamedMetric {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
}

/// A map, or a list of keys and values: both forms of tags are AWS's.
fn tags(told: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match told {
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
            .collect(),
        Value::Array(list) => {
            let of = |tag: &Value, upper: &str, lower: &str| text(tag.get(upper).or_else(|| tag.get(lower))?);
            let pairs = list
                .iter()
                .filter_map(|tag| Some((of(tag, "Key", "key")?, of(tag, "Value", "value")?)));
            pairs.collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeMap::new(),
    }
}

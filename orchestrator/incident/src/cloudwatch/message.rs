//! The document that CloudWatch publishes to SNS: the text in a notification's `Message`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{AlarmChange, AlarmError, AlarmState, Metric, Told};

/// Reads the text of a message. Unknown fields are ignored: CloudWatch adds some every year.
pub fn parse_alarm_message(text: &str) -> Result<AlarmChange, AlarmError> {
    let message: Message = serde_json::from_str(text).map_err(AlarmError::NotAnAlarm)?;
    let trigger = message.trigger.unwrap_or_default();
    let mut metrics = vec![Metric {
        namespace: trigger.namespace,
        name: trigger.metric_name,
        dimensions: pairs(trigger.dimensions),
    }];
    let of_math = trigger
        .metrics
        .into_iter()
        .filter_map(|query| Some(query.metric_stat?.metric));
    metrics.extend(of_math.map(|metric| Metric {
        namespace: metric.namespace,
        name: metric.metric_name,
        dimensions: pairs(metric.dimensions),
    }));
    let children: Vec<String> = message.triggering_children.into_iter().map(|child| child.arn).collect();
    Told {
        arn: &message.alarm_arn,
        name: message.alarm_name,
        state: message.new_state_value,
        changed_at: &message.state_change_time,
        metrics,
        tags: BTreeMap::new(),
        annotations: [
            ("summary", message.alarm_description),
            ("reason", message.new_state_reason),
            ("rule", message.alarm_rule),
            ("triggered_by", Some(children.join(" "))),
        ],
    }
    .read()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    alarm_name: String,
    #[serde(default)]
    alarm_description: Option<String>,
    alarm_arn: String,
    new_state_value: AlarmState,
    #[serde(default)]
    new_state_reason: Option<String>,
    state_change_time: String,
    #[serde(default)]
    trigger: Option<Trigger>,
    /// Of a composite alarm, which has no trigger.
    #[serde(default)]
    alarm_rule: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    triggering_children: Vec<Child>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    arn: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    #[serde(default)]
    metric_name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    dimensions: Vec<Dimension>,
    /// Of an alarm on metric math or an anomaly band, which has no metric of its own.
    #[serde(default, deserialize_with = "or_nothing")]
    metrics: Vec<Query>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    #[serde(default)]
    metric_stat: Option<Stat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stat {
    metric: NamedMetric,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedMetric {
    #[serde(default)]
    metric_name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    dimensions: Vec<Dimension>,
}

/// In lower case here, unlike in the API.
#[derive(Deserialize)]
struct Dimension {
    #[serde(alias = "Name")]
    name: String,
    #[serde(alias = "Value")]
    value: String,
}

fn pairs(dimensions: Vec<Dimension>) -> Vec<(String, String)> {
    dimensions.into_iter().map(|one| (one.name, one.value)).collect()
}

/// A list that may be null.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

//! One alert as any source tells it: an episode with labels, and the family it belongs to.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An alert after its source's parser has accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    pub episode: Episode,
    pub status: AlertStatus,
    /// The label `alertname`.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_url: Option<String>,
}

/// What makes two deliveries the same alert. A new `starts_at` is a new episode of the same rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    pub source: Source,
    pub fingerprint: String,
    pub starts_at: DateTime<Utc>,
}

/// Who sent the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Alertmanager,
    /// CloudWatch, whether by SNS or by EventBridge: told on both ways, it is one episode.
    Cloudwatch,
}

/// Whether the source still sees the condition. A resolved alert keeps the time at which it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    Firing,
    Resolved { ends_at: DateTime<Utc> },
}

/// Groups alerts of one target into one incident. It never decides what is wrong: one alert name stands for many causes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertFamily(String);

const FAMILY_LABEL: &str = "alert_family";

impl Alert {
    /// The label `alert_family` where the rule's author set it, else the alert's name.
    #[must_use]
    pub fn family(&self) -> AlertFamily {
        AlertFamily::named(self.labels.get(FAMILY_LABEL).unwrap_or(&self.name))
    }

    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }
}

/// Whether every wanted label is there with exactly this value. Nothing wanted matches nothing.
#[must_use]
pub fn has_labels(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

impl AlertFamily {
    /// `PostgresTooManyConnections` and `postgres-too-many-connections` are the same family.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut family = String::with_capacity(name.len() + 4);
        let mut after_lower = false;
        for c in name.chars() {
            if c.is_ascii_alphanumeric() {
                if c.is_ascii_uppercase() && after_lower {
                    family.push('_');
                }
                after_lower = !c.is_ascii_uppercase();
                family.push(c.to_ascii_lowercase());
            } else {
                if !family.ends_with('_') && !family.is_empty() {
                    family.push('_');
                }
                after_lower = false;
            }
        }
        Self(family.trim_end_matches('_').to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alertmanager => "alertmanager",
            Self::Cloudwatch => "cloudwatch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_split_a_family() {
        let camel = AlertFamily::named("PostgresTooManyConnections");
        assert_eq!(camel, AlertFamily::named("postgres-too-many-connections"));
        assert_eq!(camel.as_str(), "postgres_too_many_connections");
    }

    #[test]
    fn runs_of_capitals_stay_one_word() {
        assert_eq!(AlertFamily::named("PGLockWait").as_str(), "pglock_wait");
    }
}

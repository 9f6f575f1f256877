//! What an instance can tell, and why an answer is poorer where it cannot.

use aws_sdk_pi::types::FeatureStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// Calls, latency and rows per statement.
pub const SQL_STATISTICS: &str = "SQL_DIGEST_STATISTICS";

/// What is left out of an answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Degraded {
    pub feature: String,
    pub reason: String,
}

impl Degraded {
    pub fn new(feature: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            feature: feature.into(),
            reason: reason.into(),
        }
    }
}

/// Returns why a feature cannot be used, or `None` if it can.
pub fn reason(status: Option<&FeatureStatus>) -> Option<&'static str> {
    match status {
        Some(FeatureStatus::Enabled | FeatureStatus::DisabledPendingReboot) => None,
        Some(FeatureStatus::Disabled) => Some("it is turned off on this instance"),
        Some(FeatureStatus::Unsupported) => Some("this instance's engine or class does not support it"),
        Some(FeatureStatus::EnabledPendingReboot) => Some("it is turned on, but takes effect only after a reboot"),
        Some(_) => Some("AWS does not know whether it works"),
        None => Some("this instance does not report it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_works_now_is_used() {
        for (status, usable) in [
            ("ENABLED", true),
            ("DISABLED_PENDING_REBOOT", true),
            ("DISABLED", false),
            ("UNSUPPORTED", false),
            ("ENABLED_PENDING_REBOOT", false),
            ("UNKNOWN", false),
            ("SOMETHING_NEW", false),
        ] {
            assert_eq!(reason(Some(&FeatureStatus::from(status))).is_none(), usable, "{status}");
        }
        assert!(reason(None).is_some());
    }
}

//! What the operator decides: the account, the log groups, the budget, the limits. Nothing here is an argument of a tool.

use std::time::Duration;

use aws_telemetry::{Account, AwsFlags, AwsSettings};
use clap::Parser;
use kit::ServeArgs;
use serde::{Deserialize, Serialize};

use crate::{budget::Budget, scope::Scope};

/// CloudWatch Logs over MCP, within an operator's scope and budget
#[derive(Debug, Parser)]
#[command(version)]
pub struct Flags {
    #[command(flatten)]
    pub serve: ServeArgs,
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Log group that may be read, by its exact name; may be repeated
    #[arg(
        long = "log-group",
        value_name = "NAME",
        env = "COUNTERSIGN_LOG_GROUPS",
        value_delimiter = ','
    )]
    pub log_groups: Vec<String>,
}

/// The configuration as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub aws: AwsSettings,
    pub logs: LogsSettings,
    pub budget: BudgetSettings,
    pub limits: LimitSettings,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsSettings {
    /// Exact names, no patterns.
    pub groups: Vec<String>,
    /// Whether the tool `logs_insights_query` is there: queries whose text the caller writes.
    pub free_queries: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// How much one Logs Insights query may scan.
    pub max_query_bytes: u64,
    /// How much all queries of this process may scan together within `session_hours`: the purse of one incident, where a
    /// process serves one.
    pub max_session_bytes: u64,
    /// 1 to 744.
    pub session_hours: u32,
    pub on_estimate_failure: OnEstimateFailure,
    /// What AWS charges per GB scanned in this Region.
    pub usd_per_gb: f64,
}

/// What happens to a query whose size could not be estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEstimateFailure {
    Refuse,
    Allow,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// How long one call may query, its estimate included; 1 to 25.
    pub query_deadline_s: u64,
    /// Logs Insights queries at once; the account has 100 for everyone. 1 to 25.
    pub concurrent_queries: usize,
    /// How many minutes one query may look at; 1 to 1440.
    pub max_minutes: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            max_query_bytes: 5 << 30,
            max_session_bytes: 50 << 30,
            session_hours: 24,
            on_estimate_failure: OnEstimateFailure::Refuse,
            usd_per_gb: 0.005,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            query_deadline_s: 20,
            concurrent_queries: 4,
            max_minutes: 180,
        }
    }
}

impl Settings {
    /// Puts environment and flags on top of the file.
    pub fn overridden_by(self, aws: AwsFlags, log_groups: Vec<String>) -> Self {
        let groups: Vec<String> = log_groups.into_iter().filter(|name| !name.is_empty()).collect();
        let logs = if groups.is_empty() {
            self.logs
        } else {
            LogsSettings { groups, ..self.logs }
        };
        Self {
            aws: self.aws.overridden_by(aws),
            logs,
            ..self
        }
    }
}

/// The configuration as parsed.
#[derive(Debug)]
pub struct Config {
    pub account: Account,
    pub scope: Scope,
    pub budget: Budget,
    pub query_deadline: Duration,
    pub concurrent_queries: usize,
    pub max_minutes: u32,
    pub free_queries: bool,
}

impl Config {
    /// Parses the settings, or returns every fault, each with its key.
    pub fn parse(settings: Settings) -> Result<Self, Vec<String>> {
        let Settings {
            aws,
            logs,
            budget,
            limits,
        } = settings;
        let mut faults = Vec::new();
        let account = Account::parse(aws).map_err(|found| faults.extend(found.iter().map(|f| format!("[aws] {f}"))));
        let scope = Scope::parse(logs.groups).map_err(|found| faults.extend(found));
        if !(budget.usd_per_gb.is_finite() && budget.usd_per_gb >= 0.0) {
            faults.push("[budget] `usd_per_gb` is not a price".to_owned());
        }
        if !(1..=744).contains(&budget.session_hours) {
            faults.push("[budget] `session_hours` is not from 1 to 744".to_owned());
        }
        if !(1..=25).contains(&limits.query_deadline_s) {
            faults.push("[limits] `query_deadline_s` is not from 1 to 25".to_owned());
        }
        if !(1..=25).contains(&limits.concurrent_queries) {
            faults.push("[limits] `concurrent_queries` is not from 1 to 25".to_owned());
        }
        if !(1..=1_440).contains(&limits.max_minutes) {
            faults.push("[limits] `max_minutes` is not from 1 to 1440".to_owned());
        }
        match (account, scope) {
            (Ok(account), Ok(scope)) if faults.is_empty() => Ok(Self {
                account,
                scope,
                budget: Budget::new(&budget),
                query_deadline: Duration::from_secs(limits.query_deadline_s),
                concurrent_queries: limits.concurrent_queries,
                max_minutes: limits.max_minutes,
                free_queries: logs.free_queries,
            }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn all_faults_are_reported_with_their_keys() {
        let settings: Settings = toml::from_str(
            "[aws]\naccount = '1'\n[logs]\ngroups = ['/aws/*']\n[budget]\nusd_per_gb = -1.0\n[limits]\nquery_deadline_s = 60\nmax_minutes = 100000",
        )
        .unwrap();
        let faults = Config::parse(settings).unwrap_err();
        for key in [
            "`account`",
            "`groups`",
            "`usd_per_gb`",
            "`query_deadline_s`",
            "`max_minutes`",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
        }
    }

    #[test]
    fn an_empty_configuration_starts_and_estimates_strictly() {
        let settings = Settings::default();
        assert_eq!(settings.budget.on_estimate_failure, OnEstimateFailure::Refuse);
        assert!(Config::parse(settings).is_ok());
    }
}

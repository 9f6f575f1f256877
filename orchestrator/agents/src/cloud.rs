//! What AWS knows of a target: which questions are asked of its two servers, and the answers as the rules read them.
//!
//! AWS averages over minutes and is minutes late. It shows what SQL cannot, and it bears witness; what SQL sees now it does
//! not overrule.

use incident::MissingEvidence;
use runbooks::Evidence;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::sweep::Probe;
use crate::telemetry::Seen;

pub(crate) const INSIGHTS: &str = "performance-insights";
pub(crate) const LOGS: &str = "cloudwatch-logs";

/// What the target is called there, as the two servers are configured. Without a name nothing is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudNames {
    pub instance: Option<String>,
    pub log_group: Option<String>,
}

/// An incident is looked at while it is young: the last half hour, and for what RDS did, an hour.
const MINUTES: u32 = 30;
const COMPARED_MINUTES: u32 = 15;
const EVENT_MINUTES: u32 = 60;

impl CloudNames {
    /// The questions to AWS. They go beside those to the database, and a diagnosis can do without any of them.
    #[must_use]
    pub fn sweep(&self) -> Vec<Probe> {
        let ask = |server, tool, arguments: Value| Probe {
            server,
            tool,
            arguments: match arguments {
                Value::Object(arguments) => arguments,
                _ => Map::new(),
            },
            required: false,
        };
        let of_instance = self.instance.iter().flat_map(|name| {
            [
                ("compare_windows", COMPARED_MINUTES),
                ("instance_metrics", MINUTES),
                ("instance_events", EVENT_MINUTES),
            ]
            .map(|(tool, minutes)| ask(INSIGHTS, tool, json!({"instance": name, "minutes": minutes})))
        });
        let of_logs = self.log_group.iter().flat_map(|name| {
            [
                "postgres_error_summary",
                "lock_waits_and_deadlocks",
                "connection_failures",
            ]
            .map(|tool| ask(LOGS, tool, json!({"log_group": name, "minutes": MINUTES})))
        });
        of_instance.chain(of_logs).collect()
    }
}

/// What was seen of AWS. A part that was not taken, or could not be read, is `None`: unknown, not calm.
pub(crate) struct Cloud {
    pub compared: Option<Seen<Compared>>,
    pub metrics: Option<Seen<Metrics>>,
    pub events: Option<Seen<Events>>,
    pub errors: Option<Seen<Errors>>,
    pub locks: Option<Seen<LogLocks>>,
    pub failures: Option<Seen<Failures>>,
    /// Questions that got no answer, each with the code of the refusal.
    pub unseen: Vec<(String, String)>,
}

impl Cloud {
    /// `None`: AWS was not asked, and what it might know has no place in the diagnosis.
    pub fn read(evidence: &[Evidence], missing: &[MissingEvidence]) -> Option<Self> {
        let is_cloud = |server: &str| server == INSIGHTS || server == LOGS;
        let unanswered = missing.iter().filter(|one| is_cloud(&one.server));
        let unseen: Vec<_> = unanswered.map(|one| (one.tool.clone(), one.code.clone())).collect();
        if unseen.is_empty() && !evidence.iter().any(|piece| is_cloud(&piece.server)) {
            return None;
        }
        Some(Self {
            compared: newest(evidence, INSIGHTS, "compare_windows"),
            metrics: newest(evidence, INSIGHTS, "instance_metrics"),
            events: newest(evidence, INSIGHTS, "instance_events"),
            errors: newest(evidence, LOGS, "postgres_error_summary"),
            locks: newest(evidence, LOGS, "lock_waits_and_deadlocks"),
            failures: newest(evidence, LOGS, "connection_failures"),
            unseen,
        })
    }

    pub fn metric(&self, name: &str) -> Option<Seen<&Measured>> {
        let seen = self.metrics.as_ref()?;
        let value = seen.value.metrics.iter().find(|measured| measured.metric == name)?;
        Some(Seen {
            id: seen.id.clone(),
            value,
        })
    }

    /// The newest event of this category, and its place.
    pub fn event(&self, category: &str) -> Option<(usize, Seen<&RdsEvent>)> {
        let seen = self.events.as_ref()?;
        let is_of_it = |event: &RdsEvent| event.categories.iter().any(|one| one == category);
        let mut events = seen.value.events.iter().enumerate();
        let (at, value) = events.find(|(_, event)| is_of_it(event))?;
        let id = seen.id.clone();
        Some((at, Seen { id, value }))
    }
}

fn newest<T: DeserializeOwned>(evidence: &[Evidence], server: &str, tool: &str) -> Option<Seen<T>> {
    let mut of_tool = evidence
        .iter()
        .rev()
        .filter(|piece| piece.server == server && piece.tool == tool);
    let piece = of_tool.next()?;
    Some(Seen {
        id: piece.id.clone(),
        value: T::deserialize(&piece.result).ok()?,
    })
}

#[derive(Deserialize)]
pub(crate) struct Compared {
    pub change: Change,
    pub baseline_aas: f64,
    pub incident_aas: f64,
    #[serde(default)]
    pub vcpus: Option<f64>,
    #[serde(default)]
    pub waits: Vec<WaitChange>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    NoData,
    Risen,
    Fallen,
    Same,
}

#[derive(Deserialize)]
pub(crate) struct WaitChange {
    /// As `Lock:transactionid`, or `CPU`.
    pub wait: String,
    pub delta_aas: f64,
    pub share_of_change_pct: f64,
}

impl Compared {
    /// The wait of these that rose most. Changes that are noise are not listed by the server.
    pub fn risen(&self, is: impl Fn(&str) -> bool) -> Option<&WaitChange> {
        let risen = self.waits.iter().filter(|wait| wait.delta_aas > 0.0 && is(&wait.wait));
        risen.max_by(|a, b| a.delta_aas.total_cmp(&b.delta_aas))
    }
}

#[derive(Deserialize)]
pub(crate) struct Metrics {
    pub metrics: Vec<Measured>,
}

#[derive(Deserialize)]
pub(crate) struct Measured {
    pub metric: String,
    pub maximum: f64,
    pub first_quarter: f64,
    pub last_quarter: f64,
}

impl Measured {
    /// At the pace of the time looked at, in how many minutes a level that falls reaches nothing. `None`: it does not fall
    /// by as much as a tenth.
    pub fn minutes_left(&self) -> Option<f64> {
        let fallen = self.first_quarter - self.last_quarter;
        // Between the middles of the first and the last quarter lie three quarters.
        let a_minute = fallen / (f64::from(MINUTES) * 0.75);
        (fallen > self.first_quarter * 0.1 && a_minute > 0.0).then(|| self.last_quarter / a_minute)
    }
}

#[derive(Deserialize)]
pub(crate) struct Events {
    /// Newest first.
    pub events: Vec<RdsEvent>,
}

#[derive(Deserialize)]
pub(crate) struct RdsEvent {
    pub at: String,
    pub categories: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Errors {
    pub errors: Vec<ErrorKind>,
    pub errors_total: u64,
}

#[derive(Deserialize)]
pub(crate) struct ErrorKind {
    pub severity: String,
    pub count: u64,
    pub message: String,
}

#[derive(Deserialize)]
pub(crate) struct LogLocks {
    pub deadlocks_total: u64,
    #[serde(default)]
    pub deadlocks: Vec<Value>,
    pub lock_waits: Vec<LogWait>,
}

#[derive(Deserialize)]
pub(crate) struct LogWait {
    pub waits: u64,
    pub longest_ms: f64,
    #[serde(default)]
    pub holder_pids: Vec<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Failures {
    pub reasons: Vec<ReasonCount>,
    #[serde(default)]
    pub failures: Vec<Failure>,
}

#[derive(Deserialize)]
pub(crate) struct ReasonCount {
    pub reason: String,
    pub count: u64,
}

#[derive(Deserialize)]
pub(crate) struct Failure {
    pub reason: String,
}

impl Failures {
    pub fn count(&self, reasons: &[&str]) -> u64 {
        let counted = self.reasons.iter().filter(|one| reasons.contains(&one.reason.as_str()));
        counted.map(|one| one.count).sum()
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use std::path::Path;

    use super::*;
    use crate::by_model::DIAGNOSIS_TOOLS;
    use crate::causes::REFUSED_LOGINS;

    /// What a server lists, as its own tests hold it.
    fn listed(server: &str) -> Vec<Value> {
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers");
        let text = std::fs::read(servers.join(server).join("tests/tools_list.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn tool(server: &str, name: &str) -> Value {
        let found = listed(server).into_iter().find(|tool| tool["name"] == name);
        found.unwrap_or_else(|| unreachable!("`{server}` has no tool `{name}`"))
    }

    #[test]
    fn every_question_is_one_that_the_server_takes() {
        let names = CloudNames {
            instance: Some("orders".to_owned()),
            log_group: Some("/orders".to_owned()),
        };
        for probe in names.sweep() {
            let schema = tool(probe.server, probe.tool)["inputSchema"].clone();
            for (name, value) in &probe.arguments {
                let property = &schema["properties"][name];
                assert!(property.is_object(), "{}: {name}", probe.tool);
                let most = property["maximum"].as_u64();
                assert!(value.as_u64() <= most || most.is_none(), "{}: {name}", probe.tool);
            }
        }
    }

    #[test]
    fn every_field_that_is_read_is_one_that_the_server_answers_with() {
        for (server, name, fields) in [
            (
                INSIGHTS,
                "compare_windows",
                &[
                    "change",
                    "baseline_aas",
                    "incident_aas",
                    "vcpus",
                    "waits",
                    "wait",
                    "delta_aas",
                    "share_of_change_pct",
                ][..],
            ),
            (
                INSIGHTS,
                "instance_metrics",
                &["metrics", "metric", "maximum", "first_quarter", "last_quarter"],
            ),
            (INSIGHTS, "instance_events", &["events", "at", "categories"]),
            (
                LOGS,
                "postgres_error_summary",
                &["errors", "errors_total", "severity", "count", "message"],
            ),
            (
                LOGS,
                "lock_waits_and_deadlocks",
                &[
                    "deadlocks_total",
                    "deadlocks",
                    "lock_waits",
                    "waits",
                    "longest_ms",
                    "holder_pids",
                ],
            ),
            (LOGS, "connection_failures", &["reasons", "reason", "count", "failures"]),
        ] {
            let schema = tool(server, name)["outputSchema"].to_string();
            for field in fields {
                assert!(schema.contains(&format!("\"{field}\":")), "{name}: {field}");
            }
        }
        let reasons = tool(LOGS, "connection_failures")["outputSchema"].to_string();
        for reason in REFUSED_LOGINS {
            assert!(reasons.contains(&format!("\"{reason}\"")), "{reason}");
        }
    }

    #[test]
    fn every_tool_that_a_model_is_offered_exists_and_takes_no_statement() {
        let of_aws = DIAGNOSIS_TOOLS
            .iter()
            .filter(|(server, _)| *server == INSIGHTS || *server == LOGS);
        for (server, name) in of_aws {
            let properties = tool(server, name)["inputSchema"]["properties"].to_string();
            assert!(
                !properties.contains("\"query\"") && !properties.contains("\"sql\""),
                "{name}: {properties}"
            );
        }
    }
}

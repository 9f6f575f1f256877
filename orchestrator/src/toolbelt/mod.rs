//! The MCP servers that observe, and the evidence taken from them. Every answer that is used is recorded here.

mod call;
mod connect;
mod look;
mod lookup;
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agents::Probe;
use chrono::Utc;
use futures_util::future::join_all;
use incident::{EvidenceNote, MissingEvidence};
use runbooks::{Evidence, Timestamp};
use serde_json::Value;

pub use call::CallError;
pub use server::McpServer;

use crate::config::{Config, TargetSection};

/// All servers of the configuration, started when they are first needed or by [`Toolbelt::start`].
pub struct Toolbelt {
    servers: BTreeMap<String, McpServer>,
}

/// What one sweep brought: bodies, their notes for the journal, and the questions that got no answer.
#[derive(Debug, Default)]
pub struct Taken {
    pub evidence: Vec<Evidence>,
    pub notes: Vec<EvidenceNote>,
    pub missing: Vec<MissingEvidence>,
}

/// A question that was asked, with its answer or why there is none.
pub struct Answered<'p> {
    probe: &'p Probe,
    answer: Result<Value, CallError>,
    took: Duration,
    at: Timestamp,
}

/// Makes evidence of answers, numbered from `first_id`.
pub fn record(answers: Vec<Answered<'_>>, first_id: usize) -> Taken {
    let mut taken = Taken::default();
    for Answered {
        probe,
        answer,
        took,
        at,
    } in answers
    {
        let id = format!("E{}", first_id.saturating_add(taken.evidence.len()));
        let recorded = answer.and_then(|result| {
            Evidence::record(
                id,
                probe.server,
                probe.tool,
                Value::Object(probe.arguments.clone()),
                at,
                result,
            )
            .map_err(|e| CallError::Malformed {
                tool: probe.tool.to_owned(),
                reason: e.to_string(),
            })
        });
        match recorded {
            Ok(evidence) => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                taken.notes.push(EvidenceNote::of(&evidence, took_ms));
                taken.evidence.push(evidence);
            }
            Err(error) => taken.missing.push(MissingEvidence {
                server: probe.server.to_owned(),
                tool: probe.tool.to_owned(),
                code: error.code().to_owned(),
                message: crate::chain(&error),
            }),
        }
    }
    taken
}

impl Taken {
    /// Adds what was taken beside it.
    pub fn extend(&mut self, more: Self) {
        self.evidence.extend(more.evidence);
        self.notes.extend(more.notes);
        self.missing.extend(more.missing);
    }
}

impl Toolbelt {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let servers = config
            .servers
            .iter()
            .map(|(name, section)| (name.clone(), McpServer::new(name, section.clone())));
        Self {
            servers: servers.collect(),
        }
    }

    /// Starts every server at once. One that does not start is tried again when it is needed.
    pub async fn start(&self) -> Vec<(String, Result<(), CallError>)> {
        let starting = self
            .servers
            .values()
            .map(|server| async { (server.name().to_owned(), server.start().await) });
        join_all(starting).await
    }

    pub async fn stop(&self) {
        join_all(self.servers.values().map(McpServer::stop)).await;
    }

    /// Asks all questions in parallel; what has not come by the deadline is missing, and the rest counts.
    pub async fn take(&self, target: &TargetSection, probes: &[Probe], deadline: Duration, first_id: usize) -> Taken {
        record(self.ask_all(target, probes, deadline).await, first_id)
    }

    /// The answers, none of which is evidence yet.
    pub async fn ask_all<'p>(
        &self,
        target: &TargetSection,
        probes: &'p [Probe],
        deadline: Duration,
    ) -> Vec<Answered<'p>> {
        let asked = probes.iter().map(|probe| async move {
            let started = Instant::now();
            let answer = match tokio::time::timeout(deadline, self.ask(target, probe)).await {
                Ok(answer) => answer,
                Err(_) => Err(CallError::TimedOut {
                    tool: probe.tool.to_owned(),
                    after: deadline,
                }),
            };
            Answered {
                probe,
                answer,
                took: started.elapsed(),
                at: Timestamp::from(Utc::now()),
            }
        });
        join_all(asked).await
    }

    /// One question to the target's server of this kind, unrecorded: for readings of the recovery check.
    pub async fn ask_kind(
        &self,
        target: &TargetSection,
        kind: &str,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, CallError> {
        let server = self.of_kind(target, kind)?;
        let arguments = match arguments {
            Value::Object(map) => map,
            _ => serde_json::Map::new(),
        };
        server.call(tool, arguments).await
    }

    async fn ask(&self, target: &TargetSection, probe: &Probe) -> Result<Value, CallError> {
        self.of_kind(target, probe.server)?
            .call(probe.tool, probe.arguments.clone())
            .await
    }

    fn of_kind(&self, target: &TargetSection, kind: &str) -> Result<&McpServer, CallError> {
        let mut named = target.servers.iter().filter_map(|name| self.servers.get(name));
        named
            .find(|server| server.kind() == kind)
            .ok_or_else(|| CallError::NoServer { kind: kind.to_owned() })
    }
}

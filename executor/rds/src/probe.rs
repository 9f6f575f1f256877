//! What became of a call whose answer nobody saw, or that RDS is still working on: told by the state alone.
//!
//! RDS knows no idempotency token. So `NotDone` is said only when the state is as it was, nothing is under way, and so much
//! time has passed that neither the request nor its traces can still be on their way; and what the state cannot tell is
//! `Unknown`, which is for a person to look at.

use chrono::{DateTime, TimeDelta, Utc};
use rds_call::{Change, ClusterId, GroupName, InstanceId, ParameterName, RdsCall};
use serde_json::json;

use crate::ask::Rds;
use crate::before::BeforeImage;
use crate::error::RdsError;
use crate::state::{Event, Weather, weather};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// What it asks for is so.
    Done,
    /// It did not take effect, and will not: it may be made again.
    NotDone,
    /// RDS is at it, or it is too early to tell; to be asked again.
    Pending(String),
    /// The state does not tell. A person must look.
    Unknown { code: &'static str, message: String },
}

impl Rds {
    /// Asks what became of a call that was, or may have been, sent at `since`, the time of its journalled intent. `now` is
    /// the time of the same clock.
    ///
    /// # Errors
    /// When RDS could not be asked.
    pub async fn probe(
        &self,
        call: &RdsCall,
        before: &BeforeImage,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Probe, RdsError> {
        let times = Times { since, now };
        match call {
            RdsCall::ModifyInstance {
                instance,
                change,
                apply_immediately,
            } => {
                self.probe_modify(instance, change, *apply_immediately, before, times)
                    .await
            }
            RdsCall::SetParameter { group, name, value, .. } => {
                self.probe_parameter(group, name, Some(value.as_str()), before, times)
                    .await
            }
            RdsCall::ResetParameter { group, name, .. } => self.probe_parameter(group, name, None, before, times).await,
            RdsCall::RebootInstance { instance } => self.probe_reboot(instance, times).await,
            RdsCall::FailoverCluster { cluster, to } => self.probe_failover(cluster, to.as_ref(), before, times).await,
        }
    }

    async fn probe_modify(
        &self,
        name: &InstanceId,
        change: &Change,
        apply_immediately: bool,
        before: &BeforeImage,
        times: Times,
    ) -> Result<Probe, RdsError> {
        let Some(instance) = self.instance(name.as_str()).await? else {
            return Ok(gone(name.as_str()));
        };
        let asked = change.values();
        let is_pending =
            |name: &str, value: &String| instance.pending.get(name).and_then(Option::as_ref) == Some(value);
        if asked.iter().all(|(name, value)| instance.has(name, value)) {
            return Ok(settled(name.as_str(), &instance.status, Probe::Done));
        }
        if asked
            .iter()
            .all(|(name, value)| instance.has(name, value) || is_pending(name, value))
        {
            // Without `ApplyImmediately` that is all that was asked for: it comes in the next window.
            return Ok(if apply_immediately {
                Probe::Pending(format!("`{name}` has it among its pending modifications"))
            } else {
                Probe::Done
            });
        }
        let is_as_before = asked
            .iter()
            .all(|(name, _)| before.get(name) == Some(&json!(instance.values.get(name))));
        if is_as_before && !asked.iter().any(|(name, _)| instance.pending.contains_key(*name)) {
            let verdict = times.not_done_after(REQUEST);
            // The one state besides `available` that such a call is made in.
            return Ok(if instance.status == "storage-full" {
                verdict
            } else {
                settled(name.as_str(), &instance.status, verdict)
            });
        }
        Ok(changed(name.as_str()))
    }

    async fn probe_parameter(
        &self,
        group: &GroupName,
        name: &ParameterName,
        asked: Option<&str>,
        before: &BeforeImage,
        times: Times,
    ) -> Result<Probe, RdsError> {
        let what = format!("{group}/{name}");
        let Some(parameter) = self.parameter(group.as_str(), name.as_str()).await? else {
            return Ok(gone(&what));
        };
        let is_so = match asked {
            Some(asked) => parameter.is_of_user && parameter.value.as_deref() == Some(asked),
            None => !parameter.is_of_user,
        };
        if is_so {
            let instances = self.instances().await?;
            let applying = instances.iter().find(|instance| {
                let mut groups = instance.groups.iter();
                groups.any(|(name, status)| name == group.as_str() && status == "applying")
            });
            return Ok(match applying {
                Some(instance) => Probe::Pending(format!("`{}` is applying it", instance.name)),
                None => Probe::Done,
            });
        }
        let source = if parameter.is_of_user { "user" } else { "default" };
        let is_as_before =
            before.get("ParameterValue") == Some(&json!(parameter.value)) && before.text("Source") == Some(source);
        Ok(if is_as_before {
            times.not_done_after(REQUEST)
        } else {
            changed(&what)
        })
    }

    /// Neither status nor creation time tell of a restart that is over, so the events do.
    async fn probe_reboot(&self, name: &InstanceId, times: Times) -> Result<Probe, RdsError> {
        let Some(instance) = self.instance(name.as_str()).await? else {
            return Ok(gone(name.as_str()));
        };
        let events = self
            .events("db-instance", name.as_str(), times.since, times.now)
            .await?;
        let restarted = events
            .iter()
            .any(|event| event.message.starts_with("DB instance restarted"));
        let verdict = if restarted {
            Probe::Done
        } else {
            times.not_done_after(EVENT)
        };
        Ok(settled(name.as_str(), &instance.status, verdict))
    }

    async fn probe_failover(
        &self,
        name: &ClusterId,
        to: Option<&InstanceId>,
        before: &BeforeImage,
        times: Times,
    ) -> Result<Probe, RdsError> {
        let Some(cluster) = self.cluster(name.as_str()).await? else {
            return Ok(gone(name.as_str()));
        };
        let (writer, wanted) = (cluster.writer(), to.map(InstanceId::as_str));
        if writer.is_some() && writer != before.text("writer") {
            return Ok(match wanted {
                Some(wanted) if writer != Some(wanted) => Probe::Unknown {
                    code: "state_changed",
                    message: format!(
                        "the writer of `{name}` is now `{}`, neither the old one nor `{wanted}`",
                        writer.unwrap_or_default()
                    ),
                },
                Some(_) | None => settled(name.as_str(), &cluster.status, Probe::Done),
            });
        }
        if writer.is_none() || weather(&cluster.status) != Weather::Settled {
            let between = Probe::Pending(format!("`{name}` has no writer"));
            return Ok(settled(name.as_str(), &cluster.status, between));
        }
        let events = self.events("db-cluster", name.as_str(), times.since, times.now).await?;
        Ok(if events.iter().any(Event::is_of_failover) {
            Probe::Unknown {
                code: "state_changed",
                message: format!("there was a failover of `{name}` since, and the writer is the old one"),
            }
        } else {
            times.not_done_after(EVENT)
        })
    }
}

/// When it was meant to be sent, and when it is asked about.
#[derive(Debug, Clone, Copy)]
struct Times {
    since: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Times {
    fn not_done_after(self, delay: TimeDelta) -> Probe {
        if self.now.signed_duration_since(self.since) >= delay {
            return Probe::NotDone;
        }
        Probe::Pending("nothing has changed yet, and it may still be on its way".to_owned())
    }
}

impl Event {
    fn is_of_failover(&self) -> bool {
        self.categories.iter().any(|category| category == "failover") || self.message.contains("failover")
    }
}

/// Says `verdict` once nothing is under way.
fn settled(name: &str, status: &str, verdict: Probe) -> Probe {
    match weather(status) {
        Weather::Settled => verdict,
        Weather::Busy => Probe::Pending(format!("`{name}` is `{status}`")),
        Weather::Bad => Probe::Unknown {
            code: "rds_not_available",
            message: format!("`{name}` is `{status}`"),
        },
    }
}

fn gone(name: &str) -> Probe {
    Probe::Unknown {
        code: "aws_not_found",
        message: format!("there is no `{name}` any more"),
    }
}

fn changed(name: &str) -> Probe {
    Probe::Unknown {
        code: "state_changed",
        message: format!("`{name}` is neither as it was nor as it was to be: somebody else changed it"),
    }
}

/// A request that a dying process sent arrives within this time or never.
const REQUEST: TimeDelta = TimeDelta::seconds(60);
/// An event is there within this time, as a rule sooner.
const EVENT: TimeDelta = TimeDelta::minutes(5);

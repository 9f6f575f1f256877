//! Steps that are no SQL: calls of services beside the database. Each kind says whether the world is as the plan was made for,
//! makes its call, and can tell afterwards, without having seen the call's end, what became of it.

mod aws;
mod ci;
mod config;
mod git;
mod hcl;

use std::time::Duration;

use runbooks::{Action, Digest, Timestamp};
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(crate) use aws::session;
pub use config::{AwsConfig, GithubConfig, Push, RepositoryConfig};
pub(crate) use config::{parse_aws, parse_repository};

use crate::admission::Admitted;
use crate::config::{Config, TargetConfig};
use crate::executor::Executor;
use crate::marker::{Direction, Mark};
use crate::step::Cause;

/// One call, ready to be made.
pub(crate) enum Remote<'a> {
    Git(git::Change<'a>),
    Ci(Box<ci::Dispatch<'a>>),
    Aws(Box<aws::Call<'a>>),
}

/// For whom a call would be made.
pub(crate) struct Asker<'a> {
    pub(crate) config: &'a Config,
    pub(crate) target: &'a TargetConfig,
    pub(crate) plan: Digest,
    /// Who approved; without one there is nothing but looking.
    pub(crate) approver: Option<&'a str>,
}

/// One step in one direction of one plan: what its traces in a service are found by.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) plan: Digest,
    pub(crate) step: String,
    pub(crate) direction: Direction,
}

/// What became of a call, as far as its caller saw it.
#[derive(Debug)]
pub(crate) enum Sent {
    Accepted,
    /// The service refused it, and did nothing.
    Refused(Cause),
    /// Nobody knows: it is to be asked for.
    Unsure(Cause),
}

/// What a service says of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It took effect, and that effect is complete.
    Done,
    /// It is under way.
    Pending,
    /// It took no effect. Made again, it cannot take effect twice.
    NotDone,
    /// It took effect, and ended as something other than was wanted.
    Failed(Cause),
    /// The service cannot tell.
    Unknown(Cause),
}

/// The service could not be asked at all, for now.
#[derive(Debug)]
pub(crate) struct Away(pub(crate) Cause);

impl<'a> Asker<'a> {
    pub(crate) fn of(executor: &'a Executor, admitted: &'a Admitted<'_>) -> Self {
        Self {
            config: executor.config(),
            target: admitted.target,
            plan: admitted.approved.plan().digest(),
            approver: Some(admitted.approved.approvers().first().map_or(UNNAMED, String::as_str)),
        }
    }
}

impl<'a> Remote<'a> {
    /// Returns the call of a step; `None` for a step that is SQL.
    ///
    /// # Errors
    /// When this executor's configuration does not have what the call goes to.
    pub(crate) fn of(action: &'a Action, asker: &Asker<'a>) -> Option<Result<Self, Cause>> {
        let config = asker.config;
        match action {
            Action::Sql(_) => None,
            Action::AwsRds(action) => Some(aws::Call::new(action, asker).map(|call| Self::Aws(Box::new(call)))),
            Action::GitChange(action) => Some(
                config
                    .repository(&action.repository)
                    .map(|repository| Self::Git(git::Change::new(action, repository, config))),
            ),
            Action::CiDispatch(action) => Some(
                config
                    .repository(&action.repository)
                    .and_then(|repository| ci::Dispatch::new(action, repository))
                    .map(|dispatch| Self::Ci(Box::new(dispatch))),
            ),
        }
    }

    /// Whether the call may be made: the world is as the plan was made for. Changes nothing, and returns what the call is about
    /// to change, as it is.
    pub(crate) async fn ready(&self, key: &Key) -> Result<Result<Value, Cause>, Away> {
        match self {
            Self::Git(change) => change.ready(key).await,
            Self::Ci(dispatch) => dispatch.ready().await,
            Self::Aws(call) => call.ready().await,
        }
    }

    /// Makes the call. Its intent must be journalled, and its marker stand on the target; `since` is the marker's time.
    pub(crate) async fn send(&self, key: &Key, since: Timestamp) -> Sent {
        match self {
            Self::Git(change) => change.send(key, since).await,
            Self::Ci(dispatch) => dispatch.send(key).await,
            Self::Aws(call) => call.send().await,
        }
    }

    /// Asks what became of it. `since`: when the marker was written; `before`: what [`Remote::ready`] returned then; `last`: nobody
    /// will ask again.
    async fn probe(&self, key: &Key, since: Timestamp, before: Option<&Value>, last: bool) -> Result<Probe, Away> {
        match self {
            Self::Git(change) => change.probe(key).await,
            Self::Ci(dispatch) => dispatch.probe(key, since, last).await,
            Self::Aws(call) => call.probe(since, before).await,
        }
    }

    /// Asks until it is no longer under way, or until the time is over. A service raises no event that could be awaited here.
    pub(crate) async fn await_end(
        &self,
        key: &Key,
        since: Timestamp,
        before: Option<&Value>,
        max_wait_s: u32,
    ) -> Result<Probe, Away> {
        let deadline = Instant::now() + Duration::from_secs(u64::from(max_wait_s));
        let mut pause = FIRST_PAUSE;
        loop {
            let last = Instant::now() >= deadline;
            let (seen, away) = match self.probe(key, since, before, last).await {
                Ok(Probe::Pending) => (Probe::Pending, None),
                Ok(end) => return Ok(end),
                Err(away) => (Probe::Pending, Some(away)),
            };
            if last {
                return away.map_or(Ok(seen), Err);
            }
            sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

impl Key {
    pub(crate) fn of(mark: &Mark) -> Self {
        Self {
            plan: mark.plan,
            step: mark.step.clone(),
            direction: mark.direction,
        }
    }

    /// Returns 32 hexadecimal digits that stand for it.
    pub(crate) fn id(&self) -> String {
        let digest = Digest::of(self.to_string().as_bytes()).to_string();
        digest.trim_start_matches("sha256:").chars().take(32).collect()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.plan, self.step, self.direction.name())
    }
}

/// The header by which a token is a password.
fn basic(token: &str) -> String {
    use base64::Engine as _;
    let word = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
    format!("Authorization: Basic {word}")
}

/// A verified token names whoever signed; this stands where it does not.
pub(crate) const UNNAMED: &str = "unnamed";
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);

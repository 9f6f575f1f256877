//! The step kind `aws.rds`: one call of the RDS API, made in a session that may make no other.

use chrono::{DateTime, Utc};
use rds::rds_call::RdsCall;
use rds::{AssumedRole, Base, Identity, Rds, RdsError, Refused, Session, SessionName, SessionPolicy, SourceIdentity};
use runbooks::{AwsRdsAction, Digest, Timestamp};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::config::AwsConfig;
use super::{Asker, Away, Probe, Sent};
use crate::prove::CHANGED;
use crate::step::Cause;

/// One call, and whose session makes it.
pub(crate) struct Call<'a> {
    call: RdsCall,
    aws: &'a AwsConfig,
    plan: Digest,
    /// Who is named to AWS as the source of what is done; nobody, where nothing is done.
    approver: Option<&'a str>,
    rds: OnceCell<Rds>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(action: &AwsRdsAction, asker: &Asker<'a>) -> Result<Self, Cause> {
        let aws = asker.target.aws.as_ref().ok_or_else(|| {
            Cause::new(
                "no_service",
                "this executor's configuration has no `[targets.aws]` for the target of the plan",
            )
        })?;
        let call = RdsCall::parse(&action.operation, &action.parameters)
            .map_err(|error| Cause::new(error.code(), error.to_string()))?;
        Ok(Self {
            call,
            aws,
            plan: asker.plan,
            approver: asker.approver,
            rds: OnceCell::new(),
        })
    }

    /// Returns the values that the call changes, as they are.
    pub(crate) async fn ready(&self) -> Result<Result<Value, Cause>, Away> {
        let rds = self.rds().await.map_err(Away)?;
        match rds.before(&self.call, &self.aws.identity).await {
            Ok(image) => Ok(serde_json::to_value(image).map_err(|error| Cause::new("before_image", error.to_string()))),
            Err(Refused::Rds(error)) => Err(Away(cause(&error))),
            Err(refused) => Ok(Err(Cause::new(refused.code(), crate::chain(&refused)))),
        }
    }

    pub(crate) async fn send(&self) -> Sent {
        let rds = match self.rds().await {
            Ok(rds) => rds,
            Err(cause) => return Sent::Refused(cause),
        };
        match rds.send(&self.call).await {
            Ok(()) => Sent::Accepted,
            Err(error) if error.leaves_doubt() => Sent::Unsure(cause(&error)),
            Err(error) => Sent::Refused(cause(&error)),
        }
    }

    pub(crate) async fn probe(&self, since: Timestamp, before: Option<&Value>) -> Result<Probe, Away> {
        let rds = self.rds().await.map_err(Away)?;
        let Some(image) = before.and_then(|image| serde_json::from_value(image.clone()).ok()) else {
            let message = "the journal has no image of what was there before";
            return Ok(Probe::Unknown(Cause::new("before_image", message)));
        };
        let since = DateTime::from_timestamp(since.unix(), 0).unwrap_or_default();
        let seen = rds.probe(&self.call, &image, since, Utc::now()).await;
        Ok(match seen.map_err(|error| Away(cause(&error)))? {
            rds::Probe::Done => Probe::Done,
            rds::Probe::NotDone => Probe::NotDone,
            rds::Probe::Pending(why) => {
                tracing::debug!(why, "under way");
                Probe::Pending
            }
            rds::Probe::Unknown { code, message } => Probe::Unknown(Cause::new(code, message)),
        })
    }

    /// Assumes the role once for each step and direction: its credentials are gone with it.
    async fn rds(&self) -> Result<&Rds, Cause> {
        self.rds.get_or_try_init(|| self.assume()).await
    }

    async fn assume(&self) -> Result<Rds, Cause> {
        let AwsConfig {
            identity: Identity { place, .. },
            rds,
            ..
        } = self.aws;
        // Without an approval the session can only look.
        let policy = match self.approver {
            Some(_) => SessionPolicy::for_call(&self.call, place),
            None => SessionPolicy::for_looking(&self.call, place),
        };
        let policy = policy.map_err(|error| Cause::new(error.code(), error.to_string()))?;
        let who = self.approver.unwrap_or(PREFLIGHT);
        let session = session(self.aws, &self.plan, who, &policy).await?;
        Ok(Rds::new(rds.clone(), session))
    }
}

/// Opens a session that is named by the plan, for what the policy says and for a quarter of an hour.
pub(crate) async fn session(
    aws: &AwsConfig,
    plan: &Digest,
    approver: &str,
    policy: &SessionPolicy,
) -> Result<Session, Cause> {
    let name = plan.to_string();
    let name = SessionName::of_digest(name.trim_start_matches("sha256:"))
        .ok_or_else(|| Cause::new(CHANGED, "the plan's digest is no session name"))?;
    let base = Base::obtain(&aws.base, aws.identity.place.region())
        .await
        .map_err(|error| cause(&error))?;
    let role = AssumedRole {
        role: &aws.role,
        session_name: &name,
        source_identity: &SourceIdentity::of(approver),
        policy,
    };
    Session::assume(&base, &aws.sts, &role)
        .await
        .map_err(|error| cause(&error))
}

const PREFLIGHT: &str = "preflight";

fn cause(error: &RdsError) -> Cause {
    Cause::new(error.code(), format!("{}; {}", crate::chain(error), error.hint()))
}

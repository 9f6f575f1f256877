//! One role, one session for one call, and the configuration of the target.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use rds::rds_call::{ClusterId, InstanceId, Place, RdsCall};
use rds::{
    AssumedRole, Base, BaseSource, Endpoint, Identity, Rds, RdsError, RoleArn, Session, SessionName, SessionPolicy,
    SourceIdentity,
};
use serde_json::Value;

use crate::support::StandIn;

pub const REGION: &str = "eu-central-1";

pub fn call(operation: &str, parameters: Value) -> RdsCall {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
    RdsCall::parse(operation, &parameters).unwrap()
}

pub fn id(name: &str) -> InstanceId {
    InstanceId::parse(name).unwrap()
}

/// What a configuration says: instances and a cluster with their resource ids.
pub fn identity(account: &str, instances: &[(&str, &str)], cluster: Option<(&str, &str)>) -> Identity {
    Identity {
        place: place(account),
        instances: instances
            .iter()
            .map(|(name, resource)| (id(name), (*resource).to_owned()))
            .collect(),
        cluster: cluster.map(|(name, resource)| (ClusterId::parse(name).unwrap(), resource.to_owned())),
    }
}

pub fn place(account: &str) -> Place {
    Place::new("aws", REGION, account).unwrap()
}

/// The base credentials of an operator, in a credentials file.
pub struct Operator {
    _dir: tempfile::TempDir,
    file: PathBuf,
}

impl Operator {
    pub fn new(key: &str, secret: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let text = format!("[executor]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        std::fs::write(&file, text).unwrap();
        Self { _dir: dir, file }
    }

    pub async fn base(&self) -> Base {
        let source = BaseSource::Profile {
            file: self.file.clone(),
            name: "executor".to_owned(),
        };
        Base::obtain(&source, REGION).await.unwrap()
    }

    /// Assumes the role for one call, as the executor does it.
    pub async fn session(&self, url: &str, account: &str, call: &RdsCall) -> Result<Session, RdsError> {
        let place = place(account);
        let role = AssumedRole {
            role: &RoleArn::parse(&format!("arn:aws:iam::{account}:role/countersign"), &place).unwrap(),
            session_name: &SessionName::of_digest(&"ab".repeat(32)).unwrap(),
            source_identity: &SourceIdentity::of("ana lopez"),
            policy: &SessionPolicy::for_call(call, &place).unwrap(),
        };
        Session::assume(&self.base().await, &endpoint(url), &role).await
    }

    pub async fn rds(&self, url: &str, account: &str, call: &RdsCall) -> Rds {
        Rds::new(endpoint(url), self.session(url, account, call).await.unwrap())
    }
}

pub fn endpoint(url: &str) -> Endpoint {
    Endpoint::at(url, REGION).unwrap()
}

/// The stand-in, and a session there.
pub struct Scripted {
    pub standin: StandIn,
    operator: Operator,
}

impl Scripted {
    pub const ACCOUNT: &str = "123456789012";

    pub fn new(script: Value) -> Self {
        let standin = StandIn::start("rds_standin.py");
        standin.script(script);
        Self {
            standin,
            operator: Operator::new("AKIDEXAMPLE", "operator-secret"),
        }
    }

    pub async fn rds(&self, call: &RdsCall) -> Rds {
        self.operator.rds(&self.standin.url(), Self::ACCOUNT, call).await
    }

    /// As the configuration has it: two instances of three, and their cluster.
    pub fn identity() -> Identity {
        identity(
            Self::ACCOUNT,
            &[("orders-1", "db-ORDERS-1"), ("orders-2", "db-ORDERS-2")],
            Some(("orders", "cluster-ORDERS")),
        )
    }
}

/// The time of an intent that long ago, and now.
pub fn ago(seconds: i64) -> (DateTime<Utc>, DateTime<Utc>) {
    let now = Utc::now();
    (now - TimeDelta::seconds(seconds), now)
}

//! The session policy: what the credentials of one call can do at all, whatever the role may do.

use rds_call::{Permission, Place, RdsCall};
use serde_json::{Value, json};

/// An IAM policy for one session, in plain text. What it does not name is denied to the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy(String);

/// It cannot be a session policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the session policy has {length} characters; STS takes {MAX_LENGTH}")]
    TooLong { length: usize },
    #[error("`{0}` cannot stand in the ARN of a database user")]
    Unnameable(String),
}

impl PolicyError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "policy_too_long",
            Self::Unnameable(_) => "policy_unnameable",
        }
    }
}

impl SessionPolicy {
    /// Makes the policy for one call: its action on its own resources, and the questions before and after it.
    ///
    /// # Errors
    /// When it is longer than STS takes.
    pub fn for_call(call: &RdsCall, place: &Place) -> Result<Self, PolicyError> {
        Self::of(&call.permissions(place))
    }

    /// Makes the policy for the questions of one call, and for nothing that changes anything.
    ///
    /// # Errors
    /// When it is longer than STS takes.
    pub fn for_looking(call: &RdsCall, place: &Place) -> Result<Self, PolicyError> {
        let mut permissions = call.permissions(place);
        for permission in &mut permissions {
            permission.actions.retain(|action| action.starts_with("rds:Describe"));
        }
        permissions.retain(|permission| !permission.actions.is_empty());
        Self::of(&permissions)
    }

    /// Makes the policy for one login with an IAM token: `resource_id` is DbiResourceId, or DbClusterResourceId for Aurora.
    ///
    /// # Errors
    /// When a name cannot stand in an ARN: a `*` would match everyone.
    pub fn for_login(place: &Place, resource_id: &str, user: &str) -> Result<Self, PolicyError> {
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b));
        for name in [resource_id, user] {
            if !plain(name) {
                return Err(PolicyError::Unnameable(name.to_owned()));
            }
        }
        Self::of(&[Permission {
            actions: vec!["rds-db:connect"],
            resources: vec![format!(
                "arn:{}:rds-db:{}:{}:dbuser:{resource_id}/{user}",
                place.partition(),
                place.region(),
                place.account()
            )],
        }])
    }

    fn of(permissions: &[Permission]) -> Result<Self, PolicyError> {
        let statements: Vec<Value> = permissions
            .iter()
            .map(
                |permission| json!({"Effect": "Allow", "Action": permission.actions, "Resource": permission.resources}),
            )
            .collect();
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(PolicyError::TooLong { length });
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// STS's bound for a session policy in plain text.
const MAX_LENGTH: usize = 2_048;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn place() -> Place {
        Place::new("aws", "eu-central-1", "123456789012").unwrap()
    }

    #[test]
    fn the_policy_of_a_call_is_the_call() {
        let parameters = [("DBInstanceIdentifier".to_owned(), json!("orders-1"))].into();
        let call = RdsCall::parse("RebootDBInstance", &parameters).unwrap();
        assert_eq!(
            SessionPolicy::for_call(&call, &place()).unwrap().as_str(),
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:RebootDBInstance","rds:DescribeDBInstances"],"Resource":["arn:aws:rds:eu-central-1:123456789012:db:orders-1"]},{"Effect":"Allow","Action":["rds:DescribeEvents"],"Resource":["*"]}]}"#
        );
    }

    #[test]
    fn a_policy_that_sts_would_not_take_is_an_error() {
        let permission = Permission {
            actions: vec!["rds:DescribeDBInstances"],
            resources: vec!["arn:aws:rds:eu-central-1:123456789012:db:orders".to_owned(); 50],
        };
        let error = SessionPolicy::of(&[permission]).unwrap_err();
        assert_eq!(error.code(), "policy_too_long");
    }

    #[test]
    fn a_login_is_of_one_user_on_one_database() {
        let policy = SessionPolicy::for_login(&place(), "db-ABC", "countersign").unwrap();
        assert!(
            policy
                .as_str()
                .contains("\"arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABC/countersign\"")
        );
        for (resource, user) in [
            ("db-ABC", "*"),
            ("*", "countersign"),
            ("db-ABC", ""),
            ("db-ABC/x", "countersign"),
        ] {
            let error = SessionPolicy::for_login(&place(), resource, user).unwrap_err();
            assert_eq!(error.code(), "policy_unnameable");
        }
    }
}

//! What is asked of STS, and where the base credentials come from.

use rds::rds_call::RdsCall;
use rds::{Base, BaseSource};
use serde_json::{Value, json};

use crate::scene::{REGION, Scripted, call};

fn reboot() -> RdsCall {
    call("RebootDBInstance", json!({"DBInstanceIdentifier": "orders-1"}))
}

/// The stand-in holds the request against the lengths and alphabets of STS's own model.
#[tokio::test]
async fn a_session_is_asked_for_by_plan_approver_and_call_and_for_fifteen_minutes() {
    let scripted = Scripted::new(json!({}));
    drop(scripted.rds(&reboot()).await);
    let (operation, request) = scripted.standin.requests().pop().unwrap();
    assert_eq!(operation, "sts:AssumeRole");
    let field = |name: &str| request.get(name).cloned().unwrap_or(Value::Null);
    assert_eq!(field("DurationSeconds"), 900);
    assert_eq!(field("RoleSessionName"), "ab".repeat(32));
    assert_eq!(field("SourceIdentity"), "ana=20lopez");
    assert_eq!(field("RoleArn"), "arn:aws:iam::123456789012:role/countersign");
    let policy: Value = serde_json::from_str(field("Policy").as_str().unwrap()).unwrap();
    let change = json!({
        "Effect": "Allow",
        "Action": ["rds:RebootDBInstance", "rds:DescribeDBInstances"],
        "Resource": ["arn:aws:rds:eu-central-1:123456789012:db:orders-1"],
    });
    assert_eq!(policy.pointer("/Statement/0"), Some(&change));
    // Nothing else, tags above all.
    assert_eq!(request.as_object().unwrap().len(), 5);
}

#[tokio::test]
async fn a_throttled_sts_is_asked_again() {
    let scripted =
        Scripted::new(json!({"faults": [{"operation": "sts:AssumeRole", "code": "Throttling", "times": 2}]}));
    drop(scripted.rds(&reboot()).await);
    assert_eq!(scripted.standin.count("sts:AssumeRole"), 3);
}

#[tokio::test]
async fn credentials_come_from_the_one_place_that_is_named_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    let text = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = hunter2\n[half]\naws_access_key_id = AKIDEXAMPLE\n";
    std::fs::write(&file, text).unwrap();
    let profile = |file: &std::path::Path, name: &str| BaseSource::Profile {
        file: file.to_owned(),
        name: name.to_owned(),
    };
    assert!(Base::obtain(&profile(&file, "default"), REGION).await.is_ok());
    let nowhere = dir.path().join("nowhere");
    let token = BaseSource::WebIdentity {
        token_file: nowhere.clone(),
        role_arn: "arn:aws:iam::123456789012:role/base".to_owned(),
    };
    for source in [
        profile(&file, "executor"),
        profile(&file, "half"),
        profile(&nowhere, "default"),
        token,
    ] {
        let Err(error) = Base::obtain(&source, REGION).await else {
            panic!("{source:?} gave credentials");
        };
        assert_eq!(error.code(), "aws_no_credentials");
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
        assert!(
            !error.to_string().contains("hunter2") && !error.to_string().contains("AKID"),
            "{error}"
        );
    }
}

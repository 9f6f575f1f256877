//! A session of one call, on an emulator that enforces IAM: it can make that call and no other, whatever the role may do.

use rds::rds_call::RdsCall;
use rds::{Probe, Rds};
use serde_json::json;

use crate::emulator::{ACCOUNT, Emulator};
use crate::scene::{ago, call, identity};

async fn denied(rds: &Rds, call: &RdsCall) -> String {
    let error = rds.send(call).await.unwrap_err();
    assert_eq!(error.code(), "aws_access_denied", "{error}");
    error.to_string()
}

#[tokio::test]
async fn the_session_of_a_call_makes_that_call_and_no_other() {
    let emulator = Emulator::enforcing();
    let operator = emulator.operator();
    let orders = emulator.instance("grown-1", json!({}));
    emulator.instance("payroll", json!({}));
    let identity = identity(ACCOUNT, &[("grown-1", &orders)], None);
    let grow = call(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "grown-1", "AllocatedStorage": 120, "ApplyImmediately": true}),
    );
    let rds = operator.rds(&emulator.url(), ACCOUNT, &grow).await;

    // Another instance, with the very same change; other actions on the same instance.
    let other = call(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "payroll", "AllocatedStorage": 120, "ApplyImmediately": true}),
    );
    let message = denied(&rds, &other).await;
    assert!(message.contains("`rds:ModifyDBInstance`"), "{message}");
    let reboot = call("RebootDBInstance", json!({"DBInstanceIdentifier": "grown-1"}));
    let message = denied(&rds, &reboot).await;
    assert!(message.contains("`rds:RebootDBInstance`"), "{message}");
    let parameter = call(
        "ModifyDBParameterGroup",
        json!({"DBParameterGroupName": "orders-pg16", "ParameterName": "work_mem", "ParameterValue": "1", "ApplyMethod": "immediate"}),
    );
    denied(&rds, &parameter).await;
    let failover = call("FailoverDBCluster", json!({"DBClusterIdentifier": "orders"}));
    denied(&rds, &failover).await;
    assert_eq!(emulator.look("payroll", "AllocatedStorage"), json!(100));
    assert_eq!(emulator.look("grown-1", "DBInstanceStatus"), json!("available"));

    // The planned call goes through, from the look before to the look after.
    let before = rds.before(&grow, &identity).await.unwrap();
    assert_eq!(
        serde_json::to_value(&before).unwrap(),
        json!({"AllocatedStorage": "100"})
    );
    let (since, now) = ago(120);
    assert_eq!(rds.probe(&grow, &before, since, now).await.unwrap(), Probe::NotDone);
    rds.send(&grow).await.unwrap();
    assert_eq!(rds.probe(&grow, &before, since, now).await.unwrap(), Probe::Done);
    assert_eq!(emulator.look("grown-1", "AllocatedStorage"), json!(120));
    assert_eq!(
        rds.before(&grow, &identity).await.unwrap_err().code(),
        "precondition_changed"
    );
}

#[tokio::test]
async fn whoever_may_not_assume_the_role_gets_no_session() {
    let emulator = Emulator::enforcing();
    emulator.operator();
    emulator.admin("iam", "create_user", json!({"UserName": "stranger"}));
    let stranger = emulator.admin("iam", "create_access_key", json!({"UserName": "stranger"}));
    let field = |name: &str| {
        stranger
            .pointer(&format!("/AccessKey/{name}"))
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    let stranger = crate::scene::Operator::new(&field("AccessKeyId"), &field("SecretAccessKey"));
    let reboot = call("RebootDBInstance", json!({"DBInstanceIdentifier": "orders-1"}));
    let session = stranger.session(&emulator.url(), ACCOUNT, &reboot).await;
    assert_eq!(session.err().map(|error| error.code()), Some("aws_access_denied"));
    let forger = crate::scene::Operator::new(&field("AccessKeyId"), "another secret");
    let session = forger.session(&emulator.url(), ACCOUNT, &reboot).await;
    assert_eq!(session.err().map(|error| error.code()), Some("aws_credentials_refused"));
}

#[tokio::test]
async fn a_restart_and_a_failover_are_seen_by_what_they_leave_behind() {
    let emulator = Emulator::enforcing();
    let operator = emulator.operator();
    emulator.admin("rds", "create_db_cluster", json!({"DBClusterIdentifier": "ledger", "Engine": "aurora-postgresql", "MasterUsername": "postgres", "MasterUserPassword": "not-a-secret"}));
    let member = json!({"DBClusterIdentifier": "ledger", "Engine": "aurora-postgresql"});
    let one = emulator.instance("ledger-1", member.clone());
    let two = emulator.instance("ledger-2", member);
    let cluster = emulator.admin("rds", "describe_db_clusters", json!({"DBClusterIdentifier": "ledger"}));
    let cluster = cluster
        .pointer("/DBClusters/0/DbClusterResourceId")
        .unwrap()
        .as_str()
        .unwrap();
    let identity = identity(
        ACCOUNT,
        &[("ledger-1", &one), ("ledger-2", &two)],
        Some(("ledger", cluster)),
    );

    let failover = call(
        "FailoverDBCluster",
        json!({"DBClusterIdentifier": "ledger", "TargetDBInstanceIdentifier": "ledger-2"}),
    );
    let rds = operator.rds(&emulator.url(), ACCOUNT, &failover).await;
    let before = rds.before(&failover, &identity).await.unwrap();
    assert_eq!(serde_json::to_value(&before).unwrap(), json!({"writer": "ledger-1"}));
    let (since, now) = ago(600);
    assert_eq!(rds.probe(&failover, &before, since, now).await.unwrap(), Probe::NotDone);
    rds.send(&failover).await.unwrap();
    assert_eq!(rds.probe(&failover, &before, since, now).await.unwrap(), Probe::Done);
    assert_eq!(
        rds.before(&failover, &identity).await.unwrap_err().code(),
        "not_a_reader"
    );

    let reboot = call("RebootDBInstance", json!({"DBInstanceIdentifier": "ledger-2"}));
    let rds = operator.rds(&emulator.url(), ACCOUNT, &reboot).await;
    let before = rds.before(&reboot, &identity).await.unwrap();
    assert_eq!(rds.probe(&reboot, &before, since, now).await.unwrap(), Probe::NotDone);
    rds.send(&reboot).await.unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let probe = rds.probe(&reboot, &before, since, chrono::Utc::now()).await.unwrap();
        if probe == Probe::Done {
            break;
        }
        assert!(std::time::Instant::now() < end, "{probe:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

//! When a call must not be made, told before it is made, and what RDS itself refuses.

use std::time::Duration;

use rds::rds_call::RdsCall;
use serde_json::{Value, json};

use crate::emulator::{ACCOUNT, Emulator};
use crate::scene::{Scripted, call, identity};

fn grow(gib: u32) -> RdsCall {
    call(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "orders-1", "AllocatedStorage": gib, "ApplyImmediately": true}),
    )
}

fn class(name: &str) -> RdsCall {
    call(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "orders-1", "DBInstanceClass": name, "ApplyImmediately": true}),
    )
}

fn limit(gib: u32) -> RdsCall {
    call(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "orders-1", "MaxAllocatedStorage": gib, "ApplyImmediately": true}),
    )
}

fn reboot(name: &str) -> RdsCall {
    call("RebootDBInstance", json!({"DBInstanceIdentifier": name}))
}

fn failover(to: Option<&str>) -> RdsCall {
    let mut parameters = json!({"DBClusterIdentifier": "orders"});
    if let Some(to) = to {
        *parameters
            .as_object_mut()
            .unwrap()
            .entry("TargetDBInstanceIdentifier")
            .or_insert(Value::Null) = json!(to);
    }
    call("FailoverDBCluster", parameters)
}

fn parameter(name: &str, value: &str, method: &str) -> RdsCall {
    call(
        "ModifyDBParameterGroup",
        json!({"DBParameterGroupName": "orders-pg16", "ParameterName": name, "ParameterValue": value, "ApplyMethod": method}),
    )
}

/// On the emulator, the way it comes about: somebody changes the class for the next window; then the storage is to grow at
/// once, which would change the class at once as well.
#[tokio::test]
async fn a_pending_modification_of_somebody_else_is_not_applied_along_with_the_call() {
    let emulator = Emulator::enforcing();
    let operator = emulator.operator();
    let orders = emulator.instance("pending-1", json!({}));
    let identity = identity(ACCOUNT, &[("pending-1", &orders)], None);
    let grow = || {
        call(
            "ModifyDBInstance",
            json!({"DBInstanceIdentifier": "pending-1", "AllocatedStorage": 120, "ApplyImmediately": true}),
        )
    };
    let pending = |change: Value| {
        let mut parameters = json!({"DBInstanceIdentifier": "pending-1", "ApplyImmediately": false});
        parameters
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        emulator.admin("rds", "modify_db_instance", parameters);
    };
    pending(json!({"DBInstanceClass": "db.r6g.4xlarge"}));
    let rds = operator.rds(&emulator.url(), ACCOUNT, &grow()).await;
    let refused = rds.before(&grow(), &identity).await.unwrap_err();
    assert_eq!(refused.code(), "foreign_pending_modification");
    assert!(refused.to_string().contains("DBInstanceClass"), "{refused}");
    assert!(!refused.to_string().contains("4xlarge"), "{refused}");

    // What the call asks for itself is nothing foreign.
    pending(json!({"AllocatedStorage": 120}));
    rds.before(&grow(), &identity).await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_the_state_is_refused_before_anything_is_sent() {
    let scripted = Scripted::new(json!({}));
    let one = |changes: Value| json!({"instances": {"orders-1": changes}});
    let two = |changes: Value| json!({"instances": {"orders-1": {}, "orders-2": changes}});
    let cases = [
        (json!({"instances": {}}), grow(120), "aws_not_found"),
        (json!({}), reboot("payroll"), "rds_not_configured"),
        (one(json!({"DbiResourceId": "db-ANOTHER"})), grow(120), "wrong_resource"),
        (
            one(json!({"DBInstanceArn": "arn:aws:rds:eu-central-1:210987654321:db:orders-1"})),
            grow(120),
            "wrong_resource",
        ),
        (
            one(json!({"DBInstanceStatus": "modifying"})),
            grow(120),
            "rds_not_available",
        ),
        (one(json!({"DBInstanceStatus": "storage-full"})), grow(120), ""),
        (
            one(json!({"DBInstanceStatus": "storage-full"})),
            class("db.r6g.large"),
            "rds_not_available",
        ),
        (
            one(json!({"PendingModifiedValues": {"MasterUserPassword": "****"}})),
            grow(120),
            "foreign_pending_modification",
        ),
        (
            one(json!({"PendingModifiedValues": {"AllocatedStorage": 130}})),
            grow(120),
            "foreign_pending_modification",
        ),
        (
            one(json!({"PendingModifiedValues": {"ProcessorFeatures": [{"Name": "coreCount", "Value": "2"}]}})),
            class("db.r6g.large"),
            "foreign_pending_modification",
        ),
        (
            one(json!({"PendingModifiedValues": {"DBInstanceClass": "db.r6g.large"}})),
            reboot("orders-1"),
            "foreign_pending_modification",
        ),
        (one(json!({})), grow(99), "storage_smaller"),
        (one(json!({})), grow(109), "storage_step_too_small"),
        (
            one(json!({"AllocatedStorage": 101})),
            grow(111),
            "storage_step_too_small",
        ),
        (one(json!({"AllocatedStorage": 101})), grow(112), ""),
        (one(json!({})), grow(100), "precondition_changed"),
        (
            one(json!({"DBClusterIdentifier": "orders"})),
            grow(120),
            "storage_of_cluster",
        ),
        (one(json!({})), limit(105), "storage_limit_too_small"),
        (one(json!({})), limit(110), ""),
        // The allocated storage as the limit switches autoscaling off, and RDS then shows none.
        (one(json!({"MaxAllocatedStorage": 1000})), limit(100), ""),
        (one(json!({})), limit(100), "precondition_changed"),
        (one(json!({})), class("db.m6g.large"), "precondition_changed"),
        (one(json!({})), class("db.r6g.large"), ""),
        (
            one(json!({"DBInstanceStatus": "rebooting"})),
            reboot("orders-1"),
            "rds_not_available",
        ),
        (two(json!({})), failover(Some("orders-2")), ""),
        (two(json!({})), failover(None), ""),
        (two(json!({})), failover(Some("orders-1")), "not_a_reader"),
        (
            two(json!({"DBInstanceStatus": "rebooting"})),
            failover(Some("orders-2")),
            "rds_not_available",
        ),
        (
            two(json!({"DBInstanceStatus": "rebooting"})),
            failover(None),
            "no_available_reader",
        ),
        (one(json!({})), failover(None), "no_available_reader"),
        (one(json!({})), parameter("work_mem", "8192", "immediate"), ""),
        (
            one(json!({})),
            parameter("max_connections", "300", "pending-reboot"),
            "",
        ),
        (
            one(json!({})),
            parameter("max_connections", "300", "immediate"),
            "parameter_needs_reboot",
        ),
        (
            one(json!({})),
            parameter("max_connections", "200", "pending-reboot"),
            "precondition_changed",
        ),
        (
            one(json!({})),
            parameter("ssl_cipher", "x", "immediate"),
            "parameter_not_modifiable",
        ),
        (one(json!({})), parameter("no_such", "x", "immediate"), "aws_not_found"),
        (
            one(json!({"DBParameterGroups": []})),
            parameter("work_mem", "8192", "immediate"),
            "parameter_group_not_used",
        ),
        (
            json!({"instances": {"orders-1": {}, "orders-2": {}, "payroll": {}}}),
            parameter("work_mem", "8192", "immediate"),
            "parameter_group_shared",
        ),
        (
            one(json!({"DbiResourceId": "db-ANOTHER"})),
            parameter("work_mem", "8192", "immediate"),
            "wrong_resource",
        ),
    ];
    let rds = scripted.rds(&grow(120)).await;
    for (script, call, expected) in cases {
        scripted.standin.script(script.clone());
        let found = rds.before(&call, &Scripted::identity()).await;
        let code = found.as_ref().map_or_else(rds::Refused::code, |_| "");
        assert_eq!(code, expected, "{script} {call:?}: {found:?}");
    }
    scripted.standin.script(json!({"cluster": {"status": "failing-over"}}));
    let found = rds.before(&failover(Some("orders-2")), &Scripted::identity()).await;
    assert_eq!(found.unwrap_err().code(), "rds_not_available");
    // Nothing but questions was asked.
    let asked = scripted.standin.requests();
    let changes = asked
        .iter()
        .filter(|(operation, _)| operation.starts_with("rds:") && !operation.contains(":Describe"));
    assert_eq!(changes.count(), 0, "{asked:?}");
}

#[tokio::test]
async fn what_rds_refuses_has_a_code_and_a_throttled_call_alone_is_made_again() {
    let scripted = Scripted::new(json!({}));
    let call = grow(120);
    let rds = scripted.rds(&call).await;
    let fault = |code: &str, times: u32, status: u16, message: &str| {
        scripted.standin.script(json!({"faults": [
            {"operation": "rds:ModifyDBInstance", "code": code, "times": times, "status": status, "message": message},
        ]}));
    };
    let sent = || scripted.standin.count("rds:ModifyDBInstance");

    fault("Throttling", 2, 400, "Rate exceeded");
    rds.send(&call).await.unwrap();
    assert_eq!(sent(), 3);

    let lately = "You can't currently modify the storage of this DB instance because the previous storage change is being optimized.";
    for (code, status, message, expected, doubt) in [
        (
            "InvalidParameterCombination",
            400,
            lately,
            "aws_storage_changed_lately",
            false,
        ),
        ("StorageQuotaExceeded", 400, "x", "aws_storage_quota", false),
        ("InvalidDBInstanceState", 400, "x", "aws_invalid_state", false),
        ("DBInstanceNotFound", 404, "x", "aws_not_found", false),
        ("ExpiredToken", 403, "x", "aws_session_expired", false),
        ("InternalFailure", 500, "x", "aws_unavailable", true),
    ] {
        let before = sent();
        fault(code, 9, status, message);
        let error = rds.send(&call).await.unwrap_err();
        assert_eq!((error.code(), error.leaves_doubt()), (expected, doubt), "{error}");
        assert_eq!(sent() - before, 1, "{code} was sent again");
    }

    // A question is asked again after what passes.
    scripted.standin.script(json!({"faults": [
        {"operation": "rds:DescribeDBInstances", "code": "InternalFailure", "times": 2, "status": 500},
    ]}));
    rds.before(&call, &Scripted::identity()).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_doubt_and_is_not_asked_for_again() {
    let scripted = Scripted::new(json!({}));
    let call = grow(120);
    let rds = scripted.rds(&call).await.within(Duration::from_millis(500));
    scripted.standin.script(json!({"delay_s": 2}));
    let error = rds.send(&call).await.unwrap_err();
    assert_eq!((error.code(), error.leaves_doubt()), ("aws_no_answer", true));
    assert_eq!(scripted.standin.count("rds:ModifyDBInstance"), 1);

    let url = scripted.standin.url();
    let port = url.rsplit(':').next().unwrap().to_owned();
    let rds = scripted.rds(&call).await;
    drop(scripted);
    let error = rds.send(&call).await.unwrap_err();
    assert_eq!((error.code(), error.leaves_doubt()), ("aws_unreachable", false));
    assert!(!error.to_string().contains(&port));
}

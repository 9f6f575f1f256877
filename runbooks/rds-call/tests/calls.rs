//! The closed set: what is a call, what is none and why, and what each call asks for.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use rds_call::{Place, RdsCall, RdsCallError};
use serde_json::{Value, json};

fn parse(operation: &str, parameters: Value) -> Result<RdsCall, RdsCallError> {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
    RdsCall::parse(operation, &parameters)
}

/// Every operation with all that it may have.
fn good() -> Vec<(&'static str, Value)> {
    vec![
        (
            "ModifyDBInstance",
            json!({"DBInstanceIdentifier": "orders-1", "AllocatedStorage": 120, "ApplyImmediately": true}),
        ),
        (
            "ModifyDBInstance",
            json!({"DBInstanceIdentifier": "orders-1", "AllocatedStorage": 500, "MaxAllocatedStorage": 1000, "Iops": 12_000,
                   "StorageThroughput": 500, "ApplyImmediately": false}),
        ),
        (
            "ModifyDBInstance",
            json!({"DBInstanceIdentifier": "orders-1", "DBInstanceClass": "db.r6g.large", "ApplyImmediately": true}),
        ),
        (
            "ModifyDBParameterGroup",
            json!({"DBParameterGroupName": "orders-pg16", "ParameterName": "work_mem", "ParameterValue": "8192",
                   "ApplyMethod": "immediate"}),
        ),
        (
            "ResetDBParameterGroup",
            json!({"DBParameterGroupName": "orders-pg16", "ParameterName": "rds.force_ssl", "ApplyMethod": "pending-reboot"}),
        ),
        ("RebootDBInstance", json!({"DBInstanceIdentifier": "orders-1"})),
        ("FailoverDBCluster", json!({"DBClusterIdentifier": "orders"})),
        (
            "FailoverDBCluster",
            json!({"DBClusterIdentifier": "orders", "TargetDBInstanceIdentifier": "orders-2"}),
        ),
    ]
}

#[test]
fn every_operation_is_written_as_the_query_protocol_has_it() {
    let forms: Vec<String> = good()
        .into_iter()
        .map(|(operation, parameters)| parse(operation, parameters).unwrap().form())
        .collect();
    let head = |operation: &str| format!("Action={operation}&Version=2014-10-31&");
    assert_eq!(
        forms,
        [
            head("ModifyDBInstance") + "DBInstanceIdentifier=orders-1&AllocatedStorage=120&ApplyImmediately=true",
            head("ModifyDBInstance")
                + "DBInstanceIdentifier=orders-1&AllocatedStorage=500&MaxAllocatedStorage=1000&Iops=12000&StorageThroughput=500&ApplyImmediately=false",
            head("ModifyDBInstance")
                + "DBInstanceIdentifier=orders-1&DBInstanceClass=db.r6g.large&ApplyImmediately=true",
            head("ModifyDBParameterGroup")
                + "DBParameterGroupName=orders-pg16&Parameters.Parameter.1.ParameterName=work_mem&Parameters.Parameter.1.ParameterValue=8192&Parameters.Parameter.1.ApplyMethod=immediate",
            head("ResetDBParameterGroup")
                + "DBParameterGroupName=orders-pg16&ResetAllParameters=false&Parameters.Parameter.1.ParameterName=rds.force_ssl&Parameters.Parameter.1.ApplyMethod=pending-reboot",
            head("RebootDBInstance") + "DBInstanceIdentifier=orders-1&ForceFailover=false",
            head("FailoverDBCluster") + "DBClusterIdentifier=orders",
            head("FailoverDBCluster") + "DBClusterIdentifier=orders&TargetDBInstanceIdentifier=orders-2",
        ]
    );
}

#[test]
fn each_parameter_is_needed_typed_and_bounded_and_no_other_is_known() {
    for (operation, parameters) in good() {
        let given = parameters.as_object().unwrap();
        for name in given.keys() {
            for value in [
                json!(null),
                json!([1]),
                json!({}),
                json!(-1),
                json!(1.5),
                json!("no such thing!\n"),
            ] {
                let mut wrong = parameters.clone();
                *wrong.pointer_mut(&format!("/{name}")).unwrap() = value.clone();
                let error = parse(operation, wrong).unwrap_err();
                // A parameter's value is free text, but of one line.
                assert_eq!(error.parameter(), Some(name.as_str()), "{operation} {value}: {error}");
            }
        }
        let mut more = given.clone();
        more.insert("MasterUserPassword".to_owned(), json!("x"));
        let error = parse(operation, Value::Object(more)).unwrap_err();
        assert_eq!(error.code(), "unknown_parameter", "{error}");
        let required: BTreeSet<&str> = BTreeSet::from([
            "DBInstanceIdentifier",
            "ApplyImmediately",
            "DBParameterGroupName",
            "ParameterName",
            "ParameterValue",
            "ApplyMethod",
            "DBClusterIdentifier",
        ]);
        for name in given.keys().filter(|name| required.contains(name.as_str())) {
            let mut less = given.clone();
            less.remove(name);
            let error = parse(operation, Value::Object(less)).unwrap_err();
            assert_eq!(
                (error.code(), error.parameter()),
                ("missing_parameter", Some(name.as_str()))
            );
        }
    }
}

#[test]
fn what_the_api_would_not_take_or_would_take_otherwise_is_no_call() {
    let modify = |more: Value| {
        let mut parameters = json!({"DBInstanceIdentifier": "orders-1", "ApplyImmediately": true});
        let fields = parameters.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        parse("ModifyDBInstance", parameters).unwrap_err().code()
    };
    assert_eq!(modify(json!({})), "invalid_combination");
    assert_eq!(
        modify(json!({"DBInstanceClass": "db.t3.micro", "AllocatedStorage": 100})),
        "invalid_combination"
    );
    assert_eq!(
        modify(json!({"AllocatedStorage": 100, "MaxAllocatedStorage": 100})),
        "invalid_combination"
    );
    for (name, value) in [
        ("AllocatedStorage", 19_u64),
        ("AllocatedStorage", 65_537),
        ("AllocatedStorage", 4_294_967_396),
        ("Iops", 0),
        ("Iops", 256_001),
        ("StorageThroughput", 124),
        ("StorageThroughput", 4_001),
        ("MaxAllocatedStorage", 65_537),
    ] {
        assert_eq!(modify(json!({name: value})), "out_of_bounds", "{name} {value}");
    }
    for class in ["r6g.large", "db.", "db.r6g.", "db.R6g.large", "db.r6g.large&x=y", "db"] {
        assert_eq!(
            modify(json!({"DBInstanceClass": class})),
            "malformed_parameter",
            "{class}"
        );
    }
    for id in [
        "",
        "1orders",
        "Orders-1",
        "orders--1",
        "orders-",
        "arn:aws:rds:x:1:db:orders",
        "*",
        &"a".repeat(64),
    ] {
        let error = parse("RebootDBInstance", json!({"DBInstanceIdentifier": id})).unwrap_err();
        assert_eq!(error.code(), "malformed_parameter", "{id}");
    }
    let default_group =
        json!({"DBParameterGroupName": "default.postgres16", "ParameterName": "work_mem", "ApplyMethod": "immediate"});
    assert_eq!(
        parse("ResetDBParameterGroup", default_group).unwrap_err().code(),
        "malformed_parameter"
    );
    for operation in ["DeleteDBInstance", "ModifyDBCluster", "modifydbinstance", ""] {
        assert_eq!(parse(operation, json!({})).unwrap_err().code(), "unknown_operation");
    }
}

#[test]
fn a_message_says_which_and_what_instead() {
    let error = parse("RebootDBInstance", json!({"DBInstanceIdentifier": "Orders"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`DBInstanceIdentifier` of RebootDBInstance is `Orders`, not 1 to 63 lower-case letters, digits and single hyphens, \
         beginning with a letter, not ending with a hyphen"
    );
    let error = parse(
        "ModifyDBInstance",
        json!({"DBInstanceIdentifier": "o", "ApplyImmediately": true, "AllocatedStorage": 5}),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`AllocatedStorage` of ModifyDBInstance is 5, not 20 to 65536"
    );
}

#[test]
fn a_change_is_permitted_on_exact_resources_alone() {
    let place = Place::new("aws", "eu-central-1", "123456789012").unwrap();
    for (operation, parameters) in good() {
        let call = parse(operation, parameters).unwrap();
        let permissions = call.permissions(&place);
        let actions: BTreeSet<&str> = permissions.iter().flat_map(|p| p.actions.iter().copied()).collect();
        assert_eq!(actions, call.actions().into_iter().collect(), "{operation}");
        for permission in &permissions {
            let changes = permission
                .actions
                .iter()
                .any(|action| !action.starts_with("rds:Describe"));
            assert!(
                !changes || permission.resources.iter().all(|arn| !arn.contains('*')),
                "{permission:?}"
            );
            assert!(permission.actions.iter().all(|action| !action.contains('*')));
        }
        let changed = call.resources(&place);
        assert!(
            changed
                .iter()
                .all(|arn| arn.starts_with("arn:aws:rds:eu-central-1:123456789012:")),
            "{changed:?}"
        );
    }
    let failover = parse(
        "FailoverDBCluster",
        json!({"DBClusterIdentifier": "orders", "TargetDBInstanceIdentifier": "orders-2"}),
    )
    .unwrap();
    assert_eq!(
        failover.resources(&place),
        [
            "arn:aws:rds:eu-central-1:123456789012:cluster:orders",
            "arn:aws:rds:eu-central-1:123456789012:db:orders-2"
        ]
    );
}

#[test]
fn what_cannot_be_taken_back_says_why() {
    let irreversible: Vec<bool> = good()
        .into_iter()
        .map(|(operation, parameters)| parse(operation, parameters).unwrap().irreversible().is_some())
        .collect();
    assert_eq!(irreversible, [true, true, false, false, false, true, true, true]);
}

#[test]
fn a_place_is_made_of_what_can_stand_in_an_arn() {
    for (partition, region, account) in [
        ("aws:iam", "eu-central-1", "123456789012"),
        ("gcp", "eu-central-1", "123456789012"),
        ("aws", "eu-central-1:*", "123456789012"),
        ("aws", "eucentral", "123456789012"),
        ("aws", "eu-central-1", "*"),
        ("aws", "eu-central-1", "12345678901"),
    ] {
        assert!(
            Place::new(partition, region, account).is_err(),
            "{partition} {region} {account}"
        );
    }
    assert!(Place::new("aws-us-gov", "us-gov-west-1", "123456789012").is_ok());
}

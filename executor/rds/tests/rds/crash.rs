//! After a crash between the intent and the record: the state alone tells what became of the call, or that it cannot tell.

use rds::Probe;
use rds::rds_call::RdsCall;
use serde_json::{Value, json};

use crate::scene::{Scripted, ago, call};

/// What a probe says, with what a message holds left out.
fn word(probe: &Probe) -> &'static str {
    match probe {
        Probe::Done => "done",
        Probe::NotDone => "not done",
        Probe::Pending(_) => "pending",
        Probe::Unknown { code, .. } => code,
    }
}

#[tokio::test]
async fn the_state_says_what_became_of_a_call() {
    let scripted = Scripted::new(json!({"instances": {"orders-1": {}, "orders-2": {}}}));
    let modify = |change: Value, at_once: bool| {
        let mut parameters = json!({"DBInstanceIdentifier": "orders-1", "ApplyImmediately": at_once});
        parameters
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        call("ModifyDBInstance", parameters)
    };
    let grow = || modify(json!({"AllocatedStorage": 120, "Iops": 4000}), true);
    let later = || modify(json!({"DBInstanceClass": "db.r6g.large"}), false);
    let limit = || modify(json!({"MaxAllocatedStorage": 500}), true);
    let reboot = || call("RebootDBInstance", json!({"DBInstanceIdentifier": "orders-1"}));
    let failover = || call("FailoverDBCluster", json!({"DBClusterIdentifier": "orders"}));
    let failover_to = || {
        let parameters = json!({"DBClusterIdentifier": "orders", "TargetDBInstanceIdentifier": "orders-2"});
        call("FailoverDBCluster", parameters)
    };
    let group = |operation: &str, value: Option<&str>| {
        let mut parameters =
            json!({"DBParameterGroupName": "orders-pg16", "ParameterName": "work_mem", "ApplyMethod": "immediate"});
        if let Some(value) = value {
            parameters
                .as_object_mut()
                .unwrap()
                .insert("ParameterValue".to_owned(), json!(value));
        }
        call(operation, parameters)
    };
    let set = || group("ModifyDBParameterGroup", Some("8192"));
    let reset = || group("ResetDBParameterGroup", None);
    let one = |changes: Value| json!({"instances": {"orders-1": changes, "orders-2": {}}});
    let grown = json!({"AllocatedStorage": 120, "Iops": 4000});
    let with = |changes: &Value, status: &str| {
        let mut changes = changes.clone();
        changes
            .as_object_mut()
            .unwrap()
            .insert("DBInstanceStatus".to_owned(), json!(status));
        one(changes)
    };
    let work_mem = |value: &str, source: &str| json!({"parameters": [{"ParameterName": "work_mem", "ParameterValue": value, "Source": source, "ApplyType": "dynamic", "IsModifiable": true}]});
    let writer = |name: &str, status: &str| {
        let members: Value = ["orders-1", "orders-2", "orders-3"]
            .iter()
            .map(|member| ((*member).to_owned(), json!(*member == name)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        json!({"cluster": {"status": status, "members": members}})
    };
    let restarted =
        json!({"events": [["DB instance shutdown", ["availability"]], ["DB instance restarted", ["availability"]]]});

    // Call, seconds since its intent, what there is now, what it means.
    let cases: Vec<(RdsCall, i64, Vec<Value>, &str)> = vec![
        (grow(), 300, vec![one(json!({}))], "not done"),
        (grow(), 5, vec![one(json!({}))], "pending"),
        (
            grow(),
            300,
            vec![one(json!({"DBInstanceStatus": "storage-full"}))],
            "not done",
        ),
        (
            grow(),
            300,
            vec![one(json!({"DBInstanceStatus": "modifying"}))],
            "pending",
        ),
        (
            grow(),
            5,
            vec![one(
                json!({"PendingModifiedValues": {"AllocatedStorage": 120, "Iops": 4000}}),
            )],
            "pending",
        ),
        (
            grow(),
            5,
            vec![one(
                json!({"AllocatedStorage": 120, "PendingModifiedValues": {"Iops": 4000}}),
            )],
            "pending",
        ),
        (grow(), 5, vec![with(&grown, "available")], "done"),
        (grow(), 5, vec![with(&grown, "storage-optimization")], "done"),
        (grow(), 5, vec![with(&grown, "modifying")], "pending"),
        (
            grow(),
            5,
            vec![with(&grown, "incompatible-restore")],
            "rds_not_available",
        ),
        (
            grow(),
            300,
            vec![one(json!({"AllocatedStorage": 200}))],
            "state_changed",
        ),
        (
            grow(),
            300,
            vec![one(json!({"AllocatedStorage": 120}))],
            "state_changed",
        ),
        (
            grow(),
            300,
            vec![one(json!({"PendingModifiedValues": {"AllocatedStorage": 150}}))],
            "state_changed",
        ),
        (
            grow(),
            300,
            vec![json!({"instances": {"orders-2": {}}})],
            "aws_not_found",
        ),
        (
            later(),
            5,
            vec![one(
                json!({"PendingModifiedValues": {"DBInstanceClass": "db.r6g.large"}}),
            )],
            "done",
        ),
        (limit(), 5, vec![one(json!({"MaxAllocatedStorage": 500}))], "done"),
        (limit(), 300, vec![one(json!({}))], "not done"),
        (reboot(), 30, vec![one(json!({})), restarted.clone()], "done"),
        (
            reboot(),
            30,
            vec![one(json!({"DBInstanceStatus": "rebooting"})), restarted],
            "pending",
        ),
        (reboot(), 30, vec![one(json!({})), json!({"events": []})], "pending"),
        (reboot(), 600, vec![one(json!({}))], "not done"),
        (
            reboot(),
            600,
            vec![
                one(json!({})),
                json!({"events": [["Backing up DB instance", ["backup"]]]}),
            ],
            "not done",
        ),
        (
            reboot(),
            600,
            vec![one(json!({"DBInstanceStatus": "stopped"}))],
            "rds_not_available",
        ),
        (
            failover(),
            600,
            vec![one(json!({})), json!({"events": []}), writer("orders-1", "available")],
            "not done",
        ),
        (failover(), 10, vec![writer("orders-1", "available")], "pending"),
        (failover(), 600, vec![writer("orders-1", "failing-over")], "pending"),
        (failover(), 10, vec![writer("orders-2", "available")], "done"),
        (failover(), 10, vec![writer("orders-2", "failing-over")], "pending"),
        (failover_to(), 10, vec![writer("orders-2", "available")], "done"),
        (
            failover_to(),
            10,
            vec![writer("orders-3", "available")],
            "state_changed",
        ),
        (failover(), 600, vec![writer("", "available")], "pending"),
        (
            failover(),
            600,
            vec![
                writer("orders-1", "available"),
                json!({"events": [["Started cross AZ failover to DB instance: orders-2", ["failover"]]]}),
            ],
            "state_changed",
        ),
        (set(), 5, vec![work_mem("8192", "user")], "done"),
        (
            set(),
            5,
            vec![one(
                json!({"DBParameterGroups": [{"DBParameterGroupName": "orders-pg16", "ParameterApplyStatus": "applying"}]}),
            )],
            "pending",
        ),
        (
            set(),
            300,
            vec![one(json!({})), work_mem("4096", "engine-default")],
            "not done",
        ),
        (set(), 5, vec![work_mem("4096", "engine-default")], "pending"),
        (set(), 300, vec![work_mem("9999", "user")], "state_changed"),
        (set(), 300, vec![work_mem("8192", "engine-default")], "state_changed"),
        (reset(), 300, vec![work_mem("4096", "engine-default")], "done"),
    ];
    let rds = scripted.rds(&grow()).await;
    let identity = Scripted::identity();
    for (call, seconds, now, expected) in cases {
        // As it was before: a reset needs something to be reset.
        let is_reset = matches!(call, RdsCall::ResetParameter { .. });
        let parameter = if is_reset {
            work_mem("4097", "user")
        } else {
            work_mem("4096", "engine-default")
        };
        for script in [one(json!({})), json!({"cluster": {}, "events": []}), parameter] {
            scripted.standin.script(script);
        }
        let before = rds.before(&call, &identity).await.unwrap();
        // It goes through the journal.
        let before = serde_json::from_value(serde_json::to_value(before).unwrap()).unwrap();
        for script in &now {
            scripted.standin.script(script.clone());
        }
        let (since, at) = ago(seconds);
        let probe = rds.probe(&call, &before, since, at).await.unwrap();
        assert_eq!(word(&probe), expected, "{call:?} {now:?}: {probe:?}");
    }
}

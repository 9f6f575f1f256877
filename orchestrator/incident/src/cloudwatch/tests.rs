#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders: storage low";

/// As SNS carries it.
fn message() -> Value {
    json!({
        "AlarmName": "orders: storage low", "AlarmDescription": "less than 10 GB", "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-11-01T08:00:00.000+0000", "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 datapoint [1.0E9] was less than the threshold (1.0E10).",
        "StateChangeTime": "2026-11-22T10:11:16.945+0000", "Region": "EU (Frankfurt)", "AlarmArn": ARN, "OldStateValue": "OK",
        "OKActions": [], "AlarmActions": ["arn:aws:sns:eu-central-1:123456789012:databases"], "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "FreeStorageSpace", "Namespace": "AWS/RDS", "StatisticType": "Statistic", "Statistic": "MINIMUM",
            "Unit": null, "Dimensions": [{"value": "orders-1", "name": "DBInstanceIdentifier"}], "Period": 60,
            "EvaluationPeriods": 1, "ComparisonOperator": "LessThanThreshold", "Threshold": 1e10,
            "TreatMissingData": "missing", "EvaluateLowSampleCountPercentile": "",
        },
    })
}

/// As EventBridge carries the same.
fn event() -> Value {
    json!({
        "version": "0", "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92", "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch", "account": "123456789012", "time": "2026-11-22T10:11:17Z", "region": "eu-central-1",
        "resources": [ARN],
        "detail": {
            "alarmName": "orders: storage low",
            "configuration": {"description": "less than 10 GB", "metrics": [{
                "id": "m1", "returnData": true,
                "metricStat": {"metric": {"dimensions": {"DBInstanceIdentifier": "orders-1"}, "name": "FreeStorageSpace", "namespace": "AWS/RDS"}, "period": 60, "stat": "Minimum"},
            }]},
            "previousState": {"value": "OK", "reason": "…", "timestamp": "2026-11-22T09:00:00.000+0000"},
            "state": {"value": "ALARM", "reason": "Threshold Crossed: 1 datapoint [1.0E9] was less than the threshold (1.0E10).", "reasonData": "{}", "timestamp": "2026-11-22T10:11:16.945+0000"},
        },
    })
}

fn of_message(message: &Value) -> Result<AlarmChange, AlarmError> {
    parse_alarm_message(&message.to_string())
}

fn of_event(event: &Value) -> Result<AlarmChange, AlarmError> {
    parse_alarm_event(event.to_string().as_bytes())
}

#[test]
fn both_ways_tell_of_the_same_episode() {
    let (by_sns, by_bus) = (of_message(&message()).unwrap(), of_event(&event()).unwrap());
    assert_eq!(by_sns, by_bus);
    let alert = by_sns.alert().unwrap();
    assert_eq!(alert.episode.fingerprint, ARN);
    assert_eq!(alert.episode.starts_at.to_rfc3339(), "2026-11-22T10:11:16.945+00:00");
    let label = |key: &str| alert.labels.get(key).map(String::as_str);
    assert_eq!(label("DBInstanceIdentifier"), Some("orders-1"));
    assert_eq!(label("metric"), Some("FreeStorageSpace"));
    assert_eq!(
        (label("account"), label("region")),
        (Some("123456789012"), Some("eu-central-1"))
    );
    assert_eq!(alert.annotations["summary"], "less than 10 GB");
}

#[test]
fn neither_ok_nor_unknown_is_an_alert() {
    for (word, state) in [
        ("OK", AlarmState::Ok),
        ("INSUFFICIENT_DATA", AlarmState::InsufficientData),
    ] {
        let mut changed = message();
        changed["NewStateValue"] = json!(word);
        let change = of_message(&changed).unwrap();
        assert_eq!((change.state, change.alert()), (state, None));
    }
}

#[test]
fn a_composite_alarm_has_a_rule_and_children_in_place_of_a_metric() {
    let mut composite = message();
    composite.as_object_mut().unwrap().remove("Trigger");
    composite["AlarmRule"] = json!("ALARM(\"orders latency\") AND NOT ALARM(\"deployment\")");
    let child = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders latency";
    composite["TriggeringChildren"] =
        json!([{"Arn": child, "State": {"Value": "ALARM", "Timestamp": "2026-11-22T10:11:10.000+0000"}}]);
    let alert = of_message(&composite).unwrap().alert().unwrap();
    assert_eq!(alert.annotations["triggered_by"], child);
    assert!(alert.annotations["rule"].starts_with("ALARM("));
    assert!(!alert.labels.contains_key("metric"));

    let mut on_bus = event();
    on_bus["detail"]["configuration"] =
        json!({"alarmRule": "ALARM(\"orders latency\")", "actionsSuppressor": "deployment"});
    on_bus["detail"]["triggeringAlarms"] = json!([{"arn": child, "state": {"value": "ALARM"}}]);
    assert_eq!(of_event(&on_bus).unwrap().annotations["triggered_by"], child);
}

#[test]
fn an_alarm_over_two_instances_has_the_label_of_neither() {
    let stat = |instance: &str, cluster: &str| {
        json!({"Id": "m", "MetricStat": {"Metric": {
        "MetricName": "CPUUtilization", "Namespace": "AWS/RDS",
        "Dimensions": [{"name": "DBInstanceIdentifier", "value": instance}, {"name": "EngineName", "value": cluster}],
    }, "Period": 60, "Stat": "Average"}})
    };
    let mut math = message();
    math["Trigger"] = json!({"Period": 60, "Metrics": [
        {"Id": "e1", "Expression": "m1 + m2"}, stat("orders-1", "postgres"), stat("orders-2", "postgres"),
    ]});
    let labels = of_message(&math).unwrap().labels;
    assert!(!labels.contains_key("DBInstanceIdentifier"), "{labels:?}");
    assert_eq!(labels["EngineName"], "postgres");
}

#[test]
fn whose_alarm_it_is_no_dimension_and_no_tag_can_change() {
    let mut posing = message();
    posing["Trigger"]["Dimensions"] =
        json!([{"name": "account", "value": "999999999999"}, {"name": "alertname", "value": "other"}]);
    assert_eq!(of_message(&posing).unwrap().labels["account"], "123456789012");
    let mut tagged = event();
    tagged["detail"]["alarmTags"] = json!({"region": "us-east-1", "service": "orders", "alert_family": "storage"});
    let alert = of_event(&tagged).unwrap().alert().unwrap();
    assert_eq!(alert.labels["region"], "eu-central-1");
    assert_eq!(alert.labels["tag:service"], "orders");
    assert_eq!(alert.family().as_str(), "storage");
}

#[test]
fn what_is_no_state_change_of_an_alarm_is_refused_by_name() {
    let with = |pointer: &str, value: Value| {
        let mut odd = message();
        *odd.pointer_mut(pointer).unwrap() = value;
        of_message(&odd).unwrap_err().code()
    };
    assert_eq!(with("/NewStateValue", json!("RECOVERED")), "not_an_alarm");
    assert_eq!(
        with("/AlarmArn", json!("arn:aws:rds:eu-central-1:123456789012:db:orders-1")),
        "bad_alarm_arn"
    );
    assert_eq!(with("/AlarmArn", json!(format!("{ARN}\n"))), "bad_alarm_arn");
    assert_eq!(with("/AlarmName", json!("another")), "alarm_name_differs");
    assert_eq!(with("/StateChangeTime", json!("yesterday")), "bad_state_change_time");
    assert_eq!(
        parse_alarm_message("{\"Event Source\": \"db-instance\"}")
            .unwrap_err()
            .code(),
        "not_an_alarm"
    );
    for (key, value) in [
        ("source", "acme.alarms"),
        ("detail-type", "CloudWatch Alarm Configuration Change"),
    ] {
        let mut odd = event();
        odd[key] = json!(value);
        assert_eq!(of_event(&odd).unwrap_err().code(), "not_an_alarm");
    }
}

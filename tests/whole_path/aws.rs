//! From a CloudWatch alarm that SNS delivers to a plan that awaits approval, with AWS's two servers as witnesses.

use std::fs;

use serde_json::{Value, json};

use crate::aws_standins::StandIn;
use crate::fault::IdleBlocker;
use crate::sns::{Signer, TOPIC};
use crate::suite::{Role, Suite, binary};

const LOG_GROUP: &str = "/aws/rds/instance/orders-1/postgresql";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_of_cloudwatch_becomes_a_plan_with_awss_witness() {
    // As RDS sets PostgreSQL's log up; lock waits are told sooner.
    let settings = [
        ("log_line_prefix", "%t:%r:%u@%d:[%p]:"),
        ("log_lock_waits", "on"),
        ("deadlock_timeout", "100ms"),
        ("log_timezone", "UTC"),
    ];
    let mut suite = Suite::new(&settings).await;
    let signer = Signer::sns(suite.dir.path());
    let (insights, logs) = (StandIn::start("pi_standin.py"), StandIn::start("logs_standin.py"));
    configure(&suite, &signer, &insights, &logs);
    suite.start_all();
    let fault = IdleBlocker::provoke(&suite.cluster).await;
    tell_aws(&suite, &insights, &logs);

    let alarm = json!({
        "AlarmName": "orders load", "AWSAccountId": "123456789012", "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-22T10:11:16.945+0000", "Region": "EU (Frankfurt)",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders load",
        "Trigger": {"MetricName": "DBLoad", "Namespace": "AWS/RDS", "Dimensions": [{"value": "orders-1", "name": "DBInstanceIdentifier"}]},
    });
    let delivery = signer.notification(&alarm);
    let status = suite
        .until("the alarm is taken", async |suite| deliver(suite, &delivery).await)
        .await;
    assert_eq!(status, 202);
    suite
        .until("a plan awaits approval", async |suite| {
            let waiting = suite.get("/v1/requests?status=pending").await?;
            (!waiting.as_array()?.is_empty()).then_some(())
        })
        .await;
    // SNS delivers at least once.
    assert_eq!(deliver(&suite, &delivery).await, Some(202));

    let incident = suite.the_incident();
    assert_eq!(
        incident["alerts"][0]["alert"]["episode"]["source"], "cloudwatch",
        "{incident:#}"
    );
    assert_eq!(incident["missing"], json!([]), "{incident:#}");
    assert_eq!(incident["plan"]["draft"]["runbook"], "idle-in-transaction-blocker");
    let taken = incident["evidence"].as_array().unwrap();
    let id = |tool: &str| {
        let of_tool = taken.iter().find(|note| note["tool"] == tool);
        of_tool.unwrap_or_else(|| panic!("{tool} in {taken:#?}"))["id"].clone()
    };
    for tool in ["compare_windows", "instance_metrics", "instance_events"] {
        id(tool);
    }
    for tool in [
        "postgres_error_summary",
        "lock_waits_and_deadlocks",
        "connection_failures",
    ] {
        id(tool);
    }
    // Both bear witness for the cause: the log names the very process, the load what is waited for.
    let best = &incident["findings"]["hypotheses"][0];
    assert_eq!(best["root_cause"], "idle_in_transaction_blocker");
    let cited: Vec<&Value> = best["signals_for"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signal| &signal["evidence"])
        .collect();
    assert!(
        cited.contains(&&id("compare_windows")) && cited.contains(&&id("lock_waits_and_deadlocks")),
        "{best:#}"
    );
    // Nothing was done: people are asked.
    assert!(fault.blocks().await);
}

/// The suite's orchestrator, told of AWS.
fn configure(suite: &Suite, signer: &Signer, insights: &StandIn, logs: &StandIn) {
    let of_aws = |standin: &StandIn| json!({"region": "eu-central-1", "endpoint_url": standin.url()});
    let instance = json!({"dbi_resource_id": "db-ABCDEFGHIJKLMNOPQRSTU1VW2X", "db_instance": "orders-1"});
    for (name, config) in [
        (
            "insights.toml",
            json!({"aws": of_aws(insights), "instances": {"orders": instance}}),
        ),
        (
            "logs.toml",
            json!({"aws": of_aws(logs), "logs": {"groups": [LOG_GROUP]}}),
        ),
    ] {
        fs::write(suite.path(name), toml::to_string(&config).unwrap()).unwrap();
    }
    let server = |program: &str, config: &str| {
        json!({
            "command": [binary(program), "--config", suite.path(config)], "call_timeout_s": 20, "start_timeout_s": 60,
            "env": {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "standin-secret-key",
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"},
        })
    };
    suite.edit(Role::Orchestrator, |config| {
        config["orchestrator"]["observe_within_s"] = json!(60);
        config["alerts"] = json!({"cloudwatch": {"topics": [TOPIC], "certificate_file": signer.certificate}});
        let target = &mut config["targets"][0];
        target["match"] =
            json!([{"cluster": "orders-test"}, {"DBInstanceIdentifier": "orders-1", "account": "123456789012"}]);
        target["aws"] = json!({"instance": "orders", "log_group": LOG_GROUP});
        target["servers"]
            .as_array_mut()
            .unwrap()
            .extend([json!("performance-insights"), json!("cloudwatch-logs")]);
        config["servers"]["performance-insights"] = server("performance-insights", "insights.toml");
        config["servers"]["cloudwatch-logs"] = server("cloudwatch-logs", "logs.toml");
    });
}

/// What AWS knows: PostgreSQL's own log as it stands, and an instance that lacks nothing but progress.
fn tell_aws(suite: &Suite, insights: &StandIn, logs: &StandIn) {
    insights.script(json!({"cloudwatch": {"FreeStorageSpace": [5e10, 5e10, 5e10]}, "events": []}));
    let mut entries: Vec<String> = Vec::new();
    for line in suite.cluster.log().lines() {
        // CloudWatch keeps an entry of several lines as one.
        match entries.last_mut() {
            Some(entry) if line.starts_with('\t') => entry.push_str(&format!("\n{line}")),
            _ => entries.push(line.to_owned()),
        }
    }
    assert!(
        entries.iter().any(|line| line.contains("still waiting for")),
        "{entries:#?}"
    );
    let at_ms = chrono::Utc::now().timestamp_millis() - 30_000;
    let events: Vec<Value> = entries
        .iter()
        .zip(at_ms..)
        .map(|(text, at_ms)| json!({"group": LOG_GROUP, "stream": "orders-1.0", "at_ms": at_ms, "text": text}))
        .collect();
    logs.script(json!({"groups": [LOG_GROUP], "events": events}));
}

async fn deliver(suite: &Suite, envelope: &Value) -> Option<u16> {
    let url = format!("http://127.0.0.1:{}/v1/alerts/cloudwatch", suite.intake_port);
    let request = reqwest::Client::new()
        .post(url)
        .header("x-amz-sns-message-type", "Notification")
        .header("content-type", "text/plain; charset=UTF-8")
        .body(envelope.to_string());
    Some(request.send().await.ok()?.status().as_u16())
}

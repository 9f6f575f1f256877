//! Posts the alert to the orchestrator's own intake, as Alertmanager would.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{SecondsFormat, Utc};
use runbooks::Digest;
use serde_json::{Value, json};

use super::configs::CLUSTER_LABEL;
use super::faults::Scenario;

pub(super) async fn post(address: SocketAddr, bearer: &str, scenario: Scenario) -> Result<Value> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .context("no HTTP client")?;
    let answer = http
        .post(format!("http://{address}/v1/alerts/alertmanager"))
        .bearer_auth(bearer)
        .json(&body(scenario))
        .send()
        .await
        .context("the alert could not be delivered")?;
    let status = answer.status();
    let told: Value = answer.json().await.context("the intake's answer is not JSON")?;
    ensure!(
        status == reqwest::StatusCode::ACCEPTED,
        "the intake answered {status}: {told}"
    );
    Ok(told)
}

fn body(scenario: Scenario) -> Value {
    let labels = json!({
        "alertname": scenario.alert(), "cluster": CLUSTER_LABEL, "instance": "db-1", "severity": "critical",
    });
    let digest = Digest::of(labels.to_string().as_bytes()).hex();
    let fingerprint = digest.get(..16).unwrap_or(&digest);
    let annotations = json!({"summary": scenario.about()});
    let alert = json!({
        "status": "firing", "labels": labels, "annotations": annotations, "fingerprint": fingerprint,
        "startsAt": Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true),
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example/graph",
    });
    json!({
        "version": "4", "receiver": "countersign", "status": "firing", "truncatedAlerts": 0,
        "groupKey": format!("{{}}:{{alertname=\"{}\"}}", scenario.alert()), "groupLabels": {"alertname": scenario.alert()},
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "http://alertmanager.example",
        "notification_reason": "first notification", "alerts": [alert],
    })
}

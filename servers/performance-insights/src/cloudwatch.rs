//! GetMetricData of CloudWatch for AWS/RDS, as one signed call.

use std::collections::HashMap;

use aws_telemetry::{Refusal, Session, SignedCall, Window};
use chrono::{DateTime, Utc};
use kit::ToolError;
use serde::Deserialize;
use serde_json::json;

use crate::period::Period;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    metric_data_results: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    id: String,
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    values: Vec<f64>,
}

/// Returns the averages of each of `metrics` over the periods of `window`, in the order of time.
pub async fn averages<'m>(
    session: &Session,
    db_instance: &str,
    window: Window,
    metrics: &[&'m str],
) -> Result<HashMap<&'m str, Vec<(DateTime<Utc>, f64)>>, ToolError> {
    let queries: Vec<_> = metrics
        .iter()
        .enumerate()
        .map(|(at, name)| {
            json!({
                "Id": format!("m{at}"),
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/RDS",
                        "MetricName": name,
                        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": db_instance}],
                    },
                    "Period": Period::fitting(window).seconds(),
                    "Stat": "Average",
                },
            })
        })
        .collect();
    let call = SignedCall {
        service: "monitoring",
        operation: "GetMetricData",
        content_type: "application/x-amz-json-1.0",
        target: Some("GraniteServiceVersion20100801.GetMetricData"),
        body: json!({
            "StartTime": window.from.timestamp(),
            "EndTime": window.to.timestamp(),
            "ScanBy": "TimestampAscending",
            "MetricDataQueries": queries,
        })
        .to_string(),
    };
    let answer: Answer = serde_json::from_str(&session.call(&call).await?)
        .map_err(|_| Refusal::UnexpectedAnswer.error("the answer to GetMetricData could not be read"))?;
    let mut series = HashMap::new();
    for (at, name) in metrics.iter().enumerate() {
        let id = format!("m{at}");
        let Some(found) = answer.metric_data_results.iter().find(|found| found.id == id) else {
            continue;
        };
        let points = found.timestamps.iter().zip(&found.values).filter_map(|(at, value)| {
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds; `as` saturates")]
            let at = DateTime::from_timestamp(*at as i64, 0)?;
            value.is_finite().then_some((at, *value))
        });
        series.insert(*name, points.collect());
    }
    Ok(series)
}

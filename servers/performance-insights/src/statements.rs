//! Reads what the API says about statements: their load, what they wait for, how often and how fast they run.

use std::collections::HashMap;

use aws_sdk_pi::{
    Client, operation::describe_dimension_keys::DescribeDimensionKeysOutput, types::DimensionKeyDescription,
};
use aws_telemetry::{Scrubber, Window};
use kit::ToolError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api,
    features::{self, SQL_STATISTICS},
    instances::Instance,
    load::{join_wait, two_digits},
};

const CALLS: &str = "db.sql_tokenized.stats.calls_per_sec.avg";
const LATENCY: &str = "db.sql_tokenized.stats.avg_latency_per_call.avg";
const ROWS: &str = "db.sql_tokenized.stats.rows_per_call.avg";
/// The API cuts every text at this length.
const API_TEXT_BYTES: usize = 500;

/// One digest: the statements that differ only in literals.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlLoad {
    pub digest_id: String,
    /// With literals replaced, scrubbed.
    pub text: String,
    pub text_cut: bool,
    /// Average active sessions.
    pub aas: f64,
    /// What it waits for, largest first.
    pub waits: Vec<SqlWait>,
    pub calls_per_s: Option<f64>,
    pub latency_ms_per_call: Option<f64>,
    pub rows_per_call: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SqlWait {
    pub wait: String,
    pub aas: f64,
}

/// The digests of one window, most load first.
#[derive(Debug, Clone, PartialEq)]
pub struct Statements {
    pub all: Vec<SqlLoad>,
    /// There may be more, each with no more load than the last.
    pub truncated: bool,
}

/// Which statistics can be asked for, or why none. Not knowing is a reason: asking in vain would refuse the whole answer.
pub async fn statistics(client: &Client, instance: &Instance) -> Result<Vec<String>, String> {
    match api::metadata(client, instance).await {
        Ok(metadata) => {
            let feature = metadata.features().and_then(|features| features.get(SQL_STATISTICS));
            match features::reason(feature.and_then(|feature| feature.status())) {
                Some(reason) => Err(reason.to_owned()),
                None => Ok([CALLS, LATENCY, ROWS].map(str::to_owned).to_vec()),
            }
        }
        Err(error) => Err(format!("the instance's features are unknown: {}", error.message)),
    }
}

/// Reads the `limit` digests with most load.
pub async fn read(
    client: &Client,
    instance: &Instance,
    window: Window,
    limit: i32,
    statistics: Option<Vec<String>>,
    scrubber: &mut Scrubber,
) -> Result<Statements, ToolError> {
    let found = api::top_sql(client, instance, window, limit, statistics).await?;
    Ok(Statements::of(&found, limit, scrubber))
}

impl Statements {
    fn of(found: &DescribeDimensionKeysOutput, limit: i32, scrubber: &mut Scrubber) -> Self {
        let waits: Vec<String> = found
            .partition_keys()
            .iter()
            .map(|key| wait(key.dimensions(), scrubber))
            .collect();
        let all: Vec<SqlLoad> = found
            .keys()
            .iter()
            .map(|key| SqlLoad::of(key, &waits, scrubber))
            .collect();
        Self {
            truncated: found.next_token().is_some() || i32::try_from(all.len()).is_ok_and(|n| n >= limit),
            all,
        }
    }
}

impl SqlLoad {
    fn of(key: &DimensionKeyDescription, waits: &[String], scrubber: &mut Scrubber) -> Self {
        let part = |name: &str| {
            key.dimensions()
                .and_then(|all| all.get(name))
                .map(String::as_str)
                .unwrap_or_default()
        };
        let statistic = |name: &str| {
            let value = key.additional_metrics().and_then(|all| all.get(name)).copied();
            value.filter(|value| value.is_finite()).map(two_digits)
        };
        let text = part("db.sql_tokenized.statement");
        let mut by_wait: Vec<SqlWait> = waits
            .iter()
            .zip(key.partitions())
            .filter(|(_, aas)| aas.is_finite() && **aas > 0.0)
            .map(|(wait, aas)| SqlWait {
                wait: wait.clone(),
                aas: two_digits(*aas),
            })
            .collect();
        by_wait.sort_by(|a, b| b.aas.total_cmp(&a.aas));
        Self {
            digest_id: scrubber.line(part("db.sql_tokenized.id"), 100),
            text: scrubber.statement(text, API_TEXT_BYTES),
            // A character of up to four bytes that would not fit whole is left out whole.
            text_cut: text.len() + 3 >= API_TEXT_BYTES,
            aas: key.total().filter(|aas| aas.is_finite()).unwrap_or_default(),
            waits: by_wait,
            calls_per_s: statistic(CALLS),
            latency_ms_per_call: statistic(LATENCY),
            rows_per_call: statistic(ROWS),
        }
    }
}

fn wait(dimensions: &HashMap<String, String>, scrubber: &mut Scrubber) -> String {
    let part = |name: &str| dimensions.get(name).map(String::as_str).unwrap_or_default();
    join_wait(part("db.wait_event.type"), part("db.wait_event.name"), scrubber)
}

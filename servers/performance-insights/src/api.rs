//! The four read operations of the API that the tools use. Its write operations are not called anywhere.

use std::collections::BTreeMap;

use aws_sdk_pi::{
    Client,
    operation::{
        describe_dimension_keys::DescribeDimensionKeysOutput, get_resource_metadata::GetResourceMetadataOutput,
    },
    primitives::DateTime as SdkDateTime,
    types::{DataPoint, DimensionGroup, MetricKeyDataPoints, MetricQuery, ServiceType},
};
use aws_telemetry::{Refusal, Window, refused};
use chrono::{DateTime, Utc};
use kit::ToolError;

use crate::{instances::Instance, period::Period};

/// The API shows at most 25 items a page.
const MAX_PAGES: usize = 20;
pub const LOAD: &str = "db.load.avg";
pub const VCPUS: &str = "os.general.numVCPUs.avg";

/// One metric, whole or for one value of a dimension, over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub points: Vec<(DateTime<Utc>, f64)>,
}

/// Returns the series of `queries`, gathered over all pages.
pub async fn series(
    client: &Client,
    instance: &Instance,
    window: Window,
    period: Period,
    queries: Vec<MetricQuery>,
) -> Result<Vec<Series>, ToolError> {
    let mut all: Vec<Series> = Vec::new();
    let mut token = None;
    for _ in 0..MAX_PAGES {
        let answer = client
            .get_resource_metrics()
            .service_type(ServiceType::Rds)
            .identifier(instance.resource_id())
            .start_time(sdk_time(window.from))
            .end_time(sdk_time(window.to))
            .period_in_seconds(period.seconds())
            .set_metric_queries(Some(queries.clone()))
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|error| refused("GetResourceMetrics", &error))?;
        for found in answer.metric_list() {
            merge(&mut all, found);
        }
        match answer.next_token {
            None => return Ok(all),
            next if next == token => break,
            next => token = next,
        }
    }
    Err(Refusal::UnexpectedAnswer
        .error("the load came in more pages than it should")
        .hint("ask for fewer minutes"))
}

/// Returns the statements that load the instance most, each split by what it waits for.
pub async fn top_sql(
    client: &Client,
    instance: &Instance,
    window: Window,
    limit: i32,
    statistics: Option<Vec<String>>,
) -> Result<DescribeDimensionKeysOutput, ToolError> {
    let by_wait = group("db.wait_event", 3)?;
    client
        .describe_dimension_keys()
        .service_type(ServiceType::Rds)
        .identifier(instance.resource_id())
        .start_time(sdk_time(window.from))
        .end_time(sdk_time(window.to))
        .metric(LOAD)
        .group_by(group("db.sql_tokenized", limit)?)
        .partition_by(by_wait)
        .set_additional_metrics(statistics)
        .send()
        .await
        .map_err(|error| refused("DescribeDimensionKeys", &error))
}

/// Returns the values of the group `by` with most load, each split by `split`.
pub async fn load_by(
    client: &Client,
    instance: &Instance,
    window: Window,
    by: DimensionGroup,
    split: Option<DimensionGroup>,
) -> Result<DescribeDimensionKeysOutput, ToolError> {
    client
        .describe_dimension_keys()
        .service_type(ServiceType::Rds)
        .identifier(instance.resource_id())
        .start_time(sdk_time(window.from))
        .end_time(sdk_time(window.to))
        .metric(LOAD)
        .group_by(by)
        .set_partition_by(split)
        .send()
        .await
        .map_err(|error| refused("DescribeDimensionKeys", &error))
}

/// Returns the names of the metrics that the instance has, of the given kinds (`os`, `db`).
pub async fn available_metrics(
    client: &Client,
    instance: &Instance,
    kinds: &[&str],
) -> Result<BTreeMap<String, String>, ToolError> {
    let mut names = BTreeMap::new();
    let mut token = None;
    for _ in 0..MAX_PAGES {
        let answer = client
            .list_available_resource_metrics()
            .service_type(ServiceType::Rds)
            .identifier(instance.resource_id())
            .set_metric_types(Some(kinds.iter().map(|kind| (*kind).to_owned()).collect()))
            .max_results(25)
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|error| refused("ListAvailableResourceMetrics", &error))?;
        for metric in answer.metrics() {
            if let Some(name) = metric.metric() {
                names.insert(name.to_owned(), metric.unit().unwrap_or_default().to_owned());
            }
        }
        match answer.next_token {
            None => break,
            next if next == token => break,
            next => token = next,
        }
    }
    Ok(names)
}

pub async fn metadata(client: &Client, instance: &Instance) -> Result<GetResourceMetadataOutput, ToolError> {
    client
        .get_resource_metadata()
        .service_type(ServiceType::Rds)
        .identifier(instance.resource_id())
        .send()
        .await
        .map_err(|error| refused("GetResourceMetadata", &error))
}

pub fn group(name: &str, limit: i32) -> Result<DimensionGroup, ToolError> {
    DimensionGroup::builder()
        .group(name)
        .limit(limit)
        .build()
        .map_err(|_| incomplete())
}

pub fn query(metric: &str, by: Option<DimensionGroup>) -> Result<MetricQuery, ToolError> {
    MetricQuery::builder()
        .metric(metric)
        .set_group_by(by)
        .build()
        .map_err(|_| incomplete())
}

fn incomplete() -> ToolError {
    Refusal::InvalidRequest.error("a request could not be built")
}

fn merge(all: &mut Vec<Series>, found: &MetricKeyDataPoints) {
    let Some(key) = found.key() else {
        return;
    };
    let dimensions = key
        .dimensions()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let points = found.data_points().iter().filter_map(point);
    match all
        .iter_mut()
        .find(|series| series.metric == key.metric() && series.dimensions == dimensions)
    {
        Some(known) => known.points.extend(points),
        None => all.push(Series {
            metric: key.metric().to_owned(),
            dimensions,
            points: points.collect(),
        }),
    }
}

/// A period without samples has no number.
fn point(point: &DataPoint) -> Option<(DateTime<Utc>, f64)> {
    let at = DateTime::from_timestamp(point.timestamp().secs(), point.timestamp().subsec_nanos())?;
    point.value().is_finite().then(|| (at, point.value()))
}

fn sdk_time(at: DateTime<Utc>) -> SdkDateTime {
    SdkDateTime::from_secs(at.timestamp())
}

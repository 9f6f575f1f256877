//! Asks AWS, free of charge, how much a query would scan.

use aws_sdk_cloudwatchlogs::Client;
use aws_telemetry::Refusal;
use kit::{CallContext, ToolError};
use tokio::time::Instant;

use super::{Insights, Query, Row};
use crate::free_query::Language;

/// Returns how many bytes `query` would scan.
///
/// What a query scans is decided by its groups and its time range, so only its selecting part is estimated: whether
/// `estimate` may stand behind an aggregation is not documented.
pub async fn estimate(
    insights: &Insights,
    client: &Client,
    selecting: Query,
    until: Instant,
    call: &CallContext,
) -> Result<u64, ToolError> {
    let query = Query {
        language: Language::LogsInsights,
        text: format!("{}\n| estimate", selecting.text.trim_end()),
        ..selecting
    };
    let answer = insights.run(client, query, until, call).await;
    let answer = answer.map_err(|failed| failed.error)?;
    if answer.stopped.is_some() {
        return Err(Refusal::UnexpectedAnswer.error("the estimate did not arrive in time"));
    }
    bytes(&answer.rows).ok_or_else(|| Refusal::UnexpectedAnswer.error("the estimate holds no number of bytes"))
}

/// Whether the failure is the estimate's own: a missing permission or an expired session would hit the query as well.
pub fn is_of_the_estimate(error: &ToolError) -> bool {
    [
        Refusal::UnexpectedAnswer.code(),
        Refusal::InvalidRequest.code(),
        "query_failed",
    ]
    .contains(&error.code)
}

/// The name of the result's field is not documented: one that speaks of bytes is preferred, and anything but exactly one
/// row with a plain number is no estimate.
fn bytes(rows: &[Row]) -> Option<u64> {
    let [row] = rows else {
        return None;
    };
    let number = |value: &String| {
        value
            .parse::<f64>()
            .ok()
            .filter(|bytes| bytes.is_finite() && *bytes >= 0.0)
    };
    let named = row
        .iter()
        .find(|(name, _)| name.to_ascii_lowercase().contains("byte"))
        .map(|(_, value)| value);
    let bytes = match named {
        Some(value) => number(value)?,
        None => row
            .iter()
            .filter(|(name, _)| !name.starts_with('@'))
            .find_map(|(_, value)| number(value))?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; `as` saturates"
    )]
    Some(bytes.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Row {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_number_of_bytes_is_found_under_any_name() {
        assert_eq!(bytes(&[row(&[("estimatedBytes", "1234567")])]), Some(1_234_567));
        assert_eq!(bytes(&[row(&[("a", "7"), ("bytesScanned", "12.5")])]), Some(13));
        assert_eq!(bytes(&[row(&[("estimate", "1.5E9")])]), Some(1_500_000_000));
    }

    #[test]
    fn what_is_no_number_of_bytes_is_no_estimate() {
        for rows in [
            vec![],
            vec![row(&[])],
            vec![row(&[("estimatedBytes", "1.2 GB"), ("x", "1")])],
            vec![row(&[("estimatedBytes", "-1")])],
            vec![row(&[("estimatedBytes", "NaN")])],
            vec![row(&[("@ptr", "12")])],
            vec![row(&[("bytes", "1")]), row(&[("bytes", "1")])],
        ] {
            assert_eq!(bytes(&rows), None, "{rows:?}");
        }
    }
}

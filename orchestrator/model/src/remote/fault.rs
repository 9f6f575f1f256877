//! What went wrong, in our words: a service's own may repeat the prompt or the key, and are not passed on.

use std::time::Duration;

use genai::Error;
use genai::webc::StreamTimeout;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::ModelError;

/// A service that does not say how long is left alone so long.
const DEFAULT_REST: Duration = Duration::from_secs(2);
/// One that asks for more is not believed.
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// The bounds that the attempt ran under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub deadline: Duration,
    pub idle: Duration,
}

pub(super) fn of(error: &Error, limits: Limits) -> ModelError {
    if let Some(status) = error.status() {
        return by_status(status, error.headers());
    }
    match error {
        Error::WebStream { error, .. } => by_source(error.as_ref(), limits),
        Error::ChatResponse { body, .. } => by_event(body),
        Error::WebModelCall {
            webc_error: genai::webc::Error::Reqwest(error),
            ..
        } => by_transport(error),
        Error::StreamParse { .. }
        | Error::SerdeJson(_)
        | Error::JsonValueExt(_)
        | Error::InvalidJsonResponseElement { .. } => ModelError::Malformed("it is not the agreed JSON"),
        _ => ModelError::Malformed("it is no answer"),
    }
}

fn by_source(source: &(dyn std::error::Error + Send + Sync + 'static), limits: Limits) -> ModelError {
    if let Some(error) = source.downcast_ref::<Error>() {
        return of(error, limits);
    }
    if let Some(timeout) = source.downcast_ref::<StreamTimeout>() {
        return match timeout {
            StreamTimeout::Headers => ModelError::TimedOut(limits.deadline),
            StreamTimeout::Read => ModelError::Stalled(limits.idle),
        };
    }
    match source.downcast_ref::<reqwest::Error>() {
        Some(error) => by_transport(error),
        None => ModelError::Malformed("it is not UTF-8"),
    }
}

fn by_transport(error: &reqwest::Error) -> ModelError {
    if error.is_connect() || error.is_builder() {
        ModelError::Unreachable("the connection could not be opened".to_owned())
    } else {
        ModelError::CutConnection
    }
}

fn by_status(status: StatusCode, headers: Option<&HeaderMap>) -> ModelError {
    let after = headers.and_then(retry_after);
    match status.as_u16() {
        401 | 403 => ModelError::Unauthorized(status.as_u16()),
        429 => ModelError::Throttled(after.unwrap_or(DEFAULT_REST)),
        503 | 529 => ModelError::Overloaded(after),
        408 | 424 | 500..=599 => ModelError::ServiceFailed(status.as_u16()),
        other => ModelError::NotTaken(other),
    }
}

/// An error that came as an event of the stream, when the status had long been 200.
fn by_event(body: &Value) -> ModelError {
    let word = ["/error/type", "/type", "/error/code", "/code"]
        .iter()
        .find_map(|place| body.pointer(place)?.as_str());
    match word {
        Some("overloaded_error") => ModelError::Overloaded(None),
        Some("rate_limit_error" | "rate_limit_exceeded") => ModelError::Throttled(DEFAULT_REST),
        // A frame of Bedrock's that cannot be read comes as a bare text under `error`.
        _ if body.get("error").is_some_and(Value::is_string) => ModelError::Malformed("its frames cannot be read"),
        _ => ModelError::Aborted,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1_000.0)
        .or_else(|| number("retry-after"))?;
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(LONGEST_REST))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;

    #[test]
    fn how_long_to_wait_is_read_in_every_form_and_bounded() {
        let after = |name: &'static str, value: &str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(after("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after", "999999999"), Some(LONGEST_REST));
        for odd in ["-1", "nan", "soon", "1e300"] {
            assert_eq!(after("retry-after", odd), None, "{odd}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_read_by_its_own_word() {
        let overloaded = by_event(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}));
        assert_eq!(overloaded, ModelError::Overloaded(None));
        assert_eq!(by_event(&json!({"message": "sk-secret"})), ModelError::Aborted);
        assert_eq!(
            by_event(&json!({"error": "prelude CRC mismatch"})).code(),
            "model_malformed_response"
        );
    }
}

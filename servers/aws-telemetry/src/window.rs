//! The stretch of time that a call looks at. It always has an end.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use kit::ToolError;

/// Clocks differ by so much; later than that is a mistake.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// From and to, `from` before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Window {
    /// The last `minutes` before `now`; at least one.
    pub fn last(minutes: u32, now: DateTime<Utc>) -> Self {
        Self {
            from: now - TimeDelta::minutes(i64::from(minutes.max(1))),
            to: now,
        }
    }

    /// Returns the `minutes` that end at `until`, an RFC 3339 time with its zone, or now. What is longer than `max_minutes`
    /// or has no place in time is `invalid_arguments`.
    pub fn ending(until: Option<&str>, minutes: u32, max_minutes: u32, now: DateTime<Utc>) -> Result<Self, ToolError> {
        if minutes > max_minutes {
            return Err(
                ToolError::invalid_argument(format!("`minutes`: {minutes} is more than {max_minutes}"))
                    .hint("look at the minutes around the incident"),
            );
        }
        let to = match until {
            None => now,
            Some(text) => {
                let parsed = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| {
                    ToolError::invalid_argument("`until` is not an RFC 3339 time with its zone")
                        .hint("write it as 2026-11-22T06:41:00Z")
                })?;
                parsed.with_timezone(&Utc)
            }
        };
        if to > now + AHEAD {
            return Err(ToolError::invalid_argument(format!(
                "`until` lies in the future; it is {} now",
                to_rfc3339(now)
            )));
        }
        if to.timestamp() <= i64::from(minutes) * 60 {
            return Err(ToolError::invalid_argument("`until` lies before all logs"));
        }
        Ok(Self::last(minutes, to))
    }
}

/// `2026-11-23T10:11:12.123Z`
pub fn to_rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn a_window_ends_and_is_no_longer_than_allowed() {
        let now: DateTime<Utc> = "2026-11-22T07:00:00Z".parse().unwrap();
        let good = Window::ending(Some("2026-11-22T08:41:00+02:00"), 15, 180, now).unwrap();
        assert_eq!(
            (to_rfc3339(good.from), to_rfc3339(good.to)),
            (
                "2026-11-22T06:26:00.000Z".to_owned(),
                "2026-11-22T06:41:00.000Z".to_owned()
            )
        );
        assert_eq!(Window::ending(None, 15, 180, now).unwrap().to, now);
        for (minutes, until) in [
            (181, None),
            (15, Some("2026-11-22 06:41:00")),
            (15, Some("")),
            (15, Some("now")),
            (15, Some("2026-11-22T07:06:00Z")),
            (15, Some("1970-01-01T00:05:00Z")),
            (15, Some("-0001-01-01T00:00:00Z")),
        ] {
            assert_eq!(
                Window::ending(until, minutes, 180, now).unwrap_err().code,
                "invalid_arguments",
                "{until:?}"
            );
        }
    }
}

//! The lengths of time that the API averages over; it takes no others.

use aws_telemetry::Window;
use kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As many as are worth averaging here.
const MAX_POINTS: i64 = 600;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Second,
    #[default]
    Minute,
    FiveMinutes,
    Hour,
    Day,
}

impl Period {
    pub fn seconds(self) -> i32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::FiveMinutes => 300,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The shortest that leaves few enough points for an average over all of `window`.
    pub fn fitting(window: Window) -> Self {
        if window.to - window.from > chrono::TimeDelta::hours(3) {
            Self::FiveMinutes
        } else {
            Self::Minute
        }
    }

    /// Checks that `window` has at least one of these and not too many.
    pub fn check(self, window: Window) -> Result<(), ToolError> {
        let seconds = (window.to - window.from).num_seconds();
        let points = seconds / i64::from(self.seconds());
        if points < 1 {
            return Err(
                ToolError::invalid_argument("`period` is longer than `minutes`").hint("choose a shorter period")
            );
        }
        if points > MAX_POINTS {
            return Err(ToolError::invalid_argument(format!(
                "{points} points of time, at most {MAX_POINTS} are allowed"
            ))
            .hint("choose a longer period or fewer minutes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    #[test]
    fn a_window_has_neither_no_point_nor_too_many() {
        let check = |period: Period, minutes| {
            period
                .check(Window::last(minutes, Utc::now()))
                .map_err(|error| error.code)
        };
        assert_eq!(check(Period::Minute, 15), Ok(()));
        assert_eq!(check(Period::Second, 10), Ok(()));
        assert_eq!(check(Period::Second, 11), Err("invalid_arguments"));
        assert_eq!(check(Period::Hour, 59), Err("invalid_arguments"));
        assert_eq!(check(Period::Hour, 60), Ok(()));
    }
}

//! When changes may be made: recurring windows, and freezes. The moment comes in; no clock is read.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use runbooks::Timestamp;
use serde::{Deserialize, Serialize};

use crate::freezes::{self, Freeze};

/// Longer than any hour that a change of clocks leaves out; a whole day was left out once, in Samoa.
const LONGEST_GAP_MIN: i64 = 1_440;
/// A window comes again within a week; one that a change of clocks swallows, within two.
const LOOK_AHEAD_DAYS: u64 = 15;

/// When changes may be made. The default is always.
#[derive(Debug, Clone, Default)]
pub struct ChangeCalendar {
    windows: Vec<Window>,
    freezes: Vec<Freeze>,
}

/// Why a calendar cannot be used. A calendar with one fault is none.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    #[error("the change windows are not TOML as they should be")]
    NotToml(#[source] toml::de::Error),
    #[error("`{0}` is no time of day: write it as 22:30")]
    Time(String),
    #[error("`{0}` is no day of the week: write it as mon, tue, …")]
    Day(String),
    #[error("a change window has no days")]
    NoDays,
    #[error("`{0}` is no time zone: write it as Europe/Berlin")]
    Zone(String),
    #[error("the freezes are no iCalendar file: {0}")]
    NotCalendar(String),
    #[error("the freeze `{event}` cannot be read: {message}")]
    Event { event: String, message: String },
}

/// How it stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub window_open: bool,
    /// When the next window opens; none while one is open, or if none ever does.
    pub opens: Option<Timestamp>,
    pub frozen: bool,
    /// When the freeze ends, if it is known.
    pub frozen_until: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Window {
    days: Vec<Weekday>,
    from: NaiveTime,
    until: NaiveTime,
    zone: Tz,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowsFile {
    #[serde(default)]
    window: Vec<WindowEntry>,
}

/// A recurring window as people write it. One whose `until` is not after its `from` ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEntry {
    /// `mon` to `sun`.
    pub days: Vec<String>,
    /// `22:30`.
    pub from: String,
    /// `05:00`.
    pub until: String,
    /// `Europe/Berlin`.
    pub time_zone: String,
}

impl ChangeCalendar {
    /// Reads `windows`, a TOML text of `[[window]]` with `days`, `from`, `until` and `time_zone`, and `freezes`, an
    /// iCalendar text whose events are freezes. A window whose `until` is not after its `from` ends on the next day.
    /// Without any window it is always open.
    ///
    /// # Errors
    /// When either text has anything that cannot be read or is not supported.
    pub fn parse(windows: &str, freezes: Option<&str>) -> Result<Self, CalendarError> {
        let file: WindowsFile = toml::from_str(windows).map_err(CalendarError::NotToml)?;
        Ok(Self {
            windows: file.window.into_iter().map(window).collect::<Result<_, _>>()?,
            freezes: freezes.map_or(Ok(Vec::new()), freezes::parse)?,
        })
    }

    /// A calendar of these windows alone; without any it is always open.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of(windows: Vec<WindowEntry>) -> Result<Self, CalendarError> {
        Ok(Self {
            windows: windows.into_iter().map(window).collect::<Result<_, _>>()?,
            freezes: Vec::new(),
        })
    }

    /// Whether changes may be made at this moment: in a window, and not in a freeze.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let standing = self.at(now);
        standing.window_open && !standing.frozen
    }

    /// Both together: open where any window of either is, frozen where either is.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.windows.extend(other.windows);
        self.freezes.extend(other.freezes);
        self
    }

    pub(crate) fn at(&self, now: Timestamp) -> Standing {
        let Some(now) = DateTime::from_timestamp(now.unix(), 0) else {
            // A moment beyond the calendar is in no window.
            return Standing {
                window_open: false,
                opens: None,
                frozen: true,
                frozen_until: None,
            };
        };
        let times: Vec<_> = self.windows.iter().flat_map(|window| window.around(now)).collect();
        let window_open = self.windows.is_empty() || times.iter().any(|(start, end)| *start <= now && now < *end);
        let next = times.iter().map(|(start, _)| *start).filter(|start| *start > now).min();
        let frozen: Vec<_> = self.freezes.iter().filter_map(|freeze| freeze.active(now)).collect();
        Standing {
            window_open,
            opens: next.filter(|_| !window_open).map(timestamp),
            frozen: !frozen.is_empty(),
            frozen_until: frozen
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .and_then(|ends| ends.into_iter().max())
                .map(timestamp),
        }
    }
}

impl Window {
    /// Returns its openings from the day before `now` on.
    fn around(&self, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let Some(first) = now
            .with_timezone(&self.zone)
            .date_naive()
            .checked_sub_days(Days::new(1))
        else {
            return Vec::new();
        };
        let dates = (0..LOOK_AHEAD_DAYS).filter_map(|days| first.checked_add_days(Days::new(days)));
        let ends_next_day = u64::from(self.until <= self.from);
        dates
            .filter(|date| self.days.contains(&date.weekday()))
            .filter_map(|date| {
                let end = date.checked_add_days(Days::new(ends_next_day))?.and_time(self.until);
                // A time that comes twice opens the second time and closes the first time.
                Some((
                    last_instant(self.zone, date.and_time(self.from))?,
                    first_instant(self.zone, end)?,
                ))
            })
            .filter(|(start, end)| start < end)
            .collect()
    }
}

/// The first instant at which clocks show this time; where they skip it, the instant at which they do.
pub(crate) fn first_instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    instants(zone, local).map(|(first, _)| first)
}

/// The last one.
pub(crate) fn last_instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    instants(zone, local).map(|(_, last)| last)
}

fn instants(zone: Tz, local: NaiveDateTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let at = |local: NaiveDateTime| match zone.from_local_datetime(&local) {
        LocalResult::Single(only) => Some((only.to_utc(), only.to_utc())),
        LocalResult::Ambiguous(first, last) => Some((first.to_utc(), last.to_utc())),
        LocalResult::None => None,
    };
    (0..=LONGEST_GAP_MIN).find_map(|minutes| at(local.checked_add_signed(TimeDelta::minutes(minutes))?))
}

fn window(entry: WindowEntry) -> Result<Window, CalendarError> {
    let time = |text: String| NaiveTime::parse_from_str(&text, "%H:%M").map_err(|_| CalendarError::Time(text));
    let days = entry
        .days
        .into_iter()
        .map(|day| day.parse().map_err(|_| CalendarError::Day(day)));
    let days: Vec<Weekday> = days.collect::<Result<_, _>>()?;
    if days.is_empty() {
        return Err(CalendarError::NoDays);
    }
    Ok(Window {
        days,
        from: time(entry.from)?,
        until: time(entry.until)?,
        zone: zone(&entry.time_zone)?,
    })
}

pub(crate) fn zone(name: &str) -> Result<Tz, CalendarError> {
    name.parse().map_err(|_| CalendarError::Zone(name.to_owned()))
}

fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp::from_unix(instant.timestamp())
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;

//! Freezes: the events of an iCalendar file (RFC 5545), once or recurring.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use icalendar::parser::{Component, Property, read_calendar, unfold};
use rrule::RRuleSet;

use crate::calendar::{CalendarError, first_instant, last_instant, zone};

/// More than any event recurs within its own length.
const MAX_OCCURRENCES: u16 = 1_000;
/// Properties that move or add occurrences. Passed over, a freeze would be missed.
const NOT_SUPPORTED: [&str; 4] = ["DURATION", "EXRULE", "RDATE", "RECURRENCE-ID"];

/// One event. Its length is by the clock on the wall: a day is a day when clocks change too.
#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    zone: Tz,
    start: NaiveDateTime,
    length: TimeDelta,
    recurs: Option<RRuleSet>,
}

/// Reads every event that is not cancelled. An exception (EXDATE) is passed over: it stays frozen.
pub(crate) fn parse(text: &str) -> Result<Vec<Freeze>, CalendarError> {
    let unfolded = unfold(text);
    let calendar = read_calendar(&unfolded).map_err(CalendarError::NotCalendar)?;
    let floating = calendar
        .properties
        .iter()
        .find(|property| property.name.as_str() == "X-WR-TIMEZONE");
    let floating = floating.map_or(Ok(Tz::UTC), |property| zone(property.val.as_str()))?;
    let events = calendar
        .components
        .iter()
        .filter(|component| component.name.as_str() == "VEVENT");
    events
        .filter(|event| value(event, "STATUS") != Some("CANCELLED"))
        .map(|event| {
            freeze(event, floating).map_err(|message| CalendarError::Event {
                event: value(event, "SUMMARY")
                    .or_else(|| value(event, "UID"))
                    .unwrap_or_default()
                    .to_owned(),
                message,
            })
        })
        .collect()
}

impl Freeze {
    /// Returns when the occurrence ends that `now` is in, if it is in one; none inside where that is not known.
    pub(crate) fn active(&self, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
        let Some(starts) = self.starts(now) else {
            return Some(None);
        };
        let ends = starts.into_iter().filter_map(|start| {
            let begins = first_instant(self.zone, start)?;
            let ends = last_instant(self.zone, start.checked_add_signed(self.length)?)?;
            (begins <= now && now < ends).then_some(ends)
        });
        ends.max().map(Some)
    }

    /// The wall-clock starts of the occurrences that `now` may be in; none if they are too many to tell.
    fn starts(&self, now: DateTime<Utc>) -> Option<Vec<NaiveDateTime>> {
        let Some(rule) = &self.recurs else {
            return Some(vec![self.start]);
        };
        // A change of clocks lengthens an occurrence by less than a day.
        let earliest = now.checked_sub_signed(self.length)?.checked_sub_days(Days::new(2))?;
        let latest = now.checked_add_days(Days::new(1))?;
        let found = rule
            .clone()
            .after(earliest.with_timezone(&rrule::Tz::UTC))
            .before(latest.with_timezone(&rrule::Tz::UTC))
            .all(MAX_OCCURRENCES);
        let local = |start: DateTime<rrule::Tz>| start.with_timezone(&self.zone).naive_local();
        (!found.limited).then(|| found.dates.into_iter().map(local).collect())
    }
}

fn freeze(event: &Component<'_>, floating: Tz) -> Result<Freeze, String> {
    if let Some(property) = event
        .properties
        .iter()
        .find(|property| NOT_SUPPORTED.contains(&property.name.as_str()))
    {
        return Err(format!("{} is not supported", property.name.as_str()));
    }
    let (start, zone, whole_day) = moment(property(event, "DTSTART").ok_or("it has no DTSTART")?, floating)?;
    let end = match property(event, "DTEND") {
        Some(end) => {
            let (end, end_zone, _) = moment(end, floating)?;
            // The length is counted on the clocks of the start.
            first_instant(end_zone, end)
                .ok_or("DTEND is no moment")?
                .with_timezone(&zone)
                .naive_local()
        }
        None if whole_day => start.checked_add_days(Days::new(1)).ok_or("DTSTART is too late")?,
        None => return Err("it has no DTEND".to_owned()),
    };
    if end <= start {
        return Err("DTEND is not after DTSTART".to_owned());
    }
    let recurs = value(event, "RRULE")
        .map(|rule| recurrence(start, zone, rule))
        .transpose()?;
    Ok(Freeze {
        zone,
        start,
        length: end.signed_duration_since(start),
        recurs,
    })
}

fn recurrence(start: NaiveDateTime, zone: Tz, rule: &str) -> Result<RRuleSet, String> {
    let parts: Vec<String> = rule
        .split(';')
        .map(|part| until_in_utc(part, zone))
        .collect::<Result<_, _>>()?;
    let start = start.format("%Y%m%dT%H%M%S");
    let text = format!("DTSTART;TZID={}:{start}\nRRULE:{}", zone.name(), parts.join(";"));
    text.parse().map_err(|source: rrule::RRuleError| source.to_string())
}

/// A rule may end on a day, or at a time by the event's own clock; the crate wants UTC.
fn until_in_utc(part: &str, zone: Tz) -> Result<String, String> {
    let Some(until) = part.strip_prefix("UNTIL=").filter(|until| !until.ends_with('Z')) else {
        return Ok(part.to_owned());
    };
    let local = match until.contains('T') {
        true => time(until)?,
        false => day(until)?.and_hms_opt(23, 59, 59).ok_or("UNTIL is no day")?,
    };
    let until = last_instant(zone, local).ok_or("UNTIL is no moment")?;
    Ok(format!("UNTIL={}", until.format("%Y%m%dT%H%M%SZ")))
}

/// Returns a property's wall-clock time, its time zone, and whether it is a whole day.
fn moment(property: &Property<'_>, floating: Tz) -> Result<(NaiveDateTime, Tz, bool), String> {
    let text = property.val.as_str();
    let parameter = |key: &str| {
        let found = property.params.iter().find(|parameter| parameter.key.as_str() == key);
        found
            .and_then(|parameter| parameter.val.as_ref())
            .map(|value| value.as_str().trim_matches('"'))
    };
    let named = parameter("TZID")
        .map_or(Ok(floating), zone)
        .map_err(|error| error.to_string())?;
    match text.strip_suffix('Z') {
        Some(utc) => Ok((time(utc)?, Tz::UTC, false)),
        None if text.contains('T') => Ok((time(text)?, named, false)),
        None => Ok((day(text)?.and_hms_opt(0, 0, 0).ok_or("no such day")?, named, true)),
    }
}

fn time(text: &str) -> Result<NaiveDateTime, String> {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map_err(|_| format!("`{text}` is no time"))
}

fn day(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y%m%d").map_err(|_| format!("`{text}` is no day"))
}

fn property<'e, 't>(event: &'e Component<'t>, name: &str) -> Option<&'e Property<'t>> {
    event.properties.iter().find(|property| property.name.as_str() == name)
}

fn value<'e>(event: &'e Component<'_>, name: &str) -> Option<&'e str> {
    property(event, name).map(|property| property.val.as_str())
}

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use super::*;

const NIGHTS: &str =
    "[[window]]\ndays = [\"sat\"]\nfrom = \"22:00\"\nuntil = \"06:00\"\ntime_zone = \"Europe/Berlin\"\n";

fn moment(text: &str) -> Timestamp {
    Timestamp::from_unix(text.parse::<DateTime<Utc>>().unwrap().timestamp())
}

fn windows(windows: &str, now: &str) -> (bool, Option<Timestamp>) {
    let standing = ChangeCalendar::parse(windows, None).unwrap().at(moment(now));
    (standing.window_open, standing.opens)
}

fn one(days: &str, from: &str, until: &str, zone: &str) -> String {
    format!("[[window]]\ndays = [{days}]\nfrom = \"{from}\"\nuntil = \"{until}\"\ntime_zone = \"{zone}\"\n")
}

fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Year end\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        lines.replace('\n', "\r\n")
    )
}

fn frozen(lines: &str, now: &str) -> (bool, Option<Timestamp>) {
    let standing = ChangeCalendar::parse("", Some(&event(lines))).unwrap().at(moment(now));
    (standing.frozen, standing.frozen_until)
}

#[test]
fn without_a_file_it_is_always_open() {
    let standing = ChangeCalendar::default().at(moment("2026-11-24T12:00:00Z"));
    assert!(standing.window_open && !standing.frozen);
    assert!(windows("", "2026-11-24T12:00:00Z").0);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    // Saturday, 21 November; Berlin is at UTC+1.
    for (now, open) in [
        ("2026-11-21T20:59:59Z", false),
        ("2026-11-21T21:00:00Z", true),
        ("2026-11-22T04:59:59Z", true),
        ("2026-11-22T05:00:00Z", false),
        ("2026-11-22T22:00:00Z", false),
    ] {
        assert_eq!(windows(NIGHTS, now).0, open, "{now}");
    }
    assert_eq!(
        windows(NIGHTS, "2026-11-22T05:00:00Z").1,
        Some(moment("2026-11-28T21:00:00Z"))
    );
    assert_eq!(windows(NIGHTS, "2026-11-21T21:00:00Z").1, None);
}

#[test]
fn a_night_on_which_clocks_change_is_an_hour_shorter_or_longer() {
    // Berlin goes forward on 29 March 2026 and back on 25 October 2026, both at 01:00 UTC.
    for (now, open) in [
        ("2026-03-28T21:00:00Z", true),
        ("2026-03-29T03:59:59Z", true),
        ("2026-03-29T04:00:00Z", false),
        ("2026-10-24T19:59:59Z", false),
        ("2026-10-24T20:00:00Z", true),
        ("2026-10-25T04:59:59Z", true),
        ("2026-10-25T05:00:00Z", false),
    ] {
        assert_eq!(windows(NIGHTS, now).0, open, "{now}");
    }
    // The next opening lies behind the change of clocks.
    assert_eq!(
        windows(NIGHTS, "2026-10-25T06:00:00Z").1,
        Some(moment("2026-10-31T21:00:00Z"))
    );
    assert_eq!(
        windows(NIGHTS, "2026-03-29T06:00:00Z").1,
        Some(moment("2026-04-04T20:00:00Z"))
    );
}

#[test]
fn a_time_that_clocks_skip_is_the_moment_at_which_they_do() {
    let early = one("\"sun\"", "02:40", "04:00", "Europe/Berlin");
    assert!(!windows(&early, "2026-03-29T00:59:59Z").0);
    assert!(windows(&early, "2026-03-29T01:20:00Z").0);
    assert!(!windows(&early, "2026-03-29T02:00:00Z").0);
    // A window of the skipped hour alone does not open that week.
    let skipped = one("\"sun\"", "02:00", "03:00", "Europe/Berlin");
    assert!(!windows(&skipped, "2026-03-29T01:00:00Z").0);
    assert_eq!(
        windows(&skipped, "2026-03-29T00:30:00Z").1,
        Some(moment("2026-04-05T00:00:00Z"))
    );
}

#[test]
fn a_time_that_comes_twice_opens_late_and_closes_early() {
    let from_two = one("\"sun\"", "02:30", "05:00", "Europe/Berlin");
    assert!(!windows(&from_two, "2026-10-25T00:30:00Z").0);
    assert!(windows(&from_two, "2026-10-25T01:30:00Z").0);
    let until_two = one("\"sun\"", "00:00", "02:30", "Europe/Berlin");
    assert!(windows(&until_two, "2026-10-25T00:29:59Z").0);
    assert!(!windows(&until_two, "2026-10-25T00:30:00Z").0);
}

#[test]
fn several_windows_and_whole_days_are_allowed() {
    let both = format!(
        "{}{}",
        one("\"mon\", \"tue\"", "00:00", "00:00", "America/New_York"),
        NIGHTS
    );
    assert!(windows(&both, "2026-11-24T23:00:00Z").0);
    assert!(!windows(&both, "2026-11-25T05:00:00Z").0);
    assert!(windows(&both, "2026-11-28T22:00:00Z").0);
}

#[test]
fn a_freeze_holds_from_its_start_until_before_its_end() {
    let lines = "DTSTART;TZID=Europe/Berlin:20261220T180000\nDTEND;TZID=Europe/Berlin:20270102T080000";
    let end = Some(moment("2027-01-02T07:00:00Z"));
    assert_eq!(frozen(lines, "2026-12-20T16:59:59Z"), (false, None));
    assert_eq!(frozen(lines, "2026-12-20T17:00:00Z"), (true, end));
    assert_eq!(frozen(lines, "2027-01-02T06:59:59Z"), (true, end));
    assert_eq!(frozen(lines, "2027-01-02T07:00:00Z"), (false, None));
}

#[test]
fn whole_days_and_utc_are_read() {
    let day = "DTSTART;VALUE=DATE:20261127";
    assert!(frozen(day, "2026-11-27T23:59:59Z").0);
    assert!(!frozen(day, "2026-11-28T00:00:00Z").0);
    let days = "DTSTART;VALUE=DATE:20261127\nDTEND;VALUE=DATE:20261130";
    assert!(frozen(days, "2026-11-29T23:59:59Z").0);
    assert!(
        frozen(
            "DTSTART:20261127T100000Z\nDTEND:20261127T110000Z",
            "2026-11-27T10:30:00Z"
        )
        .0
    );
}

#[test]
fn freezes_recur() {
    let weekly = "DTSTART;TZID=America/New_York:20260306T170000\nDTEND;TZID=America/New_York:20260307T080000\nRRULE:FREQ=WEEKLY;BYDAY=FR";
    // New York goes forward on 8 March 2026: the same wall-clock time is an hour earlier in UTC.
    assert!(frozen(weekly, "2026-03-06T22:00:00Z").0);
    assert!(!frozen(weekly, "2026-03-06T21:59:59Z").0);
    assert_eq!(
        frozen(weekly, "2026-03-13T21:00:00Z"),
        (true, Some(moment("2026-03-14T12:00:00Z")))
    );
    assert!(!frozen(weekly, "2026-03-12T21:00:00Z").0);
    let yearly = "DTSTART;VALUE=DATE:20201224\nDTEND;VALUE=DATE:20201227\nRRULE:FREQ=YEARLY";
    assert!(frozen(yearly, "2030-12-26T12:00:00Z").0);
    assert!(!frozen(yearly, "2030-12-27T00:00:00Z").0);
}

#[test]
fn a_recurrence_ends_by_number_or_by_date_and_skips_by_interval() {
    let daily = |rule: &str| format!("DTSTART:20261101T000000Z\nDTEND:20261101T010000Z\nRRULE:FREQ=DAILY;{rule}");
    for (rule, last, after) in [
        ("COUNT=3", "2026-11-03T00:30:00Z", "2026-11-04T00:30:00Z"),
        ("UNTIL=20261105T000000Z", "2026-11-05T00:30:00Z", "2026-11-06T00:30:00Z"),
        ("UNTIL=20261105", "2026-11-05T00:30:00Z", "2026-11-06T00:30:00Z"),
        ("INTERVAL=2", "2026-11-07T00:30:00Z", "2026-11-08T00:30:00Z"),
    ] {
        assert!(frozen(&daily(rule), last).0, "{rule}");
        assert!(!frozen(&daily(rule), after).0, "{rule}");
    }
}

#[test]
fn a_cancelled_freeze_is_none_and_an_exception_stays_frozen() {
    let lines = "DTSTART;VALUE=DATE:20261127\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20261128";
    assert!(frozen(lines, "2026-11-28T12:00:00Z").0);
    assert!(!frozen(&format!("{lines}\nSTATUS:CANCELLED"), "2026-11-28T12:00:00Z").0);
}

#[test]
fn what_cannot_be_read_is_no_calendar() {
    for (windows, message) in [
        ("[[windows]]", "not TOML"),
        (&*one("", "22:00", "06:00", "UTC"), "no days"),
        (&*one("\"caturday\"", "22:00", "06:00", "UTC"), "`caturday`"),
        (&*one("\"sat\"", "10pm", "06:00", "UTC"), "`10pm`"),
        (&*one("\"sat\"", "22:00", "06:00", "Berlin"), "`Berlin`"),
    ] {
        let error = ChangeCalendar::parse(windows, None).unwrap_err().to_string();
        assert!(error.contains(message), "{windows}: {error}");
    }
    for (lines, message) in [
        ("DTEND:20261127T110000Z", "DTSTART"),
        ("DTSTART:20261127T100000Z", "no DTEND"),
        ("DTSTART:20261127T100000Z\nDTEND:20261127T100000Z", "not after"),
        ("DTSTART:20261127T100000Z\nDURATION:PT1H", "DURATION is not supported"),
        (
            "DTSTART;VALUE=DATE:20261127\nRDATE;VALUE=DATE:20261201",
            "RDATE is not supported",
        ),
        (
            "DTSTART;TZID=W. Europe Standard Time:20261127T100000\nDTEND:20261127T110000Z",
            "time zone",
        ),
        ("DTSTART;VALUE=DATE:20261199", "is no day"),
        ("DTSTART;VALUE=DATE:20261127\nRRULE:FREQ=SOMETIMES", ""),
    ] {
        let error = ChangeCalendar::parse("", Some(&event(lines))).unwrap_err().to_string();
        assert!(
            error.starts_with("the freeze `Year end` cannot be read") && error.contains(message),
            "{lines}: {error}"
        );
    }
    assert!(matches!(
        ChangeCalendar::parse("", Some("no calendar")),
        Err(CalendarError::NotCalendar(_))
    ));
}

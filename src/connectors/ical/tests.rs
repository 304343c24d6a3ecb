//! Calendars read: recurrences, what is moved and taken out, zones, all-day events, and what hostile ones cost.

use proptest::prelude::*;
use serde_json::json;

use super::event::read;
use super::{DAY, Window};
use crate::connectors::error::FetchError;
use crate::connectors::shape::{Shape, SourceRecord};
use crate::domain::Timestamp;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").0 / 1_000_000_000
}

fn window() -> Window {
    Window { from: at("2026-03-01T00:00:00Z"), to: at("2026-04-30T00:00:00Z") }
}

fn calendar(inside: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{}\r\nEND:VCALENDAR\r\n",
        inside.trim().replace('\n', "\r\n")
    )
}

fn events(inside: &str) -> Vec<SourceRecord> {
    read(calendar(inside).as_bytes(), window(), None, &Shape::default()).expect("a calendar")
}

fn starts(records: &[SourceRecord]) -> Vec<&str> {
    records.iter().map(|record| record.data["start"].as_str().expect("a start")).collect()
}

const VIENNA: &str = "BEGIN:VTIMEZONE
TZID:Wien
BEGIN:STANDARD
DTSTART:19961027T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19810329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE";

#[test]
fn a_series_keeps_its_local_time_over_the_change_of_clocks() {
    // The clocks go forward on 29 March 2026.
    let series = |zone: &str| {
        format!(
            "{VIENNA}\nBEGIN:VEVENT\nUID:s\nSUMMARY:Yoga\\, slow\nDTSTART;TZID={zone}:20260310T090000\n\
             DTEND;TZID={zone}:20260310T103000\nRRULE:FREQ=WEEKLY;UNTIL=20260331T070000Z\nEND:VEVENT"
        )
    };
    for zone in ["Wien", "/softwarestudio.org/Tzfile/Wien"] {
        let records = events(&series(zone));
        if zone == "Wien" {
            assert_eq!(
                starts(&records),
                [
                    "2026-03-10T09:00:00+01:00",
                    "2026-03-17T09:00:00+01:00",
                    "2026-03-24T09:00:00+01:00",
                    "2026-03-31T09:00:00+02:00"
                ]
            );
            assert_eq!(records[3].id, "s/2026-03-31T07:00:00Z");
            assert_eq!(records[3].data["end"], "2026-03-31T10:30:00+02:00");
            assert_eq!(records[0].data["summary"], "Yoga, slow");
            assert_eq!(records[0].data["timeZone"], "Wien");
        }
        // A zone that nobody knows is that of the calendar, or UTC.
        assert!(records.len() >= 3);
    }
}

#[test]
fn dates_are_added_taken_out_and_moved() {
    let records = events(
        "BEGIN:VEVENT\nUID:d\nDTSTART:20260302T100000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY;COUNT=5\n\
         RDATE:20260320T100000Z,20260321T110000Z\nEXDATE:20260303T100000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:d\nRECURRENCE-ID:20260304T100000Z\nDTSTART:20260304T150000Z\nSUMMARY:moved\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:d\nRECURRENCE-ID:20260305T100000Z\nDTSTART:20260305T100000Z\nSTATUS:CANCELLED\nEND:VEVENT",
    );
    let mut found = starts(&records);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "2026-03-02T10:00:00Z",
            "2026-03-04T15:00:00Z",
            "2026-03-05T10:00:00Z",
            "2026-03-06T10:00:00Z",
            "2026-03-20T10:00:00Z",
            "2026-03-21T11:00:00Z"
        ]
    );
    let moved = records.iter().find(|record| record.data["summary"] == "moved").expect("the moved one");
    assert_eq!(moved.id, "d/2026-03-04T10:00:00Z", "it keeps the name of its place in the series");
    assert_eq!(moved.data["recurrenceId"], "2026-03-04T10:00:00Z");
    assert!(records.iter().any(|record| record.data["status"] == "CANCELLED"));
    assert_eq!(records[0].data["end"], "2026-03-02T10:45:00Z");
    let ids: std::collections::BTreeSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), records.len());
}

#[test]
fn all_day_events_are_dates_and_the_window_holds() {
    let records = events(
        "BEGIN:VEVENT\nUID:a\nDTSTART;VALUE=DATE:20260315\nDTEND;VALUE=DATE:20260317\nSUMMARY:Trip\n\
         ORGANIZER;CN=\"Ann, B\":mailto:ann@x.example\nATTENDEE;PARTSTAT=ACCEPTED;CN=Bob:MAILTO:bob@x.example\n\
         CATEGORIES:Home,Away\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:b\nDTSTART;VALUE=DATE:20000101\nRRULE:FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:before\nDTSTART:20260101T000000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:into\nDTSTART:20260228T230000Z\nDTEND:20260301T010000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:after\nDTSTART:20260430T000000Z\nEND:VEVENT",
    );
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["a", "b/2026-04-01T00:00:00Z", "into"]);
    assert_eq!((&records[0].data["start"], &records[0].data["end"]), (&json!("2026-03-15"), &json!("2026-03-17")));
    assert_eq!(records[0].data["allDay"], true);
    assert_eq!(records[0].data["organizer"], json!({"email": "ann@x.example", "name": "Ann, B"}));
    assert_eq!(records[0].data["attendees"][0]["status"], "ACCEPTED");
    assert_eq!(records[0].data["categories"], json!(["Home", "Away"]));
    assert_eq!(records[1].data["end"], "2026-04-02");
}

#[test]
fn folds_within_a_character_are_joined() {
    let mut text = calendar("BEGIN:VEVENT\nUID:f\nDTSTART:20260310T100000Z\nSUMMARY:caf@\nEND:VEVENT").into_bytes();
    let place = text.iter().position(|byte| *byte == b'@').expect("the place");
    text.splice(place..=place, [0xc3, b'\r', b'\n', b' ', 0xa9]);
    let records = read(&text, window(), None, &Shape::default()).expect("a calendar");
    assert_eq!(records[0].data["summary"], "café");
}

#[test]
fn hostile_calendars_end_soon_and_are_told() {
    let refused = |text: &str| read(text.as_bytes(), window(), None, &Shape::default()).expect_err("refused");
    let event = |rule: &str| format!("BEGIN:VEVENT\nUID:h\nDTSTART:19700101T000000Z\nRRULE:{rule}\nEND:VEVENT");
    assert!(matches!(refused(&calendar(&event("FREQ=SECONDLY"))), FetchError::TooLarge(_)));
    assert!(matches!(refused(&calendar(&event("FREQ=MINUTELY"))), FetchError::TooLarge(_)));
    assert!(matches!(refused(&"BEGIN:VEVENT\n".repeat(500_000)), FetchError::Malformed(_)));
    let wide = calendar(&"BEGIN:VEVENT\nUID:x\nDTSTART:20260310T100000Z\nEND:VEVENT\n".repeat(20_001));
    assert!(matches!(refused(&wide), FetchError::TooLarge(_)));
    for bad in ["", "hunter2", "<html/>", "BEGIN:VCALENDAR", &calendar("BEGIN:VEVENT\nUID:x\nEND:VEVENT")] {
        assert!(matches!(refused(bad), FetchError::Malformed(told) if !told.contains("hunter2")), "{bad}");
    }
    // A day that never comes: the library gives up, and the event is there once.
    let began = std::time::Instant::now();
    let records = events(&event("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").replace("1970", "2026").replace("0101", "0310"));
    assert_eq!(records.len(), 1);
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

/// What a parser could be slow at: a megabyte of each must not take long.
#[test]
fn lines_of_every_shape_are_read_in_time() {
    let event = |line: &str| calendar(&format!("BEGIN:VEVENT\nUID:s\nDTSTART:20260310T100000Z\n{line}\nEND:VEVENT"));
    let many = |part: &str| part.repeat((1 << 20) / part.len());
    for (name, text) in [
        ("parameters", event(&format!("X{}:v", many(";a=b")))),
        ("open quotes", event(&format!("X{}:v", many(";a=\"")))),
        ("quotes", event(&format!("X{}:v", many(";a=\"b\"")))),
        ("commas", event(&format!("CATEGORIES:{}", many("a,")))),
        ("backslashes", event(&format!("SUMMARY:{}", many("\\")))),
        ("dates", event(&format!("RDATE:{}", many("20260310T100000Z,")))),
        ("empty lines", event(&many("\n"))),
        ("folds", event(&format!("SUMMARY:{}", many("\n a")))),
        ("no colon", event(&many("x"))),
        ("lines", event(&many("X:y\n"))),
        ("alarms", event(&many("BEGIN:VALARM\nEND:VALARM\n"))),
        ("begins", many("BEGIN:")),
    ] {
        let began = std::time::Instant::now();
        let _ = read(text.as_bytes(), window(), None, &Shape::default());
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{name}: {:?}", began.elapsed());
    }
}

#[test]
fn what_cannot_be_expanded_is_there_once_with_its_rule() {
    let records = events("BEGIN:VEVENT\nUID:u\nDTSTART:20260310T100000Z\nRRULE:FREQ=SOMETIMES\nEND:VEVENT");
    assert_eq!(records.len(), 1);
    assert_eq!(
        (&records[0].data["unexpanded"], &records[0].data["recurrence"]),
        (&json!(true), &json!(["FREQ=SOMETIMES"]))
    );
    // Begun before the window it may go on within it; what begins after it cannot.
    let series = |start: &str| format!("BEGIN:VEVENT\nUID:u\nDTSTART:{start}\nRRULE:FREQ=SOMETIMES\nEND:VEVENT");
    let records = events(&series("20200110T100000Z"));
    assert_eq!(starts(&records), ["2020-01-10T10:00:00Z"]);
    assert_eq!(records[0].data["unexpanded"], true);
    assert!(events(&series("20270110T100000Z")).is_empty());
}

#[test]
fn what_a_series_repeats_is_bounded() {
    let series = |words: usize, rule: &str| {
        let text = calendar(&format!(
            "BEGIN:VEVENT\nUID:w\nDTSTART:20260302T100000Z\nRRULE:{rule}\nDESCRIPTION:{}\nEND:VEVENT",
            "x".repeat(words)
        ));
        read(text.as_bytes(), window(), None, &Shape::default())
    };
    // 60 KiB each: 1,000 are below 64 MiB, 2,000 are not.
    assert_eq!(series(60 << 10, "FREQ=MINUTELY;COUNT=1000").expect("fits").len(), 1000);
    assert!(matches!(series(60 << 10, "FREQ=MINUTELY;COUNT=2000"), Err(FetchError::TooLarge(_))));
    assert!(matches!(series(1, "FREQ=MINUTELY;COUNT=10001"), Err(FetchError::TooLarge(_))));
    assert_eq!(series(1, "FREQ=MINUTELY;COUNT=10000").expect("fits").len(), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A daily series has one occurrence a day, whatever the zone's clocks do.
    #[test]
    fn a_daily_series_has_an_occurrence_each_day(first in 1_i64..40, hour in 0_i64..24, days in 1_usize..30) {
        let start = window().from / DAY + first;
        let date = super::zone::civil_of(start * DAY + hour * 3600).expect("a date");
        let text = format!(
            "{VIENNA}\nBEGIN:VEVENT\nUID:p\nDTSTART;TZID=Wien:{}\nRRULE:FREQ=DAILY;COUNT={days}\nEND:VEVENT",
            date.strftime("%Y%m%dT%H%M%S"),
        );
        let wide = Window { to: window().to + 100 * DAY, ..window() };
        let records = read(calendar(&text).as_bytes(), wide, None, &Shape::default()).expect("a calendar");
        prop_assert_eq!(records.len(), days);
        for pair in records.windows(2) {
            let apart = pair[1].at.expect("a time").since(pair[0].at.expect("a time")) / 1_000_000_000;
            prop_assert!((apart - DAY).abs() <= 3600, "{apart}");
        }
    }

    #[test]
    fn a_damaged_calendar_is_read_or_refused(cut in 0_usize..600, noise in "[A-Z0-9;=:,+\\-\r\n\u{e9}]{0,12}") {
        let whole = calendar(&format!(
            "{VIENNA}\nBEGIN:VEVENT\nUID:p\nDTSTART;TZID=Wien:20260310T090000\nDURATION:PT1H\n\
             RRULE:FREQ=MONTHLY;BYDAY=2TU;COUNT=9\nEXDATE:20260410\nEND:VEVENT"
        ));
        let cut = cut % whole.len();
        let damaged = format!("{}{noise}{}", &whole[..cut], &whole[(cut + noise.len()).min(whole.len())..].trim_start_matches(|c: char| !c.is_ascii()));
        let _ = read(damaged.as_bytes(), window(), None, &Shape::default());
    }

    #[test]
    fn any_rule_is_expanded_or_not(rule in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))(;(INTERVAL|COUNT|BYDAY|BYMONTH|BYMONTHDAY|BYSETPOS|BYWEEKNO|BYYEARDAY|BYHOUR|WKST|UNTIL)=[0-9A-Z,+-]{0,6}){0,4}") {
        let text = calendar(&format!("BEGIN:VEVENT\nUID:r\nDTSTART:20260310T100000Z\nRRULE:{rule}\nEND:VEVENT"));
        let _ = read(text.as_bytes(), window(), None, &Shape::default());
    }
}

//! Times of calendars: local times and the zones that they are in.
//!
//! A local time is kept as the seconds that it would be of in UTC ("wall seconds"): recurrences are counted in local
//! time, and only then is each made an instant.

use std::collections::BTreeMap;

use icalendar::parser::Component;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use super::expand::{self, Budget};
use super::parse::text;

/// Most changes of offset taken from one zone that a calendar defines itself.
const ONSETS_MAX: usize = 1_000;

/// A zone.
#[derive(Debug, Clone)]
pub(in crate::connectors) enum Zone {
    /// One that the machine knows by name, or UTC.
    Named(TimeZone),
    /// One that the calendar defines: wall seconds of each change, and the offsets before and after it.
    Own(Vec<Onset>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::connectors) struct Onset {
    wall: i64,
    before: i64,
    after: i64,
}

impl Zone {
    pub fn utc() -> Zone {
        Zone::Named(TimeZone::UTC)
    }

    /// A zone by its name in the database of the machine.
    pub fn named(name: &str) -> Option<Zone> {
        TimeZone::get(name).ok().map(Zone::Named)
    }

    /// The instant of a local time, seconds since 1970. One that a clock put forward skips is as much later; of one
    /// that there is twice the earlier counts.
    pub fn instant(&self, wall: i64) -> i64 {
        match self {
            Zone::Named(zone) => {
                let Some(local) = civil_of(wall) else { return wall };
                zone.to_ambiguous_timestamp(local).compatible().map_or(wall, |time| time.as_second())
            }
            Zone::Own(onsets) => {
                let before = onsets.partition_point(|onset| onset.wall <= wall).checked_sub(1);
                let offset = before.map(|n| onsets[n].after).or(onsets.first().map(|first| first.before));
                wall.saturating_sub(offset.unwrap_or(0))
            }
        }
    }

    /// The local time of an instant, wall seconds.
    pub fn wall(&self, instant: i64) -> i64 {
        match self {
            Zone::Named(zone) => {
                let Ok(time) = jiff::Timestamp::from_second(instant) else { return instant };
                instant.saturating_add(i64::from(zone.to_offset(time).seconds()))
            }
            Zone::Own(onsets) => {
                let before = onsets.partition_point(|onset| onset.wall.saturating_sub(onset.before) <= instant);
                let offset = match before.checked_sub(1) {
                    Some(n) => onsets[n].after,
                    None => onsets.first().map_or(0, |first| first.before),
                };
                instant.saturating_add(offset)
            }
        }
    }
}

/// The zones that a calendar defines, by their names; up to `until`, seconds since 1970.
pub(super) fn defined(calendar: &Component<'_>, until: i64, budget: &mut Budget) -> BTreeMap<String, Zone> {
    let zones = calendar.components.iter().filter(|component| component.name == "VTIMEZONE");
    zones.filter_map(|zone| Some((text(zone, "TZID")?.to_owned(), own(zone, until, budget)?))).take(256).collect()
}

fn own(zone: &Component<'_>, until: i64, budget: &mut Budget) -> Option<Zone> {
    let mut onsets = Vec::new();
    for part in &zone.components {
        let (before, after) = (offset(text(part, "TZOFFSETFROM")?)?, offset(text(part, "TZOFFSETTO")?)?);
        let first = local(text(part, "DTSTART")?)?.0;
        let mut walls = vec![first];
        if let Some(rule) = text(part, "RRULE") {
            let to_wall = |instant: i64| instant.saturating_add(before);
            walls.extend(expand::rule(first, rule, until.saturating_add(before), to_wall, budget).ok()?);
        }
        for dates in part.properties.iter().filter(|property| property.name == "RDATE") {
            walls.extend(dates.val.as_str().split(',').filter_map(|date| Some(local(date)?.0)));
        }
        onsets.extend(walls.into_iter().take(ONSETS_MAX).map(|wall| Onset { wall, before, after }));
    }
    onsets.sort_unstable();
    onsets.dedup();
    (!onsets.is_empty()).then_some(Zone::Own(onsets))
}

/// `+0100`, `-053000`: seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |two| two.parse::<i64>().ok());
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    (seconds < 86_400).then_some(sign * seconds)
}

/// `20260131`, `20260131T120000` or `20260131T120000Z`: wall seconds, whether it is a date alone, whether it is UTC.
pub(super) fn local(text: &str) -> Option<(i64, bool, bool)> {
    let text = text.trim();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i16>().ok()).flatten();
    let small = |text: &str| number(text).and_then(|n| i8::try_from(n).ok());
    let date = text.get(..8)?;
    let date = civil::Date::new(number(date.get(..4)?)?, small(date.get(4..6)?)?, small(date.get(6..)?)?).ok()?;
    let Some(rest) = text.get(8..).filter(|rest| !rest.is_empty()) else {
        return Some((wall_of(date.at(0, 0, 0, 0))?, true, false));
    };
    let (rest, utc) = rest.strip_suffix('Z').map_or((rest, false), |rest| (rest, true));
    let time = rest.strip_prefix('T').filter(|time| time.len() == 6)?;
    // A leap second is the one before it.
    let (hour, minute, second) = (small(time.get(..2)?)?, small(time.get(2..4)?)?, small(time.get(4..)?)?.min(59));
    let time = civil::Time::new(hour, minute, second, 0).ok()?;
    Some((wall_of(date.to_datetime(time))?, false, utc))
}

fn wall_of(local: civil::DateTime) -> Option<i64> {
    Offset::UTC.to_timestamp(local).ok().map(|time| time.as_second())
}

pub(super) fn civil_of(wall: i64) -> Option<civil::DateTime> {
    jiff::Timestamp::from_second(wall).ok().map(|time| Offset::UTC.to_datetime(time))
}

//! Events of a calendar as records: each occurrence within the window is one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use icalendar::parser::{Component, Property};
use serde_json::{Map, Value, json};

use crate::connectors::error::FetchError;
use crate::connectors::page::RECORDS_MAX;
use crate::connectors::shape::{Shape, SourceRecord, digest, sized};
use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::expand::{self, Budget, STEPS_MAX, Unexpanded};
use super::parse::{components, parameter, text, unfold};
use super::zone::{Zone, civil_of, defined, local};
use super::{DAY, Window};

/// Most dates of one event's RDATE and EXDATE.
const DATES_MAX: usize = 10_000;
/// Most rules of one event that are expanded.
const RULES_MAX: usize = 4;
/// Most attendees of one event.
const ATTENDEES_MAX: usize = 256;
/// Most bytes of all records of a document: each occurrence has a copy of its event's words.
const BYTES_MAX: usize = 64 << 20;

/// A time of an event.
#[derive(Debug, Clone)]
struct Time {
    wall: i64,
    all_day: bool,
    zone: Zone,
    name: Option<String>,
}

impl Time {
    fn instant(&self) -> i64 {
        self.zone.instant(self.wall)
    }

    /// RFC 3339 with its offset, or a date.
    fn written(&self) -> Option<String> {
        let local = civil_of(self.wall)?;
        if self.all_day {
            return Some(local.date().to_string());
        }
        // A local time that a clock skipped is told as what it is.
        let instant = self.instant();
        let wall = self.zone.wall(instant);
        let (offset, local) = (wall - instant, civil_of(wall)?);
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        let offset =
            if offset == 0 { "Z".to_owned() } else { format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60) };
        Some(format!("{local}{offset}"))
    }
}

/// What times in this calendar without a zone of their own mean.
struct Zones {
    defined: BTreeMap<String, Zone>,
    usual: Zone,
    name: Option<String>,
}

impl Zones {
    fn find(&self, name: &str) -> Option<Zone> {
        // Some put a path before the name: `/citadel.org/20260101_1/Europe/Berlin`.
        let tail = name.trim_start_matches('/').splitn(3, '/').nth(2).filter(|_| name.starts_with('/'));
        Zone::named(name).or_else(|| self.defined.get(name).cloned()).or_else(|| Zone::named(tail?))
    }

    fn read(&self, property: &Property<'_>, value: &str) -> Option<Time> {
        let (wall, all_day, utc) = local(value)?;
        let named = parameter(property, "TZID").and_then(|name| Some((self.find(name)?, name.to_owned())));
        let (zone, name) = match named {
            _ if utc || all_day => (Zone::utc(), None),
            Some((zone, name)) => (zone, Some(name)),
            None => (self.usual.clone(), self.name.clone()),
        };
        Some(Time { wall, all_day, zone, name })
    }

    fn of(&self, component: &Component<'_>, name: &str) -> Option<Time> {
        let property = component.find_prop(name)?;
        self.read(property, property.val.as_str())
    }

    fn dates<'a>(&'a self, component: &'a Component<'_>, name: &'a str) -> impl Iterator<Item = Time> + 'a {
        let lines = component.properties.iter().filter(move |property| property.name == name);
        // Of a period the start counts.
        let dates = lines.flat_map(|line| line.val.as_str().split(',').map(move |date| (line, date)));
        dates.filter_map(|(line, date)| self.read(line, date.split('/').next().unwrap_or(date)))
    }
}

/// The records so far.
struct Gathered<'a> {
    shape: &'a Shape,
    records: Vec<SourceRecord>,
    bytes: usize,
}

impl Gathered<'_> {
    /// Makes room for one more record of about so many bytes; asked before the record is made.
    fn room(&mut self, bytes: usize) -> Result<(), FetchError> {
        if self.records.len() >= RECORDS_MAX {
            let why = format!("more than {RECORDS_MAX} events are in the window: narrow pastDays and futureDays");
            return Err(FetchError::TooLarge(why));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BYTES_MAX {
            let why =
                format!("the events in the window have more than {BYTES_MAX} bytes: narrow pastDays and futureDays");
            return Err(FetchError::TooLarge(why));
        }
        Ok(())
    }

    fn add(&mut self, data: Value, id: String, at: Timestamp) {
        let made = self.shape.record(data);
        self.records.push(SourceRecord { id, at: Some(at), data: made.data });
    }
}

/// Reads a calendar: the occurrences that touch the window. `usual`: the zone of times that name none, before the
/// calendar's own word.
pub(super) fn read(
    body: &[u8],
    window: Window,
    usual: Option<&Zone>,
    shape: &Shape,
) -> Result<Vec<SourceRecord>, FetchError> {
    let text_of = unfold(body)?;
    let found = components(&text_of)?;
    let mut budget = Budget::new();
    let mut out = Gathered { shape, records: Vec::new(), bytes: 0 };
    for calendar in found.iter().filter(|component| component.name == "VCALENDAR") {
        let own = text(calendar, "X-WR-TIMEZONE");
        let zone = usual.cloned().or_else(|| Zone::named(own?));
        let name = own.filter(|_| usual.is_none() && zone.is_some()).map(str::to_owned);
        let usual = zone.unwrap_or_else(Zone::utc);
        let zones = Zones { defined: defined(calendar, window.to + 366 * DAY, &mut budget), usual, name };
        let events: Vec<&Component<'_>> = calendar.components.iter().filter(|it| it.name == "VEVENT").collect();
        // The instants of each series that an event of their own stands for.
        let mut moved: HashMap<&str, HashSet<i64>> = HashMap::new();
        for event in &events {
            if let (Some(uid), Some(at)) = (text(event, "UID"), zones.of(event, "RECURRENCE-ID")) {
                moved.entry(uid).or_default().insert(at.instant());
            }
        }
        for event in events {
            let uid = text(event, "UID");
            let instead = uid.and_then(|uid| moved.get(uid));
            occurrences(event, &zones, window, instead, &mut budget, &mut out)?;
        }
    }
    Ok(out.records)
}

fn occurrences(
    event: &Component<'_>,
    zones: &Zones,
    window: Window,
    instead: Option<&HashSet<i64>>,
    budget: &mut Budget,
    gathered: &mut Gathered<'_>,
) -> Result<(), FetchError> {
    let Some(start) = zones.of(event, "DTSTART") else {
        return FetchError::malformed("an event of the calendar has no DTSTART that can be read");
    };
    let length = length(event, zones, &start);
    let single = zones.of(event, "RECURRENCE-ID");
    let rules: Vec<&str> = event.properties.iter().filter(|it| it.name == "RRULE").map(|it| it.val.as_str()).collect();
    let has = |name: &str| event.find_prop(name).is_some();
    let recurs = single.is_none() && (!rules.is_empty() || has("RDATE"));
    let mut walls = BTreeSet::from([start.wall]);
    let mut expanded = rules.len() <= RULES_MAX;
    if recurs {
        let dates = event.properties.iter().filter(|it| it.name == "RDATE" || it.name == "EXDATE");
        if dates.map(|it| it.val.as_str().split(',').count()).sum::<usize>() > DATES_MAX {
            return Err(FetchError::TooLarge(format!("an event of the calendar has more than {DATES_MAX} dates")));
        }
        let until = start.zone.wall(window.to);
        for rule in rules.iter().take(RULES_MAX) {
            match expand::rule(start.wall, rule, until, |instant| start.zone.wall(instant), budget) {
                Ok(more) => walls.extend(more),
                // What cannot be expanded is there once, with its rule.
                Err(Unexpanded::Unreadable) => expanded = false,
                Err(Unexpanded::TooMany) => {
                    let why =
                        format!("the calendar's recurrences have more than {STEPS_MAX} occurrences, or take too long");
                    return Err(FetchError::TooLarge(why));
                }
            }
        }
        walls.extend(zones.dates(event, "RDATE").map(|date| start.zone.wall(date.instant())));
        let mut out = HashSet::new();
        let mut days = HashSet::new();
        for date in zones.dates(event, "EXDATE") {
            // A date alone takes out what begins on that day.
            if date.all_day {
                days.insert(date.wall.div_euclid(DAY));
            }
            out.insert(start.zone.wall(date.instant()));
        }
        walls.retain(|wall| !out.contains(wall) && !days.contains(&wall.div_euclid(DAY)));
    }
    let common = fields(event);
    // Without a UID the event's words are its name.
    let uid = text(event, "UID").map_or_else(|| digest(&Value::Object(common.clone())), str::to_owned);
    // What each occurrence repeats.
    let repeated = serde_json::to_string(&common).map_or(0, |text| text.len())
        + uid.len()
        + rules.iter().map(|rule| rule.len()).sum::<usize>();
    for wall in walls {
        let begins = Time { wall, ..start.clone() };
        let from = begins.instant();
        if recurs && instead.is_some_and(|instead| instead.contains(&from)) {
            continue;
        }
        let ends = match length {
            Length::Days(days) => Time { wall: wall + days * DAY, ..begins.clone() },
            Length::Seconds(seconds) => Time { wall: begins.zone.wall(from.saturating_add(seconds)), ..begins.clone() },
        };
        // A series that cannot be expanded may still go on in the window, however long ago it began.
        let goes_on = recurs && !expanded && wall == start.wall;
        if from >= window.to || (ends.instant().max(from) < window.from && !goes_on) {
            continue;
        }
        gathered.room(repeated)?;
        let mut data = common.clone();
        data.insert("uid".into(), json!(uid));
        data.insert("start".into(), json!(begins.written()));
        data.insert("end".into(), json!(ends.written()));
        data.insert("allDay".into(), json!(begins.all_day));
        begins.name.as_ref().map(|name| data.insert("timeZone".into(), json!(name)));
        let of = single.as_ref().map(Time::instant).or(recurs.then_some(from));
        let id = match of {
            Some(instant) => format!("{uid}/{}", Timestamp(instant.saturating_mul(SECOND))),
            None => uid.clone(),
        };
        if recurs {
            data.insert("recurrence".into(), json!(rules));
        }
        if let Some(single) = &single {
            data.insert("recurrenceId".into(), json!(single.written()));
        }
        if !expanded {
            data.insert("unexpanded".into(), json!(true));
        }
        gathered.add(Value::Object(data), sized(id), Timestamp(from.saturating_mul(SECOND)));
    }
    Ok(())
}

/// How long an event is: whole days keep their local times.
#[derive(Debug, Clone, Copy)]
enum Length {
    Days(i64),
    Seconds(i64),
}

fn length(event: &Component<'_>, zones: &Zones, start: &Time) -> Length {
    let until = zones.of(event, "DTEND");
    let lasts = text(event, "DURATION").and_then(seconds);
    match (until, lasts) {
        (Some(end), _) if start.all_day => Length::Days(((end.wall - start.wall) / DAY).max(0)),
        (Some(end), _) => Length::Seconds((end.instant() - start.instant()).max(0)),
        (None, Some(lasts)) if start.all_day => Length::Days(lasts / DAY),
        (None, Some(lasts)) => Length::Seconds(lasts),
        (None, None) if start.all_day => Length::Days(1),
        (None, None) => Length::Seconds(0),
    }
}

/// `P1DT2H`, `PT15M`, `P2W`: seconds; nothing for what is negative.
fn seconds(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    let mut sum = 0_i64;
    while !rest.is_empty() {
        rest = rest.strip_prefix('T').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(end);
        let unit = match tail.as_bytes().first()? {
            b'W' => 7 * DAY,
            b'D' => DAY,
            b'H' => 3_600,
            b'M' => 60,
            b'S' => 1,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = &tail[1..];
    }
    // Longer than a century is a mistake.
    (sum <= 36_525 * DAY).then_some(sum)
}

fn fields(event: &Component<'_>) -> Map<String, Value> {
    let mut data = Map::new();
    let texts = [
        ("summary", "SUMMARY"),
        ("description", "DESCRIPTION"),
        ("location", "LOCATION"),
        ("status", "STATUS"),
        ("transparency", "TRANSP"),
        ("class", "CLASS"),
        ("url", "URL"),
        ("geo", "GEO"),
    ];
    for (name, property) in texts {
        if let Some(value) = text(event, property) {
            data.insert(name.into(), json!(value));
        }
    }
    for (name, property) in [("created", "CREATED"), ("updated", "LAST-MODIFIED")] {
        let time = text(event, property).and_then(local).filter(|(_, all_day, _)| !all_day);
        if let Some((wall, ..)) = time {
            data.insert(name.into(), json!(Timestamp(wall.saturating_mul(SECOND))));
        }
    }
    let categories: Vec<&str> = event
        .properties
        .iter()
        .filter(|property| property.name == "CATEGORIES")
        .flat_map(|property| property.val.as_str().split(','))
        .map(str::trim)
        .filter(|category| !category.is_empty())
        .take(64)
        .collect();
    if !categories.is_empty() {
        data.insert("categories".into(), json!(categories));
    }
    if let Some(organizer) = event.find_prop("ORGANIZER") {
        data.insert("organizer".into(), person(organizer));
    }
    let attendees: Vec<Value> =
        event.properties.iter().filter(|it| it.name == "ATTENDEE").take(ATTENDEES_MAX).map(person).collect();
    if !attendees.is_empty() {
        data.insert("attendees".into(), Value::Array(attendees));
    }
    data
}

fn person(property: &Property<'_>) -> Value {
    let value = property.val.as_str();
    let mail = value.get(..7).filter(|start| start.eq_ignore_ascii_case("mailto:")).map(|_| &value[7..]);
    let mut data = Map::new();
    data.insert(if mail.is_some() { "email" } else { "uri" }.into(), json!(mail.unwrap_or(value)));
    for (name, key) in [("name", "CN"), ("status", "PARTSTAT"), ("role", "ROLE")] {
        if let Some(value) = parameter(property, key) {
            data.insert(name.into(), json!(value));
        }
    }
    Value::Object(data)
}

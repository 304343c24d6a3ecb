//! A calendar's text as components.

use icalendar::parser::{Component, Property, read_components};

use crate::connectors::error::FetchError;

/// Deepest nesting of components; calendars have three.
const DEPTH_MAX: usize = 8;
/// Most events of a calendar.
pub(super) const EVENTS_MAX: usize = 20_000;

/// Lines joined that were folded. Folds are made by bytes, also within a character.
pub(super) fn unfold(body: &[u8]) -> Result<String, FetchError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut out = Vec::with_capacity(body.len());
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            [b' ' | b'\t', rest @ ..] if !out.is_empty() => {
                out.pop();
                out.extend_from_slice(rest);
            }
            [] => continue,
            _ => out.extend_from_slice(line),
        }
        out.push(b'\n');
    }
    String::from_utf8(out).or_else(|_| FetchError::malformed("the calendar is no UTF-8"))
}

/// The components of a text without folds; every event that it begins is among them.
pub(super) fn components(text: &str) -> Result<Vec<Component<'_>>, FetchError> {
    let mut depth = 0_usize;
    let mut events = 0;
    for line in text.lines() {
        let starts = |word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if starts("BEGIN:") {
            depth += 1;
            events += usize::from(line[6..].trim().eq_ignore_ascii_case("VEVENT"));
        } else if starts("END:") {
            depth = depth.saturating_sub(1);
        }
        // The parser calls itself for each level.
        if depth > DEPTH_MAX {
            return FetchError::malformed(format!("the calendar is nested deeper than {DEPTH_MAX}"));
        }
    }
    if events > EVENTS_MAX {
        return Err(FetchError::TooLarge(format!("the calendar has {events} events, more than {EVENTS_MAX}")));
    }
    let Ok(found) = read_components(text) else {
        return FetchError::malformed("the document is no calendar that can be read");
    };
    if !found.iter().any(|component| component.name == "VCALENDAR") {
        return FetchError::malformed("the document is no calendar");
    }
    let read: usize = found.iter().map(count_events).sum();
    if read != events {
        return FetchError::malformed(format!("of the calendar's {events} events only {read} can be read"));
    }
    Ok(found)
}

fn count_events(component: &Component<'_>) -> usize {
    usize::from(component.name == "VEVENT") + component.components.iter().map(count_events).sum::<usize>()
}

/// A property's value.
pub(super) fn text<'a>(component: &'a Component<'_>, name: &str) -> Option<&'a str> {
    let value = component.find_prop(name)?.val.as_str().trim();
    (!value.is_empty()).then_some(value)
}

/// A parameter of a property, without quotes.
pub(super) fn parameter<'a>(property: &'a Property<'_>, name: &str) -> Option<&'a str> {
    let found = property.params.iter().find(|parameter| parameter.key.as_str().eq_ignore_ascii_case(name))?;
    Some(found.val.as_ref()?.as_str().trim_matches('"'))
}

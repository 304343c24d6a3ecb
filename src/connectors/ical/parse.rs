//! A calendar's text as components.

use icalendar::parser::{Component, Property, read_components};

use crate::connectors::error::FetchError;

/// Deepest nesting of components; calendars have three.
const DEPTH_MAX: usize = 8;
/// Most events of a calendar.
pub(super) const EVENTS_MAX: usize = 20_000;

/// Most lines of one event or zone, with what is within it: the parser's time grows with their square.
const LINES_MAX: usize = 4_000;
/// Most bytes of a line without its folds; a longer one, like a picture within the calendar, is left out.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a line's name and parameters; one with more is left out.
const NAME_BYTES_MAX: usize = 2 * 1024;

/// Whether the line is of a size that people's calendars have: the parser's time grows faster than a line.
fn fits(line: &[u8]) -> bool {
    let name = line.iter().take(NAME_BYTES_MAX).any(|byte| *byte == b':') || line.len() <= NAME_BYTES_MAX;
    name && line.len() <= LINE_BYTES_MAX
}

/// Lines joined that were folded, without those that are too long. Folds are made by bytes, also within a character.
pub(super) fn unfold(body: &[u8]) -> Result<String, FetchError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut out = Vec::with_capacity(body.len());
    let mut began = 0;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            [b' ' | b'\t', rest @ ..] if !out.is_empty() => {
                out.pop();
                out.extend_from_slice(rest);
            }
            [] => continue,
            _ => {
                close(&mut out, began);
                began = out.len();
                out.extend_from_slice(line);
            }
        }
        out.push(b'\n');
    }
    close(&mut out, began);
    String::from_utf8(out).or_else(|_| FetchError::malformed("the calendar is no UTF-8"))
}

/// Takes the line that began there out again when it does not fit.
fn close(out: &mut Vec<u8>, began: usize) {
    if !fits(&out[began..]) {
        out.truncate(began);
    }
}

/// The components of a text without folds; every event that it begins is among them.
pub(super) fn components(text: &str) -> Result<Vec<Component<'_>>, FetchError> {
    let mut depth = 0_usize;
    let mut events = 0;
    let mut lines = 0_usize;
    for line in text.lines() {
        let starts = |word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if starts("BEGIN:") {
            depth += 1;
            events += usize::from(line[6..].trim().eq_ignore_ascii_case("VEVENT"));
        } else if starts("END:") {
            depth = depth.saturating_sub(1);
        }
        // Each part of the calendar itself is counted anew; what stands in no part, together.
        lines = if depth == 1 && starts("END:") { 0 } else { lines + 1 };
        if lines > LINES_MAX {
            return Err(FetchError::TooLarge(format!("a part of the calendar has more than {LINES_MAX} lines")));
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

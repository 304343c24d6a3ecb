//! Dotted paths: a mapping's sources and destinations, a filter's field, what is ordered by.

use smol_str::SmolStr;

use super::{DEPTH_MAX, PATH_BYTES_MAX};

/// One step into JSON data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A member of an object; in an array nothing.
    Key(SmolStr),
    /// An element of an array; in an object nothing.
    Index(u32),
    /// A step of digits as databases read it: the element of an array, or the member of an object.
    Either(SmolStr, u32),
}

/// A mapping's destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Names of nested objects, the last is the member that is set.
    pub keys: Vec<SmolStr>,
    /// Ended in `[]`: each element of an array is mapped.
    pub each: bool,
}

fn sized(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > PATH_BYTES_MAX {
        return Err(format!("a path has 1 to {PATH_BYTES_MAX} bytes"));
    }
    if text.split('.').count() > DEPTH_MAX {
        return Err(format!("a path has at most {DEPTH_MAX} segments"));
    }
    Ok(())
}

fn word(segment: &str) -> Result<SmolStr, String> {
    if segment.is_empty() || !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!(
            "segment {segment:?} is not made of letters, digits and '_', with [n] or [] at its end where an array is meant"
        ));
    }
    Ok(segment.into())
}

/// What stands in brackets at a segment's end.
enum Bracket {
    None,
    Each,
    Item(u32),
}

fn segment(text: &str) -> Result<(SmolStr, Bracket), String> {
    let Some(open) = text.find('[') else {
        return Ok((word(text)?, Bracket::None));
    };
    let name = word(&text[..open])?;
    let Some(inner) = text[open + 1..].strip_suffix(']') else {
        return Err(format!("segment {text:?} has no ']' at its end"));
    };
    if inner.is_empty() {
        return Ok((name, Bracket::Each));
    }
    match inner.parse() {
        Ok(index) if inner.bytes().all(|b| b.is_ascii_digit()) => Ok((name, Bracket::Item(index))),
        _ => Err(format!("segment {text:?}: {inner:?} is no index of an array")),
    }
}

/// Reads a mapping's source: `a.b`, `a[1].b`, `a[]` at the end for a whole array.
///
/// # Errors
/// A sentence.
pub(super) fn source(text: &str) -> Result<Vec<Step>, String> {
    sized(text)?;
    let mut steps = Vec::new();
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, bracket) = segment(part)?;
        steps.push(Step::Key(name));
        match bracket {
            Bracket::None => {}
            Bracket::Item(index) => steps.push(Step::Index(index)),
            Bracket::Each if parts.peek().is_none() => {}
            Bracket::Each => return Err(format!("{part:?} stands for a whole array and can only be last")),
        }
    }
    Ok(steps)
}

/// Reads a mapping's destination: `a.b`, or `a.b[]` to map each element of an array.
///
/// # Errors
/// A sentence.
pub(super) fn destination(text: &str) -> Result<Destination, String> {
    sized(text)?;
    let mut keys = Vec::new();
    let mut each = false;
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, bracket) = segment(part)?;
        keys.push(name);
        match bracket {
            Bracket::None => {}
            Bracket::Each if parts.peek().is_none() => each = true,
            _ => return Err(format!("{part:?}: a destination has no index, and [] only at its end")),
        }
    }
    Ok(Destination { keys, each })
}

/// Reads a filter's field or what is ordered by, as a database reads it: any names between dots, a step of
/// digits is an index where there is an array.
///
/// # Errors
/// A sentence.
pub(super) fn field(text: &str) -> Result<Vec<Step>, String> {
    sized(text)?;
    text.split('.').map(field_step).collect()
}

fn field_step(part: &str) -> Result<Step, String> {
    if part.is_empty() {
        return Err("a path has no empty segments".into());
    }
    if part.contains(['[', ']']) {
        return Err(format!("segment {part:?}: an element of an array is written .n here, not [n]"));
    }
    if part.chars().any(char::is_control) {
        return Err("a path has no control characters".into());
    }
    let digits = part.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = part.strip_prefix(['-', '+'])
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_digit())
    {
        // Databases count from the end here: what that would release depends on the array's length.
        return Err(format!("segment {part:?}: an index has no sign"));
    }
    match part.parse() {
        Ok(index) if digits => Ok(Step::Either(part.into(), index)),
        _ => Ok(Step::Key(part.into())),
    }
}

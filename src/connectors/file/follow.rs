//! A page of the files that are meant: each goes on where it was left, also one that has been moved aside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connectors::error::FetchError;
use crate::connectors::page::{Page, continuation, state_of};
use crate::connectors::shape::SourceRecord;
use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::open::{Folder, Found, folder};
use super::pattern::Place;
use super::tail::{CHUNK, HEADER, Tail};
use super::{FileConnector, Lines, OnBad};

/// Most files of one account at a time: each takes its place in the continuation, at most 50 bytes of its 4,096.
const FILES_MAX: usize = 80;

/// How far a file was read, and a mark of its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left(u64, String);

/// By inode: a file that is moved aside stays the one that it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    #[serde(rename = "f")]
    files: BTreeMap<u64, Left>,
}

/// What was read of one file.
#[derive(Default)]
struct Part {
    records: Vec<SourceRecord>,
    skipped: u32,
    end: u64,
    done: bool,
}

pub(super) fn page(
    of: &FileConnector,
    roots: &[PathBuf],
    place: &Place,
    before: Option<&str>,
    now: Timestamp,
) -> Result<Page, FetchError> {
    let mut state: State = state_of(before);
    let Some(folder) = folder(roots, &place.folders)? else { return Err(FetchError::NotFound) };
    let files = files(&folder, place, &state)?;
    if files.is_empty() && place.file.is_exact() {
        return Err(FetchError::NotFound);
    }
    let here: Vec<u64> = files.iter().map(|found| found.inode).collect();
    state.files.retain(|inode, _| here.contains(inode));
    let last = files.len().saturating_sub(1);
    for (n, found) in files.iter().enumerate() {
        let tail = Tail::of(folder.open(found)?)?;
        let left = state.files.get(&tail.inode).filter(|left| tail.size >= left.0);
        // What is shorter than it was, or begins with other bytes, is another file.
        let from = match left {
            Some(left) if tail.mark(left.0)? == left.1 => left.0,
            _ => 0,
        };
        let part = part(of, &tail, from, n, now)?;
        state.files.insert(tail.inode, Left(part.end, tail.mark(part.end)?));
        if !part.records.is_empty() || part.skipped > 0 {
            let more = n < last || !part.done;
            let continuation = Some(continuation(&state)?);
            return Ok(Page { records: part.records, continuation, more, skipped: part.skipped });
        }
    }
    Page::end(Vec::new(), continuation(&state)?)
}

/// The files that are meant, by name; before them those that were begun and have another name now.
fn files(folder: &Folder, place: &Place, state: &State) -> Result<Vec<Found>, FetchError> {
    let names = folder.list()?;
    let (meant, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| place.file.fits(name));
    let meant: Vec<Found> = meant.iter().filter_map(|name| folder.find(name)).collect();
    let gone = state.files.keys().any(|inode| !meant.iter().any(|found| found.inode == *inode));
    let mut all = Vec::new();
    if gone {
        let aside = others.iter().filter_map(|name| folder.find(name));
        all.extend(aside.filter(|found| state.files.contains_key(&found.inode)));
    }
    all.extend(meant);
    if all.len() > FILES_MAX {
        let why = format!("more than {FILES_MAX} files are meant: move aside those that are done, or narrow the path");
        return FetchError::refused(why);
    }
    Ok(all)
}

fn part(of: &FileConnector, tail: &Tail, from: u64, n: usize, now: Timestamp) -> Result<Part, FetchError> {
    let mut from = from;
    let mut columns = Vec::new();
    let mut marks = None;
    if let Lines::Csv(csv) = &of.lines {
        marks = Some((csv.quote, csv.delimiter));
        let head = tail.read(0, HEADER)?;
        match csv.header(&head)? {
            Some((names, first)) => (columns, from) = (names, from.max(first)),
            None if head.len() >= HEADER => {
                return Err(FetchError::TooLarge(format!(
                    "the header of file {} is longer than {HEADER} bytes",
                    n + 1
                )));
            }
            None => return Ok(Part { end: from, done: true, ..Part::default() }),
        }
    } else if from == 0 && tail.read(0, 3)?.starts_with(b"\xef\xbb\xbf") {
        from = 3;
    }
    let bytes = tail.read(from, CHUNK)?;
    let at_end = from + bytes.len() as u64 >= tail.size;
    let mut ends = ends(&bytes, marks);
    let whole = ends.last().copied().unwrap_or(0);
    if whole < bytes.len() {
        // A last line without its end: whole once nobody has written for a while.
        let settled = now.0.div_euclid(SECOND) >= tail.changed.saturating_add(of.settle);
        if at_end && settled {
            ends.push(bytes.len());
        } else if bytes.len() >= CHUNK && whole == 0 {
            let why = format!("a line of file {} at byte {from} is longer than {CHUNK} bytes", n + 1);
            return Err(FetchError::TooLarge(why));
        }
    }
    let mut part = Part { end: from, ..Part::default() };
    let mut start = 0;
    for end in ends {
        if part.records.len() >= of.page_records {
            break;
        }
        let line = &bytes[start..end];
        let blank = line.trim_ascii().is_empty();
        match if blank { None } else { Some(value(of, line, &columns)) } {
            None => {}
            Some(Some(value)) => part.records.push(of.shape.record(value)),
            Some(None) if of.on_bad == OnBad::Skip => part.skipped += 1,
            Some(None) if !part.records.is_empty() => break,
            Some(None) => {
                let at = from + start as u64;
                let why = format!("the line of file {} at byte {at} cannot be read; `onBadLine` may skip such", n + 1);
                return FetchError::malformed(why);
            }
        }
        start = end;
        part.end = from + end as u64;
    }
    part.done = part.end >= tail.size;
    Ok(part)
}

fn value(of: &FileConnector, line: &[u8], columns: &[String]) -> Option<Value> {
    match &of.lines {
        Lines::Json => serde_json::from_slice(line).ok(),
        Lines::Csv(csv) => csv.value(line, columns),
    }
}

/// Where each whole line ends: one past its end of line, which within quotes is none. `marks`: the quote and the
/// delimiter of CSV. As the CSV reader has it, a quote opens at a field's beginning only, or is doubled within quotes.
pub(super) fn ends(bytes: &[u8], marks: Option<(u8, u8)>) -> Vec<usize> {
    let mut quoted = false;
    // Whether a quote here opens: at a field's beginning, and right after one that has closed.
    let mut opens = true;
    let mut ends = Vec::new();
    for (n, byte) in bytes.iter().enumerate() {
        let is_quote = marks.is_some_and(|(quote, _)| *byte == quote);
        if quoted {
            if is_quote {
                (quoted, opens) = (false, true);
            }
        } else if is_quote && opens {
            quoted = true;
        } else if *byte == b'\n' {
            ends.push(n + 1);
            opens = true;
        } else {
            opens = marks.is_some_and(|(_, delimiter)| *byte == delimiter);
        }
    }
    ends
}

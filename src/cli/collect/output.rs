//! The file that rows are written to, JSON Lines or CSV, and the next one where files are rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journal::sync_folder;
use super::piece::{Content, ContentError, Piece};
use super::rows::{self, Column, USUAL};
use crate::domain::{Records, Timestamp};

/// What the rows are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One object a line.
    Jsonl,
    /// Comma-separated, with a heading.
    Csv,
}

/// Where rows go, and when the next file begins.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file; with rotation a number goes before its extension.
    pub path: PathBuf,
    /// As what.
    pub form: Form,
    /// The next file begins once this one has so many bytes.
    pub rotate_bytes: Option<u64>,
    /// The next file begins once this one is so old.
    pub rotate_every: Option<Duration>,
}

/// How far the rows go: what is behind it in the file is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The file's number; 0 without rotation.
    pub number: u32,
    /// Its bytes.
    pub length: u64,
    /// When it began.
    pub begun: Timestamp,
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The content that was kept.
    #[error("the content that was kept cannot be read again: {0}")]
    Content(#[from] ContentError),
}

impl Place {
    /// Whether files are numbered.
    pub fn rotates(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_every.is_some()
    }

    /// The mark before the first row.
    pub fn first(&self, now: Timestamp) -> Mark {
        Mark { number: u32::from(self.rotates()), length: 0, begun: now }
    }

    /// The file with this number.
    pub fn file(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let stem = part(self.path.file_stem()).unwrap_or_default();
        let name = match part(self.path.extension()) {
            Some(extension) => format!("{stem}.{number:06}.{extension}"),
            None => format!("{stem}.{number:06}"),
        };
        self.path.with_file_name(name)
    }

    /// The number in a file's name, when the name is one of those that rows go to.
    fn number_of(&self, file: &Path) -> Option<u32> {
        let name = file.file_name()?.to_str()?;
        let digits = name.split('.').rev().find(|part| part.len() == 6 && part.bytes().all(|b| b.is_ascii_digit()))?;
        let number = digits.parse().ok()?;
        (self.file(number).file_name()? == name).then_some(number)
    }

    fn is_due(&self, mark: &Mark, now: Timestamp) -> bool {
        let old = |every: Duration| now.since(mark.begun) >= i64::try_from(every.as_nanos()).unwrap_or(i64::MAX);
        mark.length > 0
            && (self.rotate_bytes.is_some_and(|most| mark.length >= most) || self.rotate_every.is_some_and(old))
    }
}

/// The open file.
#[derive(Debug)]
pub struct Output {
    place: Place,
    columns: Option<Vec<Column>>,
    mark: Mark,
    file: File,
}

impl Output {
    /// Opens the file at its mark and cuts off what is behind it. A file that was taken away begins anew.
    ///
    /// # Errors
    /// [`WriteError::File`], also when the file is shorter than its mark.
    pub fn open(place: Place, columns: Option<Vec<Column>>, mut mark: Mark) -> Result<Self, WriteError> {
        let path = place.file(mark.number);
        let wrong = |error: io::Error| WriteError::File { path: path.clone(), error };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(wrong)?;
        let there = file.metadata().map_err(wrong)?.len();
        if there == 0 {
            mark.length = 0;
        }
        if there < mark.length {
            return Err(wrong(io::Error::other(format!(
                "it has {there} bytes, and {} were written to it: somebody has changed it; move it away to begin anew",
                mark.length
            ))));
        }
        file.set_len(mark.length).map_err(wrong)?;
        file.seek(SeekFrom::End(0)).map_err(wrong)?;
        sync_folder(&path).map_err(wrong)?;
        Ok(Output { place, columns, mark, file })
    }

    /// How far it goes.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The columns of a table, once they are known.
    pub fn columns(&self) -> Option<&[Column]> {
        self.columns.as_deref()
    }

    /// Adds all records of these contents; they are on disk when this returns, and the mark is behind them.
    ///
    /// # Errors
    /// [`WriteError`]. The mark stays where it was, and so must the journal's.
    pub fn add(&mut self, pieces: &[(Piece, Content)], now: Timestamp) -> Result<(), WriteError> {
        if self.place.is_due(&self.mark, now) {
            let mark = Mark { number: self.mark.number + 1, length: 0, begun: now };
            let next = self.place.file(mark.number);
            // One that was begun before a kill: its mark was never written.
            drop(std::fs::remove_file(&next));
            *self = Output::open(self.place.clone(), self.columns.take(), mark)?;
        }
        let path = self.place.file(self.mark.number);
        let wrong = |error: io::Error| WriteError::File { path: path.clone(), error };
        if self.place.form == Form::Csv && self.columns.is_none() {
            self.columns = Some(first_columns(pieces)?);
        }
        let Output { columns, file, place, mark, .. } = self;
        let columns = columns.as_deref().unwrap_or_default();
        let mut out = BufWriter::with_capacity(1 << 16, &mut *file);
        if place.form == Form::Csv && mark.length == 0 {
            csv_row(&mut out, columns.iter().map(|column| column.name.as_str())).map_err(wrong)?;
        }
        for (piece, content) in pieces {
            let mut number = 0;
            content.batches(|records| {
                let done = match place.form {
                    Form::Jsonl => lines(&mut out, piece, &mut number, &records),
                    Form::Csv => table(&mut out, columns, piece, &mut number, &records),
                };
                done.map_err(|error| WriteError::File { path: path.clone(), error })
            })?;
        }
        out.flush().map_err(wrong)?;
        drop(out);
        file.sync_data().map_err(wrong)?;
        mark.length = file.stream_position().map_err(wrong)?;
        if mark.begun.0 == 0 {
            mark.begun = now;
        }
        Ok(())
    }
}

fn lines(out: &mut impl Write, piece: &Piece, number: &mut u32, records: &Records) -> io::Result<()> {
    let text = records.text();
    let mut line = String::with_capacity(text.len() + 256 * records.items.len());
    for record in &records.items {
        rows::line(piece, *number, record.whole.of(text), &mut line);
        line.push('\n');
        *number += 1;
    }
    out.write_all(line.as_bytes())
}

fn table(
    out: &mut impl Write,
    columns: &[Column],
    piece: &Piece,
    number: &mut u32,
    records: &Records,
) -> io::Result<()> {
    let text = records.text();
    for record in &records.items {
        csv_row(&mut *out, columns.iter().map(|column| rows::cell(column, piece, *number, text, record)))?;
        *number += 1;
    }
    Ok(())
}

fn csv_row<T: AsRef<[u8]>>(out: &mut impl Write, cells: impl Iterator<Item = T>) -> io::Result<()> {
    let mut row = csv::WriterBuilder::new().buffer_capacity(1024).from_writer(Vec::new());
    row.write_record(cells).map_err(io::Error::other)?;
    out.write_all(&row.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
}

/// The usual columns and whatever the records of the first delivery have in their data.
fn first_columns(pieces: &[(Piece, Content)]) -> Result<Vec<Column>, WriteError> {
    let mut known: Vec<String> = USUAL.iter().map(|name| (*name).to_owned()).collect();
    if let Some((_, content)) = pieces.first() {
        content.batches(|records| {
            let text = records.text();
            records.items.iter().for_each(|record| rows::paths(record.data.of(text), &mut known));
            Ok::<(), WriteError>(())
        })?;
    }
    Ok(known.into_iter().map(|path| Column { name: path.clone(), path }).collect())
}

/// Whether something is in the way where rows would go.
pub fn in_the_way(place: &Place, mark: &Mark) -> Option<PathBuf> {
    let path = place.file(mark.number);
    let there = |path: &Path| std::fs::metadata(path).is_ok_and(|facts| facts.len() > 0 || !facts.is_file());
    if there(&path) || !place.rotates() {
        return there(&path).then_some(path);
    }
    // A file with a later number would be written over when its turn comes.
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|item| item.path());
    named.filter(|other| place.number_of(other).is_some_and(|number| number > mark.number)).find(|other| there(other))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::rows::tests::piece;
    use super::*;

    fn content(text: &str) -> Content {
        Content::Body(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn place(folder: &Path, name: &str, form: Form) -> Place {
        Place { path: folder.join(name), form, rotate_bytes: None, rotate_every: None }
    }

    #[test]
    fn a_table_keeps_its_heading_and_quotes_what_needs_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = place(folder.path(), "t.csv", Form::Csv);
        let mark = place.first(Timestamp(1));
        let mut out = Output::open(place.clone(), None, mark).expect("opened");
        let one = (
            piece(1),
            content(r#"[{"endpoint":"a/b","data":{"n":1,"t":"x, \"y\"\nz"}},{"endpoint":"a/b","data":{"m":2}}]"#),
        );
        let two = (piece(2), content(r#"{"endpoint":"a/c","data":{"n":3,"new":4}}"#));
        out.add(&[one], Timestamp(2)).expect("written");
        let columns = out.columns().expect("found").to_vec();
        let mark = out.mark();
        drop(out);
        // Killed in the middle of a row.
        let mut file = OpenOptions::new().append(true).open(&place.path).expect("there");
        file.write_all(b"half a r").expect("written");
        let mut out = Output::open(place.clone(), Some(columns), mark).expect("opened");
        out.add(&[two], Timestamp(3)).expect("written");
        let mut reader = csv::Reader::from_path(&place.path).expect("a table");
        let heading: Vec<String> = reader.headers().expect("one").iter().map(str::to_owned).collect();
        assert_eq!(&heading[..9], USUAL);
        assert_eq!(&heading[9..], ["data.n", "data.t", "data.m"]);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!((&rows[0][9], &rows[0][10], &rows[0][11]), ("1", "x, \"y\"\nz", ""));
        assert_eq!((&rows[1][1], &rows[1][9], &rows[1][11]), ("1", "", "2"));
        assert_eq!((&rows[2][5], &rows[2][9]), ("a/c", "3"));
    }

    #[test]
    fn files_are_numbered_where_they_rotate_and_a_changed_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = place(folder.path(), "rows.jsonl", Form::Jsonl);
        place.rotate_bytes = Some(1);
        let mut out = Output::open(place.clone(), None, place.first(Timestamp(1))).expect("opened");
        // Left behind by a kill before its mark was written.
        std::fs::write(place.file(2), "rubbish").expect("written");
        for n in 1..=3 {
            out.add(&[(piece(n), content(r#"{"endpoint":"a/b","data":1}"#))], Timestamp(2)).expect("written");
        }
        assert_eq!(out.mark().number, 3);
        for n in 1..=3 {
            let text = std::fs::read_to_string(folder.path().join(format!("rows.00000{n}.jsonl"))).expect("there");
            assert_eq!(text.lines().count(), 1);
            assert!(text.contains(&piece(u128::from(n as u32)).id.to_string()), "{text}");
        }
        let mark = out.mark();
        drop(out);
        std::fs::write(place.file(3), "x").expect("written");
        let error = Output::open(place.clone(), None, mark).expect_err("changed");
        assert!(error.to_string().contains("move it away"), "{error}");
        std::fs::remove_file(place.file(3)).expect("moved away");
        assert_eq!(Output::open(place, None, mark).expect("anew").mark().length, 0);
    }
}

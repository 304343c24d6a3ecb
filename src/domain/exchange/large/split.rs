//! Cuts a content that comes in pieces into batches of records: a JSON array, or JSON Lines.

use bytes::Bytes;

use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// A batch is handed on when it has so many bytes …
const BATCH_BYTES: usize = 256 * 1024;
/// … or so many records.
const BATCH_RECORDS: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before anything but white space.
    Start,
    /// After `[`: a record or the end.
    First,
    /// A record must come (after a comma).
    Next,
    /// After a record of an array: a comma or the end.
    After,
    /// Between the records of JSON Lines.
    Between,
    /// In a record.
    Record,
    /// After the array.
    End,
}

/// The cutter. Memory: one batch and one record, each bounded.
#[derive(Debug)]
pub struct Splitter {
    place: Place,
    lines: bool,
    /// Nesting inside the record, and whether in a string, and after its backslash.
    depth: usize,
    string: bool,
    escaped: bool,
    /// The batch so far, an array without its end.
    batch: Vec<u8>,
    /// Where the present record begins in it.
    begun: usize,
    held: usize,
    count: u32,
    record_bytes: usize,
    depth_max: usize,
}

impl Splitter {
    /// A cutter for records of at most `record_bytes` bytes that nest at most `depth_max` deep.
    pub fn new(record_bytes: usize, depth_max: usize) -> Self {
        Splitter {
            place: Place::Start,
            lines: false,
            depth: 0,
            string: false,
            escaped: false,
            batch: Vec::new(),
            begun: 0,
            held: 0,
            count: 0,
            record_bytes,
            depth_max,
        }
    }

    /// Records so far, the present one not counted.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes the next piece; whole batches go to `each`.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when it is no array or lines of records, [`Reason::TooLarge`] when a record has too many
    /// bytes, and what `each` returns.
    pub fn push<E: From<Reason>>(
        &mut self,
        piece: &[u8],
        each: &mut impl FnMut(Records) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while at < piece.len() {
            if self.place == Place::Record {
                let from = at;
                let ended = self.record(piece, &mut at)?;
                self.batch.extend_from_slice(&piece[from..at]);
                if self.batch.len() - self.begun > self.record_bytes {
                    return Err(Reason::TooLarge.into());
                }
                if ended {
                    self.ended(each)?;
                }
            } else {
                self.between(piece[at])?;
                // The record's own brace is read as part of it.
                if self.place != Place::Record {
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Walks on to the end of the record; false when the piece ends first.
    fn record(&mut self, piece: &[u8], at: &mut usize) -> Result<bool, Reason> {
        while let Some(&byte) = piece.get(*at) {
            *at += 1;
            if self.string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > self.depth_max {
                        return Err(Reason::Malformed);
                    }
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn between(&mut self, byte: u8) -> Result<(), Reason> {
        self.place = match (self.place, byte) {
            (place, b' ' | b'\t' | b'\n' | b'\r') => place,
            (Place::Start, b'[') => Place::First,
            (Place::First | Place::After, b']') => Place::End,
            (Place::After, b',') => Place::Next,
            (Place::Start | Place::First | Place::Next | Place::Between, b'{') => {
                self.lines |= matches!(self.place, Place::Start | Place::Between);
                self.batch.push(if self.held == 0 { b'[' } else { b',' });
                self.begun = self.batch.len();
                Place::Record
            }
            _ => return Err(Reason::Malformed),
        };
        Ok(())
    }

    fn ended<E: From<Reason>>(&mut self, each: &mut impl FnMut(Records) -> Result<(), E>) -> Result<(), E> {
        self.place = if self.lines { Place::Between } else { Place::After };
        self.held += 1;
        self.count = self.count.checked_add(1).ok_or(Reason::TooLarge)?;
        if self.batch.len() >= BATCH_BYTES || self.held >= BATCH_RECORDS {
            self.hand_on(each)?;
        }
        Ok(())
    }

    fn hand_on<E: From<Reason>>(&mut self, each: &mut impl FnMut(Records) -> Result<(), E>) -> Result<(), E> {
        if self.held == 0 {
            return Ok(());
        }
        self.batch.push(b']');
        self.held = 0;
        let room = Vec::with_capacity(self.batch.len() + 4096);
        let body = Bytes::from(std::mem::replace(&mut self.batch, room));
        each(Records::parse(body, BATCH_RECORDS).map_err(|_| Reason::Malformed)?)
    }

    /// The content is over.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when it ends in the middle or held no record, and what `each` returns.
    pub fn finish<E: From<Reason>>(&mut self, each: &mut impl FnMut(Records) -> Result<(), E>) -> Result<(), E> {
        if !matches!(self.place, Place::End | Place::Between) || self.count == 0 {
            return Err(Reason::Malformed.into());
        }
        self.hand_on(each)
    }
}

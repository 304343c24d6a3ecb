//! Evaluates a bundle over more records than fit into memory: what is selected goes to a scratch file in runs that are in
//! order, and comes back from there merged. What comes out is what [`Program::answer`](super::Program::answer) gives.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::io;
use std::ops::Range;

use super::json::Json;
use super::program::{Bounded, Found, Kept, Layouts, Plan, Program, TooLarge};
use super::rank::{Direction, Rank};
use crate::domain::records::Records;

/// Bytes that are put in order in memory at a time.
const RUN_BYTES: usize = 16 << 20;
/// Bytes that are written or read at a time.
const PIECE: usize = 64 * 1024;
/// Most bytes of one record as it is delivered.
const ROW_MAX: usize = 1 << 20;
/// Most records that are remembered because they may be given again elsewhere.
const GIVEN_MAX: usize = 1 << 20;
/// Bytes before each row: property, query, place, variant, twin; lengths of key, id and row.
const HEAD: usize = 2 + 2 + 4 + 2 + 1 + 4 + 4 + 4;
/// A length that stands for what is not there.
const NONE: u32 = u32::MAX;

/// A file to be written once, and read at any place.
pub trait Scratch {
    /// Adds to its end.
    ///
    /// # Errors
    /// When the disk does not take it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Fills `into` with what stands from byte `at` on.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

/// Why records cannot be put in order.
#[derive(Debug, thiserror::Error)]
pub enum Unordered {
    /// They come to more than allowed.
    #[error("what is selected is too large to be put in order")]
    TooLarge,
    /// The scratch file failed.
    #[error("{0}")]
    Scratch(#[from] io::Error),
}

impl From<TooLarge> for Unordered {
    fn from(TooLarge: TooLarge) -> Self {
        Unordered::TooLarge
    }
}

/// Whether another row of the same record looks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twin {
    /// None does.
    None,
    /// One does: which of them is given is found when they come.
    Maybe,
    /// One that is given before, whatever comes: this one only takes its place in its property.
    Given,
}

/// One row as it stands in a run.
#[derive(Clone, Copy)]
struct Head {
    property: u16,
    query: u16,
    place: u32,
    /// Rows of one record that look the same have the same.
    variant: u16,
    twin: Twin,
    key: u32,
    id: u32,
    row: u32,
}

impl Head {
    fn write(&self, to: &mut [u8]) {
        to[0..2].copy_from_slice(&self.property.to_le_bytes());
        to[2..4].copy_from_slice(&self.query.to_le_bytes());
        to[4..8].copy_from_slice(&self.place.to_le_bytes());
        to[8..10].copy_from_slice(&self.variant.to_le_bytes());
        to[10] = match self.twin {
            Twin::None => 0,
            Twin::Maybe => 1,
            Twin::Given => 2,
        };
        to[11..15].copy_from_slice(&self.key.to_le_bytes());
        to[15..19].copy_from_slice(&self.id.to_le_bytes());
        to[19..23].copy_from_slice(&self.row.to_le_bytes());
    }

    fn read(from: &[u8]) -> Self {
        let two = |at: usize| u16::from_le_bytes([from[at], from[at + 1]]);
        let four = |at: usize| u32::from_le_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]);
        Head {
            property: two(0),
            query: two(2),
            place: four(4),
            variant: two(8),
            twin: match from[10] {
                0 => Twin::None,
                1 => Twin::Maybe,
                _ => Twin::Given,
            },
            key: four(11),
            id: four(15),
            row: four(19),
        }
    }

    const fn len(part: u32) -> usize {
        if part == NONE { 0 } else { part as usize }
    }

    /// Bytes of key and id, which stand before the row.
    const fn ranked(&self) -> usize {
        Self::len(self.key) + Self::len(self.id)
    }

    /// What the row is ordered by, of its key and id.
    fn rank<'a>(&self, text: &'a str) -> Rank<'a> {
        let (key, id) = text.split_at(Self::len(self.key).min(text.len()));
        Rank {
            key: (self.key != NONE).then(|| Json::read(key).ok()).flatten(),
            place: self.place as usize,
            record_id: (self.id != NONE).then_some(Cow::Borrowed(id)),
            query: usize::from(self.query),
        }
    }
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| io::Error::other("the scratch file does not hold what was written"))
}

fn short<T: TryFrom<usize>>(number: usize) -> Result<T, Unordered> {
    T::try_from(number).map_err(|_| Unordered::TooLarge)
}

/// A row of the record that is being taken: where it begins, and its text in the batch.
struct Written {
    property: usize,
    begins: usize,
    row: Range<usize>,
    head: Head,
}

/// Puts what a bundle selects in order. Memory: [`RUN_BYTES`] and what they are ordered by; while they are merged a few
/// [`PIECE`]s and one key for each run.
pub struct Ordered {
    batch: Vec<u8>,
    begins: Vec<usize>,
    runs: Vec<Range<u64>>,
    end: u64,
    most: u64,
    places: u32,
    run_bytes: usize,
}

impl Ordered {
    /// For what comes to at most `most` bytes in the scratch file.
    pub fn new(most: u64) -> Self {
        Self::with_runs_of(RUN_BYTES, most)
    }

    /// The same with runs of about `run_bytes` bytes.
    pub fn with_runs_of(run_bytes: usize, most: u64) -> Self {
        Ordered { batch: Vec::new(), begins: Vec::new(), runs: Vec::new(), end: 0, most, places: 0, run_bytes }
    }

    /// Takes a batch of records, which are given oldest first.
    ///
    /// # Errors
    /// [`Unordered`].
    pub fn push(&mut self, program: &Program, records: &Records, scratch: &mut impl Scratch) -> Result<(), Unordered> {
        let text = records.text();
        let mut layouts = Layouts::for_run(records.items.len(), program.places);
        let mut found = Found::new();
        let mut written: Vec<Written> = Vec::new();
        for item in &records.items {
            let record = item.view(text);
            written.clear();
            for route in program.of_endpoint(&item.endpoint) {
                if route.look_by(record.data, &mut found, &mut layouts) != Kept::Yes {
                    continue;
                }
                let key = route.order.and_then(|slot| found[slot]).filter(|raw| Json::read(raw).is_ok());
                let begins = self.batch.len();
                self.batch.resize(begins + HEAD, 0);
                self.batch.extend_from_slice(key.unwrap_or_default().as_bytes());
                self.batch.extend_from_slice(record.record_id.unwrap_or_default().as_bytes());
                let row = self.batch.len();
                let most = row + ROW_MAX;
                route.write(&mut Bounded { out: &mut self.batch, most }, &record, &found)?;
                let len = |part: Option<&str>| part.map_or(Ok(NONE), |part| short(part.len()));
                let head = Head {
                    property: short(route.property)?,
                    query: short(route.query)?,
                    place: self.places,
                    variant: short(written.len())?,
                    twin: Twin::None,
                    key: len(key)?,
                    id: len(record.record_id)?,
                    row: short(self.batch.len() - row)?,
                };
                written.push(Written { property: route.property, begins, row: row..self.batch.len(), head });
            }
            self.keep(&mut written, &program.plans);
            self.places = self.places.checked_add(1).ok_or(Unordered::TooLarge)?;
        }
        if self.batch.len() >= self.run_bytes {
            self.spill(&program.plans, scratch)?;
        }
        Ok(())
    }

    /// Keeps the rows of one record.
    fn keep(&mut self, written: &mut [Written], plans: &[Plan]) {
        let of = |written: &[Written], property: usize| written.iter().filter(|it| it.property == property).count();
        for at in 1..written.len() {
            let row = |it: &Written| &self.batch[it.row.clone()];
            let Some(first) = (0..at).find(|first| row(&written[*first]) == row(&written[at])) else { continue };
            let (before, own) = (written[first].property, written[at].property);
            // The only row of its record in a property without a limit is given, and before those of later properties.
            let sure = before != own && plans[before].limit.is_none() && of(written, before) == 1;
            written[at].head.variant = written[first].head.variant;
            written[at].head.twin = if sure { Twin::Given } else { Twin::Maybe };
            if !sure {
                written[first].head.twin = Twin::Maybe;
            }
        }
        for this in written.iter() {
            let free = plans[this.property].limit.is_none() && of(written, this.property) == 1;
            // Nobody waits for its place.
            if this.head.twin == Twin::Given && free {
                continue;
            }
            this.head.write(&mut self.batch[this.begins..this.begins + HEAD]);
            self.begins.push(this.begins);
        }
    }

    /// Writes what is in memory as a run.
    fn spill(&mut self, plans: &[Plan], scratch: &mut impl Scratch) -> Result<(), Unordered> {
        let batch = &self.batch;
        let mut order: Vec<(Direction, Head, Rank<'_>, &[u8])> = Vec::with_capacity(self.begins.len());
        for begins in &self.begins {
            let head = Head::read(&batch[*begins..begins + HEAD]);
            let ranked = begins + HEAD..begins + HEAD + head.ranked();
            let whole = &batch[*begins..ranked.end + head.row as usize];
            let direction = plans[usize::from(head.property)].direction;
            order.push((direction, head, head.rank(text(&batch[ranked])?), whole));
        }
        order.sort_unstable_by(|(by, a, rank, _), (_, b, other, _)| {
            a.property.cmp(&b.property).then_with(|| rank.order(other, *by))
        });
        let begun = self.end;
        let mut piece = Vec::with_capacity(PIECE);
        for (_, _, _, whole) in &order {
            self.end += whole.len() as u64;
            if self.end > self.most {
                return Err(Unordered::TooLarge);
            }
            piece.extend_from_slice(whole);
            if piece.len() >= PIECE {
                scratch.append(&piece)?;
                piece.clear();
            }
        }
        scratch.append(&piece)?;
        if self.end > begun {
            self.runs.push(begun..self.end);
        }
        drop(order);
        self.batch.clear();
        self.begins.clear();
        Ok(())
    }

    /// All records have come: gives the rows in their order, as an answer holds them, for as long as `each` wants more.
    ///
    /// # Errors
    /// [`Unordered`], and what `each` returns.
    pub fn finish<E: From<Unordered>>(
        mut self,
        program: &Program,
        scratch: &mut impl Scratch,
        each: &mut impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.spill(&program.plans, scratch)?;
        (self.batch, self.begins) = (Vec::new(), Vec::new());
        let failed = |error: io::Error| E::from(Unordered::from(error));
        let mut runs: Vec<Run> = self.runs.iter().map(|span| Run::new(span.clone())).collect();
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heap.extend(run.head(number, &program.plans, scratch).map_err(failed)?);
        }
        let mut given = Given::default();
        while let Some(Next { run: number, head, rank, .. }) = heap.pop() {
            let run = &mut runs[number];
            let limit = program.plans[usize::from(head.property)].limit;
            let wanted = given.wants(&head, limit);
            if given.shared.len() > GIVEN_MAX {
                return Err(Unordered::TooLarge.into());
            }
            drop(rank);
            let row = run.take(head.row as usize, scratch).map_err(failed)?;
            if wanted && !each(text(row).map_err(failed)?)? {
                return Ok(());
            }
            heap.extend(run.head(number, &program.plans, scratch).map_err(failed)?);
        }
        Ok(())
    }
}

/// What has been given.
#[derive(Default)]
struct Given {
    property: u16,
    count: u32,
    last: Option<u32>,
    /// Place and variant of what may come again.
    shared: HashSet<(u32, u16)>,
}

impl Given {
    /// Whether the next row is given. A record that two queries of a property select stands twice in a row and counts
    /// twice; it is given once, by the first.
    fn wants(&mut self, head: &Head, limit: Option<u32>) -> bool {
        if head.property != self.property {
            (self.property, self.count, self.last) = (head.property, 0, None);
        }
        if limit.is_some_and(|limit| self.count >= limit) {
            return false;
        }
        self.count = self.count.saturating_add(1);
        let twice = self.last.replace(head.place) == Some(head.place);
        match head.twin {
            _ if twice => false,
            Twin::None => true,
            Twin::Maybe => self.shared.insert((head.place, head.variant)),
            Twin::Given => false,
        }
    }
}

/// The next row of a run.
struct Next {
    run: usize,
    by: Direction,
    head: Head,
    rank: Rank<'static>,
}

impl Ord for Next {
    /// The greatest is the one that comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        let first = self.head.property.cmp(&other.head.property);
        first.then_with(|| self.rank.order(&other.rank, self.by)).reverse()
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

/// A run that is read.
struct Run {
    rest: Range<u64>,
    bytes: Vec<u8>,
    at: usize,
}

impl Run {
    fn new(rest: Range<u64>) -> Self {
        Run { rest, bytes: Vec::new(), at: 0 }
    }

    /// The next so many bytes.
    fn take(&mut self, count: usize, scratch: &impl Scratch) -> io::Result<&[u8]> {
        if self.bytes.len() - self.at < count {
            self.bytes.drain(..self.at);
            self.at = 0;
            let have = self.bytes.len();
            let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
            let more = (count - have).max(PIECE).min(left);
            self.bytes.resize(have + more, 0);
            scratch.read_at(&mut self.bytes[have..], self.rest.start)?;
            self.rest.start += more as u64;
        }
        let taken = self.bytes.get(self.at..self.at + count);
        self.at += count;
        taken.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next row's head; its row is read after it.
    fn head(&mut self, number: usize, plans: &[Plan], scratch: &impl Scratch) -> io::Result<Option<Next>> {
        if self.at >= self.bytes.len() && self.rest.is_empty() {
            return Ok(None);
        }
        let head = Head::read(self.take(HEAD, scratch)?);
        let rank = head.rank(text(self.take(head.ranked(), scratch)?)?);
        let rank = Rank {
            key: rank.key.map(Json::into_owned),
            record_id: rank.record_id.map(|id| Cow::Owned(id.into_owned())),
            ..rank
        };
        let by = plans[usize::from(head.property)].direction;
        Ok(Some(Next { run: number, by, head, rank }))
    }
}

#[cfg(test)]
impl Scratch for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let from = usize::try_from(at).expect("small");
        into.copy_from_slice(self.get(from..from + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

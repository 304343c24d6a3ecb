//! A content that answers a pull: ordered and limited as a whole, whatever its size.

use std::collections::BTreeSet;
use std::io::Write;

use smol_str::SmolStr;

use super::out::Out;
use super::source::Source;
use super::{Facts, Object, Stopped, Terms};
use crate::domain::bundle::{Ordered, Scratch, Taken};
use crate::domain::command::PullAsk;
use crate::domain::exchange::answer::since;
use crate::domain::exchange::tally;
use crate::domain::limits::Limits;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Rows go through the gate when they are so many bytes …
const ROWS_BYTES: usize = 256 * 1024;
/// … or so many.
const ROWS_MAX: usize = 4096;
/// What is selected may come to so many times the largest content before it is cut to what is asked for.
const SCRATCH_TIMES: u64 = 2;

/// The reader of an answer. Memory: a batch of records and what [`Ordered`] keeps, whatever the content's size.
///
/// What is asked of the whole (order, limits, `skip`) is found by way of a scratch file; conditions and `since` are looked at
/// as the records come.
pub struct Answering {
    source: Source,
    state: State,
}

/// What is known so far.
struct State {
    terms: Terms,
    ask: PullAsk,
    /// Properties of the debit's conditions that have found a record.
    met: BTreeSet<SmolStr>,
    ordered: Ordered,
    rows: Rows,
}

/// What is written, cut to what is asked for.
struct Rows {
    out: Out,
    /// Still to be left out, still to be given.
    skip: u32,
    left: u32,
    batch: Vec<u8>,
    held: usize,
}

impl Answering {
    /// For an answer to this pull under these terms.
    pub fn new(object: Object, terms: Terms, ask: PullAsk, limits: &Limits) -> Self {
        let most = limits.large_bytes.max(object.size);
        let ordered = Ordered::new(most.saturating_mul(SCRATCH_TIMES));
        Self::by(object, terms, ask, ordered, limits)
    }

    pub(crate) fn by(object: Object, terms: Terms, ask: PullAsk, ordered: Ordered, limits: &Limits) -> Self {
        let (skip, left) = (ask.skip.unwrap_or(0), ask.limit.unwrap_or(u32::MAX));
        let out = Out::new(limits.large_bytes.max(object.size));
        let rows = Rows { out, skip, left, batch: Vec::new(), held: 0 };
        let state = State { terms, ask, met: BTreeSet::new(), ordered, rows };
        Answering { source: Source::new(object, limits), state }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn push(&mut self, piece: &[u8], scratch: &mut impl Scratch, to: &mut impl Write) -> Result<(), Stopped> {
        let state = &mut self.state;
        self.source.push(piece, &mut |records| state.take(&records, scratch, to))
    }

    /// The content is over; what is delivered goes to `to`.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn finish(mut self, scratch: &mut impl Scratch, to: &mut impl Write) -> Result<Facts, Stopped> {
        let state = &mut self.state;
        self.source.finish(&mut |records| state.take(&records, scratch, to))?;
        let State { terms, met, ordered, mut rows, .. } = self.state;
        let unmet = |property: &SmolStr| !met.contains(property);
        let conditions = terms.revision.terms.conditions.as_ref().filter(|_| !terms.evaluated);
        if conditions.is_some_and(|conditions| conditions.bundle.keys().any(unmet)) {
            return Err(terms.gate.nothing(&rows.out.dropped).into());
        }
        if !terms.evaluated {
            let (bundle, programs) = terms.bundle();
            ordered.finish(programs.of(bundle), scratch, &mut |row| rows.row(row, &terms, to))?;
            rows.pass(&terms, to)?;
        }
        rows.out.finish(&terms, to)
    }
}

impl State {
    fn take(&mut self, records: &Records, scratch: &mut impl Scratch, to: &mut impl Write) -> Result<(), Stopped> {
        if !self.terms.evaluated {
            self.look_for_conditions(records)?;
        }
        let Some(records) = since(records, &self.ask) else { return Ok(()) };
        let (bundle, programs) = self.terms.bundle();
        if !self.terms.evaluated {
            return Ok(self.ordered.push(programs.of(bundle), &records, scratch)?);
        }
        let most = self.rows.out.room();
        let taken = programs.of_evaluated(bundle).take(&records, most).map_err(|_| Reason::TooLarge)?;
        let Some(part) = taken.and_then(|taken| self.rows.part(taken)) else { return Ok(()) };
        let passed = self.terms.gate.pass(Some(part), most, &self.terms.mask());
        self.rows.out.passed(passed, to)
    }

    /// What a condition looks at may be older than what is asked for.
    fn look_for_conditions(&mut self, records: &Records) -> Result<(), Stopped> {
        let revision = &self.terms.revision;
        let Some(conditions) = &revision.terms.conditions else { return Ok(()) };
        if self.met.len() == conditions.bundle.len() {
            return Ok(());
        }
        let (_, programs) = self.terms.bundle();
        let most = self.rows.out.room();
        let found = programs.of_conditions(conditions).conditions(records, most).map_err(|_| Reason::TooLarge)?;
        self.met.extend(found.into_iter().filter(|(_, found)| *found).map(|(property, _)| property));
        Ok(())
    }
}

impl Rows {
    /// What of these records is asked for.
    fn part(&mut self, taken: Taken) -> Option<Taken> {
        let count = taken.count;
        let part = taken.part(Some(self.skip), Some(self.left)).filter(|part| part.count > 0);
        self.skip = self.skip.saturating_sub(count);
        self.left -= part.as_ref().map_or(0, |part| part.count);
        part
    }

    /// Takes the next row in order; false when no more are asked for.
    fn row(&mut self, row: &str, terms: &Terms, to: &mut impl Write) -> Result<bool, Stopped> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(true);
        }
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        self.batch.push(if self.held == 0 { b'[' } else { b',' });
        self.batch.extend_from_slice(row.as_bytes());
        self.held += 1;
        if self.batch.len() >= ROWS_BYTES || self.held >= ROWS_MAX {
            self.pass(terms, to)?;
        }
        Ok(true)
    }

    /// Lets the rows that are held through the gate.
    fn pass(&mut self, terms: &Terms, to: &mut impl Write) -> Result<(), Stopped> {
        if self.held == 0 {
            return Ok(());
        }
        self.batch.push(b']');
        self.held = 0;
        let body = std::mem::take(&mut self.batch);
        // Written here of what was read before.
        let records = Records::parse(body.into(), ROWS_MAX).map_err(|_| Reason::Internal)?;
        let endpoints = tally(records.items.iter());
        let taken = Taken { count: records.count(), endpoints, body: records.body };
        let passed = terms.gate.pass(Some(taken), self.out.room(), &terms.mask());
        self.out.passed(passed, to)
    }
}

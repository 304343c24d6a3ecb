//! The books of a simulation: for every message what must come of it, and what came.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::client::{ClientError, Refusal};
use crate::domain::{Id, MessageId, Reason, Status};
use crate::wire::OutcomeOut;

use super::latency::Latencies;
use super::mistakes::{End, Mistake};
use super::summary::{Counts, Summary};

/// Ended exchanges remembered, to see a second, other end.
const ENDED_MAX: usize = 262_144;
/// Ends of fan-out parts kept until the first outcome names the parts.
const EARLY_MAX: usize = 65_536;
/// Contradictions kept as text.
const STRAYS_MAX: usize = 20;

/// What must come of a message.
#[derive(Debug, Clone)]
pub struct Expect {
    /// Refused for this reason; `None`: accepted.
    pub refusal: Option<Reason>,
    /// How each exchange that it opens ends.
    pub end: End,
    /// What is wrong with it.
    pub mistake: Option<Mistake>,
    /// The debits of its parts, for a fan-out.
    pub parts: Option<Vec<Id>>,
}

struct Track {
    expect: Expect,
    sent: Instant,
    open: bool,
    last: Option<(Status, Option<Reason>)>,
}

#[derive(Default)]
struct Books {
    counts: Counts,
    tracks: HashMap<MessageId, Track>,
    early: HashMap<MessageId, (Status, Option<Reason>)>,
    ended: HashMap<MessageId, Status>,
    ended_order: VecDeque<MessageId>,
    expected: BTreeMap<Mistake, u64>,
    found: BTreeMap<Mistake, u64>,
    strays: Vec<String>,
    stray_count: u64,
    first: Latencies,
    settle: Latencies,
    /// Exchanges that a worker opened and that have not ended.
    acquired: HashSet<MessageId>,
    /// Refusals of the acquiring plug's messages that are counted.
    acquired_refused: HashSet<MessageId>,
}

/// The books. Shared by all senders and recipients of a simulation.
#[derive(Default)]
pub struct Tally {
    books: Mutex<Books>,
}

impl Tally {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message of an exchange is about to leave.
    pub fn begin(&self, id: MessageId, expect: Expect) {
        let mut books = self.books();
        books.counts.sent += 1;
        // The parts of a fan-out are counted once they are known.
        if let (Some(mistake), None) = (expect.mistake, &expect.parts) {
            books.expect(mistake, 1);
        } else if let (Some(mistake), Some(_)) = (expect.mistake, expect.refusal) {
            books.expect(mistake, 1);
        }
        let track = Track { expect, sent: Instant::now(), open: false, last: None };
        books.tracks.insert(id, track);
    }

    /// Its first outcome came, or did not.
    pub fn first(&self, id: MessageId, result: &Result<OutcomeOut, ClientError>) {
        let mut books = self.books();
        let Some(track) = books.tracks.remove(&id) else {
            books.stray(format!("a first outcome of {id}, which was not sent"));
            return;
        };
        match result {
            Ok(outcome) => books.accepted(id, track, outcome),
            Err(ClientError::Refused(refusal)) => {
                books.first.add(track.sent.elapsed());
                *books.counts.rejected.entry(refusal.reason).or_default() += 1;
                books.ledgered(refusal);
                if track.expect.refusal != Some(refusal.reason) {
                    let detail = refusal.detail.as_deref().unwrap_or_default();
                    books
                        .stray(format!("{id} was refused as {} {detail}, expected {:?}", refusal.reason, track.expect));
                } else if let Some(mistake) = track.expect.mistake {
                    books.found(mistake);
                }
            }
            Err(error) => {
                books.counts.unanswered += 1;
                books.stray(format!("{id}: {error}"));
            }
        }
    }

    /// An outcome was published to its party. Those of messages that are no exchanges are not for us.
    pub fn outcome(&self, outcome: &OutcomeOut) {
        let said = &outcome.outcome;
        // Refusals are counted from the caller's answer; a refused repeat names the exchange it repeats.
        if !said.status.is_final() || said.status == Status::Rejected {
            return;
        }
        let mut books = self.books();
        let end = (said.status, said.reason);
        if let Some(track) = books.tracks.get_mut(&said.exchange) {
            match track.last {
                None => track.last = Some(end),
                Some(before) if before.0 == end.0 => {}
                Some(before) => {
                    let text = format!("{} ended as {} and as {}", said.exchange, before.0, end.0);
                    books.stray(text);
                    return;
                }
            }
            if books.tracks.get(&said.exchange).is_some_and(|track| track.open)
                && let Some(track) = books.tracks.remove(&said.exchange)
            {
                books.close(said.exchange, &track, end);
            }
        } else if let Some(before) = books.ended.get(&said.exchange) {
            if *before != said.status {
                let text = format!("{} ended as {before} and as {}", said.exchange, said.status);
                books.stray(text);
            }
        } else if said.exchange.0.get_version_num() == 8 && books.early.len() < EARLY_MAX {
            books.early.insert(said.exchange, end);
        }
    }

    /// An outcome was published to the plug that a worker works for. Its words about jobs are no exchanges.
    pub fn acquired(&self, outcome: &OutcomeOut) {
        let said = &outcome.outcome;
        let mut books = self.books();
        match (said.status, said.reason) {
            // Beyond the bound a repeated outcome would count twice.
            (Status::Rejected, Some(reason))
                if books.acquired_refused.len() >= EARLY_MAX || books.acquired_refused.insert(said.exchange) =>
            {
                *books.counts.ledgered.entry(reason).or_default() += 1;
            }
            (Status::Accepted, _)
                if !books.ended.contains_key(&said.exchange) && books.acquired.insert(said.exchange) =>
            {
                books.counts.acquired.opened += 1;
                books.counts.acquired.records += u64::from(said.count);
            }
            (status, _) if status.is_final() && books.acquired.remove(&said.exchange) => {
                let acquired = &mut books.counts.acquired;
                match status {
                    Status::Settled => acquired.settled += 1,
                    Status::Expired => acquired.expired += 1,
                    _ => books.stray(format!("{} of the worker ended as {status}", said.exchange)),
                }
                books.end(said.exchange, status);
            }
            _ => {}
        }
    }

    /// Exchanges of the worker that have not ended.
    pub fn acquired_open(&self) -> usize {
        self.books().acquired.len()
    }

    /// A mistake that is judged by who makes it.
    pub fn judged(&self, mistake: Mistake, found: bool, what: impl FnOnce() -> String) {
        let mut books = self.books();
        books.counts.repeats += 1;
        books.expect(mistake, 1);
        if found {
            books.found(mistake);
        } else {
            books.stray(format!("{mistake}: {}", what()));
        }
    }

    /// A message was refused for this reason without being an exchange of its own.
    pub fn refused_repeat(&self, reason: Reason) {
        let mut books = self.books();
        *books.counts.rejected.entry(reason).or_default() += 1;
        *books.counts.ledgered.entry(reason).or_default() += 1;
    }

    /// A receipt or recall was answered.
    pub fn answered(&self, result: &Result<OutcomeOut, ClientError>) {
        let mut books = self.books();
        match result {
            Ok(_) => books.counts.receipts += 1,
            Err(error) => {
                if let ClientError::Refused(refusal) = error {
                    books.ledgered(refusal);
                }
                books.stray(format!("a receipt or recall: {error}"));
            }
        }
    }

    /// Something that must not be.
    pub fn stray(&self, what: String) {
        self.books().stray(what);
    }

    /// Exchanges that have not ended, and messages that were not answered yet.
    pub fn unfinished(&self) -> usize {
        self.books().tracks.len()
    }

    /// The books as they stand.
    pub fn summary(&self) -> Summary {
        let books = self.books();
        let mut counts = books.counts.clone();
        counts.open = books.tracks.values().filter(|track| track.open).count() as u64;
        counts.acquired.open = books.acquired.len() as u64;
        counts.waiting = books.tracks.len() as u64 - counts.open;
        Summary {
            counts,
            expected: books.expected.clone(),
            found: books.found.clone(),
            strays: books.strays.clone(),
            stray_count: books.stray_count,
            first: books.first.clone(),
            settle: books.settle.clone(),
        }
    }
}

impl Books {
    fn accepted(&mut self, id: MessageId, mut track: Track, outcome: &OutcomeOut) {
        self.first.add(track.sent.elapsed());
        self.counts.accepted += 1;
        if let Some(reason) = track.expect.refusal {
            self.stray(format!("{id} is {}, expected rejected {reason}", outcome.outcome.status));
        }
        let Some(debits) = track.expect.parts.take() else {
            self.open(id, track);
            return;
        };
        let mut named: Vec<&Id> = outcome.outcome.parts.iter().map(|part| &part.debit).collect();
        let mut wanted: Vec<&Id> = debits.iter().collect();
        named.sort();
        wanted.sort();
        if named != wanted {
            self.stray(format!("{id} has parts {named:?}, expected {wanted:?}"));
        }
        for part in &outcome.outcome.parts {
            if let Some(mistake) = track.expect.mistake {
                self.expect(mistake, 1);
            }
            let track = Track {
                expect: track.expect.clone(),
                sent: track.sent,
                open: false,
                last: self.early.remove(&part.exchange),
            };
            self.open(part.exchange, track);
        }
    }

    fn open(&mut self, id: MessageId, mut track: Track) {
        self.counts.opened += 1;
        match track.last {
            Some(end) => self.close(id, &track, end),
            None => {
                track.open = true;
                self.tracks.insert(id, track);
            }
        }
    }

    fn close(&mut self, id: MessageId, track: &Track, (status, reason): (Status, Option<Reason>)) {
        match status {
            Status::Settled => {
                self.counts.settled += 1;
                self.settle.add(track.sent.elapsed());
            }
            Status::Disputed => self.counts.disputed += 1,
            Status::Expired => self.counts.expired += 1,
            Status::Recalled => self.counts.recalled += 1,
            Status::Accepted | Status::Pending | Status::Rejected => {}
        }
        if !track.expect.end.is(status, reason) {
            let wanted = track.expect.end;
            self.stray(format!("{id} ended as {status} {reason:?}, expected {wanted:?}"));
        } else if let Some(mistake) = track.expect.mistake {
            self.found(mistake);
        }
        self.end(id, status);
    }

    /// Remembers how it ended.
    fn end(&mut self, id: MessageId, status: Status) {
        self.ended.insert(id, status);
        self.ended_order.push_back(id);
        if self.ended_order.len() > ENDED_MAX
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    fn ledgered(&mut self, refusal: &Refusal) {
        if refusal.outcome.is_some() {
            *self.counts.ledgered.entry(refusal.reason).or_default() += 1;
        }
    }

    fn expect(&mut self, mistake: Mistake, count: u64) {
        *self.expected.entry(mistake).or_default() += count;
    }

    fn found(&mut self, mistake: Mistake) {
        *self.found.entry(mistake).or_default() += 1;
    }

    fn stray(&mut self, what: String) {
        self.stray_count += 1;
        if self.strays.len() < STRAYS_MAX {
            self.strays.push(what);
        }
    }
}

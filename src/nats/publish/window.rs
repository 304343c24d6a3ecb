//! The window: messages published and not yet acked, in ticket order, bounded by number and bytes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

use super::{Outgoing, PublishCounts, PublishError, Ticket, kept::Kept};

/// Refusals remembered for those who ask by ticket.
const MAX_REFUSALS: usize = 1024;

#[derive(Debug)]
struct Slot {
    /// `None` once answered for good: the content is let go at once.
    kept: Option<Kept>,
    size: usize,
}

/// The window itself; the driver sends from it, publishers push into it.
#[derive(Debug)]
pub(super) struct Window {
    max_messages: usize,
    max_bytes: usize,
    slots: VecDeque<Slot>,
    bytes: usize,
    /// Ticket of `slots[0]`.
    first: Ticket,
    /// Next ticket to send.
    cursor: Ticket,
    refusals: VecDeque<(PublishError, Ticket, bool)>,
    counts: PublishCounts,
    closed: bool,
}

impl Window {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        let max_messages = max_messages.max(1);
        Self {
            max_messages,
            max_bytes,
            slots: VecDeque::with_capacity(max_messages.min(4096)),
            bytes: 0,
            first: 1,
            cursor: 1,
            refusals: VecDeque::new(),
            counts: PublishCounts::default(),
            closed: false,
        }
    }

    fn push(&mut self, outgoing: &mut Option<Outgoing>, size: usize) -> Result<Option<Ticket>, PublishError> {
        if self.closed {
            return Err(PublishError::Closed);
        }
        let full =
            self.slots.len() >= self.max_messages || (!self.slots.is_empty() && self.bytes + size > self.max_bytes);
        if full {
            return Ok(None);
        }
        self.slots.push_back(Slot { kept: outgoing.take().map(Kept::new), size });
        self.bytes += size;
        Ok(Some(self.next_ticket() - 1))
    }

    fn next_ticket(&self) -> Ticket {
        self.first + self.slots.len() as u64
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let index = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    /// The next message to send below `limit`, skipping those answered already.
    pub(super) fn next_to_send(&mut self, limit: Ticket) -> Option<(Ticket, Subject, HeaderMap, Bytes)> {
        while self.cursor < self.next_ticket().min(limit) {
            let ticket = self.cursor;
            self.cursor += 1;
            if let Some(kept) = self.slot(ticket).and_then(|slot| slot.kept.as_mut()) {
                let (subject, headers, payload, again) = kept.take();
                self.counts.resent += u64::from(again);
                return Some((ticket, subject, headers, payload));
            }
        }
        None
    }

    /// Marks a message as stored. False when it was answered before.
    pub(super) fn stored(&mut self, ticket: Ticket, sequence: u64) -> bool {
        self.counts.went_back += u64::from(sequence <= self.counts.last_stream_sequence);
        self.counts.last_stream_sequence = sequence;
        let done = self.slot(ticket).is_some_and(|slot| slot.kept.take().is_some());
        self.counts.acked += u64::from(done);
        done
    }

    /// Marks a message as refused for good.
    pub(super) fn refused(&mut self, ticket: Ticket, code: u64, reason: String) {
        if self.slot(ticket).is_some_and(|slot| slot.kept.take().is_some()) {
            self.counts.refused += 1;
            if self.refusals.len() == MAX_REFUSALS {
                self.refusals.pop_front();
            }
            self.refusals.push_back((PublishError::Refused { ticket, code, reason }, ticket, false));
        }
    }

    /// Lets go of answered messages at the front; returns the ticket up to which all are answered.
    pub(super) fn advance(&mut self) -> Ticket {
        while self.slots.front().is_some_and(|slot| slot.kept.is_none()) {
            let size = self.slots.pop_front().map_or(0, |slot| slot.size);
            self.bytes -= size;
            self.first += 1;
        }
        self.cursor = self.cursor.max(self.first);
        self.first - 1
    }

    /// Starts sending again from the first un-acked message.
    pub(super) fn rewind(&mut self) {
        self.counts.faults += 1;
        self.cursor = self.first;
    }

    /// Is anything sent and not answered?
    pub(super) fn awaiting(&self) -> bool {
        self.cursor > self.first
    }

    /// Is anything there to send?
    pub(super) fn unsent(&self) -> bool {
        self.cursor < self.next_ticket()
    }

    /// First un-acked ticket.
    pub(super) fn first(&self) -> Ticket {
        self.first
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}

/// The window shared by publishers and the driver, with their two wake-up calls.
#[derive(Debug)]
pub(super) struct Shared {
    window: Mutex<Window>,
    /// Publisher → driver: there is something to send.
    pub(super) work: Notify,
    /// Driver → publishers: there is room.
    pub(super) room: Notify,
}

impl Shared {
    pub(super) fn new(window: Window) -> Self {
        Self { window: Mutex::new(window), work: Notify::new(), room: Notify::new() }
    }

    /// The window; held for moments only and never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, outgoing: &mut Option<Outgoing>, size: usize) -> Result<Option<Ticket>, PublishError> {
        let ticket = self.lock().push(outgoing, size)?;
        if ticket.is_some() {
            self.work.notify_one();
        }
        Ok(ticket)
    }

    pub(super) fn last_ticket(&self) -> Ticket {
        self.lock().next_ticket() - 1
    }

    pub(super) fn refusal(&self, ticket: Ticket) -> Option<PublishError> {
        let mut window = self.lock();
        let entry = window.refusals.iter_mut().find(|(_, refused, _)| *refused == ticket)?;
        entry.2 = true;
        Some(entry.0.clone())
    }

    pub(super) fn first_unreported_refusal(&self) -> Option<PublishError> {
        let mut window = self.lock();
        let first = window.refusals.iter().find(|(_, _, told)| !told).map(|(error, ..)| error.clone());
        window.refusals.iter_mut().for_each(|(_, _, told)| *told = true);
        first
    }

    pub(super) fn counts(&self) -> PublishCounts {
        let window = self.lock();
        PublishCounts { in_flight: window.slots.len(), bytes_in_flight: window.bytes, ..window.counts }
    }
}

//! Steps 5 to 7, for each flight in order: publish, advance, observe.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::SendError;
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::books::Books;
use super::dispatch::{Publish, Repeat};
use super::ledger::Landed;
use super::partition::Neighbours;
use super::shared::Shared;
use super::stats::Observe;
use super::supervisor::Supervisor;
use super::work::{Refusal, Work};
use crate::domain::statistics::Stand;
use crate::domain::{Address, Entry};
use crate::ledger::Position;
use crate::store::Sealed;

/// How many ids of each table a landing forgets, or twice as many as it brings.
const FORGET_AT_ONCE: usize = 256;

/// A round on its way to the disk.
pub struct Flight {
    pub(super) landed: oneshot::Receiver<Landed>,
    pub(super) entries: Vec<(Entry, Option<Bytes>)>,
    pub(super) repeats: Vec<Work>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) entities: Vec<Address>,
    pub(super) position: Option<Position>,
}

/// A round that is on disk.
pub struct Arrived {
    sealed: Vec<Arc<Sealed>>,
    contents: Vec<Option<Bytes>>,
    repeats: Vec<Work>,
    refusals: Vec<Refusal>,
    entities: Vec<Address>,
    position: Option<Position>,
    landed: Landed,
}

/// The second half of a partition's path.
pub struct Landing {
    shared: Arc<Shared>,
    number: u16,
    books: Rc<RefCell<Books>>,
    supervisor: Rc<RefCell<Supervisor>>,
    neighbours: Neighbours,
    arrivals: watch::Sender<u64>,
}

impl Landing {
    /// A landing for one partition.
    pub fn new(
        shared: Arc<Shared>,
        number: u16,
        books: Rc<RefCell<Books>>,
        supervisor: Rc<RefCell<Supervisor>>,
        neighbours: Neighbours,
        arrivals: watch::Sender<u64>,
    ) -> Self {
        Landing { shared, number, books, supervisor, neighbours, arrivals }
    }

    /// Waits until the flight is durable. `None` when the ledger has failed for good.
    pub(super) async fn committed(&mut self, flight: Flight) -> Option<Arrived> {
        let landed = flight.landed.await.ok()?;
        let mut sealed = Vec::with_capacity(flight.entries.len());
        let mut contents = Vec::with_capacity(flight.entries.len());
        for (number, (entry, content)) in flight.entries.into_iter().enumerate() {
            sealed.push(Arc::new(Sealed {
                leaf: landed.first_leaf + number as u64,
                committed: landed.at,
                partition: self.number,
                entry,
                spool: landed.spool.get(number).copied().flatten().map(|s| (s.segment, s.offset, s.len)),
            }));
            contents.push(content);
        }
        Some(Arrived {
            sealed,
            contents,
            repeats: flight.repeats,
            refusals: flight.refusals,
            entities: flight.entities,
            position: flight.position,
            landed,
        })
    }

    /// Step 5: the read model and the tables take the entries, then effects leave.
    pub(super) async fn publish(&mut self, arrived: &Arrived) {
        let fill = self.shared.tail.push(&arrived.sealed);
        // Durable already, whatever the effects wait for: the broker may get its room back.
        if let Some(position) = arrived.position {
            self.shared.progress.passed(self.number, position.into());
        }
        if let (Some(first), Some(last)) = (arrived.sealed.first(), arrived.sealed.last()) {
            self.shared.progress.landed(first.leaf, last.leaf + 1);
        }
        {
            let mut books = self.books.borrow_mut();
            for sealed in &arrived.sealed {
                self.shared.registry.fold(&sealed.entry);
                self.shared.connections.fold(&sealed.entry, &self.shared.db, &self.shared.tail);
                self.shared.notices.fold(sealed);
                books.take(sealed);
            }
        }
        let repeats = self.repeats(&arrived.repeats);
        let publish = Publish {
            sealed: arrived.sealed.clone(),
            contents: arrived.contents.clone(),
            repeats,
            refusals: arrived.refusals.clone(),
            lane: self.number,
            tree_size: arrived.landed.tree_size,
            checkpoint: Arc::clone(&arrived.landed.checkpoint),
        };
        if publish.is_empty() {
            return;
        }
        if fill.over() {
            // Rows are behind: the path waits for them here, so that memory stays bounded.
            self.rows_behind().await;
        }
        // Waits for room in the queue: a slow broker makes the path wait here.
        if self.neighbours.dispatch.send(publish).await.is_err() {
            tracing::error!(partition = self.number, "the dispatch actor is gone; effects wait for the next start");
        }
    }

    /// Waits until the persistence actor has taken entries out of the tail.
    async fn rows_behind(&self) {
        // What it cannot take yet waits for leaves of others, maybe behind this very wait.
        while self.shared.tail.fill().over()
            && self.shared.progress.landed_through() > self.shared.progress.snapshot_through()
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Finds the entries whose outcomes are to be told again.
    fn repeats(&self, works: &[Work]) -> Vec<Repeat> {
        let mut repeats = Vec::with_capacity(works.len());
        for work in works {
            let Some(key) = work.key else { continue };
            let Some(cause) = &work.ask.command.cause else { continue };
            let recent = self.books.borrow().recents.landed(&key);
            let first = recent.or_else(|| self.shared.first_entry(&key, cause));
            if let Some(sealed) = first {
                repeats.push(Repeat { sealed, reply: work.reply.clone(), want_proof: work.want_proof });
            }
        }
        repeats
    }

    /// Step 6: the position is durable.
    pub(super) fn advance(&mut self, arrived: &Arrived) {
        {
            let mut supervisor = self.supervisor.borrow_mut();
            for entity in &arrived.entities {
                supervisor.arrived(entity);
            }
        }
        // More than has come, so that the tables do not grow for it.
        let most = (arrived.sealed.len() * 2).max(FORGET_AT_ONCE);
        self.books.borrow_mut().forget_below(self.shared.progress.snapshot_through(), most);
        self.arrivals.send_modify(|arrived| *arrived += 1);
    }

    /// Step 7: statistics take the entries (snapshots read them from the tail).
    pub(super) async fn observe(&mut self, arrived: Arrived) {
        if arrived.sealed.is_empty() {
            return;
        }
        let stand = Stand { tree_size: arrived.landed.tree_size, checkpoint: arrived.landed.checkpoint };
        // Not waited for while it has room: an answer from another thread takes longer than the counting.
        let gone = match self.neighbours.stats.try_send(Observe { sealed: arrived.sealed, stand }) {
            Ok(()) => false,
            Err(SendError::Full(observe)) => self.neighbours.stats.send(observe).await.is_err(),
            Err(SendError::Closed(_)) => true,
        };
        if gone {
            tracing::warn!(partition = self.number, "the statistics actor is gone; counters stand still");
        }
    }
}

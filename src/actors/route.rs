//! Step 2: group by entity; find out what is known of each id.

use std::collections::HashMap;

use super::partition::Partition;
use super::recents::{First, brought_by};
use super::work::{Work, rounds};
use crate::domain::{Action, Address, Kind, Known};
use crate::store::{IndexKey, StoreError};
use crate::telemetry::events::EffectFailed;

/// Works by the entity that decides, each part in stream order.
pub struct Routed {
    /// One part per entity.
    pub parts: Vec<(Address, Vec<Work>)>,
}

impl Partition {
    /// Rounds in which no id stands twice.
    pub(super) fn split(&mut self, works: Vec<Work>) -> Vec<Vec<Work>> {
        rounds(works)
    }

    /// The position stays before the rounds of this batch that are still to be decided.
    pub(super) fn wait_for(&mut self, later: &[Vec<Work>]) {
        self.later = later.iter().flatten().filter_map(|work| work.sequence).min();
    }

    /// When a round left works behind, what follows waits behind them. True when it does.
    pub(super) fn hold(&mut self, rounds: &mut impl Iterator<Item = Vec<Work>>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        self.held.extend(rounds.flatten());
        self.later = None;
        true
    }

    /// Groups one round. `None` when ids cannot be told apart: nothing may be decided then.
    pub(super) fn route(&mut self, mut works: Vec<Work>) -> Option<Routed> {
        if !self.recognise(&mut works) {
            return None;
        }
        let mut places: HashMap<Address, usize> = HashMap::with_capacity(works.len());
        let mut parts: Vec<(Address, Vec<Work>)> = Vec::with_capacity(works.len());
        for mut work in works {
            if work.entity.kind == Kind::Lane {
                // Decided by the lane, a good receipt would be refused for good.
                work.entity = match self.behind_the_lane(&work) {
                    Ok(Some(entity)) => entity,
                    Ok(None) => {
                        let detail = "what a receipt is about cannot be read from the ledger";
                        EffectFailed { what: "reply", detail }.emit();
                        continue;
                    }
                    Err(error) => {
                        self.index_unreadable(&error);
                        return None;
                    }
                };
            }
            match places.get(&work.entity) {
                Some(place) => parts[*place].1.push(work),
                None => {
                    places.insert(work.entity.clone(), parts.len());
                    parts.push((work.entity.clone(), vec![work]));
                }
            }
        }
        Some(Routed { parts })
    }

    /// Whose delivery a lane message is about; the lane itself when it leads nowhere. `None` when that cannot be told
    /// because no entry about the delivery can be read.
    fn behind_the_lane(&self, work: &Work) -> Result<Option<Address>, StoreError> {
        let Action::Receipt(receipt) = &work.ask.command.action else {
            return Ok(Some(self.lane.clone()));
        };
        if let Some(entity) = self.books.borrow().entity_of(&receipt.delivery) {
            return Ok(Some(entity));
        }
        // Final already: the index knows deliveries of any age.
        let found = self.shared.db.index(&[IndexKey::delivery(receipt.delivery)])?;
        let Some(leaves) = found.into_iter().next().flatten() else {
            return Ok(Some(self.lane.clone()));
        };
        // All entries about a delivery are of the same entity.
        let Some(sealed) = leaves.into_iter().find_map(|leaf| self.shared.entry(leaf)) else {
            return Ok(None);
        };
        // It knows those of all partitions: only its own may decide for an entity.
        let entity = &sealed.entry.entity;
        let own = self.shared.partition_of(entity) == self.number;
        Ok(Some(if own { entity.clone() } else { self.lane.clone() }))
    }

    /// Without the index no message can be told from its repetition, nor a lane's from another's: stop taking work.
    fn index_unreadable(&self, error: &StoreError) {
        tracing::error!(%error, "the exchange index cannot be read");
        self.shared.health.set("index", false, "the exchange index cannot be read");
        self.shared.fatal.tell("the exchange index cannot be read");
        self.stop.cancel();
    }

    /// Sets what is known of each work's id. False when the index cannot be read.
    fn recognise(&mut self, works: &mut [Work]) -> bool {
        let mut ask: Vec<IndexKey> = Vec::with_capacity(works.len());
        let mut asked: Vec<usize> = Vec::with_capacity(works.len());
        {
            let books = self.books.borrow();
            for (place, work) in works.iter_mut().enumerate() {
                let (Some(key), Some(cause)) = (work.key, &work.ask.command.cause) else {
                    continue;
                };
                match books.recents.look(&key, &cause.subject, &cause.body) {
                    Some((known, First::Flying | First::Landed(_))) => work.ask.known = known,
                    None => {
                        ask.push(key);
                        asked.push(place);
                    }
                }
            }
        }
        if ask.is_empty() {
            return true;
        }
        let found = match self.shared.db.index(&ask) {
            Ok(found) => found,
            Err(error) => {
                self.index_unreadable(&error);
                return false;
            }
        };
        for (place, leaves) in asked.into_iter().zip(found) {
            let Some(leaves) = leaves else { continue };
            let work = &mut works[place];
            let Some(cause) = &work.ask.command.cause else { continue };
            // An entry that cannot be read may be this very message's. Refused as a conflict it would be so for good; taken
            // for a repetition it gets no answer, and its outcome when it is repeated once the entry can be read.
            let known =
                leaves.iter().any(|leaf| self.shared.entry(*leaf).is_none_or(|sealed| brought_by(&sealed, cause)));
            work.ask.known = if known { Known::Same } else { Known::Other };
        }
        true
    }
}

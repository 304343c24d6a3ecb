//! What a HAT's actor holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::minute::Minute;
use crate::domain::debit::Debit;
use crate::domain::event::{Authority, Closed, Direction};
use crate::domain::exchange::check::not_in_force;
use crate::domain::{Address, Digest, Id, MessageId, Reason, Registration, Timestamp};

/// An exchange that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Its id.
    pub exchange: MessageId,
    /// Its sender.
    pub from: Address,
    /// Its recipient.
    pub to: Address,
    /// Which way.
    pub direction: Direction,
    /// Under which right.
    pub authority: Authority,
    /// SHA-256 of what came.
    pub digest_in: Digest,
    /// SHA-256 of what was delivered.
    pub digest_out: Digest,
    /// Records delivered.
    pub count: u32,
    /// Bytes delivered.
    pub bytes: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it expires.
    pub deadline: Timestamp,
    /// Whether its sender asked for it back.
    pub recall: bool,
}

impl Open {
    /// What its end records.
    pub fn closed(&self, delivery: Uuid) -> Closed {
        Closed {
            exchange: self.exchange,
            from: self.from.clone(),
            to: self.to.clone(),
            delivery,
            direction: self.direction,
            digest_in: self.digest_in,
            digest_out: self.digest_out,
            count: self.count,
            bytes: self.bytes,
            opened_at: self.opened_at,
        }
    }
}

/// A HAT. Serialised as its row; holds open exchanges only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hat {
    /// Number of the last entry.
    pub n: u64,
    /// Standing, keys.
    pub registration: Registration,
    /// The platform that vouches for it.
    pub platform: Option<Id>,
    /// Connected plugs, with the number of the entry that connected each.
    pub plugs: BTreeMap<Id, u64>,
    /// Apps that are set up, likewise.
    pub apps: BTreeMap<Id, u64>,
    /// Data debits.
    pub debits: BTreeMap<Id, Debit>,
    /// Exchanges that have not ended, by delivery.
    pub open: BTreeMap<Uuid, Open>,
    /// Offers that were claimed and have not answered.
    pub claims: BTreeSet<Id>,
    /// Messages of each sender in the current minute.
    pub minute: Minute,
}

impl Hat {
    /// Whether the HAT may take part.
    ///
    /// # Errors
    /// `unknown-party`, `suspended` or `retired`.
    pub fn in_force(&self) -> Result<(), Reason> {
        not_in_force(self.registration.standing, Reason::UnknownParty).map_or(Ok(()), Err)
    }

    /// The open pull of this id under this debit.
    pub fn open_pull(&self, pull: MessageId, debit: &Id) -> Option<(Uuid, &Open)> {
        let found = self.open.iter().find(|(_, open)| {
            open.direction == Direction::Pull
                && open.exchange == pull
                && matches!(&open.authority, Authority::Debit(of) if of == debit)
        });
        found.map(|(delivery, open)| (*delivery, open))
    }
}

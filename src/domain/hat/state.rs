//! What a HAT's state holds, and its bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::app::Accepted;
use crate::domain::bytes::Digest;
use crate::domain::debit::Debit;
use crate::domain::event::Opened;
use crate::domain::exchange::Open;
use crate::domain::exchange::check::Case;
use crate::domain::exchange::large::Fetching;
use crate::domain::id::{Address, Id, MessageId};
use crate::domain::job::Tracks;
use crate::domain::plug;
use crate::domain::registration::{Registration, Standing};
use crate::domain::report::Reports;
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Reason;

/// Most senders counted in one minute besides the HAT itself; the messages of further ones are refused
/// `over-quota`.
pub const SENDERS_MAX: usize = 1024;

/// Most ended debits kept; beyond it the one that ended first is dropped and its id is unknown again.
pub const ENDED_DEBITS_MAX: usize = 1000;

/// Messages per sender in the current minute of event time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Minute {
    /// Minutes since the Unix epoch.
    pub number: i64,
    /// At most [`SENDERS_MAX`] and the HAT itself.
    pub counts: BTreeMap<Address, u32>,
}

impl Minute {
    fn number_at(at: Timestamp) -> i64 {
        at.0.div_euclid(60 * SECOND)
    }

    /// Whether a message of `from` at `at` is within `most` a minute. `own`: the HAT itself speaks, which
    /// others cannot crowd out.
    pub fn allows(&self, from: &Address, own: bool, at: Timestamp, most: u32) -> bool {
        if Self::number_at(at) > self.number {
            return most > 0;
        }
        match self.counts.get(from) {
            Some(count) => *count < most,
            None => most > 0 && (own || self.counts.len() < SENDERS_MAX),
        }
    }

    /// Counts a message of `from` at `at`. One that is older than the current minute counts in it.
    pub fn count(&mut self, from: &Address, own: bool, at: Timestamp) {
        let number = Self::number_at(at);
        if number > self.number {
            self.number = number;
            self.counts.clear();
        }
        if let Some(count) = self.counts.get_mut(from) {
            *count = count.saturating_add(1);
        } else if own || self.counts.len() < SENDERS_MAX {
            self.counts.insert(from.clone(), 1);
        }
    }
}

/// A claim that waits for its offer's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The claim's message.
    pub id: MessageId,
    /// When.
    pub at: Timestamp,
}

/// One person's data account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hat {
    /// Number of the last entry folded in.
    pub n: u64,
    /// Standing and keys.
    pub registration: Registration,
    /// The platform that vouches for it.
    pub platform: Option<Id>,
    /// Connected plugs, each with the number of the entry that connected it.
    pub plugs: BTreeMap<Id, u64>,
    /// Plugs that want to be connected and wait for the owner; at most [`CONNECTING_MAX`](plug::CONNECTING_MAX).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connecting: BTreeMap<Id, plug::Asked>,
    /// Apps set up, each with the number of the entry that did it.
    pub apps: BTreeMap<Id, u64>,
    /// Of each app set up: the version that the owner accepted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<Id, Accepted>,
    // Boxed: a map has room for eleven even when it holds one, and there are many HATs.
    /// Data debits.
    pub debits: BTreeMap<Id, Box<Debit>>,
    /// Open exchanges by the id of their delivery.
    pub open: BTreeMap<Uuid, Box<Open>>,
    /// What of the open exchanges is held back, whole, by the id of the delivery.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<Uuid, Box<Opened>>,
    /// Digest of what their debits let pass of those that are held back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held_gates: BTreeMap<Uuid, Digest>,
    /// Whose content of the open exchanges is being fetched, by the id of the delivery.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fetching: BTreeMap<Uuid, Box<Fetching>>,
    /// Claims by their offer.
    pub claims: BTreeMap<Id, Claim>,
    /// The current minute.
    pub minute: Minute,
    /// What it has reported of itself, when it ever has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<Box<Reports>>,
    /// What plugs fetch for it, and when.
    #[serde(default, skip_serializing_if = "Tracks::is_empty")]
    pub jobs: Tracks,
}

impl Hat {
    /// That the HAT is registered and not retired; a suspended one may still take rights back.
    pub(crate) fn not_retired(&self) -> Result<(), Reason> {
        match self.registration.standing {
            Standing::Suspended => Ok(()),
            _ => self.registration.active().map(|_| ()),
        }
    }

    /// That the sender is within its quota, and that the HAT may have `opens` more open exchanges.
    pub(crate) fn quota(&self, case: &Case<'_>, opens: usize) -> Result<(), Reason> {
        let limits = case.ctx.limits;
        let most = limits.messages_per_minute;
        let (from, own) = (case.speaker(), case.is_owner());
        if !self.minute.allows(from, own, case.at(), most) {
            return Err(Reason::OverQuota);
        }
        if opens > 0 && self.open.len() + opens > limits.open_per_hat {
            return Err(Reason::RecipientOverQuota);
        }
        Ok(())
    }

    /// That `more` exchanges may be held back besides those that are.
    pub(crate) fn may_hold(&self, case: &Case<'_>, more: usize) -> Result<(), Reason> {
        let most = case.ctx.limits.held_per_hat;
        if self.held.len() + more > most { Err(Reason::OverQuota) } else { Ok(()) }
    }

    /// Whether nothing of this open exchange has left yet.
    pub(crate) fn waits(&self, delivery: &Uuid) -> bool {
        self.held.contains_key(delivery) || self.fetching.contains_key(delivery)
    }

    /// Bytes of large content in its open exchanges.
    pub(crate) fn large_open(&self) -> u64 {
        let large = self.open.values().filter(|open| open.large);
        large.map(|open| u64::from(open.bytes)).fold(0, u64::saturating_add)
    }

    /// That no open exchange has this delivery id.
    pub(crate) fn free(&self, delivery: Uuid) -> Result<(), Reason> {
        if self.open.contains_key(&delivery) { Err(Reason::Conflict) } else { Ok(()) }
    }

    /// Debits that have not ended by `at`, and claims that may become one.
    pub(crate) fn debits_held(&self, at: Timestamp) -> usize {
        let held = self.debits.values().filter(|debit| !debit.ended(at));
        held.count() + self.claims.len()
    }
}

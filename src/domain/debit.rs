//! Data debits: append-only revisions, periods, and when one is in force.
//!
//! A revision waits for the owner while the one before it stays active. Its end: none (rolling), the end
//! of its first period, at once when disabled, or the end of the period that ran when it was disabled.

use serde::{Deserialize, Serialize};

use super::event::DebitTerms;
use super::id::{Address, Id};
use super::time::{SECOND, Timestamp};
use super::verdict::Reason;

/// One revision of a debit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// What was proposed.
    pub terms: DebitTerms,
    /// When.
    pub proposed_at: Timestamp,
    /// When the owner accepted it last.
    pub enabled_at: Option<Timestamp>,
    /// Number of that entry.
    pub enabled_n: u64,
    /// When the owner disabled it since, and whether only at the period's end.
    pub disabled: Option<(Timestamp, bool)>,
}

impl Revision {
    /// From when on it may be used, once accepted.
    pub fn starts(&self) -> Option<Timestamp> {
        let enabled = self.enabled_at?;
        Some(self.terms.start.map_or(enabled, |start| start.max(enabled)))
    }

    /// When it ends; `None` when it rolls on or was never accepted.
    pub fn ends(&self) -> Option<Timestamp> {
        let start = self.starts()?;
        let period = i64::from(self.terms.period_seconds.max(1)).saturating_mul(SECOND);
        let own = self.terms.cancel_at_period_end.then(|| start.plus(period));
        let told = self.disabled.map(|(at, at_period_end)| {
            if !at_period_end || at < start {
                return at;
            }
            // The end of the period that runs at that moment; at a boundary the next one has begun.
            let periods = (at.since(start) / period).saturating_add(1);
            start.plus(periods.saturating_mul(period))
        });
        match (own, told) {
            (Some(own), Some(told)) => Some(own.min(told)),
            (own, told) => own.or(told),
        }
    }

    /// Whether it was accepted and has not ended at `at`: in force, or to start.
    pub fn live(&self, at: Timestamp) -> bool {
        self.enabled_at.is_some() && self.ends().is_none_or(|end| at < end)
    }

    /// Whether it is in force at `at`.
    pub fn active(&self, at: Timestamp) -> bool {
        self.starts().is_some_and(|start| start <= at) && self.ends().is_none_or(|end| at < end)
    }
}

/// A debit on a HAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debit {
    /// Oldest first, at least one.
    pub revisions: Vec<Revision>,
    /// The offer that it came from.
    pub offer: Option<Id>,
}

impl Debit {
    /// The newest revision in force at `at`.
    pub fn active(&self, at: Timestamp) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.active(at))
    }

    /// Whether a revision is in force at `at` or will be.
    pub fn live(&self, at: Timestamp) -> bool {
        self.revisions.iter().any(|revision| revision.live(at))
    }

    /// The newest revision.
    pub fn latest(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// Who receives. The same in all revisions.
    pub fn client(&self) -> &Address {
        &self.revisions[0].terms.client
    }

    /// The revision in force.
    ///
    /// # Errors
    /// `debit-ended` when one was in force and none will be, `debit-not-active` otherwise.
    pub fn in_force(&self, at: Timestamp) -> Result<&Revision, Reason> {
        self.active(at).ok_or_else(|| {
            let accepted = self.revisions.iter().any(|revision| revision.enabled_at.is_some());
            if accepted && self.ended(at) { Reason::DebitEnded } else { Reason::DebitNotActive }
        })
    }

    /// Whether every accepted revision has ended.
    pub fn ended(&self, at: Timestamp) -> bool {
        let mut accepted = self.revisions.iter().filter(|revision| revision.enabled_at.is_some()).peekable();
        accepted.peek().is_some() && accepted.all(|revision| revision.ends().is_some_and(|end| end <= at))
    }
}

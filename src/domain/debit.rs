//! A data debit on a HAT: its revisions, when it is in force and when it ends.

use serde::{Deserialize, Serialize};

use super::event::DebitTerms;
use super::id::{Address, Id};
use super::records::is_endpoint;
use super::time::{SECOND, Timestamp};
use super::verdict::Reason;

/// One revision of the terms. Revisions are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// What the client asks for.
    pub terms: DebitTerms,
    /// When it was proposed.
    pub at: Timestamp,
    /// Number of its entry.
    pub n: u64,
}

/// The owner's acceptance of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// Which revision, from 1.
    pub revision: u32,
    /// When.
    pub at: Timestamp,
    /// Number of its entry.
    pub n: u64,
}

/// The owner's end of an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// When.
    pub at: Timestamp,
    /// True: runs to the end of the period that runs then.
    pub at_period_end: bool,
}

/// A data debit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debit {
    /// Who receives.
    pub client: Address,
    /// The offer that it comes from.
    pub offer: Option<Id>,
    /// Oldest first, at least one.
    pub revisions: Vec<Revision>,
    /// The acceptance that counts: the newest.
    pub enabled: Option<Enabled>,
    /// Its end by the owner; cleared by the next acceptance, so that the revision's own terms hold again.
    pub cancelled: Option<Cancelled>,
}

impl Debit {
    /// The number of the newest revision, from 1.
    pub fn newest(&self) -> u32 {
        u32::try_from(self.revisions.len()).unwrap_or(u32::MAX)
    }

    /// The accepted revision and its acceptance.
    pub fn accepted(&self) -> Option<(&Revision, Enabled)> {
        let enabled = self.enabled?;
        let index = usize::try_from(enabled.revision).ok()?.checked_sub(1)?;
        Some((self.revisions.get(index)?, enabled))
    }

    /// When the accepted revision starts: as its terms say, but not before it was accepted.
    pub fn start(&self) -> Option<Timestamp> {
        let (revision, enabled) = self.accepted()?;
        Some(revision.terms.start.unwrap_or(enabled.at).max(enabled.at))
    }

    /// When the accepted revision ends; `None` when it rolls on (or nothing is accepted).
    ///
    /// One period: start + period. Disabled at once: then. Disabled at the period's end:
    /// start + ⌈(then − start) / period⌉ × period.
    pub fn end(&self) -> Option<Timestamp> {
        let (revision, _) = self.accepted()?;
        let start = self.start()?;
        let period = i64::from(revision.terms.period_seconds.max(1)).saturating_mul(SECOND);
        let own = revision.terms.cancel_at_period_end.then(|| start.plus(period));
        let by_owner = self.cancelled.map(|cancelled| {
            if !cancelled.at_period_end {
                return cancelled.at;
            }
            let run = cancelled.at.since(start).max(0);
            let periods = run / period + i64::from(run % period != 0);
            start.plus(periods.saturating_mul(period))
        });
        match (own, by_owner) {
            (Some(own), Some(by_owner)) => Some(own.min(by_owner)),
            (own, by_owner) => own.or(by_owner),
        }
    }

    /// Whether it was accepted once and has ended by `at`.
    pub fn ended(&self, at: Timestamp) -> bool {
        self.end().is_some_and(|end| end <= at)
    }

    /// Whether it is accepted and has not ended by `at`; it may be still to start.
    pub fn live(&self, at: Timestamp) -> bool {
        self.enabled.is_some() && !self.ended(at)
    }

    /// The terms that are active at `at`, and the number of the entry by which the owner accepted them.
    ///
    /// # Errors
    /// `debit-not-active` or `debit-ended`.
    pub fn in_force(&self, at: Timestamp) -> Result<(&DebitTerms, u64), Reason> {
        let (revision, enabled) = self.accepted().ok_or(Reason::DebitNotActive)?;
        if self.ended(at) {
            Err(Reason::DebitEnded)
        } else if self.start().is_some_and(|start| at < start) {
            Err(Reason::DebitNotActive)
        } else {
            Ok((&revision.terms, enabled.n))
        }
    }
}

/// Whether terms can be held to: a period, and a bundle that names at least one endpoint per property.
pub fn well_formed(terms: &DebitTerms) -> bool {
    let properties = &terms.bundle.bundle;
    terms.period_seconds >= 1
        && !properties.is_empty()
        && properties.values().all(|property| {
            !property.endpoints.is_empty() && property.endpoints.iter().all(|q| is_endpoint(&q.endpoint))
        })
}

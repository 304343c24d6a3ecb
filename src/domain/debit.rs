//! A data debit on a HAT: its revisions, when it is in force and when it ends.

use serde::{Deserialize, Serialize};

use super::bundle::Compiled;
use super::event::DebitTerms;
use super::id::{Address, Id, MessageId};
use super::pii::{Gates, WITHOUT_PII};
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
    /// Its bundle, compiled when it is first used.
    #[serde(skip)]
    pub program: Compiled,
    /// What of it passes, found when it is first used.
    #[serde(skip)]
    pub gates: Gates,
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
    /// Since when this revision has been accepted without a break: an owner who takes back a cancellation
    /// before it has come about goes on with the running periods. `None`: since `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The owner's end of an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// When.
    pub at: Timestamp,
    /// True: runs to the end of the period that runs then.
    pub at_period_end: bool,
}

/// Where the claim stands that a debit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceStanding {
    /// The offer has not said that its minimum is reached: what goes under the debit is held back.
    Held,
    /// It has.
    Released,
    /// The place was lost.
    Lapsed,
    /// The owner gave it back.
    Withdrawn,
}

/// The place in an offer that a debit stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The claim's message.
    pub claim: MessageId,
    /// The first acceptance must come before.
    pub until: Timestamp,
    /// Where it stands.
    pub standing: PlaceStanding,
    /// Since when it is lost or given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
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
    /// How many periods of the acceptance that counts are told to be over.
    #[serde(default)]
    pub rolled: u64,
    /// Its end, once that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_end: Option<Timestamp>,
    /// Its place in the offer that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Where a debit stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebitStanding {
    /// Waits for the owner's first acceptance.
    Proposed,
    /// Accepted, its start is still ahead.
    Accepted,
    /// Lets records out.
    Active,
    /// In force, but what goes under it is held back till its offer's minimum is reached.
    Waiting,
    /// Its place in the offer was lost.
    Lapsed,
    /// The owner gave its place in the offer back.
    Withdrawn,
    /// Lets records out till the end of the running period, by the owner's word.
    Ending,
    /// Over by its own terms or with its period.
    Ended,
    /// Ended by the owner at once.
    Disabled,
}

impl Debit {
    /// Whether its client is not to know whose data it is given.
    pub fn without_pii(&self) -> bool {
        self.revisions.iter().any(|revision| revision.terms.without_pii)
    }

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
        let since = enabled.since.unwrap_or(enabled.at);
        Some(revision.terms.start.unwrap_or(since).max(since))
    }

    /// Length of the accepted revision's period, nanoseconds. Periods are spans of seconds, not of the
    /// calendar: 30 days are 30 × 86,400 s over every month's end and leap day.
    fn period(&self) -> Option<i64> {
        let (revision, _) = self.accepted()?;
        Some(i64::from(revision.terms.period_seconds.max(1)).saturating_mul(SECOND))
    }

    /// Takes the owner's acceptance of `revision` by entry `n` at `at` in.
    pub fn accept(&mut self, revision: u32, at: Timestamp, n: u64) {
        // The flag of the terms holds again; nothing of the cancellation stays.
        let running = self.enabled.filter(|enabled| enabled.revision == revision && !self.ended(at));
        let since = running.map(|enabled| enabled.since.unwrap_or(enabled.at));
        self.enabled = Some(Enabled { revision, at, n, since });
        self.cancelled = None;
        self.told_end = None;
        if since.is_none() {
            self.rolled = 0;
        }
    }

    /// A claim's place is held for it: it waits for the owner, as when it was first proposed.
    pub fn reserve(&mut self, claim: MessageId, until: Timestamp) {
        self.place = Some(Place { claim, until, standing: PlaceStanding::Held, over: None });
        self.enabled = None;
        self.cancelled = None;
        self.told_end = None;
        self.rolled = 0;
    }

    /// How many periods are over by `at` while the debit goes on: its end is no roll-over.
    pub fn rolls(&self, at: Timestamp) -> u64 {
        let (Some(start), Some(period)) = (self.start(), self.period()) else {
            return 0;
        };
        let last = match self.end() {
            Some(end) => at.min(end.plus(-1)),
            None => at,
        };
        u64::try_from(last.since(start) / period).unwrap_or(0)
    }

    /// Start of the period after `rolls` roll-overs.
    pub fn period_start(&self, rolls: u64) -> Timestamp {
        let (Some(start), Some(period)) = (self.start(), self.period()) else {
            return Timestamp::default();
        };
        start.plus(i64::try_from(rolls).unwrap_or(i64::MAX).saturating_mul(period))
    }

    /// Its end when that came with time, by `at`, and is not told yet. Ending it at once tells itself.
    pub fn due_end(&self, at: Timestamp) -> Option<Timestamp> {
        let at_once = self.cancelled.is_some_and(|cancelled| !cancelled.at_period_end);
        if at_once || self.lost() || self.told_end.is_some() {
            return None;
        }
        self.end().filter(|end| *end <= at)
    }

    /// When something of it is to be told next: a roll-over or its end.
    pub fn next_turn(&self) -> Option<Timestamp> {
        let at_once = self.cancelled.is_some_and(|cancelled| !cancelled.at_period_end);
        if self.enabled.is_none() || at_once || self.lost() || self.told_end.is_some() {
            return None;
        }
        let (start, period) = (self.start()?, self.period()?);
        let next = i64::try_from(self.rolled.saturating_add(1)).ok();
        let next = next.and_then(|n| n.checked_mul(period)).and_then(|run| start.0.checked_add(run)).map(Timestamp);
        // Beyond the last instant there is: never.
        match (next, self.end().filter(|end| *end < Timestamp(i64::MAX))) {
            (Some(next), Some(end)) => Some(next.min(end)),
            (next, end) => next.or(end),
        }
    }

    /// Where it stands at `at`.
    pub fn standing(&self, at: Timestamp) -> DebitStanding {
        match self.place.map(|place| place.standing) {
            Some(PlaceStanding::Lapsed) => return DebitStanding::Lapsed,
            Some(PlaceStanding::Withdrawn) => return DebitStanding::Withdrawn,
            Some(PlaceStanding::Held | PlaceStanding::Released) | None => {}
        }
        if self.enabled.is_none() {
            return DebitStanding::Proposed;
        }
        let cancelled = self.cancelled;
        if self.ended(at) {
            return match cancelled {
                Some(Cancelled { at_period_end: false, at }) if self.end() == Some(at) => DebitStanding::Disabled,
                _ => DebitStanding::Ended,
            };
        }
        match self.start() {
            Some(start) if at < start => DebitStanding::Accepted,
            _ if self.holds_back() => DebitStanding::Waiting,
            _ if cancelled.is_some() => DebitStanding::Ending,
            _ => DebitStanding::Active,
        }
    }

    /// When the accepted revision ends; `None` when it rolls on (or nothing is accepted).
    ///
    /// One period: start + period. Disabled at once: then. Disabled at the period's end:
    /// start + ⌈(then − start) / period⌉ × period.
    pub fn end(&self) -> Option<Timestamp> {
        let (revision, _) = self.accepted()?;
        let start = self.start()?;
        let period = self.period()?;
        let own = revision.terms.cancel_at_period_end.then(|| start.plus(period));
        let by_owner = self.cancelled.map(|cancelled| {
            if !cancelled.at_period_end {
                return cancelled.at;
            }
            let run = cancelled.at.since(start).max(0);
            let periods = run / period + i64::from(run % period != 0);
            start.plus(periods.saturating_mul(period))
        });
        own.into_iter().chain(by_owner).chain(self.place.and_then(|place| place.over)).min()
    }

    /// Whether its place in the offer is lost or given back: it is over, and cannot be enabled.
    pub fn lost(&self) -> bool {
        self.place.is_some_and(|place| place.over.is_some())
    }

    /// Whether what goes under it is held back.
    pub fn holds_back(&self) -> bool {
        self.place.is_some_and(|place| place.standing == PlaceStanding::Held)
    }

    /// Whether it was accepted once and has ended by `at`, or its place in an offer is lost.
    pub fn ended(&self, at: Timestamp) -> bool {
        self.lost() || self.end().is_some_and(|end| end <= at)
    }

    /// Whether it is accepted and has not ended by `at`; it may be still to start.
    pub fn live(&self, at: Timestamp) -> bool {
        self.enabled.is_some() && !self.ended(at)
    }

    /// The terms that are active at `at`, and the number of the entry by which the owner accepted them.
    ///
    /// # Errors
    /// `debit-not-active` or `debit-ended`.
    pub fn in_force(&self, at: Timestamp) -> Result<(&Revision, u64), Reason> {
        if self.lost() {
            return Err(Reason::DebitEnded);
        }
        let (revision, enabled) = self.accepted().ok_or(Reason::DebitNotActive)?;
        if self.ended(at) {
            Err(Reason::DebitEnded)
        } else if self.start().is_some_and(|start| at < start) {
            Err(Reason::DebitNotActive)
        } else {
            Ok((revision, enabled.n))
        }
    }
}

/// Whether terms can be held to: a period, and a bundle that names at least one endpoint per property.
pub fn well_formed(terms: &DebitTerms) -> bool {
    let properties = &terms.bundle.bundle;
    let granted = terms.classes.is_none_or(|classes| !terms.without_pii || classes.within(WITHOUT_PII));
    terms.period_seconds >= 1
        && granted
        && !properties.is_empty()
        && properties.values().all(|property| {
            !property.endpoints.is_empty() && property.endpoints.iter().all(|q| is_endpoint(&q.endpoint))
        })
}

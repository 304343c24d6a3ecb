//! What is counted, as one closed table of figures, and how an entry adds to it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::domain::entry::Entry;
use crate::domain::event::{Direction, Event};
use crate::domain::job::JobStep;
use crate::domain::pii::Class;
use crate::domain::report::StatsKind;
use crate::domain::verdict::{Reason, Status};

/// Classes of which something may be left out.
const PERSONAL: [Class; 3] = [Class::Quasi, Class::Direct, Class::Special];
/// Directions as labels; the last is of messages that are no exchange.
const DIRECTIONS: [&str; 4] = ["credit", "release", "pull", "other"];
const CLAIMS: [&str; 7] = ["wanted", "reserved", "refused", "confirmed", "lapsed", "withdrawn", "completed"];
const DEBITS: [&str; 5] = ["proposed", "enabled", "disabled", "rolled", "ended"];
const PARTIES: [&str; 7] = ["registered", "approved", "suspended", "resumed", "retired", "connected", "disconnected"];
/// Jobs as plugs report them; those that the exchange plans itself are counted by their steps.
const JOBS: [&str; 2] = ["done", "failed"];
const NOTICES: [&str; 3] = ["posted", "told", "ended"];
const VALUES: [&str; 4] = ["in", "out", "repeated", "unreadable"];

const STATUSES: usize = Status::ALL.len();
const REASONS: usize = Reason::ALL.len();
const KINDS: usize = StatsKind::ALL.len();

/// Where each group of figures begins.
const REJECTIONS: usize = DIRECTIONS.len() * STATUSES;
const DISPUTES: usize = REJECTIONS + REASONS;
const UNAUTHENTICATED: usize = DISPUTES + REASONS;
const RECORDS: usize = UNAUTHENTICATED + REASONS;
const BYTES: usize = RECORDS + DIRECTIONS.len() - 1;
const DROPPED: usize = BYTES + DIRECTIONS.len() - 1;
const CLAIM: usize = DROPPED + PERSONAL.len();
const DEBIT: usize = CLAIM + CLAIMS.len();
const PARTY: usize = DEBIT + DEBITS.len();
const JOB: usize = PARTY + PARTIES.len();
const JOB_STEP: usize = JOB + JOBS.len();
const NOTICE: usize = JOB_STEP + JobStep::WORDS.len();
const DEAD: usize = NOTICE + NOTICES.len();
const REPORTED_EVENTS: usize = DEAD + 1;
const REPORTED_VALUES: usize = REPORTED_EVENTS + KINDS;
/// How many figures there are.
pub const FIGURES: usize = REPORTED_VALUES + VALUES.len();

/// Every figure with the names that lead to it: its group, and within the group.
static NAMES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let mut names = Vec::with_capacity(FIGURES);
    for group in ["exchanges.credit", "exchanges.release", "exchanges.pull", "exchanges.other"] {
        names.extend(Status::ALL.map(|status| (group, status.as_str())));
    }
    for group in ["rejections", "disputes", "unauthenticated"] {
        names.extend(Reason::ALL.map(|reason| (group, reason.as_str())));
    }
    for group in ["records", "bytes"] {
        names.extend(DIRECTIONS[..3].iter().map(|direction| (group, *direction)));
    }
    names.extend(PERSONAL.map(|class| ("fieldsDropped", class.as_str())));
    names.extend(CLAIMS.map(|what| ("claims", what)));
    names.extend(DEBITS.map(|what| ("debits", what)));
    names.extend(PARTIES.map(|what| ("parties", what)));
    names.extend(JOBS.map(|what| ("jobsReported", what)));
    names.extend(JobStep::WORDS.map(|what| ("jobs", what)));
    names.extend(NOTICES.map(|what| ("notices", what)));
    names.push(("deadLetters", "kept"));
    names.extend(StatsKind::ALL.map(|kind| ("reported.events", kind.as_str())));
    names.extend(VALUES.map(|what| ("reported.values", what)));
    names
});

/// Counts of everything that the table names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally(Box<[u64; FIGURES]>);

impl Default for Tally {
    fn default() -> Self {
        Tally(Box::new([0; FIGURES]))
    }
}

const fn place(direction: Direction) -> usize {
    match direction {
        Direction::Credit => 0,
        Direction::Release => 1,
        Direction::Pull => 2,
    }
}

/// Which way a refused message would have moved something.
fn refused(entry: &Entry) -> usize {
    let action = entry.cause.as_ref().and_then(|cause| cause.subject.split('.').nth(5));
    match action {
        Some("credit") => 0,
        Some("release" | "data") => 1,
        Some("pull") => 2,
        _ => 3,
    }
}

/// The place of a value in its closed set, whose order is that of its declaration.
fn of<T: PartialEq>(all: &[T], value: &T) -> usize {
    all.iter().position(|one| one == value).unwrap_or(0)
}

impl Tally {
    fn bump(&mut self, figure: usize, by: u64) {
        if let Some(count) = self.0.get_mut(figure) {
            *count = count.saturating_add(by);
        }
    }

    fn status(&mut self, direction: usize, status: Status) {
        self.bump(direction * STATUSES + of(&Status::ALL, &status), 1);
    }

    fn reason(&mut self, group: usize, reason: Reason, by: u64) {
        self.bump(group + of(&Reason::ALL, &reason), by);
    }

    /// Counts one committed entry.
    pub fn count(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Held { opened, .. } => self.status(place(opened.direction), Status::Pending),
            Event::Fetching(fetching) => self.status(place(fetching.direction), Status::Pending),
            Event::Opened(opened) | Event::Released(opened) | Event::Fetched(opened) => {
                let way = place(opened.direction);
                self.status(way, Status::Accepted);
                self.bump(RECORDS + way, u64::from(opened.count_out));
                self.bump(BYTES + way, u64::from(opened.bytes_out));
                if !opened.dropped.is_empty() {
                    for (at, class) in PERSONAL.into_iter().enumerate() {
                        self.bump(DROPPED + at, u64::from(opened.dropped.of(class)));
                    }
                }
            }
            Event::Settled(closed) => self.status(place(closed.direction), Status::Settled),
            Event::Expired(closed) => self.status(place(closed.direction), Status::Expired),
            Event::Recalled(closed) => self.status(place(closed.direction), Status::Recalled),
            Event::Disputed { closed, reason, .. } => {
                self.status(place(closed.direction), Status::Disputed);
                self.reason(DISPUTES, *reason, 1);
            }
            Event::Dropped { closed, reason } => {
                self.status(place(closed.direction), Status::Rejected);
                self.reason(REJECTIONS, *reason, 1);
            }
            Event::Rejected { reason } => {
                self.status(refused(entry), Status::Rejected);
                self.reason(REJECTIONS, *reason, 1);
            }
            Event::PullRefused { reason, .. } => {
                self.status(2, Status::Rejected);
                self.reason(REJECTIONS, *reason, 1);
            }
            Event::RefusedUnauthenticated { reason, count, .. } => {
                self.reason(UNAUTHENTICATED, *reason, u64::from(*count));
            }
            Event::DeadLetter { .. } => self.bump(DEAD, 1),
            other => self.count_rare(other),
        }
    }

    fn count_rare(&mut self, event: &Event) {
        let (figure, by) = match event {
            Event::Claimed { .. } => (CLAIM, 1),
            Event::OfferReserved { .. } => (CLAIM + 1, 1),
            Event::OfferRefused { .. } => (CLAIM + 2, 1),
            Event::OfferConfirmed { .. } => (CLAIM + 3, 1),
            Event::OfferLapsed { claims } => (CLAIM + 4, claims.len() as u64),
            Event::OfferLeft { completed, .. } => (CLAIM + 5 + usize::from(*completed), 1),
            Event::DebitProposed { .. } => (DEBIT, 1),
            Event::DebitEnabled { .. } => (DEBIT + 1, 1),
            Event::DebitDisabled { .. } => (DEBIT + 2, 1),
            Event::DebitRolled { periods, .. } => (DEBIT + 3, *periods),
            Event::DebitEnded { .. } => (DEBIT + 4, 1),
            Event::Registered { .. } => (PARTY, 1),
            Event::Approved { .. } => (PARTY + 1, 1),
            Event::Suspended => (PARTY + 2, 1),
            Event::Resumed => (PARTY + 3, 1),
            Event::Retired => (PARTY + 4, 1),
            Event::PlugConnected { .. } | Event::AppSetUp { .. } => (PARTY + 5, 1),
            Event::PlugDisconnected { .. } | Event::AppDisabled { .. } => (PARTY + 6, 1),
            Event::PlugReported { report, .. } => {
                self.bump(JOB, u64::from(report.done));
                (JOB + 1, u64::from(report.failed))
            }
            Event::Job(event) => (JOB_STEP + event.step.place(), 1),
            Event::NoticePosted(_) => (NOTICE, 1),
            Event::NoticeTold { told, .. } => (NOTICE + 1, u64::from(told.sent) + u64::from(told.listed)),
            Event::NoticeEnded { .. } => (NOTICE + 2, 1),
            Event::Reported(added) => {
                for (kind, count) in &added.kinds {
                    self.bump(REPORTED_EVENTS + of(&StatsKind::ALL, kind), u64::from(*count));
                }
                self.bump(REPORTED_VALUES, added.values_in);
                self.bump(REPORTED_VALUES + 1, added.values_out);
                self.bump(REPORTED_VALUES + 2, u64::from(added.repeated));
                (REPORTED_VALUES + 3, u64::from(added.unreadable))
            }
            _ => return,
        };
        self.bump(figure, by);
    }

    /// Adds what was counted of other entries.
    pub fn merge(&mut self, other: &Tally) {
        for (count, more) in self.0.iter_mut().zip(other.0.iter()) {
            *count = count.saturating_add(*more);
        }
    }

    /// A figure by its names, such as `claims` and `confirmed`; 0 when there is none of these names.
    pub fn get(&self, group: &str, name: &str) -> u64 {
        let at = NAMES.iter().position(|known| *known == (group, name));
        at.map_or(0, |at| self.0[at])
    }

    /// Exchanges, of all directions, that reached this status.
    pub fn reached(&self, status: Status) -> u64 {
        let at = of(&Status::ALL, &status);
        (0..DIRECTIONS.len()).fold(0, |sum, way| sum.saturating_add(self.0[way * STATUSES + at]))
    }

    /// The sum of a group.
    pub fn sum(&self, group: &str) -> u64 {
        let of_group = NAMES.iter().zip(self.0.iter()).filter(|((known, _), _)| *known == group);
        of_group.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// All figures as an object of their groups. Statuses, directions and the like always, reasons when they occurred.
    pub fn told(&self) -> Value {
        let mut told = Map::new();
        for ((group, name), count) in NAMES.iter().zip(self.0.iter()) {
            let rare = matches!(*group, "rejections" | "disputes" | "unauthenticated") && *count == 0;
            let mut into = &mut told;
            for part in group.split('.') {
                let inner = into.entry(part).or_insert_with(|| json!({}));
                let Value::Object(inner) = inner else { return Value::Object(told) };
                into = inner;
            }
            if !rare {
                into.insert((*name).to_owned(), json!(count));
            }
        }
        Value::Object(told)
    }
}

impl Serialize for Tally {
    /// By name and without what is zero: a later program with more figures reads it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = NAMES.iter().zip(self.0.iter()).filter(|(_, count)| **count > 0);
        serializer.collect_map(counted.map(|((group, name), count)| (format!("{group}/{name}"), count)))
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counted = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut tally = Tally::default();
        for ((group, name), count) in NAMES.iter().zip(tally.0.iter_mut()) {
            *count = counted.get(&format!("{group}/{name}")).copied().unwrap_or(0);
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_figure_once_and_where_it_stands() {
        assert_eq!(NAMES.len(), FIGURES);
        let unique: std::collections::BTreeSet<_> = NAMES.iter().collect();
        assert_eq!(unique.len(), FIGURES);
        for (at, name) in [
            (REJECTIONS, ("rejections", Reason::ALL[0].as_str())),
            (DISPUTES, ("disputes", Reason::ALL[0].as_str())),
            (UNAUTHENTICATED, ("unauthenticated", Reason::ALL[0].as_str())),
            (RECORDS, ("records", "credit")),
            (BYTES, ("bytes", "credit")),
            (DROPPED, ("fieldsDropped", "quasi")),
            (CLAIM, ("claims", "wanted")),
            (DEBIT, ("debits", "proposed")),
            (PARTY, ("parties", "registered")),
            (JOB, ("jobsReported", "done")),
            (JOB_STEP, ("jobs", "planned")),
            (NOTICE, ("notices", "posted")),
            (DEAD, ("deadLetters", "kept")),
            (REPORTED_EVENTS, ("reported.events", "inbound")),
            (REPORTED_VALUES, ("reported.values", "in")),
        ] {
            assert_eq!(NAMES[at], name);
        }
    }

    #[test]
    fn it_is_stored_by_name_and_told_by_group() {
        let mut tally = Tally::default();
        tally.status(1, Status::Settled);
        tally.reason(DISPUTES, Reason::DigestMismatch, 3);
        let bytes = rmp_serde::to_vec_named(&tally).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Tally>(&bytes).expect("reads"), tally);
        let told = tally.told();
        assert_eq!(told["exchanges"]["release"]["settled"], 1);
        assert_eq!(told["disputes"], json!({ "digest-mismatch": 3 }));
        assert_eq!((tally.reached(Status::Settled), tally.sum("disputes")), (1, 3));
        // What a newer program counts is passed over, not taken for something else.
        let newer = rmp_serde::to_vec_named(&BTreeMap::from([("claims/auctioned", 7u64), ("claims/wanted", 2)]));
        let read: Tally = rmp_serde::from_slice(&newer.expect("packs")).expect("reads");
        assert_eq!((read.get("claims", "wanted"), read.sum("claims")), (2, 2));
    }
}

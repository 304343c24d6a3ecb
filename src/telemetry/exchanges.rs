//! Counters of the ecosystem, by what committed entries say.

use std::collections::BTreeMap;

use metrics::{Counter, Histogram, counter, histogram};

use super::names;
use super::path::seconds;
use crate::domain::event::Direction;
use crate::domain::job::JobStep;
use crate::domain::pii::Class;
use crate::domain::{Entry, Event, Reason, Status};

/// Cached handles of the counters by status, reason and direction.
pub struct ExchangeCounters {
    status: BTreeMap<Status, Counter>,
    rejections: BTreeMap<Reason, Counter>,
    disputes: BTreeMap<Reason, Counter>,
    unauthenticated: BTreeMap<Reason, Counter>,
    records: [Counter; 3],
    bytes: [Counter; 3],
    dropped: [Counter; 3],
    settle: Histogram,
    registry: Counter,
    notices: [Counter; 5],
    jobs: [Counter; 7],
    dead: Counter,
}

/// Every direction with its label.
pub const DIRECTIONS: [(Direction, &str); 3] =
    [(Direction::Credit, "credit"), (Direction::Release, "release"), (Direction::Pull, "pull")];

/// Classes of which something may be left out.
const PERSONAL: [Class; 3] = [Class::Quasi, Class::Direct, Class::Special];

/// What is counted of notices: those posted, HATs published to, listed for and passed over, those ended.
const NOTICES: [&str; 5] = ["posted", "published", "listed", "passed", "ended"];

fn by_reason(name: &'static str) -> BTreeMap<Reason, Counter> {
    Reason::ALL.into_iter().map(|reason| (reason, counter!(name, "reason" => reason.as_str()))).collect()
}

fn bump<K: Ord>(counters: &BTreeMap<K, Counter>, key: K, by: u64) {
    if let Some(counter) = counters.get(&key) {
        counter.increment(by);
    }
}

impl ExchangeCounters {
    /// Handles of all label values; makes each appear at zero.
    pub fn new() -> Self {
        let status = |status: Status| (status, counter!(names::EXCHANGES_TOTAL, "status" => status.as_str()));
        let directed = |name: &'static str| DIRECTIONS.map(|(_, label)| counter!(name, "direction" => label));
        ExchangeCounters {
            status: Status::ALL.into_iter().map(status).collect(),
            rejections: by_reason(names::REJECTIONS_TOTAL),
            disputes: by_reason(names::DISPUTES_TOTAL),
            unauthenticated: by_reason(names::REFUSED_UNAUTHENTICATED_TOTAL),
            records: directed(names::RECORDS_TOTAL),
            bytes: directed(names::CONTENT_BYTES_TOTAL),
            dropped: PERSONAL.map(|class| counter!(names::FIELDS_DROPPED_TOTAL, "class" => class.as_str())),
            settle: histogram!(names::SETTLE_SECONDS),
            registry: counter!(names::REGISTRY_EVENTS_TOTAL),
            notices: NOTICES.map(|what| counter!(names::NOTICES_TOTAL, "what" => what)),
            jobs: JobStep::WORDS.map(|what| counter!(names::JOBS_TOTAL, "what" => what)),
            dead: counter!(names::DEAD_LETTERS_TOTAL),
        }
    }

    /// Counts one committed entry.
    pub fn count(&mut self, entry: &Entry) {
        super::live().count(entry);
        match &entry.event {
            Event::Held { .. } | Event::Fetching(_) => bump(&self.status, Status::Pending, 1),
            Event::Opened(opened) | Event::Released(opened) | Event::Fetched(opened) => {
                bump(&self.status, Status::Accepted, 1);
                let place = match opened.direction {
                    Direction::Credit => 0,
                    Direction::Release => 1,
                    Direction::Pull => 2,
                };
                self.records[place].increment(u64::from(opened.count_out));
                self.bytes[place].increment(u64::from(opened.bytes_out));
                if !opened.dropped.is_empty() {
                    for (counter, class) in self.dropped.iter().zip(PERSONAL) {
                        counter.increment(u64::from(opened.dropped.of(class)));
                    }
                }
            }
            Event::Settled(closed) => {
                bump(&self.status, Status::Settled, 1);
                self.settle.record(seconds(entry.at.since(closed.opened_at)));
            }
            Event::Disputed { reason, .. } => {
                bump(&self.status, Status::Disputed, 1);
                bump(&self.disputes, *reason, 1);
            }
            Event::Expired(_) => bump(&self.status, Status::Expired, 1),
            Event::Recalled(_) => bump(&self.status, Status::Recalled, 1),
            Event::Rejected { reason } | Event::Dropped { reason, .. } | Event::PullRefused { reason, .. } => {
                bump(&self.status, Status::Rejected, 1);
                bump(&self.rejections, *reason, 1);
            }
            Event::RefusedUnauthenticated { reason, count, .. } => {
                bump(&self.unauthenticated, *reason, u64::from(*count));
            }
            Event::DeadLetter { .. } => self.dead.increment(1),
            Event::NoticePosted(_) => self.notices[0].increment(1),
            Event::NoticeTold { told, .. } => {
                let counts = [told.sent, told.listed, told.passed];
                for (counter, count) in self.notices[1..4].iter().zip(counts) {
                    counter.increment(u64::from(count));
                }
            }
            Event::NoticeEnded { .. } => self.notices[4].increment(1),
            Event::Job(event) => self.jobs[event.step.place()].increment(1),
            Event::Fanned { .. }
            | Event::RecallRequested { .. }
            | Event::LateReceipt { .. }
            | Event::OfferPulled { .. } => {}
            _ => self.registry.increment(1),
        }
    }
}

impl Default for ExchangeCounters {
    fn default() -> Self {
        Self::new()
    }
}

//! Handles of the hot path's metrics, looked up once.

use std::sync::OnceLock;

use metrics::{Counter, Histogram, counter, histogram};

use super::names;

/// Metrics that the path touches per batch or message.
pub struct PathMetrics {
    /// [`names::INTAKE_MESSAGES_TOTAL`].
    pub intake_messages: Counter,
    /// [`names::INTAKE_BATCH_SIZE`].
    pub intake_batch: Histogram,
    /// [`names::VERIFY_SECONDS`].
    pub verify_seconds: Histogram,
    /// [`names::DECIDE_SECONDS`].
    pub decide_seconds: Histogram,
    /// [`names::MAILBOX_SECONDS`].
    pub mailbox_seconds: Histogram,
    /// [`names::ENTITY_LOADS_TOTAL`].
    pub loads: Counter,
    outcome_seconds: Histogram,
    deliveries: Counter,
    outcomes: Counter,
    requests: Counter,
    others: Counter,
    notices: Counter,
    connections: Counter,
    jobs: Counter,
}

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// A delivery.
    Delivery,
    /// A message of outcomes.
    Outcomes,
    /// A request to a HAT, or a recall request.
    Request,
    /// A message of the exchange to another entity.
    Message,
    /// A notice for one HAT.
    Notice,
    /// How a plug and a HAT stand to each other.
    Connection,
    /// A job for a plug's workers.
    Job,
}

impl Published {
    /// The closed set of label values.
    pub const ALL: [Published; 7] = [
        Published::Delivery,
        Published::Outcomes,
        Published::Request,
        Published::Message,
        Published::Notice,
        Published::Connection,
        Published::Job,
    ];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Published::Delivery => "delivery",
            Published::Outcomes => "outcomes",
            Published::Request => "request",
            Published::Message => "message",
            Published::Notice => "notice",
            Published::Connection => "connection",
            Published::Job => "job",
        }
    }
}

impl PathMetrics {
    fn new() -> Self {
        let published = |what: Published| counter!(names::PUBLISHED_TOTAL, "what" => what.as_str());
        PathMetrics {
            intake_messages: counter!(names::INTAKE_MESSAGES_TOTAL),
            intake_batch: histogram!(names::INTAKE_BATCH_SIZE),
            verify_seconds: histogram!(names::VERIFY_SECONDS),
            decide_seconds: histogram!(names::DECIDE_SECONDS),
            mailbox_seconds: histogram!(names::MAILBOX_SECONDS),
            loads: counter!(names::ENTITY_LOADS_TOTAL),
            outcome_seconds: histogram!(names::OUTCOME_SECONDS),
            deliveries: published(Published::Delivery),
            outcomes: published(Published::Outcomes),
            requests: published(Published::Request),
            others: published(Published::Message),
            notices: published(Published::Notice),
            connections: published(Published::Connection),
            jobs: published(Published::Job),
        }
    }

    /// A first outcome left `nanoseconds` after its message was stored.
    pub fn outcome(&self, nanoseconds: i64) {
        self.outcome_seconds.record(seconds(nanoseconds));
        super::live().outcome(nanoseconds);
    }

    /// Something was published.
    pub fn published(&self, what: Published) {
        match what {
            Published::Delivery => self.deliveries.increment(1),
            Published::Outcomes => self.outcomes.increment(1),
            Published::Request => self.requests.increment(1),
            Published::Message => self.others.increment(1),
            Published::Notice => self.notices.increment(1),
            Published::Job => self.jobs.increment(1),
            Published::Connection => self.connections.increment(1),
        }
    }
}

/// Nanoseconds as seconds, 0 when negative (clocks differ).
pub fn seconds(nanoseconds: i64) -> f64 {
    std::time::Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)).as_secs_f64()
}

/// The handles. The recorder must be installed before the first call.
pub fn path() -> &'static PathMetrics {
    static HANDLES: OnceLock<PathMetrics> = OnceLock::new();
    HANDLES.get_or_init(PathMetrics::new)
}

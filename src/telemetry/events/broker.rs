//! The broker's side: refusals, faults of input and output.

use crate::domain::Reason;
use crate::telemetry::names;

/// A message was refused before its sender was authenticated. Counted from its ledger entry.
pub struct Refused<'a> {
    /// Why.
    pub reason: Reason,
    /// Which part of the message.
    pub detail: &'a str,
}

impl Refused<'_> {
    /// Logs; the counter follows the entry.
    pub fn emit(self) {
        tracing::debug!(reason = %self.reason, detail = self.detail, "a message was refused before its sender was authenticated");
    }
}

/// A partition opens its input again.
pub struct IntakeReopened {
    /// Which.
    pub partition: u16,
    /// What was wrong.
    pub detail: String,
}

impl IntakeReopened {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::warn!(
            partition = self.partition,
            detail = self.detail,
            "the input is opened again from our own position"
        );
        metrics::counter!(names::INTAKE_REOPENED_TOTAL).increment(1);
    }
}

/// `DEX_IN` does not hold the message that we know at our position.
pub struct StreamRolledBack {
    /// Seen by which partition.
    pub partition: u16,
    /// In which way, one of [`StreamRolledBack::WHY`].
    pub why: &'static str,
}

impl StreamRolledBack {
    /// Every `why` in use, so that each appears at zero.
    pub const WHY: [&'static str; 4] = ["replaced", "truncated", "rolled-back", "refilled"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(
            stream = "DEX_IN",
            partition = self.partition,
            why = self.why,
            "the stream is not the one that we know: it is read again from its first message, known ids fall out"
        );
        metrics::counter!(names::STREAM_ROLLBACKS_TOTAL, "why" => self.why).increment(1);
    }
}

/// `DEX_OUT` does not hold what we know to have been stored in it.
pub struct OutputLost {
    /// In which way, one of [`StreamRolledBack::WHY`].
    pub why: &'static str,
    /// From which leaf on effects go out again.
    pub from: u64,
    /// To which.
    pub to: u64,
}

impl OutputLost {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(
            stream = "DEX_OUT",
            why = self.why,
            from = self.from,
            to = self.to,
            "the stream has lost messages: open deliveries and outcomes of these leaves go out again"
        );
        metrics::counter!(names::OUTPUT_LOSSES_TOTAL, "why" => self.why).increment(1);
    }
}

/// Something went out again because a stream had lost it.
pub struct Healed {
    /// What, one of [`Healed::WHAT`].
    pub what: &'static str,
    /// How many.
    pub count: u64,
}

impl Healed {
    /// Every `what` in use, so that each appears at zero.
    pub const WHAT: [&'static str; 6] = ["connection", "delivery", "request", "outcome", "message", "job"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!(what = self.what, count = self.count, "sent again, because a stream had lost it");
        metrics::counter!(names::HEALED_TOTAL, "what" => self.what).increment(self.count);
    }
}

/// A stream was gone while the daemon ran, and was made again, empty.
pub struct StreamMadeAgain {
    /// Which, one of [`StreamMadeAgain::STREAMS`].
    pub stream: &'static str,
}

impl StreamMadeAgain {
    /// Every stream, so that each appears at zero.
    pub const STREAMS: [&'static str; 3] = ["DEX_IN", "DEX_OUT", "DEX_JOBS"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(stream = self.stream, "the stream was gone and was made again, empty");
        metrics::counter!(names::STREAMS_MADE_AGAIN_TOTAL, "stream" => self.stream).increment(1);
    }
}

/// An effect could not leave.
pub struct EffectFailed<'a> {
    /// What.
    pub what: &'static str,
    /// Why.
    pub detail: &'a str,
}

impl EffectFailed<'_> {
    /// Every `what` in use, so that each appears at zero.
    pub const WHAT: [&'static str; 10] = [
        "job",
        "notice",
        "delivery",
        "re-delivery",
        "healing",
        "publication",
        "reply",
        "proof",
        "release of a content",
        "large content",
    ];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(what = self.what, detail = self.detail, "an effect could not leave");
        metrics::counter!(names::EFFECTS_FAILED_TOTAL, "what" => self.what).increment(1);
    }
}

/// What is published is not acknowledged; it is sent again until it is.
pub struct PublishingStalled {
    /// Why, one of [`PublishingStalled::WHY`].
    pub why: &'static str,
    /// What to do.
    pub detail: &'static str,
}

impl PublishingStalled {
    /// Every `why` in use, so that each appears at zero.
    pub const WHY: [&'static str; 3] = ["full", "busy", "unreachable"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::warn!(why = self.why, detail = self.detail, "publishing waits");
        metrics::counter!(names::PUBLISHING_STALLS_TOTAL, "why" => self.why).increment(1);
    }
}

/// An open delivery, or a request, does not leave: its recipient is suspended, or has no key in force.
pub struct Parked {}

impl Parked {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!("a delivery is kept back from who is not in force");
        metrics::counter!(names::DELIVERIES_PARKED_TOTAL).increment(1);
    }
}

/// An open delivery was sent again.
pub struct Redelivered {}

impl Redelivered {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!("an open delivery was sent again");
        metrics::counter!(names::REDELIVERIES_TOTAL).increment(1);
    }
}

//! HATs that speak only HTTP: what was carried to them, what they answered, what failed.

use crate::telemetry::names;

/// An onboarding by address has ended.
pub struct Onboarded {
    /// What came of it, one of [`Onboarded::RESULTS`].
    pub result: &'static str,
}

impl Onboarded {
    /// Every result, so that each appears at zero.
    pub const RESULTS: [&'static str; 5] = ["registered", "known", "hat", "other-key", "exchange"];

    /// Logs and counts.
    pub fn emit(self) {
        if self.result == "other-key" {
            tracing::warn!("a HAT was not onboarded: its key is not the one that is pinned for its address");
        }
        metrics::counter!(names::ONBOARDINGS_TOTAL, "result" => self.result).increment(1);
    }
}

/// A delivery to a HAT over HTTP was answered for, or given up.
pub struct Carried {
    /// How, one of [`Carried::RESULTS`].
    pub result: &'static str,
}

impl Carried {
    /// Every result: all records kept, some, none, not known before the deadline, or the exchange did not take
    /// the receipt.
    pub const RESULTS: [&'static str; 5] = ["kept", "short", "refused", "expired", "unanswered"];

    /// Counts.
    pub fn emit(self) {
        metrics::counter!(names::BRIDGE_CREDITS_TOTAL, "result" => self.result).increment(1);
    }
}

/// Records were posted.
pub struct RecordsPosted {
    /// Stored by this delivery.
    pub stored: usize,
    /// The HAT held the same content already.
    pub held: usize,
    /// Not taken.
    pub refused: usize,
}

impl RecordsPosted {
    /// Every fate.
    pub const FATES: [&'static str; 3] = ["stored", "held", "refused"];

    /// Counts.
    pub fn emit(self) {
        for (fate, count) in Self::FATES.into_iter().zip([self.stored, self.held, self.refused]) {
            metrics::counter!(names::BRIDGE_RECORDS_TOTAL, "fate" => fate).increment(count as u64);
        }
    }
}

/// A pull was answered, or not.
pub struct Pulled {
    /// How, one of [`Pulled::RESULTS`].
    pub result: &'static str,
}

impl Pulled {
    /// Every result.
    pub const RESULTS: [&'static str; 3] = ["released", "refused", "failed"];

    /// Counts.
    pub fn emit(self) {
        metrics::counter!(names::BRIDGE_PULLS_TOTAL, "result" => self.result).increment(1);
    }
}

/// Something about a debit was carried to a HAT or to the exchange.
pub struct DebitTold {
    /// What, one of [`DebitTold::WHAT`].
    pub what: &'static str,
}

impl DebitTold {
    /// Everything that is told.
    pub const WHAT: [&'static str; 3] = ["proposed", "enabled", "disabled"];

    /// Counts.
    pub fn emit(self) {
        metrics::counter!(names::BRIDGE_DEBITS_TOTAL, "what" => self.what).increment(1);
    }
}

/// A call to a HAT failed.
pub struct BridgeFault<'a> {
    /// Its kind, one of [`BridgeFault::KINDS`].
    pub kind: &'static str,
    /// The call, without its parameters, and what went wrong: no address, no content.
    pub call: &'a str,
    /// What went wrong.
    pub fault: &'a dyn std::fmt::Display,
}

impl BridgeFault<'_> {
    /// Every kind: the address leads nowhere that we go to, no connection, no answer in time, an answer that is
    /// none, a refusal or failure, another key, no account, retries used up.
    pub const KINDS: [&'static str; 8] =
        ["address", "unreachable", "timeout", "answer", "status", "key", "account", "budget"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!(kind = self.kind, call = self.call, fault = %self.fault, "a call to a HAT failed");
        metrics::counter!(names::BRIDGE_FAULTS_TOTAL, "kind" => self.kind).increment(1);
    }
}

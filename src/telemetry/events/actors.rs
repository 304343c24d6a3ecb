//! Entities: ended, passivated, quarantined.

use crate::domain::Kind;
use crate::telemetry::names;

/// An entity's actor ended other than by passivation.
pub struct ActorExit {
    /// Kind of the entity.
    pub kind: &'static str,
    /// Why.
    pub why: &'static str,
}

impl ActorExit {
    /// Every `why` in use, so that each appears at zero.
    pub const WHY: [&'static str; 5] = ["passivated", "panicked", "lost", "frozen", "load-failed"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::warn!(kind = self.kind, why = self.why, "an entity actor ended");
        metrics::counter!(names::ACTOR_EXITS_TOTAL, "why" => self.why).increment(1);
    }
}

/// An entity without work was stopped.
pub struct Passivated {
    /// Kind of the entity.
    pub kind: &'static str,
}

impl Passivated {
    /// Logs and counts.
    pub fn emit(self) {
        tracing::trace!(kind = self.kind, "an idle entity was passivated");
        metrics::counter!(names::ACTOR_EXITS_TOTAL, "why" => "passivated").increment(1);
    }
}

/// An entity failed too often.
pub struct EntityQuarantined {
    /// Kind of the entity.
    pub kind: &'static str,
}

impl EntityQuarantined {
    /// Every kind that has entities.
    pub const KINDS: [Kind; 8] =
        [Kind::Hat, Kind::Plug, Kind::App, Kind::Org, Kind::Platform, Kind::Offer, Kind::Operator, Kind::Lane];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::error!(
            kind = self.kind,
            "an entity failed too often: its messages are answered internal until it is released"
        );
        metrics::counter!(names::QUARANTINES_TOTAL, "kind" => self.kind).increment(1);
    }
}

//! A plug: its registration, with its manifest, and how its jobs do. What it may write, and whether it is approved, is
//! read from there by the HATs.

mod connection;
pub mod health;
mod manifest;

pub use connection::{Asked, CONNECTING_FOR, CONNECTING_MAX, Connection, ConnectionState};
pub use health::{Health, JobReport};
pub use manifest::{ENDPOINTS_MAX, EndpointOf, MANIFEST_BYTES_MAX, Manifest, ManifestFault};

use serde::{Deserialize, Serialize};

use crate::domain::command::{Action, Command};
use crate::domain::entity::{Context, Decision, Draft, Entity, Known};
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::exchange::check;
use crate::domain::job::{Refusals, hold};
use crate::domain::notice::Notices;
use crate::domain::party;
use crate::domain::registration::{Profile, Registration};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// The state: one registration, and what the plug has reported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plug {
    /// Number of the last entry folded in.
    pub n: u64,
    /// Standing, keys and profile.
    pub registration: Registration,
    /// What it tells HATs.
    #[serde(default, skip_serializing_if = "Notices::is_empty")]
    pub notices: Notices,
    /// How its jobs do.
    #[serde(default, skip_serializing_if = "Health::is_empty")]
    pub health: Health,
    /// HATs whose jobs were told to come later.
    #[serde(default, skip_serializing_if = "Refusals::is_empty")]
    pub refusals: Refusals,
}

impl Plug {
    /// For how many seconds its manifest says that a job which was done keeps it fresh.
    pub fn fresh_for_seconds(&self) -> Option<u32> {
        let manifest = self.registration.profile.as_ref().and_then(Profile::plug_manifest);
        manifest.and_then(|manifest| manifest.fresh_for_seconds)
    }

    /// Decides `plug.<plug>.report`, and what follows for its jobs.
    fn reported(&self, case: &check::Case<'_>, report: &JobReport) -> Result<Vec<Draft>, Reason> {
        let mut drafts = self.health.report(case, report, self.fresh_for_seconds())?;
        if let Some(Event::PlugReported { health, .. }) = drafts.first().map(|draft| &draft.event) {
            drafts.extend(hold::after_report(&self.registration, *health, case.at()));
        }
        Ok(drafts)
    }

    /// How it does at `at`.
    pub fn standing(&self, at: Timestamp) -> health::Standing {
        self.health.standing(at, self.fresh_for_seconds())
    }
}

impl Entity for Plug {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        match (&command.action, &command.cause) {
            (Action::Wake, None) => return self.health.turn(command.stored_at, self.fresh_for_seconds()),
            (Action::PlugReport(report), Some(cause)) => {
                return match check::authenticate(&self.registration, ctx, command, cause, known) {
                    Ok(case) => Decision::of(self.reported(&case, report)),
                    Err(decision) => decision,
                };
            }
            (Action::PlugSchedule(said), Some(cause)) => {
                return match check::authenticate(&self.registration, ctx, command, cause, known) {
                    Ok(case) => Decision::of(hold::schedule(&self.registration, &self.refusals, &case, said)),
                    Err(decision) => decision,
                };
            }
            _ => {}
        }
        let notice = self.notices.decide(&self.registration, ctx, command, known);
        notice.unwrap_or_else(|| party::decide(&self.registration, ctx, command, known))
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        self.registration.apply(entry);
        self.notices.apply(entry);
        self.health.apply(entry);
        match &entry.event {
            Event::JobRefused { hat, seconds } => self.refusals.add(hat, entry.at, *seconds),
            Event::JobsHeld { .. } => self.refusals.clear(),
            _ => {}
        }
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn wake(&self) -> Option<Timestamp> {
        self.health.wake(self.fresh_for_seconds())
    }
}

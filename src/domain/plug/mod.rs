//! A plug: its registration, with its manifest. What it may write, and whether it is approved, is read from there by
//! the HATs.

mod connection;
mod manifest;

pub use connection::{Asked, CONNECTING_FOR, CONNECTING_MAX, Connection, ConnectionState};
pub use manifest::{ENDPOINTS_MAX, EndpointOf, Manifest, ManifestFault};

use serde::{Deserialize, Serialize};

use crate::domain::command::Command;
use crate::domain::entity::{Context, Decision, Entity, Known};
use crate::domain::entry::Entry;
use crate::domain::notice::Notices;
use crate::domain::party;
use crate::domain::registration::Registration;

/// The state: one registration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plug {
    /// Number of the last entry folded in.
    pub n: u64,
    /// Standing, keys and profile.
    pub registration: Registration,
    /// What it tells HATs.
    #[serde(default, skip_serializing_if = "Notices::is_empty")]
    pub notices: Notices,
}

impl Entity for Plug {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let notice = self.notices.decide(&self.registration, ctx, command, known);
        notice.unwrap_or_else(|| party::decide(&self.registration, ctx, command, known))
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        self.registration.apply(entry);
        self.notices.apply(entry);
    }

    fn n(&self) -> u64 {
        self.n
    }
}

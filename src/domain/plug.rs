//! A plug: its registration. (Job planning comes with acquisition.)

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::entity::{Context, Decision, Entity, Known};
use super::entry::Entry;
use super::member;
use super::registration::Registration;

/// A registered acquisition service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plug {
    /// Number of the last entry.
    pub n: u64,
    /// Standing, keys, profile.
    pub registration: Registration,
}

impl Entity for Plug {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        member::decide(ctx, &self.registration, command, known)
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        self.registration.apply(entry);
    }

    fn n(&self) -> u64 {
        self.n
    }
}

//! A partition's own entries: refusals that are counted, dead letters, and messages to its lane that
//! lead nowhere.

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::entity::{Context, Decision, Entity, Known};
use super::entry::Entry;
use super::exchange::authenticate;
use super::registration::Registration;
use super::verdict::Reason;

/// A partition as an entity: it only counts its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lane {
    /// Number of the last entry.
    pub n: u64,
}

impl Entity for Lane {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else { return Decision::Nothing };
        match authenticate(ctx, &Registration::default(), command, cause, known) {
            Ok(_) => Decision::rejected(Reason::NotFound),
            Err(decision) => decision,
        }
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
    }

    fn n(&self) -> u64 {
        self.n
    }
}

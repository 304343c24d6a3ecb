//! The partition's own entity: what is recorded of messages that lead to no other.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bytes::Digest;
use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Entity, Known};
use super::entry::Entry;
use super::event::Event;
use super::exchange::check;
use super::party::UNREGISTERED;
use super::time::{SECOND, Timestamp};
use super::verdict::Reason;

/// The state: a number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lane {
    /// Number of the last entry folded in.
    pub n: u64,
}

/// Refusals before the sender was authenticated: `count` of them with this reason in the second of `at`.
pub fn refused_unauthenticated(reason: Reason, count: u32, at: Timestamp) -> Draft {
    Draft::further(Event::RefusedUnauthenticated { reason, count, second: at.0.div_euclid(SECOND) })
}

/// A message that could not be worked on, kept by its facts.
pub fn dead_letter(subject: SmolStr, sequence: u64, body: Digest, reason: Reason) -> Draft {
    Draft::further(Event::DeadLetter { subject, sequence, body, reason })
}

impl Entity for Lane {
    /// Decides for a message to a lane that belongs to no entity: it is refused, once its sender is
    /// authenticated.
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else {
            return Decision::Nothing;
        };
        match check::authenticate(&UNREGISTERED, ctx, command, cause, known) {
            Ok(_) => Decision::rejected(match command.action {
                Action::Receipt(_) => Reason::NotFound,
                _ => Reason::NotPermitted,
            }),
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

//! Apps, organisations, platforms and operators: a registration each.

use serde::{Deserialize, Serialize};

use super::command::{Action, Command};
use super::entity::{Context, Decision, Entity, Known};
use super::entry::Entry;
use super::event::Event;
use super::exchange::authenticate;
use super::id::Kind;
use super::lifecycle;
use super::registration::Registration;

/// A party that has nothing but its registration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Number of the last entry.
    pub n: u64,
    /// Standing, keys, profile.
    pub registration: Registration,
}

impl Entity for Member {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        decide(ctx, &self.registration, command, known)
    }

    fn apply(&mut self, entry: &Entry) {
        self.n = entry.n;
        self.registration.apply(entry);
    }

    fn n(&self) -> u64 {
        self.n
    }
}

/// What every registered party decides alike.
pub(super) fn decide(ctx: &Context<'_>, own: &Registration, command: &Command, known: Known) -> Decision {
    let Some(cause) = &command.cause else {
        return match &command.action {
            Action::OperatorDeclare { keys } if matches!(ctx.entity.kind, Kind::Operator | Kind::Dex) => {
                Decision::one(Event::OperatorDeclared { keys: keys.clone() })
            }
            _ => Decision::Nothing,
        };
    };
    match authenticate(ctx, own, command, cause, known) {
        Ok(sender) => match lifecycle::decide(ctx, own, &sender, command, cause) {
            Ok(drafts) => Decision::Record(drafts),
            Err(reason) => Decision::rejected(reason),
        },
        Err(decision) => decision,
    }
}

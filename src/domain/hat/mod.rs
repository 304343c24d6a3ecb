//! One person's account: registration, connections, debits, open exchanges.

mod claim;
mod connect;
mod debits;
mod fold;
mod minute;
mod state;

pub use minute::Minute;

/// Whether the terms of a debit could ever release anything.
pub fn valid_terms(terms: &super::event::DebitTerms) -> bool {
    debits::valid(terms).is_ok()
}

pub use state::{Hat, Open};

use super::command::{Action, Cause, Command};
use super::entity::{Context, Decision, Draft, Entity, Known};
use super::entry::Entry;
use super::exchange::{Sender, authenticate, credit, deadline, fan_out, pull, recall, receipt, release};
use super::lifecycle;
use super::verdict::Reason;

impl Entity for Hat {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else {
            return match &command.action {
                Action::Deadline { delivery } => deadline::decide(ctx, self, *delivery),
                _ => Decision::Nothing,
            };
        };
        match authenticate(ctx, &self.registration, command, cause, known) {
            Ok(sender) => match act(ctx, self, &sender, command, cause) {
                Ok(drafts) => Decision::Record(drafts),
                Err(reason) => Decision::rejected(reason),
            },
            Err(decision) => decision,
        }
    }

    fn apply(&mut self, entry: &Entry) {
        fold::apply(self, entry);
    }

    fn n(&self) -> u64 {
        self.n
    }
}

/// The action's own rules.
fn act(ctx: &Context<'_>, hat: &Hat, sender: &Sender, command: &Command, cause: &Cause) -> Result<Vec<Draft>, Reason> {
    match &command.action {
        Action::Credit { by, records } => credit::decide(ctx, hat, sender, command, cause, by, records),
        Action::Release { debit, records } => release::decide(ctx, hat, sender, command, cause, debit, records),
        Action::Data { records } => fan_out::decide(ctx, hat, sender, command, cause, records),
        Action::Pull { debit, ask } => pull::decide(ctx, hat, sender, command, cause, debit, ask),
        Action::Receipt(receipt) => receipt::decide(hat, command, cause, receipt),
        Action::Recall { exchange } => recall::decide(hat, cause, *exchange),
        Action::PlugConnect { .. }
        | Action::PlugDisconnect { .. }
        | Action::AppSetup { .. }
        | Action::AppDisable { .. } => connect::decide(ctx, hat, command, cause),
        Action::DebitPropose { .. }
        | Action::DebitAmend { .. }
        | Action::DebitEnable { .. }
        | Action::DebitDisable { .. } => debits::decide(ctx, hat, sender, command, cause),
        Action::Claim { .. } | Action::ClaimReserved { .. } | Action::ClaimRefused { .. } => {
            claim::decide(ctx, hat, command, cause)
        }
        _ => lifecycle::decide(ctx, &hat.registration, sender, command, cause),
    }
}

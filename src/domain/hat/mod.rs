//! One person's data account: its connections, data debits and open exchanges.

mod apply;
pub mod apps;
pub mod claim;
pub mod connect;
pub mod debits;
mod jobs;
pub mod lifecycle;
pub mod report;
pub mod state;
mod turns;

pub use state::{Claim, Hat, Minute};

use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Entity, Known};
use super::entry::Entry;
use super::exchange::check::{self, Case};
use super::exchange::{credit, deadline, fan_out, large, pull, pull_unnamed, recall, receipt, release};
use super::time::Timestamp;
use super::verdict::Reason;

impl Hat {
    fn judge(&self, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
        // A bridge is good for those who entrusted themselves to it while it is in force itself. What was delivered to them
        // was delivered all the same: receipts of one that is gone for good count.
        if case.is_bridge() && !matches!(case.command.action, Action::Receipt(_)) {
            case.sender_approved()?;
        }
        match &case.command.action {
            Action::Credit { by, records } => credit::credit(self, case, by, records),
            Action::Release { debit, records } => release::release(self, case, debit, records),
            Action::CreditObject { by, object } => large::begin::credit(self, case, by, object),
            Action::ReleaseObject { debit, object } => large::begin::release(self, case, debit, object),
            Action::DataObject { object } => large::begin::data(self, case, object),
            Action::Data { records } => fan_out::fan_out(self, case, records),
            Action::Pull { debit, ask } => pull::pull(self, case, debit, ask),
            Action::PullAsked { offer, pull } => pull_unnamed::asked(self, case, offer, pull),
            Action::Receipt(said) => receipt::receipt(self, case, said),
            Action::Recall { exchange } => recall::recall(self, case, *exchange),
            Action::Register { key, profile } => lifecycle::register(self, case, *key, profile),
            Action::Suspend => lifecycle::suspend(self, case),
            Action::Resume => lifecycle::resume(self, case),
            Action::Retire => lifecycle::retire(self, case),
            Action::RotateKey { key } => lifecycle::rotate_key(self, case, *key),
            Action::PinKey { public_key } => lifecycle::pin_key(self, case, public_key),
            Action::Entrust { transport, bridge } => lifecycle::entrust(self, case, *transport, bridge.as_ref()),
            Action::RevokeKey { key, since } => lifecycle::revoke_key(self, case, *key, *since),
            Action::PlugConnect { plug } => connect::connect(self, case, plug),
            Action::PlugDisconnect { plug } => connect::disconnect(self, case, plug),
            Action::AppSetup { app, version } => apps::set_up(self, case, app, version.as_ref()),
            Action::AppDisable { app } => apps::disable(self, case, app),
            Action::Job { plug, word } => jobs::word(self, case, plug, word),
            Action::Report(said) => report::report(self, case, said),
            Action::DebitPropose { debit, terms } => debits::propose(self, case, debit, terms),
            Action::DebitAmend { debit, terms } => debits::amend(self, case, debit, terms),
            Action::DebitEnable { debit, revision } => debits::enable(self, case, debit, *revision),
            Action::DebitDisable { debit, at_period_end } => debits::disable(self, case, debit, *at_period_end),
            Action::Claim { offer } => claim::claim(self, case, offer),
            Action::Withdraw { offer } => claim::withdraw(self, case, offer),
            Action::ClaimReserved { offer, terms, claim, until } => {
                claim::reserved(self, case, offer, terms, *claim, *until)
            }
            Action::ClaimRefused { offer, claim } => claim::refused(self, case, offer, *claim),
            Action::ClaimReleased { offer, claim } => claim::released(self, case, offer, *claim),
            Action::ClaimLapsed { offer, claim } => claim::lapsed(self, case, offer, *claim),
            Action::Approve { .. }
            | Action::Publish { .. }
            | Action::Decline { .. }
            | Action::Classify { .. }
            | Action::AllowClasses { .. }
            | Action::Account { .. }
            | Action::Notice { .. }
            | Action::NoticeTold { .. }
            | Action::PlugReport(_)
            | Action::PlugSchedule(_)
            | Action::OfferRegister { .. }
            | Action::OfferReject
            | Action::OfferClose
            | Action::OfferPull { .. }
            | Action::OfferPay
            | Action::OfferReserve { .. }
            | Action::OfferConfirm(_)
            | Action::OfferLapse { .. }
            | Action::Deadline { .. }
            | Action::Fetched { .. }
            | Action::Wake
            | Action::OperatorDeclare { .. } => Err(Reason::NotPermitted),
        }
    }
}

impl Entity for Hat {
    fn decide(&self, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
        let Some(cause) = &command.cause else {
            return match &command.action {
                Action::Deadline { delivery } => deadline::deadline(self, command.stored_at, *delivery),
                Action::Fetched { delivery, found } => {
                    large::end::fetched(self, ctx, command.stored_at, *delivery, found)
                }
                Action::Wake => turns::wake(self, ctx, command.stored_at),
                _ => Decision::Nothing,
            };
        };
        match check::authenticate(&self.registration, ctx, command, cause, known) {
            Ok(case) => Decision::of(self.judge(&case)),
            Err(decision) => decision,
        }
    }

    fn apply(&mut self, entry: &Entry) {
        self.fold(entry);
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn wake(&self) -> Option<Timestamp> {
        self.next_turn().into_iter().chain(self.next_job()).min()
    }
}

//! What the clock alone does: periods of data debits roll over, debits end, plugs' wishes lapse.

use super::state::Hat;
use crate::domain::debit::Debit;
use crate::domain::entity::{Decision, Draft};
use crate::domain::event::Event;
use crate::domain::id::Id;
use crate::domain::time::Timestamp;

/// Most entries made at one look at the time; what is left comes at the next.
const AT_ONCE: usize = 64;

/// What is due of one debit by `at` and not told yet: however many periods have rolled, one entry; then
/// its end.
pub(super) fn due(id: &Id, debit: &Debit, at: Timestamp) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let client = || debit.client.clone();
    let rolls = debit.rolls(at);
    if rolls > debit.rolled {
        drafts.push(Draft::further(Event::DebitRolled {
            debit: id.clone(),
            client: client(),
            periods: rolls - debit.rolled,
            period: rolls.saturating_add(1),
            starts: debit.period_start(rolls),
        }));
    }
    if let Some(end) = debit.due_end(at) {
        drafts.push(Draft::further(Event::DebitEnded {
            debit: id.clone(),
            client: client(),
            end,
            claim: debit.place.map(|place| place.claim),
        }));
    }
    drafts
}

/// Decides the local command. Whether a debit is in force is a matter of the terms and the message's
/// time: these entries tell it, they do not make it so.
pub(super) fn wake(hat: &Hat, now: Timestamp) -> Decision {
    let mut drafts = Vec::new();
    for (id, debit) in &hat.debits {
        if debit.next_turn().is_some_and(|next| next <= now) {
            drafts.extend(due(id, debit, now));
        }
        if drafts.len() >= AT_ONCE {
            break;
        }
    }
    let lapsed = hat.connecting.iter().filter(|(_, asked)| asked.until <= now);
    drafts.extend(lapsed.map(|(plug, asked)| {
        Draft::further(Event::PlugUnanswered { plug: plug.clone(), asked: asked.id, declined: false })
    }));
    if drafts.is_empty() { Decision::Nothing } else { Decision::Record(drafts) }
}

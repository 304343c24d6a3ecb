//! What the clock alone does: periods of data debits roll over, debits end, owners are asked again what plugs wish, and
//! wishes lapse.

use super::jobs;
use super::state::Hat;
use crate::domain::debit::Debit;
use crate::domain::entity::{Context, Decision, Draft};
use crate::domain::event::Event;
use crate::domain::exchange::check;
use crate::domain::id::{Address, Id, Kind};
use crate::domain::plug::Asked;
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

/// What is due of a plug's wish: it is told to the owner again until it has an answer. One whose time is over, or that
/// nobody can answer any more, lapses.
fn ask_again(hat: &Hat, ctx: &Context<'_>, plug: &Id, asked: &Asked, now: Timestamp) -> Draft {
    let party = Address::new(Kind::Plug, plug.clone());
    let stands = now < asked.until && hat.not_retired().is_ok() && check::active(ctx, &party).is_ok();
    let plug = plug.clone();
    Draft::further(match stands {
        true => Event::PlugAskedAgain { plug, until: asked.until, times: asked.times.saturating_add(1) },
        false => Event::PlugUnanswered { plug, asked: asked.id, declined: false },
    })
}

impl Hat {
    /// When a debit or a plug's wish has something to do by the clock.
    pub(super) fn next_turn(&self) -> Option<Timestamp> {
        let turns = self.debits.values().filter_map(|debit| debit.next_turn());
        turns.chain(self.connecting.values().map(Asked::next)).min()
    }

    /// When a job has.
    pub(super) fn next_job(&self) -> Option<Timestamp> {
        self.jobs.due().filter(|_| self.registration.active().is_ok())
    }
}

/// Decides the local command. Whether a debit is in force is a matter of the terms and the message's
/// time: these entries tell it, they do not make it so.
pub(super) fn wake(hat: &Hat, ctx: &Context<'_>, now: Timestamp) -> Decision {
    let mut drafts = Vec::new();
    for (id, debit) in &hat.debits {
        if debit.next_turn().is_some_and(|next| next <= now) {
            drafts.extend(due(id, debit, now));
        }
        if drafts.len() >= AT_ONCE {
            break;
        }
    }
    let waiting = hat.connecting.iter().filter(|(_, asked)| asked.next() <= now);
    drafts.extend(waiting.map(|(plug, asked)| ask_again(hat, ctx, plug, asked, now)));
    let jobs = jobs::wake(hat, ctx, now);
    drafts.extend(jobs.drafts);
    match jobs.wait {
        _ if !drafts.is_empty() => Decision::Record(drafts),
        Some(wait) => Decision::Wait(hat.next_turn().map_or(wait, |turn| turn.min(wait))),
        None => Decision::Nothing,
    }
}

//! Folding entries into a HAT. Total: what does not fit changes nothing but the number.

use super::state::{Hat, Open};
use crate::domain::debit::{Debit, Revision};
use crate::domain::event::{Closed, Opened};
use crate::domain::{Entry, Event, Kind, Timestamp};

pub(super) fn apply(hat: &mut Hat, entry: &Entry) {
    hat.n = entry.n;
    if let Some(cause) = &entry.cause
        && matches!(entry.event, Event::Opened(_) | Event::Fanned { .. } | Event::Rejected { .. })
    {
        hat.minute.count(&cause.from, entry.at);
    }
    match &entry.event {
        Event::Opened(opened) => open(hat, opened, entry.at),
        Event::Settled(closed) | Event::Expired(closed) | Event::Recalled(closed) => close(hat, closed),
        Event::Disputed { closed, .. } => close(hat, closed),
        Event::RecallRequested { delivery, .. } => {
            if let Some(open) = hat.open.get_mut(delivery) {
                open.recall = true;
            }
        }
        Event::PlugConnected { plug } => {
            hat.plugs.insert(plug.clone(), entry.n);
        }
        Event::PlugDisconnected { plug } => {
            hat.plugs.remove(plug);
        }
        Event::AppSetUp { app } => {
            hat.apps.insert(app.clone(), entry.n);
        }
        Event::AppDisabled { app } => {
            hat.apps.remove(app);
        }
        Event::DebitProposed { debit, terms, offer } => {
            let revision = Revision {
                terms: (**terms).clone(),
                proposed_at: entry.at,
                enabled_at: None,
                enabled_n: 0,
                disabled: None,
            };
            let fresh = || Debit { revisions: Vec::new(), offer: offer.clone() };
            hat.debits.entry(debit.clone()).or_insert_with(fresh).revisions.push(revision);
            if let Some(offer) = offer {
                hat.claims.remove(offer);
            }
        }
        Event::DebitEnabled { debit, revision, .. } => enable(hat, debit, *revision, entry),
        Event::DebitDisabled { debit, at_period_end, .. } => {
            if let Some(debit) = hat.debits.get_mut(debit) {
                for revision in debit.revisions.iter_mut().filter(|revision| revision.live(entry.at)) {
                    revision.disabled = Some((entry.at, *at_period_end));
                }
            }
        }
        Event::Claimed { offer } => {
            hat.claims.insert(offer.clone());
        }
        Event::ClaimRefused { offer } => {
            hat.claims.remove(offer);
        }
        Event::Registered { by, .. } => {
            hat.platform = (by.kind == Kind::Platform).then(|| by.id.clone());
            hat.registration.apply(entry);
        }
        event if event.touches_registry() => hat.registration.apply(entry),
        _ => {}
    }
}

fn open(hat: &mut Hat, opened: &Opened, at: Timestamp) {
    let open = Open {
        exchange: opened.exchange,
        from: opened.from.clone(),
        to: opened.to.clone(),
        direction: opened.direction,
        authority: opened.authority.clone(),
        digest_in: opened.digest_in,
        digest_out: opened.digest_out,
        count: opened.count_out,
        bytes: opened.bytes_out,
        opened_at: at,
        deadline: opened.deadline,
        recall: false,
    };
    hat.open.insert(opened.delivery, open);
}

fn close(hat: &mut Hat, closed: &Closed) {
    hat.open.remove(&closed.delivery);
}

/// The owner accepts a revision: it is in force anew, with the flag of its terms; the others end where
/// they have not ended yet.
fn enable(hat: &mut Hat, debit: &crate::domain::Id, number: u32, entry: &Entry) {
    let Some(debit) = hat.debits.get_mut(debit) else { return };
    for (place, revision) in debit.revisions.iter_mut().enumerate() {
        if u32::try_from(place + 1) == Ok(number) {
            revision.enabled_at = Some(entry.at);
            revision.enabled_n = entry.n;
            revision.disabled = None;
        } else if revision.live(entry.at) {
            revision.disabled = Some((entry.at, false));
        }
    }
}

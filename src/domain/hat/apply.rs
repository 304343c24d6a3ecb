//! Folds an entry into a HAT's state.

use uuid::Uuid;

use super::state::{Claim, ENDED_DEBITS_MAX, Hat};
use crate::domain::debit::{Cancelled, Debit, Revision};
use crate::domain::entry::Entry;
use crate::domain::event::{DebitTerms, Event};
use crate::domain::exchange::Open;
use crate::domain::id::{Id, Kind, MessageId};

impl Hat {
    pub(super) fn fold(&mut self, entry: &Entry) {
        self.n = entry.n;
        if entry.event.touches_registry() {
            self.registration.apply(entry);
        }
        self.count(entry);
        match &entry.event {
            Event::Registered { by, .. } if by.kind == Kind::Platform => {
                self.platform = Some(by.id.clone());
            }
            Event::Opened(opened) => {
                self.open.insert(opened.delivery, Box::new(Open::begin(opened, entry.at)));
            }
            Event::Settled(closed)
            | Event::Disputed { closed, .. }
            | Event::Expired(closed)
            | Event::Recalled(closed) => {
                self.open.remove(&closed.delivery);
            }
            Event::RecallRequested { delivery, .. } => {
                if let Some(open) = self.open.get_mut(delivery) {
                    open.recalled = true;
                }
            }
            Event::PlugConnected { plug } => {
                self.plugs.insert(plug.clone(), entry.n);
            }
            Event::PlugDisconnected { plug } => {
                self.plugs.remove(plug);
            }
            Event::AppSetUp { app } => {
                self.apps.insert(app.clone(), entry.n);
            }
            Event::AppDisabled { app } => {
                self.apps.remove(app);
            }
            Event::DebitProposed { debit, terms, offer, .. } => self.propose(debit, terms, offer.as_ref(), entry),
            Event::DebitEnabled { debit, revision, .. } => {
                if let Some(debit) = self.debits.get_mut(debit) {
                    debit.accept(*revision, entry.at, entry.n);
                }
            }
            Event::DebitDisabled { debit, at_period_end, .. } => {
                if let Some(debit) = self.debits.get_mut(debit) {
                    debit.cancelled = Some(Cancelled { at: entry.at, at_period_end: *at_period_end });
                }
            }
            Event::DebitRolled { debit, period, .. } => {
                if let Some(debit) = self.debits.get_mut(debit) {
                    debit.rolled = period.saturating_sub(1);
                }
            }
            Event::DebitEnded { debit, end, .. } => {
                if let Some(debit) = self.debits.get_mut(debit) {
                    debit.told_end = Some(*end);
                }
            }
            Event::Claimed { offer } => {
                let id = entry.cause.as_ref().map(|cause| cause.id);
                let id = id.unwrap_or(MessageId(Uuid::nil()));
                self.claims.insert(offer.clone(), Claim { id, at: entry.at });
            }
            Event::ClaimRefused { offer, .. } => {
                self.claims.remove(offer);
            }
            _ => {}
        }
    }

    /// What opens, asks for a right or is refused counts against its sender; receipts, recalls and what
    /// takes a right back do not.
    fn count(&mut self, entry: &Entry) {
        if let Some(cause) = &entry.cause
            && matches!(
                entry.event,
                Event::Opened(_)
                    | Event::Fanned { .. }
                    | Event::Rejected { .. }
                    | Event::DebitProposed { .. }
                    | Event::Claimed { .. }
            )
        {
            let own = cause.from == entry.entity;
            self.minute.count(&cause.from, own, entry.at);
        }
    }

    fn propose(&mut self, id: &Id, terms: &DebitTerms, offer: Option<&Id>, entry: &Entry) {
        let revision = Revision { terms: terms.clone(), at: entry.at, n: entry.n };
        if let Some(offer) = offer {
            self.claims.remove(offer);
        }
        if let Some(debit) = self.debits.get_mut(id) {
            debit.revisions.push(revision);
            return;
        }
        let debit = Debit {
            client: terms.client.clone(),
            offer: offer.cloned(),
            revisions: vec![revision],
            enabled: None,
            cancelled: None,
            rolled: 0,
            told_end: None,
        };
        self.debits.insert(id.clone(), Box::new(debit));
        let ended = || self.debits.iter().filter(|(_, d)| d.ended(entry.at));
        if self.debits.len() > ENDED_DEBITS_MAX
            && ended().count() > ENDED_DEBITS_MAX
            && let Some((oldest, _)) = ended().min_by_key(|(_, debit)| debit.end())
        {
            let oldest = oldest.clone();
            self.debits.remove(&oldest);
        }
    }
}

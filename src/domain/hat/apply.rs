//! Folds an entry into a HAT's state.

use uuid::Uuid;

use super::state::{Claim, ENDED_DEBITS_MAX, Hat};
use crate::domain::app::Accepted;
use crate::domain::bundle::Compiled;
use crate::domain::debit::{Cancelled, Debit, PlaceStanding, Revision};
use crate::domain::entry::Entry;
use crate::domain::event::{DebitTerms, Event, Opened};
use crate::domain::exchange::Open;
use crate::domain::id::{Id, Kind, MessageId};
use crate::domain::pii::Gates;
use crate::domain::plug::Asked;
use crate::domain::time::Timestamp;

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
            Event::Fetching(fetching) => {
                self.open.insert(fetching.delivery, Box::new(Open::fetch(fetching, entry.at)));
                self.fetching.insert(fetching.delivery, fetching.clone());
            }
            Event::Fetched(opened) => {
                self.fetching.remove(&opened.delivery);
                self.opened(opened, entry.at);
            }
            Event::Held { opened, gate, .. } => {
                self.fetching.remove(&opened.delivery);
                self.opened(opened, entry.at);
                self.held.insert(opened.delivery, opened.clone());
                self.held_gates.extend(gate.map(|gate| (opened.delivery, gate)));
            }
            Event::Fanned { fetched: Some(fetched), .. } => {
                self.open.remove(&fetched.delivery);
                self.fetching.remove(&fetched.delivery);
            }
            Event::Released(opened) => {
                self.held.remove(&opened.delivery);
                self.held_gates.remove(&opened.delivery);
            }
            Event::Settled(closed)
            | Event::Disputed { closed, .. }
            | Event::Expired(closed)
            | Event::Dropped { closed, .. }
            | Event::Recalled(closed) => {
                self.open.remove(&closed.delivery);
                self.held.remove(&closed.delivery);
                self.held_gates.remove(&closed.delivery);
                self.fetching.remove(&closed.delivery);
            }
            Event::RecallRequested { delivery, .. } => {
                if let Some(open) = self.open.get_mut(delivery) {
                    open.recalled = true;
                }
            }
            Event::PlugAsked { plug, until, again } => {
                let id = entry.cause.as_ref().map_or(MessageId(Uuid::nil()), |cause| cause.id);
                self.connecting.insert(plug.clone(), Asked::new(id, entry.at, *until, *again));
            }
            Event::PlugAskedAgain { plug, times, .. } => {
                if let Some(asked) = self.connecting.get_mut(plug) {
                    (asked.last, asked.times) = (Some(entry.at), *times);
                }
            }
            Event::PlugUnanswered { plug, .. } => {
                self.connecting.remove(plug);
            }
            Event::PlugConnected { plug, .. } => {
                self.connecting.remove(plug);
                self.plugs.insert(plug.clone(), entry.n);
            }
            Event::PlugDisconnected { plug } => {
                self.plugs.remove(plug);
                self.jobs.disconnect(plug);
            }
            Event::Job(job) => self.jobs.apply(job, entry.at),
            Event::JobsMoved(moved) => self.jobs.moved(moved),
            Event::Suspended => self.jobs.suspend(),
            Event::Retired => self.jobs.clear(),
            Event::AppSetUp { app, version, namespaces } => {
                self.apps.insert(app.clone(), entry.n);
                if let Some(version) = version {
                    let (version, namespaces) = (version.clone(), namespaces.clone());
                    self.accepted.insert(app.clone(), Accepted { version, namespaces, at: entry.at });
                }
            }
            Event::AppDisabled { app } => {
                self.apps.remove(app);
                self.accepted.remove(app);
            }
            Event::Reported(added) => self.reports.get_or_insert_default().apply(added),
            Event::DebitProposed { debit, terms, offer, claim, until } => {
                self.propose(debit, terms, offer.as_ref(), entry);
                if let (Some(claim), Some(until), Some(debit)) = (*claim, *until, self.debits.get_mut(debit)) {
                    debit.reserve(claim, until);
                }
            }
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
            Event::Claimed { offer, .. } => {
                let id = entry.cause.as_ref().map(|cause| cause.id);
                let id = id.unwrap_or(MessageId(Uuid::nil()));
                self.claims.insert(offer.clone(), Claim { id, at: entry.at });
            }
            Event::ClaimRefused { offer, .. } => {
                self.claims.remove(offer);
            }
            Event::ClaimReleased { offer, .. } => self.stand(offer, PlaceStanding::Released, None),
            Event::ClaimLapsed { offer, .. } => {
                self.claims.remove(offer);
                self.stand(offer, PlaceStanding::Lapsed, Some(entry.at));
            }
            Event::ClaimWithdrawn { offer, .. } => {
                self.claims.remove(offer);
                self.stand(offer, PlaceStanding::Withdrawn, Some(entry.at));
            }
            _ => {}
        }
    }

    /// It is known what is delivered of this exchange. One whose content was fetched is open since before.
    fn opened(&mut self, opened: &Opened, at: Timestamp) {
        let since = self.open.get(&opened.delivery).map_or(at, |open| open.opened_at);
        self.open.insert(opened.delivery, Box::new(Open::begin(opened, since)));
    }

    /// What opens, asks for a right or is refused counts against its sender; receipts, recalls and what
    /// takes a right back do not.
    fn count(&mut self, entry: &Entry) {
        if let Some(cause) = &entry.cause
            && matches!(
                entry.event,
                Event::Opened(_)
                    | Event::Held { .. }
                    | Event::Fetching(_)
                    | Event::Fanned { .. }
                    | Event::Rejected { .. }
                    | Event::DebitProposed { .. }
                    | Event::PlugAsked { .. }
                    | Event::Claimed { .. }
                    | Event::Reported(_)
                    | Event::Job(_)
            )
        {
            let bridged = cause.from.kind == Kind::Bridge && self.registration.bridge() == Some(&cause.from.id);
            let own = bridged || cause.from == entry.entity;
            let from = match &entry.event {
                // Asked by way of an offer.
                Event::Opened(opened) if cause.from.kind == Kind::Dex => &opened.from,
                _ => &cause.from,
            };
            self.minute.count(if own { &entry.entity } else { from }, own, entry.at);
        }
    }

    /// Where the claim stands that the debit of this offer comes from.
    fn stand(&mut self, offer: &Id, standing: PlaceStanding, over: Option<Timestamp>) {
        if let Some(place) = self.debits.get_mut(offer).and_then(|debit| debit.place.as_mut()) {
            place.standing = standing;
            place.over = over;
        }
    }

    fn propose(&mut self, id: &Id, terms: &DebitTerms, offer: Option<&Id>, entry: &Entry) {
        let revision = Revision {
            terms: terms.clone(),
            at: entry.at,
            n: entry.n,
            program: Compiled::default(),
            gates: Gates::default(),
        };
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
            place: None,
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

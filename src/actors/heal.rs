//! What a stream has lost goes out again, from ledger and spool, in pieces between live work.

use std::sync::Arc;

use super::outbox::{Outbox, Told};
use super::shared::sealed;
use crate::domain::time::SECOND;
use crate::domain::{Effect, effects_of};
use crate::store::{IndexKey, Sealed};
use crate::telemetry::events::{EffectFailed, Healed};

/// Most entries read again in one go.
const PIECE: usize = 256;
/// How long an effect may be under way from its commit into the input stream.
const UNDER_WAY: i64 = 600 * SECOND;

/// Messages of `DEX_OUT` that are gone: effects of leaves `[from, to)` are to go out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// First leaf.
    pub from: u64,
    /// The leaf after the last.
    pub to: u64,
    /// Number of the loss, for [`super::shared::Progress::output_healed`].
    pub loss: u64,
}

/// Leaves that are still to be gone through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    next: u64,
    end: u64,
}

impl Span {
    fn add(&mut self, from: u64, to: u64) {
        *self = if self.next >= self.end {
            Span { next: from, end: to }
        } else {
            Span { next: self.next.min(from), end: self.end.max(to) }
        };
    }

    fn is_done(&self) -> bool {
        self.next >= self.end
    }
}

/// What is being healed. Two spans at the most, whatever is lost meanwhile.
#[derive(Debug, Default)]
pub(super) struct Healing {
    outward: Span,
    inward: Span,
    loss: u64,
}

impl Outbox {
    /// Whether something that was lost has still to go out.
    pub fn heals(&self) -> bool {
        !(self.healing.outward.is_done() && self.healing.inward.is_done())
    }

    /// The output stream has lost messages.
    pub fn lost(&mut self, lost: Lost) {
        self.healing.outward.add(lost.from, lost.to);
        self.healing.loss = self.healing.loss.max(lost.loss);
        if self.healing.outward.is_done() {
            self.healed();
        }
    }

    /// Looks whether the input stream has lost messages of the exchange to itself: those stored after the
    /// last message that each partition has read.
    pub fn look_at_input(&mut self) {
        let Some(since) = self.shared.progress.take_input_lost() else { return };
        let age = i64::try_from(self.shared.streams.input.max_age.as_nanos()).unwrap_or(i64::MAX);
        let oldest = self.shared.clock.now().plus(age.saturating_neg());
        let since = since.max(oldest.0).saturating_sub(UNDER_WAY);
        let (from, to) = (self.shared.first_since(since), self.shared.reader.tree_size());
        tracing::warn!(
            from,
            to,
            "messages of the exchange to itself may be lost: those of these leaves that nobody knows go out again"
        );
        self.healing.inward.add(from, to);
    }

    /// Goes through a piece of what is to go out again.
    pub async fn heal(&mut self) {
        let outward = !self.healing.outward.is_done();
        let span = if outward { self.healing.outward } else { self.healing.inward };
        let (entries, next) = self.piece(span);
        if outward {
            self.healing.outward.next = next;
            self.outward_again(&entries).await;
            if self.healing.outward.is_done() {
                self.healed();
            }
        } else {
            self.healing.inward.next = next;
            self.inward_again(&entries).await;
        }
    }

    /// Entries from the span's next on, and where to go on after them.
    fn piece(&self, span: Span) -> (Vec<Arc<Sealed>>, u64) {
        let mut entries = Vec::with_capacity(PIECE);
        let mut next = span.next;
        for stored in self.shared.reader.scan(span.next).take(PIECE) {
            let read = stored.map_err(|error| error.to_string());
            match read.and_then(|stored| sealed(&self.shared, stored).map_err(|error| error.to_string())) {
                Ok(entry) if entry.leaf >= span.end => return (entries, span.end),
                Ok(entry) => {
                    next = entry.leaf + 1;
                    entries.push(entry);
                }
                Err(detail) => {
                    // Damage in the ledger, which its check names; the other leaves are healed all the same.
                    EffectFailed { what: "healing", detail: &detail }.emit();
                    return (entries, next + 1);
                }
            }
        }
        (entries, if next == span.next { span.end } else { next })
    }

    /// Open deliveries and requests, and every outcome, of these entries.
    async fn outward_again(&mut self, entries: &[Arc<Sealed>]) {
        let mut told: Vec<Told> = Vec::new();
        let tree_size = self.shared.reader.tree_size();
        let (mut deliveries, mut requests, mut connections) = (0, 0, 0);
        for sealed in entries {
            for effect in effects_of(&sealed.entry) {
                match effect {
                    Effect::Outcome { to, outcome, .. } => told.push((to, self.placed(sealed, outcome, tree_size))),
                    Effect::Deliver(opened) => {
                        if !self.items.contains_key(&opened.delivery) || !self.may_leave(&opened) {
                            continue;
                        }
                        let Some(item) = self.items.get(&opened.delivery) else { continue };
                        if opened.large.is_some() {
                            self.shared.large.deliver(sealed.leaf, &opened);
                            deliveries += 1;
                            continue;
                        }
                        match self.content(item.spool) {
                            Ok(content) => {
                                self.deliver(&sealed.entry.entity, &opened, content).await;
                                deliveries += 1;
                            }
                            Err(detail) => EffectFailed { what: "healing", detail: &detail }.emit(),
                        }
                    }
                    Effect::Request(opened) if self.items.contains_key(&opened.delivery) && self.may_leave(&opened) => {
                        self.request(&opened).await;
                        requests += 1;
                    }
                    Effect::RecallRequest { to, delivery, without_pii, .. } if self.items.contains_key(&delivery) => {
                        self.leave().await;
                        self.recall_request(sealed, &to, delivery, without_pii).await;
                        requests += 1;
                    }
                    Effect::Connection { to, said } => {
                        self.connection(sealed, &to, &said).await;
                        connections += 1;
                    }
                    Effect::Request(_)
                    | Effect::RecallRequest { .. }
                    | Effect::Fetch(_)
                    | Effect::Job { .. }
                    | Effect::JobOver { .. }
                    | Effect::Send { .. }
                    | Effect::Close { .. } => {}
                }
            }
        }
        let counts = [
            ("connection", connections),
            ("delivery", deliveries),
            ("request", requests),
            ("outcome", told.len() as u64),
        ];
        self.leave().await;
        self.tell(told).await;
        for (what, count) in counts {
            Healed { what, count }.emit();
        }
    }

    /// Messages to other entities that no partition has worked on.
    async fn inward_again(&mut self, entries: &[Arc<Sealed>]) {
        let dex = self.shared.dex();
        let mut count = 0;
        for sealed in entries {
            for effect in effects_of(&sealed.entry) {
                let Effect::Send { to, action, body, number } = effect else { continue };
                let id = self.effect_id(sealed, number);
                let known = self.shared.db.index(&[IndexKey::message(&to, &dex, id)]);
                // One that is not in the index yet falls out by its id once more.
                if !known.is_ok_and(|leaves| leaves.into_iter().flatten().next().is_some()) {
                    self.message(&to, &action, &body, id).await;
                    count += 1;
                }
            }
        }
        Healed { what: "message", count }.emit();
    }

    /// Says so once everything that went out again is stored.
    fn healed(&self) {
        let (loss, ticket) = (self.healing.loss, self.last.0);
        if loss == 0 {
            return;
        }
        let (shared, publisher) = (Arc::clone(&self.shared), Arc::clone(&self.publisher));
        actix::spawn(async move {
            // A refusal is final and was counted; a publisher that ended leaves the loss to the next start.
            let stored = publisher.acked(ticket).await;
            if !matches!(stored, Err(crate::nats::PublishError::Closed)) {
                shared.progress.output_healed(loss);
                tracing::info!("what DEX_OUT had lost, or may have lacked, is in it again");
            }
        });
    }
}

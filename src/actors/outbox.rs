//! What leaves: effects of committed entries to the broker, and open deliveries again until they end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::dispatch::{Publish, Repeat};
use super::heal::Healing;
use super::large::fetch_job;
use super::parked::Waiting;
use super::prefix::Prefix;
use super::shared::Shared;
use crate::domain::event::Opened;
use crate::domain::pii::pseudonym;
use crate::domain::plug::Connection;
use crate::domain::{Address, Cause, Digest, Effect, Entry, Event, Kind, MessageId, Outcome, Timestamp, effects_of};
use crate::ledger::SpoolRef;
use crate::nats::publish::PublishError;
use crate::nats::{BatchPublisher, Ticket, header_map};
use crate::store::Sealed;
use crate::telemetry::Published;
use crate::telemetry::events::EffectFailed;
use crate::wire::outgoing::{Shown, Unsigned};
use crate::wire::together::TOGETHER_MAX;
use crate::wire::{Leaf, MessageOptions, OutcomeOut, Outgoing, Problem, Proof, effect_id, header, outgoing, subject};

/// Most bytes of outcomes in one message, by a generous estimate: well under the broker's largest payload.
const OUTCOMES_BYTES_MAX: usize = 384 * 1024;
/// Most publications whose acknowledgement is awaited to move the mark of dispatched leaves.
const MARKS: usize = 4096;

/// An open exchange whose delivery (or request) may have to be sent again.
pub(super) struct Item {
    pub(super) leaf: u64,
    pub(super) spool: Option<SpoolRef>,
    pub(super) attempts: u32,
    pub(super) next: Timestamp,
    /// For whose sake it waits, when it does: it is in `waiting` then and not in `due`.
    pub(super) parked: Option<Address>,
    /// It was asked back while it waited: it does not leave any more.
    pub(super) recalled: bool,
    /// Open since before this start: whether it was asked back only its HAT knows.
    pub(super) restored: bool,
}

impl Item {
    fn new(leaf: u64, spool: Option<SpoolRef>, next: Timestamp) -> Self {
        Item { leaf, spool, attempts: 0, next, parked: None, recalled: false, restored: false }
    }
}

/// Leaves that count as dispatched once `ticket` is acknowledged.
pub(super) struct Mark {
    /// Outward and inward.
    pub(super) tickets: (Ticket, Ticket),
    pub(super) from: u64,
    pub(super) to: u64,
}

/// The publishing half of the dispatch actor.
pub struct Outbox {
    pub(super) shared: Arc<Shared>,
    pub(super) publisher: Arc<BatchPublisher>,
    /// To other entities, by the input stream: apart, so that a full input does not keep back what leaves.
    pub(super) inward: Arc<BatchPublisher>,
    /// Open exchanges. Bounded by `open_per_hat` over all HATs.
    pub(super) items: HashMap<Uuid, Item>,
    pub(super) due: BTreeSet<(Timestamp, Uuid)>,
    /// What does not leave for now.
    pub(super) waiting: Waiting,
    pub(super) marks: mpsc::Sender<Mark>,
    pub(super) last: (Ticket, Ticket),
    pub(super) healing: Healing,
    /// Deliveries that leave under one signature, with how long each is of use. Fewer than [`TOGETHER_MAX`].
    pub(super) leaving: Vec<(Unsigned, Duration)>,
}

/// An outcome with its place in the ledger, on its way to a party.
pub(super) type Told = (Address, OutcomeOut);

impl Outbox {
    /// An outbox over two publishers, outward and to the input stream; must be called on the arbiter that publishes. `open` are the exchanges
    /// that are open at start, `done` the mark up to which effects were published before.
    pub fn new(
        shared: Arc<Shared>,
        publishers: [BatchPublisher; 2],
        open: Vec<(Uuid, u64, Option<SpoolRef>)>,
        done: u64,
    ) -> Self {
        let [publisher, inward] = publishers.map(Arc::new);
        let (marks, marked) = mpsc::channel(MARKS);
        actix::spawn(follow(Arc::clone(&shared), [Arc::clone(&publisher), Arc::clone(&inward)], marked, done));
        let mut outbox = Outbox {
            shared,
            publisher,
            inward,
            items: HashMap::with_capacity(open.len()),
            due: BTreeSet::new(),
            waiting: Waiting::default(),
            marks,
            last: (0, 0),
            healing: Healing::default(),
            leaving: Vec::new(),
        };
        for (delivery, leaf, spool) in open {
            outbox.keep(delivery, leaf, spool);
        }
        outbox.items.values_mut().for_each(|item| item.restored = true);
        outbox
    }

    fn keep(&mut self, delivery: Uuid, leaf: u64, spool: Option<SpoolRef>) {
        let next = self.shared.clock.now().plus(nanos(self.shared.bounds.redelivery_first));
        if let Some(old) = self.items.insert(delivery, Item::new(leaf, spool, next)) {
            self.forget(&old, delivery);
        }
        self.due.insert((next, delivery));
    }

    /// An open exchange has no turn any more.
    fn forget(&mut self, item: &Item, delivery: Uuid) {
        self.due.remove(&(item.next, delivery));
        if let Some(party) = &item.parked {
            self.waiting.remove(party, delivery);
        }
    }

    /// Publishes shares of commits.
    pub async fn publish(&mut self, shares: Vec<Publish>) {
        let mut told: Vec<Told> = Vec::new();
        for share in &shares {
            self.share(share, &mut told).await;
        }
        self.leave().await;
        self.tell(told).await;
        for share in &shares {
            if let (Some(first), Some(last)) = (share.sealed.first(), share.sealed.last()) {
                let mark = Mark { tickets: self.last, from: first.leaf, to: last.leaf + 1 };
                // The follower ends only with this arbiter.
                drop(self.marks.send(mark).await);
            }
        }
    }

    async fn share(&mut self, publish: &Publish, told: &mut Vec<Told>) {
        for (number, sealed) in publish.sealed.iter().enumerate() {
            let content = publish.contents.get(number).cloned().flatten();
            self.effects(sealed, content, publish, told).await;
        }
        for repeat in &publish.repeats {
            self.repeat(repeat, publish, told).await;
        }
        for refusal in &publish.refusals {
            let problem = Problem::new(refusal.reason, refusal.detail.clone(), refusal.id);
            self.plain(outgoing::reply_problem(&refusal.reply, &problem)).await;
        }
    }

    /// Keeps the place of a content that is held back.
    fn hold(&mut self, delivery: Uuid, leaf: u64, spool: Option<SpoolRef>) {
        let next = Timestamp(i64::MAX);
        self.items.entry(delivery).or_insert(Item::new(leaf, spool, next)).leaf = leaf;
    }

    async fn effects(&mut self, sealed: &Arc<Sealed>, content: Option<Bytes>, publish: &Publish, told: &mut Vec<Told>) {
        let kept = match &sealed.entry.event {
            Event::Held { opened, .. } => Some(opened.delivery),
            Event::NoticePosted(posted) => Some(posted.notice),
            Event::Fetching(fetching) => Some(fetching.delivery),
            _ => None,
        };
        if let Some(delivery) = kept {
            self.hold(delivery, sealed.leaf, sealed.spool.map(spool_ref));
        }
        self.unpark(&sealed.entry);
        if matches!(sealed.entry.event, Event::Approved { .. }) {
            self.shared.jobs.ask(&sealed.entry.entity);
        }
        if let Event::Held { opened, .. } = &sealed.entry.event
            && opened.large.is_some()
        {
            self.shared.large.rest(sealed.leaf, opened);
        }
        for effect in effects_of(&sealed.entry) {
            match effect {
                Effect::Fetch(fetching) => fetch_job(&self.shared, sealed.leaf, &fetching),
                Effect::Deliver(opened) if opened.large.is_some() => {
                    self.keep(opened.delivery, sealed.leaf, None);
                    if self.may_leave(&opened) {
                        self.shared.large.deliver(sealed.leaf, &opened);
                    } else {
                        self.shared.large.rest(sealed.leaf, &opened);
                    }
                }
                Effect::Outcome { to, outcome, first } => {
                    let out = self.placed(sealed, outcome, publish.tree_size);
                    if first {
                        crate::telemetry::path().outcome(self.shared.clock.now().since(sealed.entry.at));
                        let cause = sealed.entry.cause.as_ref();
                        if let Some(reply) = cause.and_then(reply_of) {
                            let want = cause.is_some_and(wants_proof);
                            self.answer(reply, sealed, &out, want, publish).await;
                        }
                    }
                    told.push((to, out));
                }
                Effect::Deliver(opened) => {
                    // What was held lies in the spool since then.
                    let kept = self.items.get(&opened.delivery).and_then(|item| item.spool);
                    let spool = sealed.spool.map(spool_ref).or(kept);
                    self.keep(opened.delivery, sealed.leaf, spool);
                    if !self.may_leave(&opened) {
                        continue;
                    }
                    match content.clone().map_or_else(|| self.content(spool), Ok) {
                        Ok(content) => self.deliver(&sealed.entry.entity, &opened, content).await,
                        Err(detail) => EffectFailed { what: "delivery", detail: &detail }.emit(),
                    }
                }
                Effect::Request(opened) => {
                    self.keep(opened.delivery, sealed.leaf, None);
                    if self.may_leave(&opened) {
                        self.request(&opened).await;
                    }
                }
                Effect::RecallRequest { to, delivery, without_pii, .. } => {
                    // After the delivery itself, which may be of the same commit.
                    self.leave().await;
                    self.recalled(&delivery);
                    self.recall_request(sealed, &to, delivery, without_pii).await;
                }
                Effect::Connection { to, said } => self.connection(sealed, &to, &said).await,
                Effect::Send { to, action, body, number } => {
                    let id = self.effect_id(sealed, number);
                    self.message(&to, &action, &body, id).await;
                }
                Effect::Job { plug, endpoint, job } => {
                    self.shared.jobs.planned(&sealed.entry.entity.id, plug, endpoint, job, sealed.entry.at);
                }
                Effect::JobOver { plug, job } => {
                    let planned = self.shared.jobs.over(&plug, job);
                    crate::telemetry::job_ended(planned.map(|planned| sealed.entry.at.since(planned)));
                }
                Effect::Close { delivery } => self.close(&delivery),
            }
        }
    }

    /// The id of an effect of an entry.
    pub(super) fn effect_id(&self, sealed: &Sealed, number: u16) -> MessageId {
        effect_id(&self.shared.origin, &sealed.entry.entity, sealed.entry.n, number, sealed.entry.at)
    }

    /// A message of the exchange to another entity.
    pub(super) async fn message(&mut self, to: &Address, action: &str, body: &serde_json::Value, id: MessageId) {
        let action: Vec<&str> = action.split('.').collect();
        let body = serde_json::to_vec(body).expect("a JSON value is JSON");
        let out = outgoing::message_in(
            self.shared.voice(),
            &self.shared.origin,
            &self.shared.dex(),
            to,
            &action,
            id,
            &MessageOptions::default(),
            body.into(),
        );
        self.send(Published::Message, out, None).await;
    }

    pub(super) async fn connection(&mut self, sealed: &Sealed, to: &Address, said: &Connection) {
        let id = self.effect_id(sealed, 0);
        let out = outgoing::connection(self.shared.voice(), &self.shared.origin, to, id, said);
        self.send(Published::Connection, out, None).await;
    }

    pub(super) async fn recall_request(&mut self, sealed: &Sealed, to: &Address, delivery: Uuid, without_pii: bool) {
        let entity = &sealed.entry.entity;
        // The id of an effect can be worked out by whoever guesses whose it is.
        let id = if without_pii {
            pseudonym::recall(&self.shared.delivery_key, delivery)
        } else {
            self.effect_id(sealed, 0)
        };
        let receipt_to = self.shared.receipt_to(entity, to);
        let (signer, origin) = (self.shared.voice(), &self.shared.origin);
        let out = outgoing::recall_request(signer, origin, to, id, delivery, &receipt_to);
        self.send(Published::Request, out, None).await;
    }

    fn close(&mut self, delivery: &Uuid) {
        self.shared.large.close(delivery);
        if let Some(item) = self.items.remove(delivery) {
            self.forget(&item, *delivery);
            if let Some(spool) = item.spool
                && let Err(error) = self.shared.spool.release(spool)
            {
                // The segment stays a while longer: the next start finds it dead and deletes it.
                EffectFailed { what: "release of a content", detail: &error.to_string() }.emit();
            }
        }
    }

    pub(super) fn content(&self, spool: Option<SpoolRef>) -> Result<Bytes, String> {
        let spool = spool.ok_or("the exchange has no content in the spool")?;
        self.shared.spool.read(spool).map_err(|error| error.to_string())
    }

    /// Makes a delivery ready; it goes with the next [`Outbox::leave`], or at once when as many are ready as share a
    /// signature. What nobody may link with what another gets is signed alone.
    pub(super) async fn deliver(&mut self, entity: &Address, opened: &Opened, content: Bytes) {
        let receipt_to = self.shared.receipt_to(entity, &opened.to);
        let (signer, origin) = (self.shared.voice(), &self.shared.origin);
        let shown = Shown::to_recipient(opened, &self.shared.delivery_key);
        let out = outgoing::unsigned_delivery(signer, origin, opened, &shown, &receipt_to, content);
        let ttl = self.shared.until(opened.deadline);
        if opened.without_pii {
            let out = out.alone(signer);
            return self.send(Published::Delivery, out, Some(ttl)).await;
        }
        self.leaving.push((out, ttl));
        if self.leaving.len() >= TOGETHER_MAX {
            self.leave().await;
        }
    }

    /// Signs the deliveries that are ready, together, and sends them in their order.
    pub(super) async fn leave(&mut self) {
        let (unsigned, ttls): (Vec<Unsigned>, Vec<Duration>) = self.leaving.drain(..).unzip();
        let signed = outgoing::sign_together(self.shared.voice(), &self.shared.origin, unsigned);
        for (out, ttl) in signed.into_iter().zip(ttls) {
            self.send(Published::Delivery, out, Some(ttl)).await;
        }
    }

    pub(super) async fn request(&mut self, opened: &Opened) {
        let out = outgoing::request(self.shared.voice(), &self.shared.origin, opened);
        let ttl = self.shared.until(opened.deadline);
        self.send(Published::Request, out, Some(ttl)).await;
    }

    pub(super) fn placed(&self, sealed: &Sealed, outcome: Outcome, tree_size: u64) -> OutcomeOut {
        OutcomeOut {
            outcome,
            leaf: Leaf { log: self.shared.origin.clone(), index: sealed.leaf },
            tree_size,
            proof: None,
        }
    }

    /// Tells the waiting caller.
    async fn answer(&mut self, reply: &str, sealed: &Sealed, out: &OutcomeOut, want_proof: bool, publish: &Publish) {
        let mut out = out.clone();
        if want_proof && may_hold(&sealed.entry) {
            match self.proof(sealed.leaf, publish) {
                Ok(proof) => out.proof = Some(Box::new(proof)),
                Err(detail) => EffectFailed { what: "proof", detail: &detail }.emit(),
            }
        }
        self.plain(outgoing::reply_outcome(reply, &out)).await;
    }

    fn proof(&self, leaf: u64, publish: &Publish) -> Result<Proof, String> {
        let stored = self.shared.reader.read(leaf).map_err(|error| error.to_string())?;
        let path = self.shared.reader.inclusion_proof(leaf, publish.tree_size).map_err(|error| error.to_string())?;
        Ok(Proof {
            entry: BASE64.encode(&stored.entry),
            salt: BASE64.encode(&stored.salt),
            path: path.into_iter().map(Digest).collect(),
            checkpoint: publish.checkpoint.to_string(),
        })
    }

    async fn repeat(&mut self, repeat: &Repeat, publish: &Publish, told: &mut Vec<Told>) {
        let tree_size = publish.tree_size.max(repeat.sealed.leaf + 1);
        for effect in effects_of(&repeat.sealed.entry) {
            if let Effect::Outcome { to, outcome, first: true } = effect {
                let out = self.placed(&repeat.sealed, outcome, tree_size);
                if let Some(reply) = &repeat.reply {
                    self.answer(reply, &repeat.sealed, &out, repeat.want_proof, publish).await;
                }
                told.push((to, out));
            }
        }
    }

    /// Outcomes of one commit for one party share a message.
    pub(super) async fn tell(&mut self, told: Vec<Told>) {
        let mut order: Vec<Address> = Vec::new();
        let mut by_party: HashMap<Address, Vec<OutcomeOut>> = HashMap::new();
        for (to, out) in told {
            // The exchange itself and its operators' keys have no inbox of their own to keep filled.
            if to.kind == Kind::Dex {
                continue;
            }
            let list = by_party.entry(to.clone()).or_default();
            if list.is_empty() {
                order.push(to);
            }
            list.push(out);
        }
        for to in order {
            let mut rest = by_party.remove(&to).unwrap_or_default();
            while !rest.is_empty() {
                let part: Vec<OutcomeOut> = rest.drain(..fitting(&rest)).collect();
                self.send(Published::Outcomes, outgoing::outcomes(&to, &part), None).await;
            }
        }
    }

    async fn send(&mut self, what: Published, out: Outgoing, ttl: Option<Duration>) {
        let message = crate::nats::Outgoing {
            subject: out.subject.into(),
            headers: header_map(&out.headers),
            payload: out.payload,
            ttl,
        };
        let inward = what == Published::Message;
        let publisher = if inward { &self.inward } else { &self.publisher };
        match publisher.publish(message).await {
            Ok(ticket) => {
                *(if inward { &mut self.last.1 } else { &mut self.last.0 }) = ticket;
                crate::telemetry::path().published(what);
            }
            // Without it no effect leaves any more: a restart publishes them from the ledger.
            Err(PublishError::Closed) => self.shared.fatal.tell("the publisher has ended"),
            Err(error) => EffectFailed { what: "publication", detail: &error.to_string() }.emit(),
        }
    }

    async fn plain(&mut self, out: Outgoing) {
        let headers = header_map(&out.headers);
        let sent = self.publisher.publish_core(out.subject.into(), headers, out.payload).await;
        if let Err(error) = sent {
            EffectFailed { what: "reply", detail: &error.to_string() }.emit();
        }
    }
}

/// Moves the mark of dispatched leaves on as acknowledgements come.
async fn follow(
    shared: Arc<Shared>,
    publishers: [Arc<BatchPublisher>; 2],
    mut marked: mpsc::Receiver<Mark>,
    done: u64,
) {
    let mut prefix = Prefix::from(done);
    while let Some(mark) = marked.recv().await {
        for (publisher, ticket) in publishers.iter().zip([mark.tickets.0, mark.tickets.1]) {
            match publisher.acked(ticket).await {
                Ok(()) => {}
                // The stream will never take it, now or at the next start: the mark goes on.
                Err(error @ PublishError::Refused { .. }) => {
                    EffectFailed { what: "publication", detail: &error.to_string() }.emit();
                }
                // The publisher has ended; what was not acknowledged is published at the next start.
                Err(_) => return,
            }
        }
        shared.progress.dispatched(prefix.add(mark.from, mark.to));
    }
}

pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn spool_ref(place: crate::store::SpoolPlace) -> SpoolRef {
    SpoolRef { segment: place.0, offset: place.1, len: place.2 }
}

/// How many of these outcomes, at least one, go into one message.
fn fitting(outcomes: &[OutcomeOut]) -> usize {
    let mut bytes = 0;
    let most = outcomes.iter().take_while(|out| {
        bytes += 640 + 256 * out.outcome.parts.len();
        bytes <= OUTCOMES_BYTES_MAX
    });
    most.count().max(1)
}

/// Where the caller of a message waits, when it named an inbox.
fn reply_of(cause: &Cause) -> Option<&str> {
    cause.reply.as_deref().filter(|reply| header::is_inbox(reply))
}

/// Whether who sent the message may hold the entry itself, which names the HAT: not the client that is not to know it.
/// Of what came by a lane and was refused it is not known whose it was; what is asked by way of an offer names it.
fn may_hold(entry: &Entry) -> bool {
    let by_lane = entry.cause.as_ref().is_some_and(|cause| subject::is_lane(&cause.subject));
    match &entry.event {
        Event::OfferPulled { .. } => false,
        _ if !by_lane => true,
        event => event.closed().is_some_and(|closed| !closed.without_pii),
    }
}

fn wants_proof(cause: &Cause) -> bool {
    cause.want.as_deref() == Some(header::WANT_PROOF)
}

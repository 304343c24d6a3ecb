//! What was seen, compared with the ledger: nothing told may be missing, nothing may be there twice, and
//! everything must have ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::domain::event::Direction;
use crate::domain::{Address, Effect, Entry, Event, MessageId, Reason, Status, effects_of};

use super::witness::Testimony;

/// Findings kept as text; the counts are complete.
const FINDINGS_MAX: usize = 20;

/// The sums of a soak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Exchanges of which a participant holds an outcome or receipt.
    pub receipted: u64,
    /// Of these and of refused messages: the ledger does not hold what was told or delivered, or holds as settled
    /// what its recipient never had.
    pub lost: u64,
    /// Exchanges opened, delivered, applied or ended more than once.
    pub doubled: u64,
    /// Exchanges and messages without an end, in the ledger or as their sender knows.
    pub unfinished: u64,
    /// What was found, as text.
    pub findings: Vec<String>,
}

impl Verdict {
    /// Nothing was found.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.unfinished == 0 && self.findings.is_empty()
    }

    /// Both together.
    pub fn add(&mut self, other: Verdict) {
        self.receipted += other.receipted;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.unfinished += other.unfinished;
        self.findings.extend(other.findings);
        self.findings.truncate(FINDINGS_MAX);
    }
}

/// What the ledger tells.
#[derive(Default)]
struct Told {
    /// Outcomes by leaf and exchange.
    outcomes: HashMap<(u64, MessageId), (Status, Option<Reason>)>,
    /// How often each exchange was opened, under which deliveries.
    opened: HashMap<MessageId, Vec<Uuid>>,
    /// How often each delivery's exchange has ended.
    ended: HashMap<Uuid, u32>,
    /// Deliveries of content that was settled.
    settled: Vec<Uuid>,
    /// The exchange of each delivery.
    of: HashMap<Uuid, MessageId>,
    gaps: Vec<String>,
}

impl Told {
    fn read(entries: impl IntoIterator<Item = (u64, Entry)>) -> Told {
        let mut told = Told::default();
        let mut numbers: HashMap<Address, u64> = HashMap::new();
        for (leaf, entry) in entries {
            let n = numbers.entry(entry.entity.clone()).or_default();
            *n += 1;
            if entry.n != *n {
                told.gaps.push(format!("{}: entry {} stands where {n} should", entry.entity, entry.n));
                *n = entry.n;
            }
            for effect in effects_of(&entry) {
                if let Effect::Outcome { outcome, .. } = effect {
                    told.outcomes.insert((leaf, outcome.exchange), (outcome.status, outcome.reason));
                }
            }
            if let Event::Opened(opened) = &entry.event {
                told.opened.entry(opened.exchange).or_default().push(opened.delivery);
                told.of.insert(opened.delivery, opened.exchange);
            }
            if let Event::Settled(closed) = &entry.event
                && closed.direction != Direction::Pull
            {
                told.settled.push(closed.delivery);
            }
            if let Some(closed) = entry.event.closed() {
                *told.ended.entry(closed.delivery).or_default() += 1;
            }
        }
        told
    }
}

/// Compares what was seen with the entries of the ledger, given with their leaves in order.
pub fn check(seen: &Testimony, entries: impl IntoIterator<Item = (u64, Entry)>) -> Verdict {
    let told = Told::read(entries);
    let mut findings = Vec::new();
    // A receipt's outcome and the sender's are of one exchange: both name its delivery.
    let mut delivery_of: HashMap<MessageId, Uuid> = HashMap::new();
    for said in &seen.outcomes {
        delivery_of.extend(said.delivery.map(|delivery| (said.exchange, delivery)));
    }
    delivery_of.extend(told.opened.iter().map(|(exchange, deliveries)| (*exchange, deliveries[0])));
    let subject = |exchange: MessageId| delivery_of.get(&exchange).copied().unwrap_or(exchange.0);

    let mut receipted = BTreeSet::new();
    let mut lost: BTreeMap<Uuid, String> = BTreeMap::new();
    for said in &seen.outcomes {
        let of = said.delivery.unwrap_or_else(|| subject(said.exchange));
        if said.delivery.is_some() && said.status != Status::Rejected {
            receipted.insert(of);
        }
        let found = told.outcomes.get(&(said.leaf, said.exchange));
        if found != Some(&(said.status, said.reason)) {
            lost.entry(of).or_insert_with(|| format!("lost: {said:?} was told, the ledger says {found:?}"));
        }
    }
    for (delivery, applied) in &seen.applied {
        if !told.of.contains_key(delivery) {
            let what =
                || format!("lost: {} applied delivery {delivery}, which the ledger does not know", applied.recipient);
            lost.entry(*delivery).or_insert_with(what);
        }
    }
    for delivery in &told.settled {
        if !seen.applied.contains_key(delivery) {
            let what = || format!("lost: delivery {delivery} was settled, and nobody applied it");
            lost.entry(*delivery).or_insert_with(what);
        }
    }
    let doubled = doubled(seen, &told, subject);
    let unfinished = unfinished(seen, &told, subject);
    let counts = (lost.len() as u64, doubled.len() as u64, unfinished.len() as u64);
    findings.extend(lost.into_values());
    findings.extend(doubled.into_values());
    findings.extend(unfinished.into_values());
    findings.extend(told.gaps.into_iter().map(|gap| format!("numbers: {gap}")));
    findings.extend(seen.strays.iter().map(|stray| format!("contradiction: {stray}")));
    findings.truncate(FINDINGS_MAX);
    Verdict { receipted: receipted.len() as u64, lost: counts.0, doubled: counts.1, unfinished: counts.2, findings }
}

fn doubled(seen: &Testimony, told: &Told, subject: impl Fn(MessageId) -> Uuid) -> BTreeMap<Uuid, String> {
    let mut doubled = BTreeMap::new();
    for (exchange, deliveries) in &told.opened {
        if deliveries.len() > 1 {
            doubled.insert(subject(*exchange), format!("doubled: {exchange} was opened as {deliveries:?}"));
        }
    }
    for (delivery, times) in &told.ended {
        if *times > 1 {
            doubled.insert(*delivery, format!("doubled: the exchange of delivery {delivery} has ended {times} times"));
        }
    }
    // Each content that was sent is its own: at one recipient it belongs to one delivery.
    let mut contents: HashMap<(&Address, &str), Uuid> = HashMap::new();
    for (delivery, applied) in &seen.applied {
        if applied.times > 1 {
            doubled.insert(*delivery, format!("doubled: delivery {delivery} was applied {} times", applied.times));
        }
        for record in &applied.records {
            let other = *contents.entry((&applied.recipient, record)).or_insert(*delivery);
            if other != *delivery {
                let what = format!("doubled: record {record} was applied from {other} and from {delivery}");
                // Many records of two deliveries count once.
                let of = told.of.get(delivery).map_or(*delivery, |exchange| subject(*exchange));
                doubled.insert(of, what);
            }
        }
    }
    doubled
}

fn unfinished(seen: &Testimony, told: &Told, subject: impl Fn(MessageId) -> Uuid) -> BTreeMap<Uuid, String> {
    let mut unfinished = BTreeMap::new();
    for id in &seen.unanswered {
        unfinished.insert(subject(*id), format!("unfinished: message {id} has no outcome"));
    }
    for id in &seen.open {
        unfinished.insert(subject(*id), format!("unfinished: nobody told how {id} has ended"));
    }
    for (delivery, exchange) in &told.of {
        if !told.ended.contains_key(delivery) {
            unfinished.insert(*delivery, format!("unfinished: {exchange} is open in the ledger"));
        }
    }
    unfinished
}

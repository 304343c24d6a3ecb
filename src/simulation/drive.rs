//! Drives the plan: sends its steps at their rate, reads all inboxes, waits for all ends.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, Order, keys};
use crate::domain::command::PullAsk;
use crate::domain::{Id, MessageId, Reason};

use super::mistakes::{Mark, Mistake};
use super::people::DOMAIN;
use super::plan::{Act, Plan, Settings, Step};
use super::stage::Stage;
use super::tally::{Expect, Tally};
use super::{recipient, records};

/// The limit of a pull that a HAT of the simulation does not answer.
pub const PULL_SILENT: u32 = 13;
/// How often steps are sent: a rate is met in portions.
const TICK: Duration = Duration::from_millis(10);
/// Pulls remembered, to answer each once.
const PULLS_MAX: usize = 65_536;

/// A running simulation.
pub struct Drive {
    /// Who plays.
    pub stage: Stage,
    /// The numbers.
    pub settings: Settings,
    /// The books.
    pub tally: Tally,
    pulls: Mutex<HashSet<MessageId>>,
}

/// The tasks that read inboxes; they end when this is dropped.
pub struct Readers(JoinSet<()>);

impl Readers {
    /// How many inboxes are read.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Drive {
    /// A simulation on a stage.
    pub fn new(stage: Stage, settings: Settings) -> Arc<Self> {
        Arc::new(Drive { stage, settings, tally: Tally::default(), pulls: Mutex::default() })
    }

    /// Opens everybody's inbox.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub async fn listen(self: &Arc<Self>) -> Result<Readers, ClientError> {
        let mut readers = JoinSet::new();
        for person in self.stage.cast.parties() {
            let client = self.stage.voice(person).clone();
            let inbox = recipient::open(&client).await?;
            readers.spawn(recipient::run(Arc::clone(self), client, inbox));
        }
        Ok(Readers(readers))
    }

    /// Sends the plan's steps until `stop`; returns when every step that was begun has its first outcome.
    pub async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        let mut plan = Plan::new(&self.settings);
        let room = Arc::new(Semaphore::new(self.settings.in_flight.max(1)));
        let mut tasks = JoinSet::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut due, per_tick) = (0.0f64, f64::from(self.settings.rate) * TICK.as_secs_f64());
        'steps: loop {
            if self.settings.rate == 0 {
                due = 64.0;
                if stop.is_cancelled() {
                    break;
                }
            } else {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = tick.tick() => due += per_tick,
                }
            }
            while due >= 1.0 {
                due -= 1.0;
                let place = tokio::select! {
                    () = stop.cancelled() => break 'steps,
                    place = Arc::clone(&room).acquire_owned() => place,
                };
                let Ok(place) = place else { break 'steps };
                let step = plan.next(&self.stage.cast);
                let drive = Arc::clone(self);
                tasks.spawn(async move {
                    drive.perform(step).await;
                    drop(place);
                });
                while tasks.try_join_next().is_some() {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Waits until every exchange has ended; at most `within`. True when all have.
    pub async fn settle(&self, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        while self.tally.unfinished() > 0 {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }

    /// True for the first request of a pull.
    pub(super) fn first_request(&self, pull: MessageId) -> bool {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        if pulls.len() >= PULLS_MAX {
            pulls.clear();
        }
        pulls.insert(pull)
    }

    async fn perform(&self, step: Step) {
        let expect = self.expect(&step);
        let (client, order) = order_of(&self.stage, &step);
        let id = client.message_id();
        let within = if step.mark == Mark::Silent { self.settings.expire_within } else { self.settings.settle_within };
        let order = order.id(id).settle_within(within);
        self.tally.begin(id, expect);
        let first = client.send(order.clone()).await;
        self.tally.first(id, &first);
        let Ok(first) = first else { return };
        match step.mistake {
            Some(Mistake::Replayed) => {
                let again = client.send(order).await;
                let same = again.as_ref().is_ok_and(|again| again.outcome == first.outcome && again.leaf == first.leaf);
                self.tally.judged(Mistake::Replayed, same, || format!("{first:?} and then {again:?}"));
            }
            Some(Mistake::Conflicting) => {
                let mut rng = StdRng::seed_from_u64(step.seed ^ 1);
                let other = records::body(&mut rng, &["rumpel/locations/ios"], Mark::Accept.as_str());
                let other = Order::on(order.subject(), other).id(id);
                let again = client.send(other).await;
                let reason = again.as_ref().err().and_then(ClientError::reason);
                if let Some(reason) = reason {
                    self.tally.refused_repeat(reason);
                }
                let found = reason == Some(Reason::Conflict);
                self.tally.judged(Mistake::Conflicting, found, || format!("{first:?} and then {again:?}"));
            }
            _ => {}
        }
        if step.mark == Mark::Hold
            && let Act::Credit { hat, .. } = step.act
        {
            let hat = self.stage.cast.hats[hat].person.id();
            self.tally.answered(&client.recall(hat, id).await);
        }
    }

    fn expect(&self, step: &Step) -> Expect {
        let parts = match &step.act {
            Act::Data { hat, endpoints } => {
                let debits = self.stage.cast.hats[*hat].debits.iter().map(|&debit| &self.stage.cast.debits[debit]);
                let selecting = debits.filter(|debit| debit.endpoints.iter().any(|e| endpoints.contains(e)));
                Some(selecting.map(|debit| debit.id.clone()).collect())
            }
            _ => None,
        };
        Expect {
            refusal: step.mistake.and_then(Mistake::refusal),
            end: step.mark.end(),
            // These two are judged by who makes them; what they open is an ordinary exchange.
            mistake: step.mistake.filter(|m| !matches!(m, Mistake::Replayed | Mistake::Conflicting)),
            parts,
        }
    }
}

/// Who sends what.
pub(super) fn order_of(stage: &Stage, step: &Step) -> (Client, Order) {
    let cast = &stage.cast;
    let mut rng = StdRng::seed_from_u64(step.seed);
    let mut body = |endpoints: &[&str]| records::body(&mut rng, endpoints, step.mark.as_str());
    match &step.act {
        Act::Credit { writer, hat, endpoints } => {
            let writer = &cast.writers[*writer].person;
            let hat = match step.mistake {
                Some(Mistake::UnknownHat) => nobody(),
                _ => cast.hats[*hat].person.id().clone(),
            };
            let voice = stage.voice(writer);
            let client = match step.mistake {
                Some(Mistake::BadSignature) => voice.speaking(writer.address.clone(), keys::generate()),
                _ => voice.clone(),
            };
            (client, Order::credit(&hat, writer.id(), body(endpoints)))
        }
        Act::Release { hat, debit, endpoints } => {
            let debit = match step.mistake {
                Some(Mistake::DebitNotFound) => nobody(),
                _ => cast.debits[*debit].id.clone(),
            };
            let hat = &cast.hats[*hat].person;
            (stage.voice(hat).clone(), Order::release(hat.id(), &debit, body(endpoints)))
        }
        Act::Data { hat, endpoints } => {
            let hat = &cast.hats[*hat].person;
            (stage.voice(hat).clone(), Order::data(hat.id(), body(endpoints)))
        }
        Act::Pull { hat, debit } => {
            let debit = &cast.debits[*debit];
            let ask = PullAsk {
                limit: Some(if step.mark == Mark::Silent { PULL_SILENT } else { 100 }),
                ..PullAsk::default()
            };
            let client = stage.voice(&debit.client).clone();
            (client, Order::pull(cast.hats[*hat].person.id(), &debit.id, &ask))
        }
    }
}

/// An id that nobody has.
fn nobody() -> Id {
    Id::new(&format!("nobody.{DOMAIN}")).expect("made of allowed characters")
}

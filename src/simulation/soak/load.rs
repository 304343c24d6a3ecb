//! The load of a soak: the plan's steps at a steady rate, each message repeated under its id until it has its
//! outcome, however often the exchange goes away.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, InboxOptions, Order, Refusal, ids};
use crate::domain::{MessageId, Reason, Timestamp};
use crate::simulation::drive::order_of;
use crate::simulation::mistakes::{Mark, Mistake};
use crate::simulation::plan::{Act, Plan, Settings, Step};
use crate::simulation::{Stage, records};
use crate::wire::OutcomeOut;

use super::recipient;
use super::witness::Witness;

/// Most messages of one leg: what is seen of each is kept until the end. The load ends there.
pub const SENT_MAX: u64 = 1_000_000;
/// How long one try to send waits before the message is sent again as it is.
const TRY: Duration = Duration::from_secs(5);
/// How long a message is repeated. Longer than any outage; who has no outcome by then never gets one.
pub const REPEAT_FOR: Duration = Duration::from_secs(60);
/// What a recipient holds and has not answered comes again from the broker after so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often steps are sent: a rate is met in portions.
const TICK: Duration = Duration::from_millis(10);

/// A load on an exchange that may go away at any time.
pub struct Load {
    /// Who plays.
    pub stage: Stage,
    /// The numbers.
    pub settings: Settings,
    /// What was seen.
    pub witness: Witness,
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

/// How one message was answered.
enum Answer {
    Outcome(Box<OutcomeOut>),
    Refused(Box<Refusal>),
    Nothing,
}

impl Load {
    /// A load on a stage.
    pub fn new(stage: Stage, settings: Settings) -> Arc<Self> {
        Arc::new(Load { stage, settings, witness: Witness::default(), pulls: Mutex::default() })
    }

    /// Opens everybody's inbox: durable, so that what was published while a reader was away is read.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub async fn listen(self: &Arc<Self>) -> Result<Readers, ClientError> {
        let mut readers = JoinSet::new();
        for person in self.stage.cast.parties() {
            let client = self.stage.voice(person).clone();
            let options = InboxOptions { answer_within: ANSWER_WITHIN, ..InboxOptions::default() };
            let inbox = client.inbox_with(options).await?;
            readers.spawn(recipient::run(Arc::clone(self), client, inbox));
        }
        Ok(Readers(readers))
    }

    /// Sends the plan's steps until `stop`; returns when every step that was begun has its outcome or was
    /// given up.
    pub async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        let mut plan = Plan::new(&self.settings);
        let room = Arc::new(Semaphore::new(self.settings.in_flight.max(1)));
        let mut tasks = JoinSet::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut due, mut sent, per_tick) = (0.0f64, 0, f64::from(self.settings.rate) * TICK.as_secs_f64());
        'steps: while sent < SENT_MAX {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => due += per_tick,
            }
            while due >= 1.0 {
                due -= 1.0;
                let place = tokio::select! {
                    () = stop.cancelled() => break 'steps,
                    place = Arc::clone(&room).acquire_owned() => place,
                };
                let Ok(place) = place else { break 'steps };
                let step = plan.next(&self.stage.cast);
                let load = Arc::clone(self);
                sent += 1;
                tasks.spawn(async move {
                    load.perform(step).await;
                    drop(place);
                });
                while tasks.try_join_next().is_some() {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Sends one ordinary message now; how long its first outcome took. `None`: none came in time.
    pub async fn probe(&self, number: u64, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        let endpoints = vec!["rumpel/notablesv1"];
        let writer = self.stage.cast.writers.len() - 1;
        let hat = usize::try_from(number).unwrap_or(0) % self.stage.cast.hats.len();
        let seed = self.settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
        let act = Act::Credit { writer, hat, endpoints };
        let step = Step { act, mark: Mark::Accept, mistake: None, seed };
        tokio::time::timeout(within, self.perform(step)).await.ok().map(|()| began.elapsed())
    }

    /// Waits until every message has its outcome and every exchange its end; at most `within`.
    pub async fn settle(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.witness.unfinished() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }

    async fn perform(&self, step: Step) {
        let (client, order) = order_of(&self.stage, &step);
        let id = client.message_id();
        let within = if step.mark == Mark::Silent { self.settings.expire_within } else { self.settings.settle_within };
        // An instant, not a span: every repeat is the same message.
        let deadline = ids::now().plus(i64::try_from(within.as_nanos()).unwrap_or(i64::MAX));
        let order = order.id(id).settle_by(deadline);
        self.witness.sent(id);
        let first = self.until_answered(&client, &order).await;
        let planned = step.mistake.and_then(Mistake::refusal);
        self.first(id, &first, planned, deadline);
        let Answer::Outcome(first) = first else { return };
        match step.mistake {
            Some(Mistake::Replayed) => {
                if let Answer::Outcome(again) = self.until_answered(&client, &order).await
                    && (again.outcome != first.outcome || again.leaf != first.leaf)
                {
                    self.witness.stray(format!("{id} was {first:?} and, sent again, {again:?}"));
                }
            }
            Some(Mistake::Conflicting) => {
                let mut rng = StdRng::seed_from_u64(step.seed ^ 1);
                let other = records::body(&mut rng, &["rumpel/locations/ios"], Mark::Accept.as_str());
                let other = Order::on(order.subject(), other).id(id);
                if let Answer::Outcome(taken) = self.until_answered(&client, &other).await {
                    self.witness.stray(format!("{id} was taken again with other content: {taken:?}"));
                }
            }
            _ => {}
        }
        if step.mark == Mark::Hold
            && let Act::Credit { hat, .. } = step.act
        {
            let hat = self.stage.cast.hats[hat].person.id();
            // It may have ended meanwhile; whatever is said of the recall is on record.
            let recall = Order::recall(hat, id).id(client.message_id());
            self.until_answered(&client, &recall).await;
        }
    }

    fn first(&self, id: MessageId, answer: &Answer, planned: Option<Reason>, deadline: Timestamp) {
        match answer {
            Answer::Outcome(outcome) => {
                self.witness.answered(id, outcome);
                if let Some(reason) = planned {
                    self.witness.stray(format!("{id} is {}, expected {reason}", outcome.outcome.status));
                }
            }
            Answer::Refused(refusal) => {
                self.witness.refused(id, refusal.outcome.as_ref());
                // A deadline that is too near, or has passed, when the message is stored at last.
                let late = refusal.reason == Reason::Malformed && deadline.since(ids::now()) < 2_000_000_000;
                if planned != Some(refusal.reason) && !late {
                    let why = refusal.detail.as_deref().unwrap_or_default();
                    self.witness.stray(format!("{id} was refused as {} {why}, planned {planned:?}", refusal.reason));
                }
            }
            // It stays unanswered, and is told as such at the end.
            Answer::Nothing => {}
        }
    }

    /// Sends the same message until an answer comes.
    async fn until_answered(&self, client: &Client, order: &Order) -> Answer {
        let give_up = Instant::now() + REPEAT_FOR;
        while Instant::now() < give_up {
            match client.send(order.clone().wait(TRY)).await {
                Ok(outcome) => {
                    self.witness.told(&outcome);
                    return Answer::Outcome(Box::new(outcome));
                }
                Err(ClientError::Refused(refusal)) => {
                    if let Some(outcome) = &refusal.outcome {
                        self.witness.told(outcome);
                    }
                    // These pass by themselves.
                    if matches!(refusal.reason, Reason::Internal | Reason::OverQuota | Reason::RecipientOverQuota) {
                        tokio::time::sleep(TICK).await;
                        if refusal.outcome.is_none() {
                            continue;
                        }
                    }
                    return Answer::Refused(refusal);
                }
                Err(ClientError::Timeout { .. } | ClientError::Broker(_) | ClientError::NoAnswer { .. }) => {}
                Err(error) => {
                    self.witness.stray(format!("a message could not be sent: {error}"));
                    return Answer::Nothing;
                }
            }
        }
        Answer::Nothing
    }

    /// A HAT answers a pull, once.
    pub(super) async fn release(&self, client: &Client, request: crate::client::Request) {
        if !self.pulls.lock().unwrap_or_else(PoisonError::into_inner).insert(request.pull) {
            return;
        }
        let Some(debit) = self.stage.cast.debits.iter().find(|debit| debit.id == request.debit) else {
            self.witness.stray(format!("a request under {}, which nobody has", request.debit));
            return;
        };
        let seed = request.pull.0.as_u64_pair();
        let mut rng = StdRng::seed_from_u64(seed.0 ^ seed.1);
        let body = records::body(&mut rng, debit.endpoints, Mark::Accept.as_str());
        let id = client.message_id();
        let within = self.settings.settle_within;
        let deadline = ids::now().plus(i64::try_from(within.as_nanos()).unwrap_or(i64::MAX));
        self.witness.sent(id);
        let answer = self.until_answered(client, &request.order(body).id(id).settle_by(deadline)).await;
        match &answer {
            // The pull may have expired before the release was decided.
            Answer::Refused(refusal) if matches!(refusal.reason, Reason::WrongState | Reason::NotFound) => {
                self.witness.refused(id, refusal.outcome.as_ref());
            }
            _ => self.first(id, &answer, None, deadline),
        }
    }
}

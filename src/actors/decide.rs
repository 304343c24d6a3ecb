//! Step 3: each entity decides its part under a guard; a part that panicked is held back for a fresh
//! state.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;

use super::entity::{Answer, Ask, Panicked, guarded, judge};
use super::partition::Partition;
use super::route::Routed;
use super::supervisor::{Exit, hand};
use super::work::Work;
use crate::domain::entry::ENTRY_VERSION;
use crate::domain::time::SECOND;
use crate::domain::{Action, Address, Decision, Entity as _, Entry, Event, Known, Reason, seal};
use crate::telemetry::events::TracedMessage;

/// After how long a deadline comes again whose entity could not be served.
const POSTPONE: i64 = 5 * SECOND;

/// What a round came to.
#[derive(Default)]
pub struct Decided {
    /// Entries in order of each entity, with content to spool.
    pub entries: Vec<(Entry, Option<Bytes>)>,
    /// Messages whose first outcome is to be told again.
    pub repeats: Vec<Work>,
    /// Entities with entries here.
    pub entities: Vec<Address>,
}

impl Partition {
    /// Decides one round.
    pub(super) async fn decide(&mut self, routed: Routed) -> Decided {
        let started = Instant::now();
        let mut decided = Decided::default();
        let mut unserved = Vec::new();
        let mut handed = Vec::with_capacity(routed.parts.len());
        let mut works_of = Vec::with_capacity(routed.parts.len());
        for (entity, works) in routed.parts {
            if entity == self.lane {
                self.decide_own(works, &mut decided);
                continue;
            }
            let gone = self.supervisor.borrow().gone_in_flight(&entity);
            if gone {
                self.drain().await;
            }
            let seat = self.supervisor.borrow_mut().seat(&entity);
            let Some(recipient) = seat else {
                unserved.extend(works);
                continue;
            };
            let asks: Vec<Ask> = works.iter().map(|work| work.ask.clone()).collect();
            handed.push(hand(recipient, asks, self.now, self.shared.bounds.stride));
            works_of.push((entity, works));
        }
        let messages = works_of.iter().map(|(_, works)| works.len()).sum();
        self.shared.board.handed(self.number, messages);
        let answers = join_all(handed).await;
        self.shared.board.answered(self.number, messages);
        let mut broken = Vec::new();
        for ((entity, works), result) in works_of.into_iter().zip(answers) {
            let mut works = works.into_iter();
            let mut panicked = None;
            match result {
                Ok(answers) => {
                    let before = decided.entries.len();
                    if let Some(wake) = answers.wake {
                        self.books.borrow_mut().wakes.set(&entity, wake);
                    }
                    for answer in answers.answers {
                        if let Some(work) = works.next() {
                            self.book(work, answer, &mut decided);
                        }
                    }
                    if decided.entries.len() > before {
                        decided.entities.push(entity.clone());
                    }
                    if answers.panicked {
                        panicked = Some(Exit::Panicked);
                    }
                }
                Err(exit) => panicked = Some(exit),
            }
            if let Some(exit) = panicked {
                // What it would have said of the time is lost with it: it is asked again.
                self.books.borrow_mut().wakes.ask(&entity);
                broken.push((entity, exit, works.collect::<Vec<Work>>()));
            }
        }
        for work in unserved {
            self.give_up(&work, &mut decided);
        }
        crate::telemetry::path().decide_seconds.record(started.elapsed().as_secs_f64());
        if !broken.is_empty() {
            self.mend(broken, &mut decided).await;
        }
        decided
    }

    /// Entities whose core panicked: what they decided before is committed first, then they are loaded
    /// anew and the offending message is tried once more, alone. If it fails again the partition
    /// answers it `internal` and keeps it as a dead letter.
    async fn mend(&mut self, broken: Vec<(Address, Exit, Vec<Work>)>, decided: &mut Decided) {
        let undecided = broken.iter().flat_map(|(_, _, works)| works).filter_map(|w| w.sequence).min();
        self.commit_before(std::mem::take(decided), undecided).await;
        self.drain().await;
        for (entity, exit, works) in broken {
            let mut works = works.into_iter();
            let Some(offending) = works.next() else { continue };
            self.held.extend(works);
            let wait = self.supervisor.borrow_mut().restart(&entity, exit);
            let Some(wait) = wait else {
                self.give_up(&offending, decided);
                continue;
            };
            tokio::time::sleep(wait).await;
            let seat = self.supervisor.borrow_mut().seat(&entity);
            let Some(recipient) = seat else {
                self.give_up(&offending, decided);
                continue;
            };
            let alone = hand(recipient, vec![offending.ask.clone()], self.now, 1).await;
            match alone {
                Ok(answers) if !answers.panicked => {
                    let before = decided.entries.len();
                    if let Some(wake) = answers.wake {
                        self.books.borrow_mut().wakes.set(&entity, wake);
                    }
                    for answer in answers.answers {
                        self.book(offending.clone(), answer, decided);
                    }
                    if decided.entries.len() > before {
                        decided.entities.push(entity);
                    }
                }
                failed => {
                    let exit = failed.err().unwrap_or(Exit::Panicked);
                    // Nothing of it is in flight, so it can be loaded anew at its next message.
                    if self.supervisor.borrow_mut().restart(&entity, exit).is_none() {
                        tracing::warn!(kind = %entity.kind, "an entity is quarantined");
                    }
                    self.give_up(&offending, decided);
                }
            }
        }
    }

    /// Books an answer.
    fn book(&mut self, work: Work, answer: Answer, decided: &mut Decided) {
        if let Some(trace) = work.trace {
            let id = work.ask.command.cause.as_ref().map(|cause| cause.id);
            TracedMessage { partition: self.number, trace, id, answer: answer.name() }.emit();
        }
        match answer {
            Answer::Record(entries) => {
                // A conflict is not what its id stands for: the first message is.
                let first = work.ask.known != Known::Other;
                if let (true, Some(key), Some(cause)) = (first, work.key, &work.ask.command.cause) {
                    self.books.borrow_mut().recents.fly(key, cause);
                }
                decided.entries.extend(entries);
            }
            Answer::Repeat => decided.repeats.push(work),
            Answer::Anonymous(reason) => {
                let id = work.ask.command.cause.as_ref().map(|cause| cause.id);
                if let Some(sequence) = work.sequence {
                    self.refuse(
                        sequence,
                        work.ask.command.stored_at,
                        reason,
                        id,
                        work.reply,
                        reason.explanation().to_owned(),
                    );
                }
            }
            Answer::Wait(_) | Answer::Nothing => {}
        }
    }

    /// Decides messages that are the partition's own.
    fn decide_own(&mut self, works: Vec<Work>, decided: &mut Decided) {
        for work in works {
            let lane = self.lane.clone();
            match guarded(&self.shared, &lane, &mut self.lane_state, &work.ask, self.now) {
                Ok(answer) => self.book(work, answer, decided),
                Err(Panicked) => {
                    // The lane's state is a counter: what was decided before stands.
                    self.give_up(&work, decided);
                }
            }
        }
    }

    /// A message that cannot be worked on: `rejected internal` and a dead letter, by the partition. Its
    /// sender is authenticated all the same: nobody else gets an entry, or an answer in another's name.
    fn give_up(&mut self, work: &Work, decided: &mut Decided) {
        let command = &work.ask.command;
        let Some(cause) = &command.cause else {
            if let Action::Deadline { delivery } = command.action {
                // The exchange must end all the same: its time comes again.
                self.books.borrow_mut().postpone(delivery, self.now.plus(POSTPONE));
            }
            if command.action == Action::Wake {
                self.books.borrow_mut().wakes.set(&work.entity, Some(self.now.plus(POSTPONE)));
            }
            return;
        };
        let lane = self.lane.clone();
        let judged =
            catch_unwind(AssertUnwindSafe(|| judge(&self.shared, &lane, &self.lane_state, &work.ask, self.now)));
        match judged {
            // What a lane says of a message that is well in order.
            Ok(decision) if [Reason::NotFound, Reason::NotPermitted].map(Decision::rejected).contains(&decision) => {}
            Ok(Decision::Record(drafts)) => {
                let sealed = seal(&lane, self.lane_state.n() + 1, command, drafts);
                for (entry, _) in &sealed {
                    self.lane_state.apply(entry);
                }
                return self.book(work.clone(), Answer::Record(sealed), decided);
            }
            Ok(Decision::Repeat) => return self.book(work.clone(), Answer::Repeat, decided),
            Ok(Decision::Anonymous(reason)) => return self.book(work.clone(), Answer::Anonymous(reason), decided),
            Ok(Decision::Nothing | Decision::Wait(_)) => return,
            Err(_) => return self.book(work.clone(), Answer::Anonymous(Reason::Internal), decided),
        }
        let dead = Event::DeadLetter {
            subject: cause.subject.clone(),
            sequence: work.sequence.unwrap_or(0),
            body: cause.body,
            reason: Reason::Internal,
        };
        let rejected = Event::Rejected { reason: Reason::Internal };
        if let Some(key) = work.key {
            self.books.borrow_mut().recents.fly(key, cause);
        }
        let cause = cause.clone();
        let at = command.stored_at;
        let entry = self.own_entry(rejected, at, Some(cause));
        decided.entries.push((entry, None));
        let entry = self.own_entry(dead, at, None);
        decided.entries.push((entry, None));
    }

    /// An entry of the partition itself.
    pub(super) fn own_entry(
        &mut self,
        event: Event,
        at: crate::domain::Timestamp,
        cause: Option<crate::domain::Cause>,
    ) -> Entry {
        let entry = Entry {
            v: ENTRY_VERSION,
            entity: self.lane.clone(),
            n: self.lane_state.n() + 1,
            at,
            cause,
            basis: Vec::new(),
            event,
        };
        self.lane_state.apply(&entry);
        entry
    }
}

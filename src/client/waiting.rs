//! Who waits for which answer on the client's one inbox.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, StatusCode};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::wire::problem::PROBLEM_TYPE;
use crate::wire::{OutcomeOut, Problem, header};

/// Answers kept for one waiter; more (repeats) are dropped.
const ANSWERS: usize = 8;
/// Begins the token of what the exchange answers.
const ANSWER: char = 'r';
/// Begins the token of what the broker answers to a publication.
const STORED: char = 's';

/// What came for a waiter.
#[derive(Debug)]
pub enum Answer {
    /// The first outcome.
    Outcome(Box<OutcomeOut>),
    /// A refusal without an entry, or a failed query.
    Problem(Box<Problem>),
    /// The broker holds the message.
    Stored,
    /// The broker does not.
    NotStored(String),
    /// Anything else: a query's answer.
    Plain(Message),
}

type Table = HashMap<u64, mpsc::Sender<Answer>>;

/// The table of waiters. Bounded by the window of the connection.
#[derive(Debug, Default)]
pub struct Waiting {
    next: AtomicU64,
    table: Mutex<Table>,
}

impl Waiting {
    /// A new waiter, taken out of the table when dropped.
    pub fn enter(self: &Arc<Self>) -> Waiter {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answers) = mpsc::channel(ANSWERS);
        self.table().insert(number, sender);
        Waiter { waiting: Arc::clone(self), number, answers }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a message on the inbox to its waiter. One that nobody waits for any more is dropped.
    pub fn hand(&self, message: Message) {
        let token = message.subject.rsplit('.').next().unwrap_or("");
        let kind = token.chars().next();
        let Some(number) = token.get(1..).and_then(|n| n.parse::<u64>().ok()) else {
            return;
        };
        let Some(sender) = self.table().get(&number).cloned() else {
            return;
        };
        let answer = match kind {
            Some(STORED) => stored(&message),
            Some(ANSWER) => answer(message),
            _ => return,
        };
        // A full channel holds an answer already: this one is a repeat.
        drop(sender.try_send(answer));
    }
}

/// One call that waits.
#[derive(Debug)]
pub struct Waiter {
    waiting: Arc<Waiting>,
    number: u64,
    answers: mpsc::Receiver<Answer>,
}

impl Waiter {
    /// Where the exchange answers to.
    pub fn answer_to(&self, inbox: &str) -> String {
        format!("{inbox}.{ANSWER}{}", self.number)
    }

    /// Where the broker says whether it holds the message.
    pub fn stored_to(&self, inbox: &str) -> String {
        format!("{inbox}.{STORED}{}", self.number)
    }

    /// The next answer.
    pub async fn next(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // The table holds the sender for as long as this waiter lives.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.table().remove(&self.number);
    }
}

#[derive(Deserialize)]
struct PubAck {
    error: Option<PubError>,
}

#[derive(Deserialize)]
struct PubError {
    #[serde(default)]
    description: String,
}

fn stored(message: &Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::NotStored("no stream takes this subject".into());
    }
    match serde_json::from_slice::<PubAck>(&message.payload) {
        Ok(PubAck { error: None }) => Answer::Stored,
        Ok(PubAck { error: Some(error) }) => Answer::NotStored(error.description),
        Err(error) => Answer::NotStored(format!("an acknowledgement that cannot be read: {error}")),
    }
}

fn answer(message: Message) -> Answer {
    let kind = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(header::CONTENT_TYPE))
        .map(|value| value.as_str().to_owned());
    if kind.as_deref() == Some(PROBLEM_TYPE)
        && let Ok(problem) = serde_json::from_slice(&message.payload)
    {
        return Answer::Problem(Box::new(problem));
    }
    match serde_json::from_slice(&message.payload) {
        Ok(outcome) => Answer::Outcome(Box::new(outcome)),
        Err(_) => match serde_json::from_slice(&message.payload) {
            Ok(problem) => Answer::Problem(Box::new(problem)),
            Err(_) => Answer::Plain(message),
        },
    }
}

//! Sends one message: signed once, repeated under the same id until its first outcome comes.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{MessageId, Status};
use crate::wire::{MessageOptions, OutcomeOut, Outgoing, outgoing};

use super::Client;
use super::error::{ClientError, Refusal};
use super::order::{Deadline, Order};
use super::waiting::{Answer, Waiter};
use super::{headers, ids};

/// Pause before the first repeat.
const REPEAT_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before a repeat of a message that the broker has not confirmed.
const REPEAT_MAX: Duration = Duration::from_secs(2);
/// Longest pause once the broker holds the message: then a repeat only asks again, and an exchange under
/// load should not be asked often.
const ASK_MAX: Duration = Duration::from_secs(8);

impl Client {
    /// Sends a message and waits for its first outcome. Thousands may wait at once; beyond the window
    /// of the connection a call waits for room first, within its own deadline.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the exchange rejects it, [`ClientError::Timeout`] when no outcome
    /// came: the id in it tells what to trace or to send again.
    pub async fn send(&self, order: Order) -> Result<OutcomeOut, ClientError> {
        let wait = order.wait.unwrap_or(self.hub.call_deadline);
        let id = order.id.unwrap_or_else(|| self.message_id());
        let deadline = Instant::now() + wait;
        let timeout = |stored| ClientError::Timeout { id, waited: wait, stored };
        let room = tokio::time::timeout_at(deadline, self.hub.window.acquire()).await;
        let _room = room.map_err(|_| timeout(false))?.map_err(|error| ClientError::Broker(error.to_string()))?;
        let mut waiter = self.hub.waiting.enter();
        let message = self.sign(&order, id, Some(waiter.answer_to(&self.hub.inbox)))?;
        let mut pause = REPEAT_FIRST;
        let mut stored = false;
        while Instant::now() < deadline {
            let published = self.publish(&message, &waiter);
            match tokio::time::timeout_at(deadline, published).await {
                Ok(sent) => sent?,
                Err(_) => break,
            }
            let mut again = Instant::now() + pause;
            // Answers until the time to repeat.
            while let Ok(answer) = tokio::time::timeout_at(again.min(deadline), waiter.next()).await {
                match answer {
                    Answer::Outcome(outcome) => return judge(id, *outcome),
                    Answer::Problem(problem) => {
                        return Err(ClientError::Refused(Box::new(Refusal::from_problem(id, *problem))));
                    }
                    Answer::Stored => {
                        // The acknowledgement of a repeat leaves the pause of that repeat as it is.
                        if !stored {
                            stored = true;
                            pause = REPEAT_MAX;
                            again = again.max(Instant::now() + pause);
                        }
                    }
                    Answer::NotStored(why) => {
                        tracing::debug!(%id, %why, "the broker did not take a message, it is sent again");
                    }
                    Answer::Plain(message) => {
                        let shown: String = String::from_utf8_lossy(&message.payload).chars().take(200).collect();
                        return Err(ClientError::Form(shown));
                    }
                }
            }
            pause = (pause * 2).min(if stored { ASK_MAX } else { REPEAT_MAX });
        }
        Err(timeout(stored))
    }

    /// The signed message.
    fn sign(&self, order: &Order, id: MessageId, reply: Option<String>) -> Result<Outgoing, ClientError> {
        let signer = self.voice.signer.as_ref().ok_or(ClientError::NoSigner)?;
        let options = MessageOptions {
            deadline: order.deadline.map(|deadline| match deadline {
                Deadline::At(instant) => instant,
                Deadline::In(span) => ids::now().plus(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
            }),
            reply,
            want_proof: order.want_proof,
            pull: order.pull,
            job: order.job,
        };
        Ok(outgoing::message_on(
            signer,
            &self.hub.origin,
            &self.voice.party,
            order.subject.clone(),
            id,
            &options,
            order.body.clone(),
        ))
    }

    async fn publish(&self, message: &Outgoing, waiter: &Waiter) -> Result<(), ClientError> {
        let stored_to = waiter.stored_to(&self.hub.inbox);
        let sent = self.hub.link.client.publish_with_reply_and_headers(
            message.subject.clone(),
            stored_to,
            headers::of(message),
            message.payload.clone(),
        );
        sent.await.map_err(|error| ClientError::Broker(error.to_string()))
    }
}

pub(super) fn judge(id: MessageId, outcome: OutcomeOut) -> Result<OutcomeOut, ClientError> {
    if outcome.outcome.status != Status::Rejected {
        return Ok(outcome);
    }
    let Some(reason) = outcome.outcome.reason else {
        return Err(ClientError::Form(format!("message {id} was rejected without a reason")));
    };
    Err(ClientError::Refused(Box::new(Refusal { id, reason, detail: None, outcome: Some(outcome) })))
}

//! Step 1: pull, read each message's headers once, verify the signatures of the whole batch.

use std::time::Instant;

use super::entity::Ask;
use super::partition::Partition;
use super::source::Pulled;
use super::work::{Refusal, Work};
use crate::domain::{Key, Known, MessageId, Reason, Signature, Timestamp};
use crate::ledger::Position;
use crate::nats::HeaderView;
use crate::store::IndexKey;
use crate::telemetry::events;
use crate::wire::{HeaderSource, Incoming, Raw, Refused, TraceContext, decode, header, verify_batch_of};

/// A message that is well formed, with its place in the stream and in its sender's trace.
type Came = (u64, Incoming, Option<TraceContext>);

impl Partition {
    /// The next works: what was held back first, then local commands, then messages.
    pub(super) async fn intake(&mut self) -> Vec<Work> {
        if !self.held.is_empty() {
            return self.held.drain(..).collect();
        }
        let mut local = Vec::new();
        while let Ok(work) = self.local.try_recv() {
            local.push(work);
        }
        if !local.is_empty() {
            return local;
        }
        let pulled = self.source.next(&self.shared, self.number, &mut self.track).await;
        let Pulled { messages, reopened } = pulled;
        if reopened {
            self.frontier = Timestamp(i64::MIN);
        }
        if messages.is_empty() {
            return Vec::new();
        }
        let metrics = crate::telemetry::path();
        metrics.intake_messages.increment(messages.len() as u64);
        metrics.intake_batch.record(messages.len() as f64);
        self.admit(messages)
    }

    /// Decodes and verifies; what fails is counted and answered to the waiting caller.
    fn admit(&mut self, messages: Vec<crate::nats::Raw>) -> Vec<Work> {
        let limits = self.shared.limits.load_full();
        let mut incoming: Vec<Came> = Vec::with_capacity(messages.len());
        for message in messages {
            let stored_at = Timestamp(message.stored_at_ns);
            self.frontier = self.frontier.max(stored_at);
            self.now = self.now.max(stored_at);
            let sequence = message.stream_sequence;
            let source = HeaderView::of(message.headers.as_ref());
            let id = source.all(header::ID).next().and_then(|id| id.parse::<MessageId>().ok());
            self.track.pass(Position {
                stream_created: self.source.stream_created(),
                sequence,
                id: id.map_or([0; 16], |id| *id.0.as_bytes()),
                stored_at: message.stored_at_ns,
            });
            let raw = Raw {
                stored_subject: &message.subject,
                headers: &source,
                payload: message.payload.clone(),
                stored_at,
                header_bytes: source.wire_bytes(),
            };
            match decode(&raw, &limits, &self.shared.origin, !self.shared.trusted_broker) {
                Ok(decoded) => incoming.push((sequence, decoded, TraceContext::of(&source))),
                Err(refused) => {
                    let Refused { reason, id, reply, detail, .. } = *refused;
                    self.refuse(sequence, stored_at, reason, id, reply, detail);
                }
            }
        }
        self.verify(incoming)
    }

    /// Verifies signatures in one batch.
    fn verify(&mut self, incoming: Vec<Came>) -> Vec<Work> {
        let started = Instant::now();
        let mut signed: Vec<(Key, Signature, &[u8])> = Vec::with_capacity(incoming.len());
        for (_, message, _) in &incoming {
            if let Some(item) = message.to_verify() {
                signed.push(item);
            }
        }
        let verdicts = verify_batch_of(&signed, &mut self.known_keys, &mut rand::thread_rng());
        drop(signed);
        crate::telemetry::path().verify_seconds.record(started.elapsed().as_secs_f64());
        let mut verdicts = verdicts.into_iter();
        let mut works = Vec::with_capacity(incoming.len());
        for (sequence, message, trace) in incoming {
            let has_signature = message.to_verify().is_some();
            let Incoming { command, reply, want_proof, .. } = message;
            let Some(cause) = &command.cause else { continue };
            if has_signature && !verdicts.next().unwrap_or(false) {
                let id = Some(cause.id);
                let detail =
                    "the signature does not fit the message and its Dex-Key: docs/protocol.md tells the text to sign"
                        .to_owned();
                self.refuse(sequence, command.stored_at, Reason::BadSignature, id, reply, detail);
                continue;
            }
            let key = IndexKey::message(&command.addressed, &cause.from, cause.id);
            works.push(Work {
                entity: command.addressed.clone(),
                key: Some(key),
                sequence: Some(sequence),
                reply,
                want_proof,
                trace,
                ask: Ask { command, known: Known::New },
            });
        }
        works
    }

    /// Counts a refusal of a sender who is not authenticated, and answers the waiting caller.
    pub(super) fn refuse(
        &mut self,
        sequence: u64,
        stored_at: Timestamp,
        reason: Reason,
        id: Option<MessageId>,
        reply: Option<smol_str::SmolStr>,
        detail: String,
    ) {
        events::Refused { reason, detail: &detail }.emit();
        self.anonymous.count(reason, sequence, stored_at);
        if let Some(reply) = reply {
            self.refusals.push(Refusal { reply, id, reason, detail });
        }
    }
}

//! The driver of a publisher: sends from the window, reads acks, and after a failure probes with one message before it resends.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use async_nats::{Client, Message, Subscriber, connection::State};
use futures_util::{FutureExt, StreamExt};
use tokio::{sync::watch, time::Instant};

use super::{
    PublishStatus, PublisherOptions, Ticket,
    ack::{self, Answer},
    window::Shared,
};

/// Messages sent between two looks at the acks.
const SEND_BURST: usize = 128;
/// Acks read between two looks at what is to be sent.
const ACK_BURST: usize = 1024;
/// How often time-outs and reconnects are looked for.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Driver {
    client: Client,
    /// Acks come to `<inbox>.<ticket>_<round>`.
    inbox: String,
    acks: Subscriber,
    shared: Arc<Shared>,
    options: PublisherOptions,
    status: watch::Sender<PublishStatus>,
    acked: watch::Sender<Ticket>,
    /// Goes up at each resend, so that a late failure of an earlier round is not taken for one of this round.
    round: u64,
    /// While probing only the first un-acked message is sent.
    probing: bool,
    /// Until then nothing is sent.
    paused_until: Option<Instant>,
    backoff: Duration,
    /// When the acks last moved, or the first message was sent after a quiet time.
    progress: Instant,
    connects: u64,
}

impl Driver {
    pub(super) fn new(
        client: &Client,
        inbox: String,
        acks: Subscriber,
        shared: Arc<Shared>,
        options: PublisherOptions,
        status: watch::Sender<PublishStatus>,
        acked: watch::Sender<Ticket>,
    ) -> Self {
        let connects = client.statistics().connects.load(Ordering::Relaxed);
        let backoff = options.min_backoff;
        Self {
            client: client.clone(),
            inbox,
            acks,
            shared,
            options,
            status,
            acked,
            round: 0,
            probing: false,
            paused_until: None,
            backoff,
            progress: Instant::now(),
            connects,
        }
    }

    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if !self.send_some().await {
                break;
            }
            let more = self.may_send() && self.shared.lock().unsent() && !self.probing;
            let ack = if more {
                // There is more to send: only take the acks that are here already.
                match tokio::task::unconstrained(self.acks.next()).now_or_never() {
                    Some(ack) => ack,
                    None => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
            } else {
                let paused_until = self.paused_until;
                tokio::select! {
                    biased;
                    ack = self.acks.next() => ack,
                    () = self.shared.work.notified() => continue,
                    () = until(paused_until) => { self.paused_until = None; continue }
                    _ = tick.tick() => { self.look_for_silence(); continue }
                }
            };
            let Some(ack) = ack else { break };
            self.take_acks(ack);
            self.look_for_silence();
        }
        self.shared.lock().close();
        self.shared.room.notify_waiters();
    }

    fn may_send(&self) -> bool {
        self.paused_until.is_none()
    }

    /// Sends what may be sent now, a burst at most. False when the client is closed.
    async fn send_some(&mut self) -> bool {
        if self.may_send() && self.client.connection_state() != State::Connected {
            // The client would buffer what it cannot send, and block us once its buffer is full.
            let window = self.shared.lock();
            if window.unsent() || window.awaiting() {
                drop(window);
                self.set_status(PublishStatus::Unreachable);
            }
            self.paused_until = Some(Instant::now() + TICK);
            return true;
        }
        for _ in 0..SEND_BURST {
            if !self.may_send() {
                return true;
            }
            let next = {
                let mut window = self.shared.lock();
                if !window.awaiting() {
                    self.progress = Instant::now();
                }
                let limit = if self.probing { window.first() + 1 } else { Ticket::MAX };
                window.next_to_send(limit)
            };
            let Some((ticket, subject, headers, payload)) = next else {
                return true;
            };
            let reply = format!("{}.{ticket}_{}", self.inbox, self.round);
            let sent = self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await;
            if let Err(error) = sent {
                match error.kind() {
                    async_nats::client::PublishErrorKind::Send => return false,
                    // The limits of the server changed under us, at a reconnect.
                    _ => self.shared.lock().refused(ticket, 0, error.to_string()),
                }
                self.publish_progress();
            }
        }
        true
    }

    /// Takes an ack and all that are ready behind it.
    fn take_acks(&mut self, first: Message) {
        let mut message = first;
        let mut fault = None;
        let mut good = false;
        for taken in 1.. {
            if let Some((ticket, round)) = self.ticket_of(&message) {
                match ack::read(&message) {
                    Answer::Stored(sequence) => {
                        good |= self.shared.lock().stored(ticket, sequence) && round == self.round
                    }
                    Answer::Refused { code, reason } => {
                        tracing::warn!(ticket, code, reason, "message refused by its stream");
                        self.shared.lock().refused(ticket, code, reason);
                        good = true;
                    }
                    Answer::Retry(status) if round == self.round => fault = Some(status),
                    Answer::Retry(_) => {}
                }
            }
            // Looked at only while there is room in the burst: an ack taken off the queue must be handled.
            if taken == ACK_BURST {
                break;
            }
            match tokio::task::unconstrained(self.acks.next()).now_or_never().flatten() {
                Some(next) => message = next,
                None => break,
            }
        }
        self.publish_progress();
        if let Some(status) = fault {
            self.fail(status);
        } else if good {
            self.recover();
        }
    }

    /// Ticket and round of an ack, from the last token of its subject.
    fn ticket_of(&self, message: &Message) -> Option<(Ticket, u64)> {
        let (ticket, round) = message.subject.strip_prefix(self.inbox.as_str())?.strip_prefix('.')?.split_once('_')?;
        Some((ticket.parse().ok()?, round.parse().ok()?))
    }

    fn publish_progress(&mut self) {
        let through = self.shared.lock().advance();
        let moved = self.acked.send_if_modified(|known| std::mem::replace(known, through) != through);
        if moved {
            self.progress = Instant::now();
            self.shared.room.notify_waiters();
        }
    }

    /// Stops, and after a pause sends one message to see whether it goes again.
    fn fail(&mut self, status: PublishStatus) {
        self.shared.lock().rewind();
        self.round += 1;
        self.probing = true;
        self.paused_until = Some(Instant::now() + self.backoff);
        self.backoff = (self.backoff * 2).min(self.options.max_backoff);
        self.set_status(status);
    }

    fn recover(&mut self) {
        self.probing = false;
        self.backoff = self.options.min_backoff;
        self.set_status(PublishStatus::Healthy);
    }

    fn set_status(&self, status: PublishStatus) {
        let changed = self.status.send_if_modified(|known| std::mem::replace(known, status) != status);
        if changed {
            tracing::info!(?status, "publishing");
        }
    }

    /// A connection that went and came back, or acks that do not come.
    fn look_for_silence(&mut self) {
        if self.paused_until.is_some() {
            return;
        }
        let connects = self.client.statistics().connects.load(Ordering::Relaxed);
        let awaiting = self.shared.lock().awaiting();
        if connects != self.connects {
            self.connects = connects;
            if awaiting {
                self.fail(PublishStatus::Unreachable);
            }
        } else if awaiting && self.progress.elapsed() > self.options.ack_timeout {
            self.fail(PublishStatus::Unreachable);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! Distrust of `DEX_OUT`: now and then a mark of our own goes into it, which says how far it goes. A mark
//! that is not where we left it, or a sequence that goes back, means that the stream has lost messages.
//!
//! Each mark is stored only if the one before is the newest on its subject still (the broker compares),
//! so no mark ever covers a hole that was there before it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::context::traits::Publisher;
use async_nats::jetstream::message::PublishMessage;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::heal::Lost;
use super::mark_file;
use super::shared::Shared;
use crate::domain::{MessageId, Timestamp};
use crate::nats::publish::PublishCounts;
use crate::nats::streams::{self, DEX_IN, DEX_OUT, StreamIdentity};
use crate::nats::{BatchPublisher, Known, Link, Loss, distrust, header_map, lookup};
use crate::telemetry::events::{OutputLost, StreamMadeAgain};
use crate::wire::{header, message_id_v7, outgoing, subject};

/// How often the stream is looked at and marked.
const EVERY: Duration = Duration::from_secs(2);
/// How long one look may take before it is given up until the next.
const WITHIN: Duration = Duration::from_secs(5);
/// How long a mark stays in the stream; a new one is made when half of it is over.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Losses that wait to be healed.
pub const LOSSES: usize = 8;

/// A mark that the broker has stored. Kept in `out.mark` beside the ledger, so that the next start knows
/// it; without the file a loss that happened while the daemon was down is healed but not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// When its stream was made.
    created: i64,
    /// Its sequence.
    sequence: u64,
    /// Its id.
    id: Uuid,
    /// Effects of all leaves below were stored before it.
    through: u64,
    /// When it was made, our clock.
    at: i64,
}

/// Sees from the acks of a publisher that its stream went back.
#[derive(Debug, Default)]
struct Watermark {
    /// A sequence that the stream is known not to reach any more.
    forgiven: u64,
    /// Steps back that are known.
    went_back: u64,
}

impl Watermark {
    /// `acked` was asked for before `identity`.
    fn sees(&self, acked: PublishCounts, identity: &StreamIdentity) -> Option<Loss> {
        if acked.last_stream_sequence != self.forgiven && identity.last_sequence < acked.last_stream_sequence {
            return Some(Loss::RolledBack);
        }
        (acked.went_back > self.went_back).then_some(Loss::Refilled)
    }

    /// The loss is known. When the stream ends before what was acked, the next ack steps back once more.
    fn forgive(&mut self, acked: PublishCounts, identity: &StreamIdentity) {
        let short = identity.last_sequence < acked.last_stream_sequence;
        *self = Watermark { forgiven: acked.last_stream_sequence, went_back: acked.went_back + u64::from(short) };
    }
}

/// The watch over `DEX_OUT`, and over what the exchange sends to itself by `DEX_IN`.
pub struct Marks {
    shared: Arc<Shared>,
    link: Link,
    publishers: [Arc<BatchPublisher>; 2],
    losses: mpsc::Sender<Lost>,
    file: PathBuf,
    subject: String,
    /// The newest mark, ours as far as we know.
    mark: Option<Mark>,
    /// `through` of the mark before it: it may cover what went while the newest was made.
    before: u64,
    /// A mark whose ack did not come.
    pending: Option<Mark>,
    /// Sequence of the newest message on the subject, as the broker must see it.
    expected: u64,
    created: Option<i64>,
    /// Effects below this were published before this process began.
    done: u64,
    begun: bool,
    /// A loss that was seen and not told yet.
    doubt: Option<Loss>,
    out: Watermark,
    input: Watermark,
}

impl Marks {
    /// A watch; `publishers` are those outward and to the input stream.
    pub fn new(
        shared: Arc<Shared>,
        link: Link,
        publishers: [Arc<BatchPublisher>; 2],
        losses: mpsc::Sender<Lost>,
    ) -> Marks {
        let file = shared.db.path().with_file_name("out.mark");
        let mark: Option<Mark> = mark_file::read(&file);
        Marks {
            subject: subject::mark(&shared.dex()),
            done: shared.progress.dispatched_through(),
            created: mark.map(|mark| mark.created),
            before: mark.map_or(0, |mark| mark.through),
            expected: 0,
            pending: None,
            begun: false,
            doubt: None,
            out: Watermark::default(),
            input: Watermark::default(),
            mark,
            file,
            shared,
            link,
            publishers,
            losses,
        }
    }

    /// Looks and marks until the arbiter ends.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.shared.progress.mark_asked() => {}
            }
            self.turn().await;
        }
    }

    /// One look, and one mark when there is something new to mark.
    pub async fn turn(&mut self) {
        let detail = match tokio::time::timeout(WITHIN, self.look_and_mark()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => "the broker did not answer in time".to_owned(),
        };
        tracing::warn!(detail, "DEX_OUT could not be looked at or marked; it is tried again");
    }

    async fn look_and_mark(&mut self) -> Result<(), String> {
        let [outward, inward] = self.publishers.each_ref().map(|publisher| publisher.counts());
        let identity = self.stream().await?;
        let mut loss = self.out.sees(outward, &identity);
        if self.created.is_some_and(|created| created != identity.created_ns) {
            loss = Some(Loss::Replaced);
        }
        if loss.is_none()
            && let Some(mark) = &self.mark
        {
            let now = self.shared.clock.now().0;
            let js = &self.link.jetstream;
            loss = distrust::compare(js, DEX_OUT, &identity, &self.known(mark), now).await.map_err(text)?;
        }
        let first = !self.begun;
        // A state folder that was put back without its mark, beside a new stream.
        if first && self.mark.is_none() && self.done > 0 && identity.last_sequence == 0 {
            loss = Some(Loss::Replaced);
        }
        self.created = Some(identity.created_ns);
        // Kept until it is told, should the broker go away in between.
        self.doubt = loss.or(self.doubt);
        if loss.is_some() {
            self.out.forgive(outward, &identity);
        }
        match self.doubt {
            Some(loss) => self.lost(loss).await?,
            None if first => self.begin().await?,
            None => {}
        }
        self.begun = true;
        if let Some(input) = lookup::find(&self.link.jetstream, DEX_IN).await.map_err(text)?
            && self.input.sees(inward, &input).is_some()
        {
            self.input.forgive(inward, &input);
            self.shared.progress.input_lost();
        }
        self.mark().await
    }

    /// The stream as it is; made again when it is gone.
    async fn stream(&self) -> Result<StreamIdentity, String> {
        let js = &self.link.jetstream;
        if let Some(identity) = lookup::find(js, DEX_OUT).await.map_err(text)? {
            return Ok(identity);
        }
        let made = streams::prepare_out(js, &self.shared.streams.output).await.map_err(text)?;
        if made.made {
            StreamMadeAgain { stream: DEX_OUT }.emit();
        }
        Ok(made.identity)
    }

    fn kept(&self) -> i64 {
        i64::try_from(KEPT.min(self.shared.streams.output.max_age).as_nanos()).unwrap_or(i64::MAX)
    }

    /// Whether the broker may have let a mark go by its age, with its clock a minute ahead at most.
    fn has_aged(&self, mark: &Mark) -> bool {
        let slack = 60 * crate::domain::time::SECOND;
        self.shared.clock.now().0.saturating_add(slack) >= mark.at.saturating_add(self.kept())
    }

    fn known(&self, mark: &Mark) -> Known {
        Known {
            stream_created: mark.created,
            sequence: mark.sequence,
            id: *mark.id.as_bytes(),
            stored_at: None,
            kept_until: mark.at.saturating_add(self.kept()),
        }
    }

    /// The newest mark in the stream that we have signed: sequence of the newest message on the subject,
    /// and the mark's id and leaf when it is one of ours.
    async fn newest(&self) -> Result<(u64, Option<(Uuid, u64)>), String> {
        let found = lookup::newest_on(&self.link.jetstream, DEX_OUT, &self.subject).await.map_err(text)?;
        let Some((sequence, headers, payload)) = found else { return Ok((0, None)) };
        #[derive(Deserialize)]
        struct Body {
            through: u64,
        }
        let value = |name| headers.get(name).map(|value| value.as_str()).unwrap_or_default();
        let mark = serde_json::from_slice::<Body>(&payload).ok().and_then(|body| {
            let id = Uuid::try_parse(value(header::ID)).ok()?;
            let ours = self.signed(id, body.through);
            (ours.header(header::SIG) == Some(value(header::SIG))).then_some((id, body.through))
        });
        Ok((sequence, mark))
    }

    fn signed(&self, id: Uuid, through: u64) -> outgoing::Outgoing {
        outgoing::mark(&self.shared.signer, &self.shared.origin, &self.shared.dex(), id, through)
    }

    /// After a start: what was published since the newest mark goes out once more; no mark vouches for it.
    async fn begin(&mut self) -> Result<(), String> {
        let (sequence, mark) = self.newest().await?;
        self.expected = sequence;
        let Some((id, through)) = mark else {
            if self.mark.is_none() && self.done > 0 {
                // Neither stream nor file has one: killed before the first, or put back without. Nothing says what is there.
                let from = self.first_kept().min(self.done);
                self.owed(from).await;
            }
            // The one in the file has gone by its age, or this would be a loss.
            self.mark = None;
            return Ok(());
        };
        // The one in the file may be older: the process can have ended between ack and file.
        let at = Timestamp::from_unix_ms(MessageId(id).unix_ms()).0;
        self.mark = Some(Mark { created: self.created.unwrap_or_default(), sequence, id, through, at });
        self.before = self.before.min(through);
        if through < self.done {
            self.owed(through).await;
        }
        Ok(())
    }

    /// Leaves from here on go out once more. No loss that anybody counts, but until they are stored no mark is
    /// made, or a process that ends before would leave a mark over a hole.
    async fn owed(&self, from: u64) {
        let loss = self.shared.progress.output_lost();
        self.tell(Lost { from, to: self.done, loss }).await;
    }

    /// The first leaf whose messages the stream could hold yet.
    fn first_kept(&self) -> u64 {
        let age = i64::try_from(self.shared.streams.output.max_age.as_nanos()).unwrap_or(i64::MAX);
        self.shared.first_since(self.shared.clock.now().0.saturating_sub(age))
    }

    /// The stream has lost messages: everything after the newest mark that it holds goes out again, or, when
    /// it holds none, everything that it could hold.
    async fn lost(&mut self, loss: Loss) -> Result<(), String> {
        let (sequence, mark) = self.newest().await?;
        let from = match mark {
            Some((_, through)) => through.min(self.before),
            None => self.first_kept(),
        };
        // Pieces are published as they land, which may be before the ones below them do.
        let to = self.shared.reader.tree_size();
        let from = from.min(to);
        OutputLost { why: loss.as_str(), from, to }.emit();
        let number = self.shared.progress.output_lost();
        (self.mark, self.pending, self.expected, self.before) = (None, None, sequence, from);
        self.tell(Lost { from, to, loss: number }).await;
        // A turn that is given up before this tells it anew.
        self.doubt = None;
        Ok(())
    }

    async fn tell(&self, lost: Lost) {
        // The outbox ends only with this arbiter; the next start finds the same loss.
        let _ = self.losses.send(lost).await;
    }

    /// Makes a mark when leaves were dispatched since the last, or when the last grows old.
    async fn mark(&mut self) -> Result<(), String> {
        let now = self.shared.clock.now();
        let through = self.shared.progress.dispatched_through();
        let fresh = |mark: &Mark| mark.through == through && now.0 - mark.at < self.kept() / 2;
        if let Some(mark) = self.mark.as_ref().filter(|mark| fresh(mark)) {
            self.shared.progress.marked(mark.through);
            return Ok(());
        }
        if !self.shared.progress.output_whole() || through == 0 {
            return Ok(());
        }
        let id = message_id_v7(now.unix_ms(), rand::random()).0;
        let created = self.created.unwrap_or_default();
        let mut mark = Mark { created, sequence: 0, id, through, at: now.0 };
        self.expected = self.mark.as_ref().map_or(self.expected, |mark| mark.sequence);
        let out = self.signed(id, through);
        let mut headers = header_map(&out.headers);
        headers.insert("Nats-TTL", format!("{}s", (self.kept() / crate::domain::time::SECOND).max(1)));
        let message = PublishMessage::build()
            .headers(headers)
            .payload(out.payload)
            .expected_stream(DEX_OUT)
            .expected_last_subject_sequence(self.expected)
            .outbound_message(self.subject.clone());
        let before = self.pending.replace(mark);
        let js = &self.link.jetstream;
        let acked = match js.publish_message(message).await {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        match acked {
            Ok(ack) => mark.sequence = ack.sequence,
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                // Maybe the one before was stored and only its ack was lost.
                let (sequence, newest) = self.newest().await?;
                match before.filter(|before| newest.is_some_and(|(id, _)| id == before.id)) {
                    Some(stored) => mark = Mark { sequence, ..stored },
                    // It went by its age, as none could be made for long; the next turn begins a new line.
                    None if sequence == 0 && self.mark.is_some_and(|old| self.has_aged(&old)) => {
                        (self.mark, self.pending, self.expected) = (None, None, 0);
                        return Ok(());
                    }
                    None => return self.lost(Loss::Refilled).await,
                }
            }
            Err(error) => return Err(error.to_string()),
        }
        self.before = self.mark.map_or(mark.through.min(self.before), |old| old.through);
        self.pending = None;
        self.mark = Some(mark);
        self.shared.progress.marked(mark.through);
        mark_file::write(&self.file, &mark).map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

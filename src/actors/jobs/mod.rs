//! Hands jobs out: from the board into the stream of the workers, at each plug's pace, and again when the stream has lost
//! them. Runs on a thread of its own; nothing on the path of a message waits for it.

pub mod board;
mod look;
mod mark;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::work::Work;
use crate::domain::job::JobBody;
use crate::domain::{Address, Hat, Id, Kind, Profile, RegistryView};
use crate::nats::{Link, header_map};
use crate::store::load;
use crate::telemetry::Published;
use crate::telemetry::events::EffectFailed;

use board::{Handout, JobBoard};
use mark::{Mark, MarkFile};

/// How often the table is looked at that nobody called for: the finest step of the pace.
const TICK: Duration = Duration::from_millis(200);
/// Most jobs handed out at once.
const AT_ONCE: usize = 256;
/// How long the stream may take to store a job before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often stream and consumers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often the mark is written, when it has moved.
const MARK_EVERY: Duration = Duration::from_secs(2);

/// Who hands them out.
pub struct Foreman {
    shared: Arc<Shared>,
    link: Link,
    locals: Vec<mpsc::Sender<Work>>,
    stream_bytes: i64,
    file: MarkFile,
    kept: Option<Mark>,
    /// The stream that jobs go into, once it was looked at.
    created: Option<i64>,
    /// Newest sequence that it has acknowledged.
    sequence: u64,
    /// Consumers that are there, with their lease in seconds.
    consumers: HashMap<Id, u32>,
}

impl Foreman {
    /// A foreman over a connection of its own. `locals` lead to the partitions; the stream may take `stream_bytes`.
    pub fn new(shared: Arc<Shared>, link: Link, locals: Vec<mpsc::Sender<Work>>, stream_bytes: i64) -> Self {
        let file = MarkFile::beside(shared.db.path());
        let kept = file.read();
        Foreman {
            shared,
            link,
            locals,
            stream_bytes,
            file,
            kept,
            created: None,
            sequence: 0,
            consumers: HashMap::new(),
        }
    }

    fn board(&self) -> &JobBoard {
        &self.shared.jobs
    }

    /// Works until the stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looked, mut marked) = (None::<Instant>, Instant::now());
        // HATs may have something to plan that nobody told them of: a manifest that came while the daemon was down.
        actix::spawn(look::ask_hats(None, Arc::clone(&self.shared), self.locals.clone(), stop.clone()));
        while !stop.is_cancelled() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                looked = Some(Instant::now());
                self.look().await;
            }
            let asked = self.board().take_asked();
            if !asked.is_empty() {
                let shared = Arc::clone(&self.shared);
                actix::spawn(look::ask_hats(Some(asked), shared, self.locals.clone(), stop.clone()));
            }
            let full = self.hand_out().await;
            if marked.elapsed() >= MARK_EVERY {
                marked = Instant::now();
                self.mark();
            }
            let census = self.board().census();
            crate::telemetry::job_gauges(census.open, census.queued);
            if full {
                continue;
            }
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => {}
            }
        }
        self.mark();
    }

    /// How many jobs of a plug may be handed out in a minute now.
    fn pace(&self, plug: &Id) -> Option<u32> {
        let registration = self.shared.registry.registration(&Address::new(Kind::Plug, plug.clone()))?;
        let now = self.shared.clock.now();
        if registration.active().is_err() || !registration.jobs.is_none_or(|hold| hold.open(now)) {
            return None;
        }
        let manifest = registration.profile.as_ref().and_then(Profile::plug_manifest);
        Some(manifest.and_then(|manifest| manifest.jobs).unwrap_or_default().per_minute)
    }

    /// Hands out what is due; true when there may be more at once.
    async fn hand_out(&mut self) -> bool {
        if self.created.is_none() {
            return false;
        }
        let handouts = self.board().take(Instant::now(), AT_ONCE, |plug| self.pace(plug));
        if handouts.is_empty() {
            return false;
        }
        let full = handouts.len() >= AT_ONCE;
        let (mut failed, mut waiting) = (Vec::new(), Vec::with_capacity(handouts.len()));
        let mut unread = Vec::new();
        // Said once for all: a broker that is away is away for each of them.
        let mut why: Option<String> = None;
        let (mut stored, mut without) = (BTreeSet::new(), BTreeSet::new());
        for handout in handouts {
            let body = match self.body(&handout) {
                Ok(Some(body)) => body,
                Ok(None) => continue,
                // It is open all the same: it comes again, after those of the HATs that can be read.
                Err(detail) => {
                    why.get_or_insert(detail);
                    unread.push(handout);
                    continue;
                }
            };
            if without.contains(&handout.plug) {
                failed.push(handout);
                continue;
            }
            if let Err(detail) = self.consumer(&handout.plug, body.lease_seconds).await {
                why.get_or_insert(detail);
                without.insert(handout.plug.clone());
                failed.push(handout);
                continue;
            }
            match self.publish(&body).await {
                Ok(ack) => {
                    waiting.push(async move { (tokio::time::timeout(PATIENCE, ack.into_future()).await, handout) })
                }
                Err(detail) => {
                    why.get_or_insert(detail);
                    failed.push(handout);
                }
            }
        }
        for (ack, handout) in join_all(waiting).await {
            let refused = match ack {
                Ok(Ok(ack)) => {
                    self.sequence = self.sequence.max(ack.sequence);
                    crate::telemetry::path().published(Published::Job);
                    stored.insert(handout.plug);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no acknowledgement in time".to_owned(),
            };
            why.get_or_insert(refused);
            failed.push(handout);
        }
        stored.iter().for_each(|plug| self.board().stored(plug));
        if let Some(detail) = &why {
            EffectFailed { what: "job", detail }.emit();
        }
        self.board().back(failed);
        self.board().last(unread);
        full && why.is_none()
    }

    /// What workers are told, as the HAT has it now; none when the job is over. `Err`: the HAT cannot be read.
    fn body(&self, handout: &Handout) -> Result<Option<JobBody>, String> {
        let hat = Address::new(Kind::Hat, handout.place.hat.clone());
        let state = load::<Hat>(&self.shared.db, &self.shared.tail, &hat).map_err(|error| error.to_string())?;
        Ok(state.jobs.with(&handout.plug, handout.job).and_then(|(track, _)| track.body(&hat.id)))
    }

    async fn publish(&self, body: &JobBody) -> Result<async_nats::jetstream::context::PublishAckFuture, String> {
        let out = crate::wire::job::job(self.shared.voice(), &self.shared.origin, body);
        let mut headers = header_map(&out.headers);
        headers.insert("Nats-Msg-Id", body.job.hyphenated().to_string());
        headers.insert("Nats-TTL", format!("{}s", self.shared.until(body.ends_at).as_secs().max(1)));
        let sent = self.link.jetstream.publish_with_headers(out.subject, headers, out.payload).await;
        sent.map_err(|error| error.to_string())
    }

    /// Keeps how far jobs were handed out.
    fn mark(&mut self) {
        let Some(created) = self.created else { return };
        let mark = Mark::at(created, self.sequence, self.board().oldest_queued(), self.shared.clock.now());
        // While nothing is handed out it may grow old: a start looks a little further back.
        let moved = self.kept.is_none_or(|kept| kept.sequence != mark.sequence || kept.created != mark.created);
        if !moved {
            return;
        }
        match self.file.write(&mark) {
            Ok(()) => self.kept = Some(mark),
            Err(error) => EffectFailed { what: "job", detail: &format!("jobs.mark: {error}") }.emit(),
        }
    }
}

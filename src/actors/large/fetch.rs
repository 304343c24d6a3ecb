//! Fetches a content: chunk by chunk from its sender's object, through the sift, into a file that is synced. Then the
//! HAT decides on what was found.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::desk::Turn;
use super::reading::{Piece, Reader, sifted};
use super::{End, Mover, failed};
use crate::actors::entity::Ask;
use crate::actors::work::Work;
use crate::domain::event::Authority;
use crate::domain::exchange::delivery_id::delivery_id;
use crate::domain::exchange::large::{Answering, Fan, Fetching, Found, Sift, Stopped, Terms};
use crate::domain::exchange::release::gate;
use crate::domain::{Action, Address, Command, Event, Hat, Id, Kind, Known, Reason, RegistryView, Timestamp};
use crate::nats::objects::{self, ObjectError};
use crate::store::load;
use crate::telemetry::events::{LargeBytes, LargeMoved};
use crate::wire::object::{BUCKET_IN, CHUNK_BYTES_MAX, place};

/// Chunks that wait to be sifted.
const AHEAD: usize = 4;
/// How long a chunk is asked for before the whole is tried again later.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the entry about what was found may take; it is asked for again then.
const LEDGERED_WITHIN: Duration = Duration::from_secs(10);

/// Why a try came to nothing and may be repeated.
#[derive(Debug, thiserror::Error)]
enum Abandoned {
    #[error("{0}")]
    Bucket(ObjectError),
    #[error("the disk: {0}")]
    Disk(std::io::Error),
    #[error("the thread that sifts has ended")]
    Thread,
}

impl Mover {
    pub(super) async fn fetch(&self, turn: &Turn) -> End {
        let Some(sealed) = self.shared.entry(turn.leaf) else { return End::Again };
        let Event::Fetching(fetching) = &sealed.entry.event else { return End::Done };
        let entity = &sealed.entry.entity;
        let hat: Hat = match load(&self.shared.db, &self.shared.tail, entity) {
            Ok(hat) => hat,
            Err(error) => {
                failed("fetch", &error);
                return End::Again;
            }
        };
        if !hat.fetching.contains_key(&turn.delivery) {
            return End::Done;
        }
        // Besides what is delivered, an answer is put in order on disk.
        let times = fetching.debits.len().max(1) as u64 + if fetching.pull.is_some() { 2 } else { 0 };
        let most = self.shared.limits.load().large_per_hat;
        if !self.has_room(fetching.object.size.saturating_mul(times).min(most)) {
            return End::Again;
        }
        // The broker's clock, by which debits come in force, may be ahead of this one.
        let now = self.shared.clock.now().max(sealed.entry.at);
        let found = match self.reader(&hat, fetching, now) {
            Ok(reader) => match self.read(fetching, reader).await {
                Ok(found) => found,
                Err(error) => {
                    failed("fetch", &error);
                    return End::Again;
                }
            },
            Err(reason) => Err(reason),
        };
        LargeMoved { what: if found.is_ok() { "fetched" } else { "refused" } }.emit();
        self.tell(turn, entity, &found).await;
        End::Done
    }

    /// Whether the disk would keep enough for everything else.
    fn has_room(&self, bytes: u64) -> bool {
        let spare = self.shared.free_min.load(std::sync::atomic::Ordering::Relaxed);
        match crate::store::bytes_free(self.files.folder()) {
            Ok(free) => free > bytes.saturating_add(spare),
            Err(error) => {
                // Nothing would be fetched any more, and nobody told why.
                failed("the room on the disk", &error);
                false
            }
        }
    }

    /// Under which terms the content goes to a debit's client now.
    fn terms(&self, hat: &Hat, fetching: &Fetching, id: &Id, now: Timestamp) -> Result<Terms, Reason> {
        let debit = hat.debits.get(id).ok_or(Reason::DebitNotFound)?;
        let (revision, enabled) = debit.in_force(now)?;
        let client = self.shared.registry.registration(&debit.client).ok_or(Reason::UnknownParty)?;
        Ok(Terms {
            gate: gate(&self.shared.registry, &client, revision),
            revision: revision.clone(),
            enabled,
            // What goes to all debits was evaluated for none of them.
            evaluated: fetching.by.kind == Kind::Bridge && fetching.debits.is_empty(),
            hat: fetching.from.clone(),
            client: debit.client.clone(),
            key: self.shared.delivery_key,
        })
    }

    /// What the content is read with.
    fn reader(&self, hat: &Hat, fetching: &Fetching, now: Timestamp) -> Result<Reader, Reason> {
        let limits = self.shared.limits.load();
        let object = fetching.object;
        match &fetching.authority {
            Authority::Plug(_) | Authority::App(_) => Ok(Reader::One(Box::new(Sift::whole(object, &limits)))),
            Authority::Debit(id) => {
                let terms = self.terms(hat, fetching, id, now)?;
                let Some(pull) = fetching.pull else {
                    return Ok(Reader::One(Box::new(Sift::under(object, terms, &limits))));
                };
                let key = &self.shared.delivery_key;
                let request = delivery_id(key, &fetching.from, &fetching.to, pull, Some(id));
                let ask = hat.open.get(&request).map(|open| open.ask.clone()).ok_or(Reason::NotFound)?;
                Ok(Reader::Answer(Box::new(Answering::new(object, terms, ask, &limits))))
            }
            Authority::Debits => {
                // One that is over by now takes no part.
                let terms = |id: &Id| Some((id.clone(), self.terms(hat, fetching, id, now).ok()?));
                let debits = fetching.debits.iter().filter_map(terms);
                let most = limits.large_per_hat.min(self.bounds.store_bytes);
                Ok(Reader::Fan(Box::new(Fan::new(object, fetching.exchange, debits, most, &limits))))
            }
        }
    }

    /// Reads the whole object; what was found in it.
    async fn read(&self, fetching: &Fetching, reader: Reader) -> Result<Result<Found, Reason>, Abandoned> {
        let (to_sift, pieces) = mpsc::channel(AHEAD);
        let (files, delivery) = (self.files.clone(), fetching.delivery);
        if let Reader::Fan(fan) = &reader {
            self.shared.large.part(&delivery, fan.deliveries());
        }
        let sifting = tokio::task::spawn_blocking(move || sifted(&files, delivery, reader, pieces));
        let place = place(BUCKET_IN, &fetching.by, fetching.object.id);
        let mut chunks =
            std::pin::pin!(objects::get_all(&self.link.client, BUCKET_IN, &place, fetching.object.chunks, PATIENCE));
        let mut broken = None;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(bytes) if bytes.len() > CHUNK_BYTES_MAX => return Ok(Err(Reason::Malformed)),
                Ok(bytes) => {
                    LargeBytes { direction: "in", bytes: bytes.len() as u64 }.emit();
                    // It says itself why it takes no more.
                    if to_sift.send(Piece::Bytes(bytes)).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        if broken.is_none() {
            // An error means that it has stopped already.
            drop(to_sift.send(Piece::End).await);
        }
        drop(to_sift);
        let found = sifting.await.map_err(|_| Abandoned::Thread)?;
        match (broken, found) {
            (Some(ObjectError::Missing), _) => Ok(Err(Reason::NotFound)),
            (Some(error), _) => Err(Abandoned::Bucket(error)),
            (None, Ok(Some(facts))) => Ok(Ok(facts)),
            (None, Ok(None)) => Err(Abandoned::Thread),
            (None, Err(Stopped::Refused(reason))) => Ok(Err(reason)),
            (None, Err(Stopped::Write(error))) => Err(Abandoned::Disk(error)),
        }
    }

    /// Has the HAT decide on what was found, and waits for its entry.
    async fn tell(&self, turn: &Turn, entity: &Address, found: &Result<Found, Reason>) {
        let shared = &self.shared;
        let partition = usize::from(shared.partition_of(entity));
        let Some(local) = self.locals.get(partition) else { return };
        while shared.large.stands(&turn.delivery, turn.leaf) {
            let command = Command {
                addressed: entity.clone(),
                action: Action::Fetched { delivery: turn.delivery, found: found.clone() },
                cause: None,
                deadline: None,
                pull: None,
                job: None,
                stored_at: shared.clock.now(),
            };
            let work = Work {
                ask: Ask { command, known: Known::New },
                entity: entity.clone(),
                key: None,
                sequence: None,
                reply: None,
                want_proof: false,
                trace: None,
            };
            // The partition has ended: the next start fetches again.
            if local.send(work).await.is_err() {
                return;
            }
            let patience = Instant::now() + LEDGERED_WITHIN;
            while Instant::now() < patience && shared.large.stands(&turn.delivery, turn.leaf) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

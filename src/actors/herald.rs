//! Tells HATs of notices: so many a second, in the order of their ids, and ledgers how far it came. After a stop or a
//! crash it goes on there; what was published since goes out again under the same ids.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::entity::Ask;
use super::notices::OpenNotice;
use super::shared::Shared;
use super::work::Work;
use crate::domain::notice::{Notice, Told, copy_id, may_tell, roles_of};
use crate::domain::{Action, Address, Command, Hat, Id, Kind, Known, RegistryView, Transport};
use crate::nats::publish::PublishError;
use crate::nats::{BatchPublisher, header_map};
use crate::store::load;
use crate::telemetry::Published;
use crate::telemetry::events::EffectFailed;
use crate::wire::outgoing;

/// How often notices are looked for while there are none.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Most HATs looked at before it is ledgered how far that was.
const STRIDE: usize = 256;
/// How long the entry about it may take; without it the same HATs are told again.
const LEDGERED_WITHIN: Duration = Duration::from_secs(10);

/// The teller of notices.
pub struct Herald {
    shared: Arc<Shared>,
    publisher: BatchPublisher,
    locals: Vec<mpsc::Sender<Work>>,
    /// Bodies, and the HATs to look at in order, of notices that are being told.
    telling: HashMap<Uuid, Telling>,
}

struct Telling {
    notice: Notice,
    hats: Vec<Id>,
}

impl Herald {
    /// A herald over a publisher of its own; `locals` lead to the partitions.
    pub fn new(shared: Arc<Shared>, publisher: BatchPublisher, locals: Vec<mpsc::Sender<Work>>) -> Self {
        Herald { shared, publisher, locals, telling: HashMap::new() }
    }

    /// Tells notices until the stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut last = None;
        while !stop.is_cancelled() {
            last = self.shared.notices.next_untold(last);
            let wait = match last {
                Some(id) => self.turn(id).await,
                None => LOOK_EVERY,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Tells the next HATs of one notice; returns how long to wait for the sake of the pace.
    async fn turn(&mut self, id: Uuid) -> Duration {
        let shared = Arc::clone(&self.shared);
        self.telling.retain(|id, _| shared.notices.get(id).is_some_and(|notice| !notice.standing.told.done));
        let Some(open) = shared.notices.get(&id) else { return Duration::ZERO };
        // Who is suspended is not heard. It goes on when the party is in force again, as long as the notice stands.
        if shared.registry.registration(&open.poster).is_none_or(|poster| poster.active().is_err()) {
            return LOOK_EVERY;
        }
        let per_second = usize::try_from(shared.bounds.notices_per_second).unwrap_or(usize::MAX).max(1);
        let stride = STRIDE.min(per_second);
        let told = match self.tell(id, &open, stride).await {
            Ok(told) => told,
            Err(detail) => {
                EffectFailed { what: "notice", detail: &detail }.emit();
                return LEDGERED_WITHIN;
            }
        };
        let looked_at = told.sent + told.listed + told.passed;
        self.ledger(id, &open, told).await;
        Duration::from_secs_f64(f64::from(looked_at) / per_second as f64)
    }

    async fn tell(&mut self, id: Uuid, open: &OpenNotice, stride: usize) -> Result<Told, String> {
        if !self.telling.contains_key(&id) {
            let telling = Telling::begin(&self.shared, open)?;
            self.telling.insert(id, telling);
        }
        let Some(telling) = self.telling.get(&id) else { return Ok(Told::default()) };
        let from = match &open.standing.told.through {
            Some(through) => telling.hats.partition_point(|hat| hat <= through),
            None => 0,
        };
        let hats = &telling.hats[from..];
        let mut told = Told { done: hats.len() <= stride, ..Told::default() };
        let mut ticket = None;
        for hat in hats.iter().take(stride) {
            told.through = Some(hat.clone());
            match meant(&self.shared, &open.poster, &telling.notice, hat) {
                Ok(Some(Transport::Nats)) => {
                    told.sent += 1;
                    ticket = Some(self.publish(id, open, &telling.notice, hat).await?);
                }
                Ok(Some(Transport::Http)) => told.listed += 1,
                Ok(None) => told.passed += 1,
                Err(error) => return Err(error),
            }
        }
        match ticket {
            Some(ticket) => match self.publisher.acked(ticket).await {
                // The stream will never take one of them: it says so in the log, and the others are told.
                Ok(()) | Err(PublishError::Refused { .. }) => Ok(told),
                Err(error) => Err(error.to_string()),
            },
            None => Ok(told),
        }
    }

    async fn publish(&self, id: Uuid, open: &OpenNotice, notice: &Notice, hat: &Id) -> Result<u64, String> {
        let shared = &self.shared;
        let to = Address::new(Kind::Hat, hat.clone());
        let copy = copy_id(&shared.delivery_key, &to, &open.poster, id);
        let said = outgoing::Said {
            notice: id,
            from: open.poster.clone(),
            message: notice.message.clone(),
            at: open.standing.at,
            expires: open.standing.posted.expires,
        };
        let out = outgoing::notice(shared.voice(), &shared.origin, &to, copy, &said);
        let left = said.expires.since(shared.clock.now()).max(1_000_000_000);
        let message = crate::nats::Outgoing {
            subject: out.subject.into(),
            headers: header_map(&out.headers),
            payload: out.payload,
            ttl: Some(Duration::from_nanos(u64::try_from(left).unwrap_or(1_000_000_000))),
        };
        let ticket = self.publisher.publish(message).await.map_err(|error| error.to_string())?;
        crate::telemetry::path().published(Published::Notice);
        Ok(ticket)
    }

    /// Has the poster's entity ledger how far the notice was told, and waits for the entry.
    async fn ledger(&self, id: Uuid, open: &OpenNotice, told: Told) {
        let shared = &self.shared;
        let before = open.standing.told.clone();
        let command = Command {
            addressed: open.poster.clone(),
            action: Action::NoticeTold { notice: id, told },
            cause: None,
            deadline: None,
            pull: None,
            job: None,
            stored_at: shared.clock.now(),
        };
        let work = Work {
            ask: Ask { command, known: Known::New },
            entity: open.poster.clone(),
            key: None,
            sequence: None,
            reply: None,
            want_proof: false,
            trace: None,
        };
        let partition = usize::from(shared.partition_of(&open.poster));
        let Some(local) = self.locals.get(partition) else { return };
        if local.send(work).await.is_err() {
            return;
        }
        let patience = tokio::time::Instant::now() + LEDGERED_WITHIN;
        while tokio::time::Instant::now() < patience
            && shared.notices.get(&id).is_some_and(|now| now.standing.told == before)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Telling {
    fn begin(shared: &Shared, open: &OpenNotice) -> Result<Self, String> {
        let notice = open.body(shared)?;
        let mut hats: Vec<Id> = match notice.target.is_list() {
            true => notice.target.with_hat_address.clone(),
            false => shared.registry.of_kind(Kind::Hat).into_iter().map(|hat| hat.id).collect(),
        };
        hats.sort_unstable();
        hats.dedup();
        Ok(Telling { notice, hats })
    }
}

/// How a HAT is spoken to, when the notice is for it: it is in force, the poster may tell it, and the target means it.
///
/// # Errors
/// When its state cannot be read.
pub fn meant(shared: &Shared, poster: &Address, notice: &Notice, hat: &Id) -> Result<Option<Transport>, String> {
    let address = Address::new(Kind::Hat, hat.clone());
    let Some(registration) = shared.registry.registration(&address).filter(|it| it.active().is_ok()) else {
        return Ok(None);
    };
    let target = &notice.target;
    // Most notices are an operator's to everybody: no state of a HAT is read for them.
    let known = poster.kind == Kind::Operator && (target.is_everybody() || target.with_hat_address.contains(hat));
    if !known {
        let state: Hat = load(&shared.db, &shared.tail, &address).map_err(|error| error.to_string())?;
        let roles = roles_of(&state, shared.clock.now());
        if !may_tell(poster, &roles) || !target.selects(hat, &roles) {
            return Ok(None);
        }
    }
    Ok(Some(registration.transport()))
}

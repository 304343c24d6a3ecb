//! The collector's loop: what comes is kept in batches, receipted, and done with when the outcome is here.

mod doubt;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{self, Fate};
use super::counts::Counts;
use super::download::{self, Came};
use super::known::is_over;
use super::piece::{Content, Piece};
use super::sink::{Ended, Sink, SinkError, Turn};
use super::told::Told;
use crate::client::{Client, ClientError, Delivery, Item, ids};
use crate::domain::event::Verdict;
use crate::domain::{Digest, Reason, Records};

/// Large contents that are downloaded at a time.
const DOWNLOADS: usize = 2;
/// Recalls remembered whose deliveries have not come (again) yet.
const RECALLS_MAX: usize = 4096;
/// How long the end waits for outcomes that are under way.
const END_WAITS: Duration = Duration::from_secs(10);
/// How often progress is shown and the end looked for.
const TICK: Duration = Duration::from_millis(200);

/// When a collector ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Until {
    /// After so many settled exchanges.
    pub count: Option<u64>,
    /// When nothing has happened for so long.
    pub idle: Option<Duration>,
}

/// A delivery that is kept and not done with.
struct Open {
    piece: Piece,
    /// In hand when it came in this life; acknowledged to the broker when it is done with.
    delivery: Option<Delivery>,
    /// How often its receipt was sent again.
    tries: u32,
    /// How often the ledger did not say how it stands.
    asks: u32,
    /// How often what was told of its receipts did not say it.
    looks: u32,
    /// Its receipt was not taken for the key once.
    untaken: bool,
    recalled: bool,
    /// What the receipt says that is under way.
    verdict: Verdict,
}

type Answers = FuturesUnordered<Pin<Box<dyn Future<Output = (Uuid, Fate)>>>>;
type Quiet = FuturesUnordered<Pin<Box<dyn Future<Output = Closed>>>>;
type Downloads = FuturesUnordered<Pin<Box<dyn Future<Output = Loaded>>>>;
type Asked = FuturesUnordered<Pin<Box<dyn Future<Output = Vec<(Uuid, Told)>>>>>;

/// A delivery that was answered without being kept.
enum Closed {
    Refused,
    /// It had ended before.
    Late,
    Returned,
    /// It comes again, or was only acknowledged.
    Unanswered,
}

/// A large content that is here, or is not.
struct Loaded {
    delivery: Delivery,
    path: PathBuf,
    came: Came,
}

/// The collector.
pub struct Engine {
    client: Client,
    sink: Sink,
    /// What it has done.
    pub counts: Counts,
    open: HashMap<Uuid, Open>,
    answers: Answers,
    quiet: Quiet,
    downloads: Downloads,
    waiting: VecDeque<Delivery>,
    /// Those of which it is to be read what was told, and the one reading at a time.
    doubts: Vec<Uuid>,
    asked: Asked,
    recalls: (HashSet<Uuid>, VecDeque<Uuid>),
    stop: CancellationToken,
    in_hand: usize,
    last: Instant,
}

impl Engine {
    /// Takes up what the sink has kept and not done with.
    pub fn new(client: Client, mut sink: Sink, in_hand: usize, stop: CancellationToken) -> Self {
        let unresolved = sink.unresolved();
        let mut engine = Engine {
            client,
            sink,
            counts: Counts::default(),
            open: HashMap::new(),
            answers: Answers::new(),
            quiet: Quiet::new(),
            downloads: Downloads::new(),
            waiting: VecDeque::new(),
            doubts: Vec::new(),
            asked: Asked::new(),
            recalls: Default::default(),
            stop,
            in_hand,
            last: Instant::now(),
        };
        for piece in unresolved {
            engine.counts.deliveries += 1;
            engine.receipt(piece, None);
        }
        engine
    }

    /// Runs until it is stopped or done; `show` is called now and then with the sums.
    ///
    /// # Errors
    /// [`SinkError`] when the sink cannot go on. Nothing was receipted that is not kept.
    pub async fn run(
        &mut self,
        items: impl Stream<Item = Result<Item, ClientError>> + Unpin,
        until: Until,
        mut show: impl FnMut(&Counts),
    ) -> Result<(), SinkError> {
        let stop = self.stop.clone();
        let mut items = items.ready_chunks(self.in_hand.min(256));
        let mut tick = tokio::time::interval(TICK);
        let mut ending = None;
        loop {
            self.counts.unresolved = self.open.len() as u64;
            let enough = until.count.is_some_and(|count| self.counts.settled >= count);
            if stop.is_cancelled() || enough {
                ending.get_or_insert_with(|| Instant::now() + END_WAITS);
            }
            self.ask();
            let idles = self.downloads.is_empty() && self.asked.is_empty();
            if until.idle.is_some_and(|idle| idles && self.last.elapsed() >= idle)
                || ending.is_some_and(|end| self.is_at_rest() || Instant::now() >= end)
            {
                show(&self.counts);
                return Ok(());
            }
            let room = ending.is_none() && self.open.len() + self.waiting.len() < 2 * self.in_hand;
            tokio::select! {
                Some(came) = items.next(), if room => self.take(came).await?,
                Some(first) = self.answers.next(), if !self.answers.is_empty() => self.resolve(first).await?,
                Some(closed) = self.quiet.next(), if !self.quiet.is_empty() => self.close(closed),
                Some(loaded) = self.downloads.next(), if !self.downloads.is_empty() => self.loaded(loaded).await?,
                Some(told) = self.asked.next(), if !self.asked.is_empty() => self.heard(told).await?,
                _ = tick.tick() => show(&self.counts),
                () = stop.cancelled(), if ending.is_none() => {}
            }
        }
    }

    /// Nothing is under way that would end soon.
    fn is_at_rest(&self) -> bool {
        self.quiet.is_empty() && self.open.values().all(|open| open.tries > 0)
    }

    /// Takes what came at once.
    async fn take(&mut self, came: Vec<Result<Item, ClientError>>) -> Result<(), SinkError> {
        self.last = Instant::now();
        let mut fresh = Vec::new();
        for item in came {
            match item {
                Ok(Item::Delivery(delivery)) => fresh.push(*delivery),
                // Of those that came before it, too.
                Ok(Item::Recall(recall)) => self.recall(recall.delivery),
                Ok(_) => {}
                Err(error @ ClientError::Unverified { .. }) => {
                    self.counts.unverified += 1;
                    crate::cli::out::note(format_args!("{error}; tell the exchange's operator"));
                }
                Err(error) => tracing::debug!(%error, "the inbox"),
            }
        }
        let now = ids::now();
        let mut batch = Vec::with_capacity(fresh.len());
        for delivery in fresh {
            if let Some(open) = self.open.get_mut(&delivery.id) {
                // It is kept already and will be answered; the newest one in hand tells the broker.
                open.delivery = Some(delivery);
                continue;
            }
            if self.recalls.0.contains(&delivery.id) {
                // One that had settled before its sender wanted it back stays.
                if self.sink.is_done(delivery.id, &self.stop).await? {
                    self.repeated(delivery);
                } else {
                    self.give_back(delivery);
                }
            } else if is_over(delivery.deadline, now) {
                self.counts.late += 1;
                self.quiet.push(Box::pin(delivery.ignore().map(|()| Closed::Unanswered)));
            } else if delivery.object().is_some() {
                // Of what is done with the content has gone.
                if self.sink.is_done(delivery.id, &self.stop).await? {
                    self.repeated(delivery);
                } else {
                    self.waiting.push_back(delivery);
                }
            } else {
                match Records::parse(delivery.body.clone(), usize::MAX) {
                    Ok(records) if records.count() == delivery.count => {
                        let came = (Digest::of(&delivery.body), records.count());
                        let piece = Piece::of(&delivery, self.client.message_id(), now, came);
                        batch.push((delivery, piece, Content::Body(records.body)));
                    }
                    Ok(records) => {
                        let why = format!("{} records came, not {}", records.count(), delivery.count);
                        self.refuse(delivery, why);
                    }
                    Err(error) => self.refuse(delivery, error.to_string()),
                }
            }
        }
        self.download();
        self.store(batch).await
    }

    /// Keeps a batch and sends its receipts.
    async fn store(&mut self, batch: Vec<(Delivery, Piece, Content)>) -> Result<(), SinkError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut deliveries = Vec::with_capacity(batch.len());
        let mut incoming = Vec::with_capacity(batch.len());
        for (delivery, piece, content) in batch {
            deliveries.push(delivery);
            incoming.push((piece, content));
        }
        let turns = self.sink.store(incoming, &self.stop).await?;
        for (delivery, turn) in deliveries.into_iter().zip(turns) {
            match turn {
                Turn::Kept(piece) => {
                    self.counts.deliveries += 1;
                    self.receipt(*piece, Some(delivery));
                }
                Turn::Done => self.repeated(delivery),
                Turn::Refused(why) => self.refuse(delivery, why),
            }
        }
        Ok(())
    }

    fn receipt(&mut self, piece: Piece, delivery: Option<Delivery>) {
        let client = self.client.clone();
        let verdict = Verdict::Accepted;
        self.answers.push(Box::pin(answer::answer(client, piece.clone(), verdict, 0, 0)));
        let open = Open { piece, delivery, tries: 0, asks: 0, looks: 0, untaken: false, recalled: false, verdict };
        self.open.insert(open.piece.id, open);
    }

    /// It was done with before: only the broker is to be told.
    fn repeated(&mut self, delivery: Delivery) {
        self.counts.repeated += 1;
        self.quiet.push(Box::pin(delivery.ignore().map(|()| Closed::Unanswered)));
    }

    fn refuse(&mut self, delivery: Delivery, why: String) {
        crate::cli::out::note(format_args!("delivery {} is refused: {why}", delivery.id));
        // What the exchange keeps of it has a bound.
        let why: String = why.chars().take(80).collect();
        self.quiet.push(Box::pin(async move {
            match delivery.refuse(&why).await {
                Ok(_) => Closed::Refused,
                // What passes brings the delivery again.
                Err(ClientError::Refused(refusal)) if refusal.reason == Reason::WrongState => Closed::Late,
                Err(_) => Closed::Unanswered,
            }
        }));
    }

    fn give_back(&mut self, delivery: Delivery) {
        self.counts.deliveries += 1;
        self.quiet.push(Box::pin(async move {
            match delivery.give_back().await {
                Ok(_) => Closed::Returned,
                Err(_) => Closed::Unanswered,
            }
        }));
    }

    fn close(&mut self, closed: Closed) {
        self.last = Instant::now();
        match closed {
            Closed::Refused => {
                self.counts.deliveries += 1;
                self.counts.refused += 1;
            }
            Closed::Late => self.counts.late += 1,
            Closed::Returned => self.counts.returned += 1,
            Closed::Unanswered => {}
        }
    }

    /// A sender wants a delivery back. One whose receipt is under way is given back only if that is not taken.
    fn recall(&mut self, delivery: Uuid) {
        if let Some(open) = self.open.get_mut(&delivery) {
            open.recalled = true;
        }
        let (known, order) = &mut self.recalls;
        if known.insert(delivery) {
            order.push_back(delivery);
        }
        if order.len() > RECALLS_MAX
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    /// Outcomes of receipts are here: this one, and those that have come with it.
    async fn resolve(&mut self, first: (Uuid, Fate)) -> Result<(), SinkError> {
        let mut fates = vec![first];
        while fates.len() < self.in_hand
            && let Some(Some(next)) = self.answers.next().now_or_never()
        {
            fates.push(next);
        }
        let mut ended = Ended::default();
        for (id, fate) in fates {
            match fate {
                Fate::Settled => ended.settled.push(id),
                Fate::Ended(how) => {
                    self.last = Instant::now();
                    if how == "recalled" {
                        self.counts.returned += 1;
                    } else {
                        *self.counts.dropped.entry(how).or_default() += 1;
                    }
                    ended.dropped.push(id);
                }
                Fate::Unknown => self.send_again(id, None).await?,
                Fate::Untraced => {
                    if let Some(open) = self.open.get_mut(&id) {
                        open.asks = open.asks.saturating_add(1);
                    }
                    self.send_again(id, None).await?;
                }
                Fate::Untaken { fresh } => {
                    let mut first = false;
                    if let Some(open) = self.open.get_mut(&id).filter(|open| !open.untaken) {
                        (open.untaken, first) = (true, true);
                        self.counts.untaken += 1;
                    }
                    // Refused for itself: no more is in doubt than was before. Once under a fresh id, for the key may be another
                    // since it left; this process's stays what it is, and each fresh id makes an entry in the ledger.
                    self.send_again(id, (fresh && first).then_some(false)).await?;
                }
                Fate::Again { doubted } => self.send_again(id, Some(doubted)).await?,
                Fate::Doubted => {
                    self.last = Instant::now();
                    self.doubts.push(id);
                }
            }
        }
        self.end(&ended).await
    }

    /// These are done with.
    async fn end(&mut self, ended: &Ended) -> Result<(), SinkError> {
        let Ended { settled, untold, dropped } = ended;
        if settled.is_empty() && untold.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        self.last = Instant::now();
        self.counts.records += self.sink.done(ended, ids::now(), &self.stop).await?;
        self.counts.settled += settled.len() as u64;
        self.counts.untold += untold.len() as u64;
        for id in settled.iter().chain(untold).chain(dropped) {
            self.forget(*id);
        }
        Ok(())
    }

    /// The sink is done with it: the broker is to be told, where it is in hand.
    fn forget(&mut self, id: Uuid) {
        if let Some(Open { delivery: Some(delivery), .. }) = self.open.remove(&id) {
            self.quiet.push(Box::pin(delivery.ignore().map(|()| Closed::Unanswered)));
        }
    }

    /// Sends a receipt again; under another id when the one before was answered, with a no: `fresh` says then whether one
    /// before it may have been taken all the same.
    async fn send_again(&mut self, id: Uuid, fresh: Option<bool>) -> Result<(), SinkError> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        open.tries = open.tries.saturating_add(1);
        if let Some(doubted) = fresh {
            let next = self.client.message_id();
            open.piece.doubted |= doubted;
            let stands = self.sink.again(id, open.piece.receipt, (next, open.piece.doubted), &self.stop).await?;
            let Some((receipt, doubted)) = stands else {
                // Another collector of the same table is done with it.
                self.last = Instant::now();
                self.counts.repeated += 1;
                self.forget(id);
                return Ok(());
            };
            // A recall counts where it is known that nothing was accepted: not where another's receipt is under way.
            open.verdict = if open.recalled && receipt == next { Verdict::Returned } else { Verdict::Accepted };
            open.piece.receipt = receipt;
            open.piece.doubted |= doubted;
        }
        let answer = answer::answer(self.client.clone(), open.piece.clone(), open.verdict, open.tries, open.asks);
        self.answers.push(Box::pin(answer));
        Ok(())
    }

    /// Begins downloads while there is room.
    fn download(&mut self) {
        while self.downloads.len() < DOWNLOADS
            && let Some(delivery) = self.waiting.pop_front()
        {
            let path = self.sink.large().join(delivery.id.to_string());
            let client = self.client.clone();
            self.downloads.push(Box::pin(async move {
                let came = download::fetch(&client, &delivery, &path).await;
                Loaded { delivery, path, came }
            }));
        }
    }

    /// A large content is here, or cannot be had.
    async fn loaded(&mut self, Loaded { delivery, path, came }: Loaded) -> Result<(), SinkError> {
        self.last = Instant::now();
        self.download();
        let (digest, count): (Digest, u32) = match came {
            Came::Whole(digest, count) => (digest, count),
            Came::Wrong(why) => {
                self.refuse(delivery, why);
                return Ok(());
            }
            // Not answered it is brought again, until its deadline.
            Came::Later(why) => {
                crate::cli::out::note(format_args!("delivery {} is left for later: {why}", delivery.id));
                return Ok(());
            }
            Came::Over(_) => {
                self.counts.late += 1;
                self.quiet.push(Box::pin(delivery.ignore().map(|()| Closed::Unanswered)));
                return Ok(());
            }
        };
        if self.recalls.0.contains(&delivery.id) {
            drop(std::fs::remove_file(&path));
            self.give_back(delivery);
            return Ok(());
        }
        let piece = Piece::of(&delivery, self.client.message_id(), ids::now(), (digest, count));
        self.store(vec![(delivery, piece, Content::File(path))]).await
    }
}

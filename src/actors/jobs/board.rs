//! The jobs that are open, and which of them workers are still to be given: a table beside the outbox, so that nothing on
//! the path of a message waits for them. All of it follows from the HATs' states.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use smol_str::SmolStr;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::domain::job::Tracks;
use crate::domain::{Address, Effect, Entry, Id, Kind, Timestamp, effects_of};
use crate::store::{StateDb, StoreError};

/// First pause after a plug's job could not be published; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Pause of a plug of which only jobs are left whose HATs cannot be read.
const UNREAD: Duration = Duration::from_secs(1);

/// Where an open job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub hat: Id,
    /// Of which endpoint.
    pub endpoint: SmolStr,
    /// When it was planned.
    pub planned: Timestamp,
}

/// A job that is to be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handout {
    /// To whose workers.
    pub plug: Id,
    /// Which.
    pub job: Uuid,
    /// Where it is.
    pub place: Place,
}

/// Of one plug.
#[derive(Debug, Default)]
struct OfPlug {
    open: HashMap<Uuid, Place>,
    /// Those that are to be handed out, in their order; some may be over.
    queue: VecDeque<Uuid>,
    /// What may be handed out by now, and as of when.
    room: f64,
    filled: Option<Instant>,
    not_before: Option<Instant>,
    failures: u32,
}

/// How jobs of a plug stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Open, whether workers have them or not.
    pub open: usize,
    /// Open and not yet handed out.
    pub queued: usize,
}

/// The table. Bounded by the endpoints that plugs fetch: one open job of each.
#[derive(Debug, Default)]
pub struct JobBoard {
    plugs: Mutex<HashMap<Id, OfPlug>>,
    /// Plugs whose HATs are to look at what they have to plan.
    asked: Mutex<BTreeSet<Id>>,
    called: Notify,
}

/// Of a HAT's row only this is read.
#[derive(Deserialize)]
struct OfHat {
    #[serde(default)]
    jobs: Tracks,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under the lock is complete in itself.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobBoard {
    /// Reads off the rows which jobs are open. Once, before any entry is folded in.
    ///
    /// # Errors
    /// [`StoreError`] when a row cannot be read.
    pub fn begin(&self, db: &StateDb) -> Result<(), StoreError> {
        let mut plugs = lock(&self.plugs);
        for row in db.rows(Some(Kind::Hat))? {
            let (party, row) = row?;
            let of: OfHat = rmp_serde::from_slice(&row.state).map_err(|error| StoreError::Decode {
                what: "the state",
                key: party.to_string(),
                detail: error.to_string(),
            })?;
            for track in of.jobs.iter() {
                let Some(job) = &track.job else { continue };
                let place = Place { hat: party.id.clone(), endpoint: track.endpoint.clone(), planned: job.planned };
                plugs.entry(track.plug.clone()).or_default().open.insert(job.job, place);
            }
        }
        Ok(())
    }

    /// Folds an entry in that was committed before this start.
    pub fn replay(&self, entry: &Entry) {
        if !matches!(entry.event, crate::domain::Event::Job(_)) {
            return;
        }
        let mut plugs = lock(&self.plugs);
        for effect in effects_of(entry) {
            match effect {
                Effect::Job { plug, endpoint, job } => {
                    let place = Place { hat: entry.entity.id.clone(), endpoint, planned: entry.at };
                    plugs.entry(plug).or_default().open.insert(job, place);
                }
                Effect::JobOver { plug, job } => {
                    plugs.entry(plug).or_default().open.remove(&job);
                }
                _ => {}
            }
        }
    }

    /// A job is planned: its plug's workers are to be given it.
    pub fn planned(&self, hat: &Id, plug: Id, endpoint: SmolStr, job: Uuid, planned: Timestamp) {
        {
            let mut plugs = lock(&self.plugs);
            let of = plugs.entry(plug).or_default();
            let place = Place { hat: hat.clone(), endpoint, planned };
            // What is known came with the start, which has said whether it is to be handed out again.
            if of.open.insert(job, place).is_some() {
                return;
            }
            of.queue.push_back(job);
        }
        self.called.notify_one();
    }

    /// A job is over; when it was planned.
    pub fn over(&self, plug: &Id, job: Uuid) -> Option<Timestamp> {
        let mut plugs = lock(&self.plugs);
        let of = plugs.get_mut(plug)?;
        let place = of.open.remove(&job)?;
        if of.open.is_empty() {
            of.queue = VecDeque::new();
            of.open.shrink_to_fit();
        }
        Some(place.planned)
    }

    /// Every open job that was planned at `since` or later is to be handed out again; how many.
    pub fn again(&self, since: Timestamp) -> usize {
        let mut count = 0;
        for of in lock(&self.plugs).values_mut() {
            let mut jobs: Vec<(Timestamp, Uuid)> = of
                .open
                .iter()
                .filter(|(_, place)| place.planned >= since)
                .map(|(job, place)| (place.planned, *job))
                .collect();
            jobs.sort_unstable();
            let queued: std::collections::HashSet<Uuid> = of.queue.iter().copied().collect();
            let before = of.queue.len();
            of.queue.extend(jobs.into_iter().map(|(_, job)| job).filter(|job| !queued.contains(job)));
            count += of.queue.len() - before;
        }
        self.called.notify_one();
        count
    }

    /// Takes out at most `most` jobs that are to be handed out at `now`. `pace` says how many of a plug's jobs may be in a
    /// minute; none: none for now.
    pub fn take(&self, now: Instant, most: usize, pace: impl Fn(&Id) -> Option<u32>) -> Vec<Handout> {
        let mut taken = Vec::new();
        for (plug, of) in lock(&self.plugs).iter_mut() {
            if of.queue.is_empty() || of.not_before.is_some_and(|at| now < at) {
                continue;
            }
            let Some(per_minute) = pace(plug) else { continue };
            let per_second = f64::from(per_minute) / 60.0;
            let since = of.filled.map_or(1.0, |filled| now.saturating_duration_since(filled).as_secs_f64());
            // A second's worth at once at the most, so that what was saved up is no herd.
            of.room = (of.room + since * per_second).min(per_second.max(1.0));
            of.filled = Some(now);
            while of.room >= 1.0 && taken.len() < most {
                let Some(job) = of.queue.pop_front() else { break };
                let Some(place) = of.open.get(&job) else { continue };
                of.room -= 1.0;
                taken.push(Handout { plug: plug.clone(), job, place: place.clone() });
            }
        }
        taken
    }

    /// These could not be handed out: they come again, later each time that this happens to their plug.
    pub fn back(&self, handouts: Vec<Handout>) {
        let mut plugs = lock(&self.plugs);
        let now = Instant::now();
        let mut hit: BTreeSet<Id> = BTreeSet::new();
        for handout in handouts.into_iter().rev() {
            let of = plugs.entry(handout.plug.clone()).or_default();
            if of.open.contains_key(&handout.job) {
                of.queue.push_front(handout.job);
            }
            if hit.insert(handout.plug) {
                of.failures = of.failures.saturating_add(1);
                of.not_before = Some(now + (PAUSE * (1 << of.failures.min(8))).min(PAUSE_MAX));
            }
        }
    }

    /// The HATs of these cannot be read: they come again after all others of their plug, so that one HAT stops nobody else.
    pub fn last(&self, handouts: Vec<Handout>) {
        let mut plugs = lock(&self.plugs);
        let at = Instant::now() + UNREAD;
        for handout in handouts {
            let of = plugs.entry(handout.plug).or_default();
            if !of.open.contains_key(&handout.job) {
                continue;
            }
            if of.queue.is_empty() {
                of.not_before = Some(of.not_before.map_or(at, |before| before.max(at)));
            }
            of.queue.push_back(handout.job);
        }
    }

    /// Jobs of this plug are taken by the stream.
    pub fn stored(&self, plug: &Id) {
        if let Some(of) = lock(&self.plugs).get_mut(plug) {
            (of.failures, of.not_before) = (0, None);
        }
    }

    /// When the oldest job was planned that is still to be handed out.
    pub fn oldest_queued(&self) -> Option<Timestamp> {
        let plugs = lock(&self.plugs);
        plugs.values().flat_map(|of| of.queue.iter().filter_map(|job| of.open.get(job))).map(|at| at.planned).min()
    }

    /// Plugs that have open jobs.
    pub fn busy(&self) -> Vec<Id> {
        lock(&self.plugs).iter().filter(|(_, of)| !of.open.is_empty()).map(|(plug, _)| plug.clone()).collect()
    }

    /// How the jobs of a plug stand.
    pub fn of(&self, plug: &Id) -> Census {
        lock(&self.plugs).get(plug).map_or_else(Census::default, OfPlug::census)
    }

    /// How all jobs stand.
    pub fn census(&self) -> Census {
        let plugs = lock(&self.plugs);
        plugs
            .values()
            .map(OfPlug::census)
            .fold(Census::default(), |sum, of| Census { open: sum.open + of.open, queued: sum.queued + of.queued })
    }

    /// A plug has been approved, maybe with another manifest: HATs that have it connected are to look.
    pub fn ask(&self, party: &Address) {
        if party.kind == Kind::Plug {
            lock(&self.asked).insert(party.id.clone());
            self.called.notify_one();
        }
    }

    /// The plugs of which that is to be done.
    pub fn take_asked(&self) -> BTreeSet<Id> {
        std::mem::take(&mut *lock(&self.asked))
    }

    /// Resolves when there may be something to do.
    pub async fn called(&self) {
        self.called.notified().await;
    }
}

impl OfPlug {
    fn census(&self) -> Census {
        Census { open: self.open.len(), queued: self.queue.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).expect("an id")
    }

    fn board(jobs: u128) -> JobBoard {
        let board = JobBoard::default();
        for n in 0..jobs {
            let at = Timestamp(i64::try_from(n).expect("few"));
            board.planned(&id("bob"), id("fitbit"), "steps".into(), Uuid::from_u128(n), at);
        }
        board
    }

    #[test]
    fn a_plug_s_jobs_leave_at_its_pace_and_what_was_saved_up_is_a_second_s_worth() {
        let board = board(1000);
        let start = Instant::now();
        let mut at = start;
        let mut taken = board.take(at, 9999, |_| Some(600)).len();
        assert_eq!(taken, 10, "a second's worth at first");
        for _ in 0..100 {
            at += Duration::from_millis(100);
            taken += board.take(at, 9999, |_| Some(600)).len();
        }
        assert!((109..=111).contains(&taken), "{taken} in 10 s at 10 a second");
        // However long nothing was taken.
        assert_eq!(board.take(at + Duration::from_secs(900), 9999, |_| Some(600)).len(), 10);
        assert!(board.take(at + Duration::from_secs(999), 9999, |_| None).is_empty(), "held");
    }

    #[test]
    fn what_is_over_is_not_handed_out_and_what_failed_comes_first_again() {
        let board = board(3);
        assert_eq!(board.over(&id("fitbit"), Uuid::from_u128(0)), Some(Timestamp(0)));
        assert_eq!(board.over(&id("fitbit"), Uuid::from_u128(0)), None);
        let now = Instant::now();
        let taken = board.take(now, 1, |_| Some(6000));
        assert_eq!(taken[0].job, Uuid::from_u128(1));
        board.back(taken);
        assert!(board.take(now, 9, |_| Some(6000)).is_empty(), "after a pause");
        let later = board.take(now + PAUSE_MAX, 9, |_| Some(6000));
        assert_eq!(later.iter().map(|it| it.job.as_u128()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(board.of(&id("fitbit")), Census { open: 2, queued: 0 });
    }

    #[test]
    fn a_job_whose_hat_cannot_be_read_comes_again_after_the_others() {
        let board = board(2);
        let now = Instant::now();
        let first = board.take(now, 9, |_| Some(60));
        assert_eq!(first[0].job, Uuid::from_u128(0));
        board.last(first);
        let later = now + Duration::from_secs(1);
        let second = board.take(later, 9, |_| Some(60));
        assert_eq!(second[0].job, Uuid::from_u128(1), "at once, though one at a time");
        let third = board.take(later + Duration::from_secs(1), 9, |_| Some(60));
        assert_eq!(third[0].job, Uuid::from_u128(0));
        board.last(third);
        assert!(lock(&board.plugs)[&id("fitbit")].not_before.is_some(), "nothing else waits: after a pause");
        assert_eq!(board.census(), Census { open: 2, queued: 1 });
    }

    #[test]
    fn after_a_loss_each_open_job_is_handed_out_once_more() {
        let board = board(4);
        let taken = board.take(Instant::now(), 2, |_| Some(6000));
        assert_eq!(taken.len(), 2);
        assert_eq!(board.oldest_queued(), Some(Timestamp(2)));
        assert_eq!(board.again(Timestamp(1)), 1, "one of them; the others wait already");
        assert_eq!(board.again(Timestamp(i64::MIN)), 1);
        assert_eq!(board.census(), Census { open: 4, queued: 4 });
        // Told again at a start, it is not handed out a second time.
        board.planned(&id("bob"), id("fitbit"), "steps".into(), Uuid::from_u128(1), Timestamp(1));
        assert_eq!(board.census(), Census { open: 4, queued: 4 });
    }
}

//! Laws of jobs over random histories: one at a time, never too early, each ends, and a crowd is spread flat.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::jobs::{BOB, PLUG, ROOT, fitbit, says, schedule, world};
use super::world::*;
use crate::domain::job::{JobError, JobStep, JobWord};
use crate::domain::time::SECOND;
use crate::domain::*;

const ENDPOINTS: [&str; 3] = ["steps", "sleep", "profile"];

#[derive(Debug, Clone)]
enum Deed {
    Pass(u32),
    Done(usize, bool),
    Failed(usize, usize, Option<u32>),
    Progress(usize),
    /// A word of a job that is over.
    Late(usize),
    Want(usize, bool),
    Connect(bool),
    Schedule(Option<bool>, Option<u32>),
    Suspend(bool, bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let endpoint = 0..ENDPOINTS.len();
    prop_oneof![
        6 => prop_oneof![1u32..120, 120u32..4000, 4000u32..200_000].prop_map(Deed::Pass),
        3 => (endpoint.clone(), any::<bool>()).prop_map(|(e, forget)| Deed::Done(e, forget)),
        3 => (endpoint.clone(), 0..JobError::ALL.len(), proptest::option::of(0u32..10_000))
            .prop_map(|(e, error, after)| Deed::Failed(e, error, after)),
        1 => endpoint.clone().prop_map(Deed::Progress),
        1 => (0usize..20).prop_map(Deed::Late),
        2 => (endpoint, any::<bool>()).prop_map(|(e, plug)| Deed::Want(e, plug)),
        1 => any::<bool>().prop_map(Deed::Connect),
        1 => (proptest::option::of(any::<bool>()), proptest::option::of(0u32..9000))
            .prop_map(|(pause, hold)| Deed::Schedule(pause, hold)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(hat, suspend)| Deed::Suspend(hat, suspend)),
    ]
}

/// What was seen of jobs by their entries alone.
#[derive(Default)]
struct Seen {
    read: usize,
    open: BTreeMap<String, Uuid>,
    ended: Vec<Uuid>,
    not_before: BTreeMap<String, Timestamp>,
}

impl Seen {
    /// Reads what is new; `held` says whether no job may be planned.
    fn read(&mut self, w: &World, held: bool) {
        for (entry, _) in &w.ledger[self.read..] {
            let Event::Job(event) = &entry.event else { continue };
            let endpoint = event.endpoint.to_string();
            match &event.step {
                JobStep::Planned { ends, .. } => {
                    assert!(!held, "planned while it is held: {entry:?}");
                    assert!(*ends > entry.at);
                    assert!(self.not_before.get(&endpoint).is_none_or(|at| *at <= entry.at), "too early: {entry:?}");
                    let before = self.open.insert(endpoint, event.job);
                    assert_eq!(before, None, "two at a time: {entry:?}");
                    assert!(!self.ended.contains(&event.job), "an id comes again");
                }
                step => {
                    assert_eq!(self.open.get(&endpoint), Some(&event.job), "not the one that is open: {entry:?}");
                    let asked = match step {
                        JobStep::Done { not_before, .. } => Some(*not_before),
                        JobStep::Failed { failure, .. } | JobStep::Dead { failure, .. } => Some(failure.not_before),
                        _ => None,
                    };
                    match asked {
                        Some(Some(at)) => drop(self.not_before.insert(endpoint.clone(), at)),
                        Some(None) => drop(self.not_before.remove(&endpoint)),
                        None => {}
                    }
                    if step.ends() {
                        self.open.remove(&endpoint);
                        self.ended.push(event.job);
                    }
                }
            }
        }
        self.read = w.ledger.len();
    }
}

fn held(w: &World) -> bool {
    let plug = &w.registry.0[&a(PLUG)];
    plug.active().is_err() || !plug.jobs.unwrap_or_default().open(w.now)
}

/// Wakes bob as the clock does until `then`, jumping from one instant to the next.
fn live(w: &mut World, seen: &mut Seen, then: Timestamp) {
    let mut wait: Option<Timestamp> = None;
    for _ in 0..20_000 {
        let wake = wait.take().or_else(|| w.hat(BOB).wake());
        match wake {
            Some(at) if at <= then => w.now = w.now.max(at),
            _ => break,
        }
        let was = held(w);
        if let Decision::Wait(until) = w.local(&a(BOB), Action::Wake) {
            assert!(until > w.now, "it waits for what is over");
            wait = Some(until);
        }
        seen.read(w, was);
        while let Some((to, action)) = w.sends.pop_front() {
            w.send(to, action);
        }
    }
    w.now = w.now.max(then);
}

fn current(w: &World, endpoint: &str) -> Uuid {
    super::jobs::current(w, endpoint).unwrap_or(Uuid::nil())
}

fn act(w: &mut World, seen: &mut Seen, deed: &Deed) {
    let plug = id("fitbit");
    let (to, from, action) = match deed {
        Deed::Pass(seconds) => {
            let then = w.now.plus(i64::from(*seconds) * SECOND);
            return live(w, seen, then);
        }
        Deed::Done(e, forget) => (BOB, PLUG, says(JobWord::done(current(w, ENDPOINTS[*e]), forget.then_some(None)))),
        Deed::Failed(e, error, after) => {
            let word = JobWord::failed(current(w, ENDPOINTS[*e]), JobError::ALL[*error]);
            (BOB, PLUG, says(JobWord { retry_after_seconds: *after, ..word }))
        }
        Deed::Progress(e) => (BOB, PLUG, says(JobWord::progress(current(w, ENDPOINTS[*e]), "further"))),
        Deed::Late(n) => {
            let job = seen.ended.get(*n).copied().unwrap_or(Uuid::nil());
            let decision = w.tell(BOB, PLUG, says(JobWord::done(job, None)));
            assert!(matches!(&decision, Decision::Record(drafts) if matches!(drafts[0].event, Event::Rejected { .. })));
            return;
        }
        Deed::Want(e, by_plug) => {
            (BOB, if *by_plug { PLUG } else { BOB }, says(JobWord::wanted(Some(ENDPOINTS[*e].into()))))
        }
        Deed::Connect(true) => (BOB, BOB, Action::PlugConnect { plug }),
        Deed::Connect(false) => (BOB, BOB, Action::PlugDisconnect { plug }),
        Deed::Schedule(pause, hold) => (PLUG, ROOT, schedule(*pause, *hold)),
        Deed::Suspend(hat, suspend) => {
            let (to, by) = if *hat { (BOB, "platform:hubat.net") } else { (PLUG, ROOT) };
            (to, by, if *suspend { Action::Suspend } else { Action::Resume })
        }
    };
    let was = held(w);
    w.tell(to, from, action);
    if matches!(deed, Deed::Connect(false)) {
        // What was connected anew is fetched from its beginning, and nothing is known of its source.
        seen.read(w, was);
        seen.not_before.clear();
    }
    while let Some((to, action)) = w.sends.pop_front() {
        w.send(to, action);
    }
    seen.read(w, was);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_at_a_time_never_too_early_and_each_ends(deeds in proptest::collection::vec(deed(), 1..60)) {
        let mut w = world();
        let mut seen = Seen::default();
        seen.read(&w, false);
        for deed in &deeds {
            act(&mut w, &mut seen, deed);
            let open = w.hat(BOB).jobs.iter().filter(|track| track.job.is_some()).count();
            prop_assert_eq!(open, seen.open.len(), "after {:?}", deed);
            let hat = &w.entities[&a(BOB)];
            prop_assert_eq!(&hat.restored(), hat);
            let plug = &w.entities[&a(PLUG)];
            prop_assert_eq!(&plug.restored(), plug);
        }
        // Whatever stood open then is over two days later.
        let open: Vec<Uuid> = seen.open.values().copied().collect();
        let then = w.now.plus(2 * 86_400 * SECOND);
        live(&mut w, &mut seen, then);
        for job in open {
            prop_assert!(seen.ended.contains(&job), "it never ended");
        }
    }
}

/// When each of these HATs is to be woken next, seconds from now.
fn nexts(w: &World, hats: &[String], endpoint: &str) -> Vec<i64> {
    let next = |hat: &String| w.hat(hat).jobs.get(&id("fitbit"), endpoint).and_then(|track| track.next);
    hats.iter().filter_map(next).map(|at| at.since(w.now) / SECOND).collect()
}

/// That so many values lie flat in a window: no tenth of it has a third more or less than its share.
fn flat(values: &[i64], window: i64) {
    let mut parts = [0usize; 10];
    for value in values {
        assert!((0..window).contains(value), "{value} is not within {window}");
        parts[usize::try_from(value * 10 / window).expect("small")] += 1;
    }
    let share = values.len() / 10;
    assert!(parts.iter().all(|part| part.abs_diff(share) <= share / 3), "{parts:?}");
}

#[test]
fn a_crowd_is_spread_after_an_outage_of_the_exchange_and_of_the_source() {
    let mut w = World::new();
    fitbit(&mut w);
    let hats: Vec<String> = (0..1500).map(|n| format!("hat:c{n}.hubat.net")).collect();
    for hat in &hats {
        w.register(hat, "platform:hubat.net", Profile::HAT);
        w.must(hat, hat, Action::PlugConnect { plug: id("fitbit") });
    }
    flat(&nexts(&w, &hats, "steps"), 60);
    // The exchange stands still for five hours: nobody plans at once, all within a quarter of an hour.
    w.pass(5 * 3600);
    for hat in &hats {
        assert!(matches!(w.local(&a(hat), Action::Wake), Decision::Record(_)));
        assert!(w.hat(hat).jobs.iter().all(|track| track.job.is_none()), "planned at once");
    }
    flat(&nexts(&w, &hats, "steps"), 900);
    // The source is held for two hours: nobody comes at its end.
    w.must(PLUG, ROOT, schedule(None, Some(7200)));
    let held = w.now;
    let waits: Vec<i64> = hats
        .iter()
        .map(|hat| {
            w.now = held.plus(1000 * SECOND);
            while let Decision::Wait(until) = w.local(&a(hat), Action::Wake) {
                w.now = until;
            }
            w.now.since(held) / SECOND - 7200
        })
        .collect();
    // The endpoint by the minute has a window of 15 s, and is due before or after the hold; none comes before its end.
    assert!(waits.iter().all(|wait| (0..=900).contains(wait)), "{waits:?}");
    let jobs: Vec<i64> =
        hats.iter().filter_map(|hat| w.hat(hat).jobs.get(&id("fitbit"), "steps")?.next).map(|at| at.0).collect();
    assert!(jobs.len() > 1400, "most of them only planned the one that is due more often: {}", jobs.len());
    w.now = held.plus(7200 * SECOND);
    // While it is paused they ask at different moments.
    w.must(PLUG, ROOT, schedule(Some(true), None));
    let asks: Vec<i64> = hats
        .iter()
        .map(|hat| match w.local(&a(hat), Action::Wake) {
            Decision::Wait(until) => until.since(w.now) / SECOND,
            other => panic!("{hat}: {other:?}"),
        })
        .collect();
    assert!(asks.iter().all(|ask| (0..=300).contains(ask)), "{asks:?}");
    // Each of them once in five minutes, however many of its endpoints are due.
    w.pass(6 * 3600);
    let hat = hats[0].clone();
    let (from, mut looks) = (w.now, 0);
    for _ in 0..100 {
        // A job that was under way may lapse in between.
        let decided = w.local(&a(&hat), Action::Wake);
        if let (Decision::Wait(until), true) = (decided, w.now.since(from) < 3600 * SECOND) {
            (w.now, looks) = (until, looks + 1);
        }
    }
    let due = w.hat(&hat).jobs.iter().filter(|it| it.job.is_none() && it.due() <= Some(w.now)).count();
    assert!(due > 1 && (12..=14).contains(&looks), "{looks} looks in an hour, {due} endpoints are due");
}

#[test]
fn a_hat_from_before_there_were_jobs_is_read() {
    let w = World::new();
    let hat = w.hat(BOB);
    let packed = rmp_serde::to_vec_named(hat).expect("packs");
    // Without jobs the row is what it was: nothing is written of them.
    let value: BTreeMap<String, serde::de::IgnoredAny> = rmp_serde::from_slice(&packed).expect("a map");
    assert!(!value.contains_key("jobs"));
    assert_eq!(&rmp_serde::from_slice::<Hat>(&packed).expect("a HAT"), hat);
    // Four endpoints with a job each take little.
    let mut w = world();
    let before = rmp_serde::to_vec_named(w.hat(BOB)).expect("packs").len();
    for endpoint in ["steps", "sleep", "profile"] {
        w.tell(BOB, BOB, says(JobWord::wanted(Some(endpoint.into()))));
    }
    let each = (rmp_serde::to_vec_named(w.hat(BOB)).expect("packs").len() - before) / 3;
    assert!(each < 160, "{each} bytes each");
}

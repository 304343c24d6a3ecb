//! Jobs, one by one: planned, going on, ending, held.

use serde_json::json;
use uuid::Uuid;

use super::world::*;
use crate::domain::job::{HoldReason, JobError, JobStep, JobWord, PlugSchedule, Track};
use crate::domain::plug::{JobReport, Manifest};
use crate::domain::time::SECOND;
use crate::domain::*;

pub const BOB: &str = "hat:bob.hubat.net";
pub const PLUG: &str = "plug:fitbit";
pub const ROOT: &str = "operator:root";

/// A plug that reads steps by the hour, sleep by the minute and a profile when it is wanted; three attempts.
pub fn fitbit(w: &mut World) {
    let manifest = json!({
        "description": "Reads what a wristband counts.",
        "url": "https://fitbit.plug.example",
        "endpoints": [
            {"name": "steps", "refreshSeconds": 3600},
            {"name": "sleep", "refreshSeconds": 60},
            {"name": "profile"},
        ],
        "jobs": {"attempts": 3, "leaseSeconds": 30},
    });
    let manifest = Some(std::sync::Arc::new(Manifest::read(&manifest).expect("a manifest")));
    w.approved(PLUG, Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest });
}

/// Bob has it connected.
pub fn world() -> World {
    let mut w = World::new();
    fitbit(&mut w);
    w.must(BOB, BOB, Action::PlugConnect { plug: id("fitbit") });
    w
}

pub fn track<'w>(w: &'w World, endpoint: &str) -> &'w Track {
    w.hat(BOB).jobs.get(&id("fitbit"), endpoint).expect("it is fetched")
}

pub fn current(w: &World, endpoint: &str) -> Option<Uuid> {
    w.hat(BOB).jobs.get(&id("fitbit"), endpoint)?.job.as_ref().map(|job| job.job)
}

pub fn says(word: JobWord) -> Action {
    Action::Job { plug: id("fitbit"), word: Box::new(word) }
}

pub fn schedule(pause: Option<bool>, hold_seconds: Option<u32>) -> Action {
    Action::PlugSchedule(PlugSchedule { pause, hold_seconds, hat: None })
}

/// On to when the endpoint is due, and woken.
pub fn planned(w: &mut World, endpoint: &str) -> Uuid {
    w.now = w.now.max(track(w, endpoint).due().expect("it is planned"));
    w.settle_sends();
    current(w, endpoint).expect("a job")
}

fn want(w: &mut World, endpoint: &str) -> Uuid {
    w.must(BOB, BOB, says(JobWord::wanted(Some(endpoint.into()))));
    current(w, endpoint).expect("a job")
}

fn refused(job: Uuid, error: JobError, after: u32) -> JobWord {
    JobWord { retry_after_seconds: Some(after), ..JobWord::failed(job, error) }
}

#[test]
fn connecting_plans_what_is_read_at_intervals_and_disconnecting_ends_it() {
    let mut w = world();
    let first = |w: &World, endpoint| track(w, endpoint).next.expect("planned").since(START);
    assert!((0..60 * SECOND).contains(&first(&w, "steps")) && (0..60 * SECOND).contains(&first(&w, "sleep")));
    assert!(w.hat(BOB).jobs.get(&id("fitbit"), "profile").is_none(), "only when it is wanted");
    let job = planned(&mut w, "steps");
    let effect = w.ledger.iter().rev().flat_map(|(entry, _)| effects_of(entry)).find_map(|effect| match effect {
        Effect::Job { plug, endpoint, job } => Some((plug, endpoint, job)),
        _ => None,
    });
    assert!(effect.is_some_and(|(plug, _, _)| plug == id("fitbit")));
    let body = track(&w, "steps").body(&id("bob.hubat.net")).expect("an open job");
    assert_eq!((body.job, body.attempt, body.lease_seconds), (job, 1, 30));
    assert_eq!(body.ends_at.since(body.planned_at), 3600 * SECOND);
    let events = w.must(BOB, BOB, Action::PlugDisconnect { plug: id("fitbit") });
    let over = events.iter().filter(|event| matches!(event, Event::Job(job) if job.step == JobStep::Over)).count();
    assert!(over >= 1, "{events:?}");
    assert!(w.hat(BOB).jobs.is_empty() && w.hat(BOB).wake().is_none_or(|at| at > w.now));
    assert_eq!(w.refuses(BOB, PLUG, says(JobWord::done(job, None))), Reason::NotConnected);
}

#[test]
fn a_job_that_is_done_keeps_its_continuation_and_the_next_round_comes_an_interval_later() {
    let mut w = world();
    let job = planned(&mut w, "steps");
    let began = w.now;
    w.pass(10);
    w.must(BOB, PLUG, says(JobWord::progress(job, "p2")));
    assert_eq!(track(&w, "steps").body(&id("bob.hubat.net")).expect("open").continuation.as_deref(), Some("p2"));
    w.must(BOB, PLUG, says(JobWord::done(job, Some(Some("day 1".into())))));
    assert_eq!(track(&w, "steps").continuation.as_deref(), Some("day 1"));
    assert_eq!(w.refuses(BOB, PLUG, says(JobWord::done(job, None))), Reason::WrongState);
    let next = track(&w, "steps").next.expect("a next round").since(began);
    assert!((3240 * SECOND..=3960 * SECOND).contains(&next), "{next}");
    let second = planned(&mut w, "steps");
    assert_ne!(second, job);
    w.must(BOB, PLUG, says(JobWord::done(second, None)));
    assert_eq!(track(&w, "steps").continuation.as_deref(), Some("day 1"), "as before");
    let third = planned(&mut w, "steps");
    w.must(BOB, PLUG, says(JobWord::done(third, Some(None))));
    assert_eq!(track(&w, "steps").continuation, None, "forgotten");
}

#[test]
fn a_job_that_fails_is_tried_later_and_later_and_then_dead_until_its_next_round() {
    let mut w = world();
    let mut job = planned(&mut w, "steps");
    let began = w.now;
    for attempt in 1..3_u32 {
        let failed = w.now;
        w.must(BOB, PLUG, says(JobWord::failed(job, JobError::Timeout)));
        assert_eq!(current(&w, "steps"), None);
        let pause = track(&w, "steps").next.expect("again").since(failed) / SECOND;
        let least = 30 * i64::from(attempt);
        assert!((least..=least * 3 / 2).contains(&pause), "attempt {attempt} after {pause} s");
        let next = planned(&mut w, "steps");
        assert_ne!(next, job);
        assert_eq!(track(&w, "steps").job.as_ref().map(|job| job.attempt), Some(attempt + 1));
        job = next;
    }
    let events = w.must(BOB, PLUG, says(JobWord::failed(job, JobError::Timeout)));
    assert!(matches!(&events[0], Event::Job(it) if matches!(it.step, JobStep::Dead { .. })), "{events:?}");
    let next = track(&w, "steps").next.expect("its next round").since(began);
    assert!((3240 * SECOND..=3960 * SECOND).contains(&next), "{next}");
    // Without credentials nothing is tried again in this round.
    job = planned(&mut w, "steps");
    let events = w.must(BOB, PLUG, says(JobWord::failed(job, JobError::Unauthorized)));
    assert!(matches!(&events[0], Event::Job(it) if matches!(it.step, JobStep::Dead { .. })), "{events:?}");
}

#[test]
fn what_nobody_does_lapses_and_is_planned_again() {
    let mut w = world();
    let job = planned(&mut w, "sleep");
    let ends = track(&w, "sleep").job.as_ref().expect("open").ends;
    assert_eq!(ends.since(w.now), 600 * SECOND, "ten minutes at least");
    w.now = ends;
    assert_eq!(w.refuses(BOB, PLUG, says(JobWord::done(job, None))), Reason::WrongState, "its time is over");
    w.settle_sends();
    assert!(track(&w, "sleep").next.is_some_and(|next| next >= ends && next.since(ends) <= 15 * SECOND));
    assert_ne!(planned(&mut w, "sleep"), job);
}

#[test]
fn somebody_may_want_a_job_now_but_not_all_the_time() {
    let mut w = world();
    let job = want(&mut w, "profile");
    assert_eq!(w.refuses(BOB, BOB, says(JobWord::wanted(Some("profile".into())))), Reason::AlreadyExists);
    w.must(BOB, PLUG, says(JobWord::done(job, None)));
    assert_eq!(track(&w, "profile").next, None, "only when it is wanted");
    assert_eq!(w.refuses(BOB, PLUG, says(JobWord::wanted(Some("profile".into())))), Reason::OverQuota);
    w.pass(60);
    let again = want(&mut w, "profile");
    w.must(BOB, PLUG, says(refused(again, JobError::RateLimited, 7200)));
    w.pass(100);
    assert_eq!(w.refuses(BOB, BOB, says(JobWord::wanted(Some("profile".into())))), Reason::WrongState);
    for (from, endpoint, reason) in [
        (BOB, "colours", Reason::NotFound),
        ("hat:eve.hubat.net", "steps", Reason::NotPermitted),
        ("plug:facebook", "steps", Reason::NotPermitted),
    ] {
        assert_eq!(w.refuses(BOB, from, says(JobWord::wanted(Some(endpoint.into())))), reason);
    }
    assert_eq!(w.refuses(BOB, BOB, says(JobWord::done(again, None))), Reason::NotPermitted, "a worker's word");
    w.must(BOB, BOB, says(JobWord::wanted(None)));
    assert!(current(&w, "steps").is_some() && current(&w, "sleep").is_some());
}

#[test]
fn records_of_a_job_are_of_its_endpoint_while_it_is_open() {
    let mut w = world();
    let job = want(&mut w, "profile");
    let credit = |w: &mut World, job: Option<Uuid>, endpoint: &str| {
        let action = Action::Credit { by: id("fitbit"), records: records(&[endpoint]) };
        let mut command = w.message(&a(BOB), &a(PLUG), action);
        command.job = job;
        w.run(&a(BOB), command)
    };
    let decision = credit(&mut w, Some(job), "fitbit/profile");
    assert!(
        matches!(&decision, Decision::Record(drafts) if matches!(&drafts[0].event, Event::Opened(it) if it.job == Some(job)))
    );
    assert_eq!(reason(&credit(&mut w, Some(job), "fitbit/steps")), Reason::OutsideNamespace);
    assert_eq!(reason(&credit(&mut w, Some(Uuid::nil()), "fitbit/profile")), Reason::WrongState);
    assert!(matches!(credit(&mut w, None, "fitbit/steps"), Decision::Record(_)), "an ordinary one");
    w.must(BOB, PLUG, says(JobWord::done(job, None)));
    assert_eq!(reason(&credit(&mut w, Some(job), "fitbit/profile")), Reason::WrongState);
}

#[test]
fn a_plug_that_is_paused_or_held_plans_nothing_and_goes_on_without_a_crowd() {
    let mut w = world();
    assert_eq!(w.refuses(PLUG, BOB, schedule(Some(true), None)), Reason::NotPermitted);
    w.must(PLUG, PLUG, schedule(Some(true), None));
    assert_eq!(w.refuses(PLUG, PLUG, schedule(Some(true), None)), Reason::AlreadyExists);
    w.pass(120);
    let Decision::Wait(until) = w.local(&a(BOB), Action::Wake) else { panic!("it is paused") };
    assert!(until > w.now && until.since(w.now) <= 300 * SECOND);
    assert_eq!(w.refuses(BOB, BOB, says(JobWord::wanted(Some("profile".into())))), Reason::WrongState);
    w.must(PLUG, ROOT, schedule(Some(false), Some(3600)));
    let began = w.now;
    // It looks again now and then: a hold may be over before its time.
    while current(&w, "steps").is_none() && current(&w, "sleep").is_none() {
        if let Decision::Wait(until) = w.local(&a(BOB), Action::Wake) {
            assert!(until > w.now && until.since(w.now) <= 300 * SECOND);
            w.now = until;
        }
    }
    assert!((3600 * SECOND..=4500 * SECOND).contains(&w.now.since(began)));
    assert!(current(&w, "steps").is_some() || current(&w, "sleep").is_some());
    // A hold may be ended.
    w.must(PLUG, PLUG, schedule(None, Some(9999)));
    w.must(PLUG, PLUG, schedule(None, Some(0)));
    want(&mut w, "profile");
}

#[test]
fn jobs_that_fail_hold_their_plug_longer_each_time_until_one_is_done() {
    let mut w = world();
    let report = |done, failed| Action::PlugReport(JobReport { done, failed, lag_seconds: None, error: None });
    for minutes in [5, 10, 20, 40, 60, 60] {
        let events = w.must(PLUG, PLUG, report(0, 3));
        let until = w.now.plus(minutes * 60 * SECOND);
        assert_eq!(events[1], Event::JobsHeld { until, why: HoldReason::Failing });
        assert_eq!(w.must(PLUG, PLUG, report(0, 3)).len(), 1, "held already");
        w.now = until;
    }
    let events = w.must(PLUG, PLUG, report(1, 0));
    assert_eq!(events[1], Event::JobsHeld { until: w.now, why: HoldReason::Failing });
    assert_eq!(w.must(PLUG, PLUG, report(1, 0)).len(), 1);
    let until = w.now.plus(300 * SECOND);
    assert_eq!(w.must(PLUG, PLUG, report(0, 3))[1], Event::JobsHeld { until, why: HoldReason::Failing });
}

#[test]
fn three_hats_that_are_told_to_come_later_hold_all_one_does_not() {
    let mut w = World::new();
    fitbit(&mut w);
    let mut jobs = Vec::new();
    for n in 0..4 {
        let hat = format!("hat:r{n}.hubat.net");
        w.register(&hat, "platform:hubat.net", Profile::HAT);
        w.must(&hat, &hat, Action::PlugConnect { plug: id("fitbit") });
        w.must(&hat, &hat, says(JobWord::wanted(Some("profile".into()))));
        jobs.push((hat.clone(), w.hat(&hat).jobs.get(&id("fitbit"), "profile").expect("a track").job.clone()));
    }
    for (n, (hat, job)) in jobs.iter().enumerate() {
        let job = job.as_ref().expect("a job").job;
        let seconds = 600 + 60 * u32::try_from(n).expect("few");
        w.must(hat, PLUG, says(refused(job, JobError::RateLimited, seconds)));
        while let Some((to, action)) = w.sends.pop_front() {
            w.send(to, action);
        }
        let hold = w.registry.0[&a(PLUG)].jobs.unwrap_or_default();
        let expected = (n >= 2).then(|| w.now.plus(600 * SECOND));
        assert_eq!(hold.until, expected, "after {} HATs", n + 1);
    }
    let told = w.ledger.iter().filter(|(entry, _)| matches!(entry.event, Event::JobRefused { .. })).count();
    assert_eq!(told, 3, "the fourth finds it held and says nothing");
}

#[test]
fn a_hat_that_is_suspended_has_no_jobs_and_goes_on_when_it_is_resumed() {
    let mut w = world();
    let job = planned(&mut w, "sleep");
    w.must(BOB, "platform:hubat.net", Action::Suspend);
    assert_eq!(current(&w, "sleep"), None);
    assert_eq!(w.refuses(BOB, PLUG, says(JobWord::done(job, None))), Reason::Suspended);
    assert!(w.hat(BOB).jobs.due().is_some_and(|due| due <= w.now) && w.hat(BOB).wake().is_some_and(|at| at > w.now));
    w.pass(7200);
    w.must(BOB, "platform:hubat.net", Action::Resume);
    w.settle_sends();
    assert!(track(&w, "steps").next.is_some(), "spread anew, as it is late");
    planned(&mut w, "steps");
    // A plug that is suspended has no say, and nothing is planned for it.
    w.must(PLUG, ROOT, Action::Suspend);
    w.pass(86_400);
    w.settle_sends();
    assert!(current(&w, "steps").is_none() && matches!(w.local(&a(BOB), Action::Wake), Decision::Wait(_)));
}

#[test]
fn a_manifest_that_changes_changes_the_plan() {
    let mut w = World::new();
    let manifest = |endpoints: serde_json::Value| {
        let manifest = json!({"description": "d", "url": "https://fitbit.example", "endpoints": endpoints});
        let manifest = Some(std::sync::Arc::new(Manifest::read(&manifest).expect("a manifest")));
        Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest }
    };
    w.approved(PLUG, Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest: None });
    w.must(BOB, BOB, Action::PlugConnect { plug: id("fitbit") });
    assert!(w.hat(BOB).jobs.is_empty());
    w.approved(PLUG, manifest(json!([{"name": "steps", "refreshSeconds": 3600}])));
    // It is told to look.
    assert!(matches!(w.local(&a(BOB), Action::Wake), Decision::Record(_)));
    let job = planned(&mut w, "steps");
    w.must(BOB, PLUG, says(JobWord::done(job, None)));
    w.approved(PLUG, manifest(json!([{"name": "sleep", "refreshSeconds": 3600}])));
    w.now = track(&w, "steps").next.expect("planned");
    w.settle_sends();
    assert!(w.hat(BOB).jobs.get(&id("fitbit"), "steps").is_none(), "the plug has it no more");
    assert!(track(&w, "sleep").next.is_some());
}

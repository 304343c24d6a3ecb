//! How a plug does: by the store time of its reports, by the clock, and the same when its entries are folded again.

use proptest::prelude::*;

use super::world::*;
use crate::domain::plug::health::{FAILING_FROM, REPORTS_PER_MINUTE, Standing as Does};
use crate::domain::plug::{JobReport, Manifest};
use crate::domain::*;

const PLUG: &str = "plug:facebook";
const ROOT: &str = "operator:root";

/// The world whose plug has a manifest that keeps it fresh for so long.
fn world(fresh_for_seconds: Option<u32>) -> World {
    let mut w = World::new();
    brings(&mut w, fresh_for_seconds);
    w
}

fn brings(w: &mut World, fresh_for_seconds: Option<u32>) {
    let manifest = serde_json::from_str(include_str!("../plug/facebook.json")).expect("JSON");
    let mut manifest = Manifest::read(&manifest).expect("a manifest");
    manifest.fresh_for_seconds = fresh_for_seconds;
    let manifest = Some(std::sync::Arc::new(manifest));
    let profile = Profile::Plug { name: "n".into(), namespace: "facebook".into(), manifest };
    // Brought again as it is, it is refused.
    if plug(w).registration.profile.as_ref() != Some(&profile) {
        w.approved(PLUG, profile);
    }
}

fn plug(w: &World) -> &Plug {
    match &w.entities[&a(PLUG)] {
        Any::Plug(plug) => plug,
        other => panic!("no plug: {other:?}"),
    }
}

fn does(w: &World) -> Does {
    plug(w).standing(w.now)
}

fn jobs(done: u32, failed: u32) -> Action {
    Action::PlugReport(JobReport { done, failed, lag_seconds: None, error: None })
}

fn told(w: &mut World, done: u32, failed: u32) -> Does {
    w.must(PLUG, PLUG, jobs(done, failed));
    does(w)
}

#[test]
fn jobs_make_it_healthy_or_failing_and_time_makes_it_stale() {
    let mut w = world(Some(600));
    assert_eq!((does(&w), plug(&w).wake()), (Does::Unknown, None));
    assert_eq!(told(&mut w, 0, 1), Does::Unknown);
    assert_eq!(told(&mut w, 3, 1), Does::Healthy);
    assert_eq!(told(&mut w, 0, FAILING_FROM - 1), Does::Healthy);
    assert_eq!(told(&mut w, 0, 1), Does::Failing);
    assert_eq!(told(&mut w, 1, 9), Does::Healthy, "one was done since");
    let over = w.now.plus(600 * crate::domain::time::SECOND);
    assert_eq!(plug(&w).wake(), Some(over));
    w.now = over.plus(-1);
    assert_eq!(does(&w), Does::Healthy);
    assert_eq!(w.local(&a(PLUG), Action::Wake), Decision::Nothing);
    w.now = over;
    assert_eq!(does(&w), Does::Stale);
    assert!(w.wake_all());
    assert_eq!(w.ledger.last().expect("an entry").0.event, Event::PlugStale { since: over });
    assert_eq!(plug(&w).wake(), None);
    // A job that fails does not make it fresh.
    assert_eq!(told(&mut w, 0, 1), Does::Stale);
    assert_eq!(told(&mut w, 1, 0), Does::Healthy);
    assert_eq!((plug(&w).health.jobs_done, plug(&w).health.jobs_failed), (5, 15));
}

#[test]
fn what_it_reads_may_lie_too_far_behind() {
    let mut w = world(Some(600));
    let report = |lag| Action::PlugReport(JobReport { done: 1, failed: 0, lag_seconds: Some(lag), error: None });
    w.must(PLUG, PLUG, report(600));
    assert_eq!(does(&w), Does::Healthy);
    w.must(PLUG, PLUG, report(601));
    assert_eq!(does(&w), Does::Stale);
    w.must(PLUG, PLUG, jobs(1, 0));
    assert_eq!(does(&w), Does::Stale, "a report without a lag leaves it as it was told");
    w.must(PLUG, PLUG, report(0));
    assert_eq!(does(&w), Does::Healthy);
}

#[test]
fn without_a_limit_nothing_goes_stale_and_another_manifest_brings_one() {
    let mut w = world(None);
    assert_eq!(told(&mut w, 1, 0), Does::Healthy);
    w.pass(86_400 * 365);
    assert_eq!((does(&w), plug(&w).wake()), (Does::Healthy, None));
    brings(&mut w, Some(3600));
    assert_eq!(does(&w), Does::Stale);
    while w.wake_all() {}
    assert_eq!(plug(&w).health.told, Does::Stale);
}

#[test]
fn only_a_plug_in_force_reports_of_itself_and_not_too_often() {
    let mut w = world(Some(600));
    assert_eq!(w.refuses(PLUG, "org:acme", jobs(1, 0)), Reason::NotPermitted);
    assert_eq!(w.refuses(PLUG, ROOT, jobs(1, 0)), Reason::NotPermitted);
    assert_eq!(w.refuses("org:acme", "org:acme", jobs(1, 0)), Reason::NotPermitted);
    assert_eq!(w.refuses(PLUG, PLUG, jobs(0, 0)), Reason::Malformed);
    assert_eq!(w.refuses(PLUG, PLUG, jobs(u32::MAX, u32::MAX)), Reason::Malformed);
    w.must(PLUG, ROOT, Action::Suspend);
    assert_eq!(w.refuses(PLUG, PLUG, jobs(1, 0)), Reason::Suspended);
    w.must(PLUG, ROOT, Action::Resume);
    for _ in 0..REPORTS_PER_MINUTE {
        w.must(PLUG, PLUG, jobs(1, 0));
    }
    assert_eq!(w.refuses(PLUG, PLUG, jobs(1, 0)), Reason::OverQuota);
    w.pass(60);
    w.must(PLUG, PLUG, jobs(1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Live, folded from the entries, and folded with a row in between: the same, at every instant that is asked about.
    #[test]
    fn replayed_it_is_as_it_was_live(
        steps in prop::collection::vec((0u8..6, 0u32..3, 0u32..4, prop::option::of(0u32..2000), 0i64..900), 0..60),
        fresh in prop::option::of(60u32..1800), cut in any::<usize>(), ahead in 0i64..4000,
    ) {
        let mut w = world(fresh);
        for (what, done, failed, lag_seconds, seconds) in steps {
            w.pass(seconds);
            match what {
                0 => brings(&mut w, lag_seconds.map(|seconds| seconds.max(60))),
                1 => { w.wake_all(); }
                _ => {
                    let report = JobReport { done, failed, lag_seconds, error: Some("why".into()) };
                    w.tell(PLUG, PLUG, Action::PlugReport(report));
                }
            }
        }
        while w.wake_all() {}
        let changed = w.ledger.iter().filter(|(it, _)| it.entity == a(PLUG)).filter(|(it, _)| matches!(it.event, Event::Approved { .. })).count() > 2;
        let mine: Vec<&Entry> = w.ledger.iter().map(|(entry, _)| entry).filter(|it| it.entity == a(PLUG)).collect();
        let mut folded = Any::new(Kind::Plug);
        for (number, entry) in mine.iter().enumerate() {
            if number == cut % mine.len() {
                folded = folded.restored();
            }
            folded.apply(entry);
        }
        prop_assert_eq!(&folded, &w.entities[&a(PLUG)]);
        let live = plug(&w);
        // Once everybody has looked at the clock, the ledger says what it shows.
        prop_assert!(live.wake().is_none_or(|at| at > w.now));
        let (shown, said) = (live.standing(w.now), live.health.told);
        // The limit may have changed since the ledger told it: the next report says it anew.
        prop_assert!(changed || shown == said, "{:?} {:?}", shown, said);
        let later = w.now.plus(ahead * crate::domain::time::SECOND);
        prop_assert!(live.standing(later) != Does::Healthy || shown == Does::Healthy);
    }
}

//! What HATs report: counted once, whatever way a batch comes again, and the sum over HATs.

use proptest::prelude::*;

use super::world::*;
use crate::domain::report::*;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";

fn told(mark: u64, endpoint: &str, path: &str, count: u32) -> Told {
    let values = vec![Counted { endpoint: endpoint.into(), path: path.into(), count }];
    Told { mark, kind: StatsKind::Inbound, values }
}

fn batch(marks: impl IntoIterator<Item = u64>) -> Report {
    let told = marks.into_iter().map(|mark| told(mark, "fitbit/steps", "steps", 2)).collect();
    Report { told, unreadable: 0 }
}

fn reported(w: &mut World, report: Report) -> Reported {
    match w.must(BOB, BOB, Action::Report(report)).as_slice() {
        [Event::Reported(added)] => (**added).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_that_comes_again_whole_or_in_part_is_counted_once() {
    let mut w = World::new();
    let first = reported(&mut w, batch(0..100));
    assert_eq!((first.new_events(), first.repeated, first.values_in), (100, 0, 200));
    assert!(first.fields[0].first);
    let again = reported(&mut w, batch(0..100));
    assert_eq!((again.new_events(), again.repeated, again.values_in), (0, 100, 0));
    assert!(again.fields.is_empty());
    let part = reported(&mut w, batch(50..150));
    assert_eq!((part.new_events(), part.repeated, part.values_in), (50, 50, 100));
    assert!(!part.fields[0].first);
    let inside = reported(&mut w, batch([200, 200]));
    assert_eq!((inside.new_events(), inside.repeated), (1, 1));
    let reports = w.hat(BOB).reports.clone().expect("reported");
    assert_eq!(reports.totals.values_in, 302);
    assert_eq!(reports.fields["fitbit/steps"]["steps"], 302);
}

#[test]
fn only_the_newest_events_are_remembered() {
    let mut w = World::new();
    let most = RECENT_MAX as u64;
    reported(&mut w, batch(0..most));
    assert_eq!(reported(&mut w, batch([0])).repeated, 1);
    reported(&mut w, batch([most]));
    assert_eq!(w.hat(BOB).reports.as_ref().expect("reported").recent.len(), RECENT_MAX);
    assert_eq!(reported(&mut w, batch([1])).repeated, 1);
    assert_eq!(reported(&mut w, batch([0])).repeated, 0, "it fell out");
}

#[test]
fn only_the_hat_reports_and_only_while_it_is_in_force() {
    let mut w = World::new();
    assert_eq!(w.refuses(BOB, "plug:facebook", Action::Report(batch([1]))), Reason::NotPermitted);
    assert_eq!(w.refuses(BOB, "operator:root", Action::Report(batch([1]))), Reason::NotPermitted);
    w.must(BOB, "operator:root", Action::Suspend);
    assert_eq!(w.refuses(BOB, BOB, Action::Report(batch([1]))), Reason::Suspended);
    assert_eq!(w.hat(BOB).reports, None);
}

#[test]
fn fields_are_bounded_and_the_totals_go_on() {
    let mut reports = Reports::default();
    for round in 0..4u64 {
        let told = (0..300).map(|field| {
            let number = round * 300 + field;
            told(number, "x/y", &format!("f{number}"), 1)
        });
        let report = Report { told: told.collect(), unreadable: 0 };
        let added = reports.decide(&report);
        assert!(added.fields.len() <= FIELDS_PER_ENTRY_MAX);
        reports.apply(&added);
    }
    assert_eq!(reports.len(), FIELDS_PER_HAT_MAX);
    assert_eq!(reports.totals.values_in, 1200);
}

proptest! {
    #[test]
    fn each_event_counts_once(
        batches in prop::collection::vec((0usize..3, prop::collection::vec(0u64..60, 0..20)), 0..30)
    ) {
        let mut hats = vec![Reports::default(); 3];
        let mut expected = vec![std::collections::BTreeSet::new(); 3];
        let mut totals = Totals::default();
        for (hat, marks) in batches {
            let told = marks.iter().map(|mark| told(*mark, "a/b", &format!("f{}", mark % 7), 3)).collect();
            let added = hats[hat].decide(&Report { told, unreadable: 0 });
            hats[hat].apply(&added);
            totals.add(&added);
            expected[hat].extend(marks);
        }
        for (reports, marks) in hats.iter().zip(&expected) {
            prop_assert_eq!(reports.totals.values_in, 3 * marks.len() as u64);
            let bytes = rmp_serde::to_vec_named(reports).expect("packs");
            prop_assert_eq!(&rmp_serde::from_slice::<Reports>(&bytes).expect("reads"), reports);
        }
        prop_assert_eq!(totals.values_in, hats.iter().map(|hat| hat.totals.values_in).sum::<u64>());
    }
}

//! Rolling windows against a count by hand: late entries, clocks that jump, a fold that stops and goes on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::catalogue::{entry, opened};
use crate::domain::event::{Closed, Direction};
use crate::domain::statistics::{Head, Statistics, Window};
use crate::domain::time::SECOND;
use crate::domain::*;

/// A Monday in 2026, not at the beginning of any slot.
const START: i64 = 1_767_600_000 * SECOND + 123_456_789;

#[derive(Debug, Clone)]
struct Fact {
    hat: u32,
    /// Of the message, nanoseconds from [`START`].
    at: i64,
    /// When it was committed, likewise.
    committed: i64,
    what: u8,
    records: u32,
}

impl Fact {
    fn entry(&self) -> Entry {
        let at = Timestamp(START + self.at);
        let event = match self.what {
            0 | 1 => Event::Opened(Box::new(opened(self.hat, Direction::Credit, &[("fitbit/steps", self.records)]))),
            2 => Event::Opened(Box::new(opened(self.hat, Direction::Release, &[("facebook/feed", self.records)]))),
            3 => Event::Rejected { reason: Reason::Stale },
            _ => {
                let of = opened(self.hat, Direction::Credit, &[]);
                Event::Settled(Box::new(Closed {
                    exchange: of.exchange,
                    from: of.from,
                    to: of.to,
                    delivery: of.delivery,
                    direction: of.direction,
                    digest_in: of.digest_in,
                    digest_out: of.digest_out,
                    count: self.records,
                    bytes: 10,
                    opened_at: at.plus(-i64::from(self.records) * 1_000_000),
                    without_pii: false,
                }))
            }
        };
        entry(self.hat, at, event)
    }
}

fn fold(mut statistics: Statistics, facts: &[Fact]) -> Statistics {
    let from = statistics.through();
    for (leaf, fact) in (from..).zip(facts) {
        statistics.apply(leaf, Timestamp(START + fact.committed), &fact.entry());
    }
    statistics
}

/// As it is read back.
fn stored(statistics: &Statistics) -> Statistics {
    fn copy<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        rmp_serde::from_slice(&rmp_serde::to_vec_named(value).expect("packs")).expect("reads")
    }
    let head: Head = copy(&statistics.head());
    let slots = Window::ALL.into_iter().flat_map(|window| {
        let slots = statistics.ring(window).slots().iter();
        slots.map(move |(begins, bucket)| (window, *begins, copy(bucket)))
    });
    let endpoints = statistics.catalogue().endpoints().iter().map(|(name, it)| (name.clone(), copy(it)));
    Statistics::restored(head, slots.collect::<Vec<_>>(), endpoints.collect::<Vec<_>>())
}

/// Compares a window with what a list of all entries gives.
fn check(statistics: &Statistics, facts: &[Fact], window: Window, at: Timestamp) -> Result<(), TestCaseError> {
    let from = window.begins(at);
    let inside: Vec<&Fact> =
        facts.iter().filter(|fact| (from..=at.0).contains(&((START + fact.at).div_euclid(SECOND) * SECOND))).collect();
    let told = statistics.window(window, at);
    let count = |what: &[u8]| inside.iter().filter(|fact| what.contains(&fact.what)).count() as u64;
    prop_assert_eq!(told.tally.reached(Status::Accepted), count(&[0, 1, 2]), "{} accepted", window);
    prop_assert_eq!(told.tally.reached(Status::Settled), count(&[4]), "{} settled", window);
    prop_assert_eq!(told.tally.get("rejections", "stale"), count(&[3]));
    let records = |what: &[u8]| -> u64 {
        inside.iter().filter(|fact| what.contains(&fact.what)).map(|fact| u64::from(fact.records)).sum()
    };
    prop_assert_eq!(told.tally.get("records", "credit"), records(&[0, 1]));
    prop_assert_eq!(told.tally.get("records", "release"), records(&[2]));
    let hats: BTreeSet<u32> = inside.iter().filter(|fact| fact.what < 3).map(|fact| fact.hat).collect();
    let off = told.hats.estimate().abs_diff(hats.len() as u64);
    prop_assert!(off <= 1 + hats.len() as u64 / 20, "{} hats of {}", told.hats.estimate(), hats.len());
    // The exact quantile lies within the sketch's error.
    let mut settled: Vec<u32> = inside.iter().filter(|fact| fact.what > 3).map(|fact| fact.records).collect();
    settled.sort_unstable();
    prop_assert_eq!(told.settle.count(), settled.len() as u64);
    if let (Some(found), false) = (told.settle.quantile(0.5), settled.is_empty()) {
        let exact = f64::from(settled[(settled.len() - 1) / 2]) / 1000.0;
        prop_assert!((found - exact).abs() <= exact * 0.011 + 1e-9, "{found} for {exact}");
    }
    // With two names nothing is crowded out.
    let tops: BTreeMap<_, _> = told.top_in.sorted().into_iter().map(|it| (it.name.to_string(), it.count)).collect();
    prop_assert_eq!(tops.get("fitbit/steps").copied().unwrap_or(0), records(&[0, 1]));
    Ok(())
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    // Steps of the clock from one commit to the next, and how late the message is by then: mostly little.
    let step = prop_oneof![8 => 0i64..3, 3 => 0i64..90, 1 => 0i64..20_000];
    let late = prop_oneof![8 => 0i64..2, 3 => 0i64..70, 1 => 0i64..5_000];
    prop::collection::vec((step, late, 0u32..40, 0u8..5, 1u32..5_000), 1..150).prop_map(|steps| {
        let mut now = 0;
        let fact = |(step, late, hat, what, records): (i64, i64, u32, u8, u32)| {
            now += step * SECOND + i64::from(records) * 77_777;
            Fact { hat, at: now - late * SECOND, committed: now, what, records }
        };
        steps.into_iter().map(fact).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_are_what_a_count_by_hand_gives(facts in facts(), later in 0i64..4_000, cut in 0usize..150) {
        let whole = fold(Statistics::new(5), &facts);
        let now = Timestamp(START + facts.last().expect("one").committed);
        for window in Window::ALL {
            for at in [now, now.plus(later * SECOND / 40), now.plus(later * SECOND)] {
                check(&whole, &facts, window, at)?;
            }
        }
        // Stopped anywhere, read back and gone on with, it is the same to the byte.
        let cut = cut.min(facts.len());
        let again = fold(stored(&fold(Statistics::new(5), &facts[..cut])), &facts[cut..]);
        let bytes = |of: &Statistics| {
            let slots: Vec<_> = Window::ALL.iter().map(|window| of.ring(*window).slots().clone()).collect();
            let head = rmp_serde::to_vec_named(&of.head()).expect("packs");
            (head, rmp_serde::to_vec_named(&slots).expect("packs"), of.catalogue().clone())
        };
        prop_assert!(bytes(&again) == bytes(&whole));
    }
}

#[test]
fn each_entry_counts_in_its_own_second_however_late_it_comes() {
    let fact =
        |at: i64, committed: i64| Fact { hat: 1, at: at * SECOND, committed: committed * SECOND, what: 3, records: 1 };
    // 30 s late, 10 min late, 2 days late.
    let facts = [fact(0, 0), fact(-30, 1), fact(-600, 2), fact(-2 * 86_400, 3), fact(4, 4)];
    let statistics = fold(Statistics::new(5), &facts);
    let now = Timestamp(START + 4 * SECOND);
    let rejected = |window| statistics.window(window, now).tally.reached(Status::Rejected);
    assert_eq!(Window::ALL.map(rejected), [3, 3, 4, 4, 5]);
    assert_eq!(statistics.total().reached(Status::Rejected), 5);
    // When its time is over, it is in the short windows no more.
    let rejected = |window| statistics.window(window, now.plus(40 * SECOND)).tally.reached(Status::Rejected);
    assert_eq!(Window::ALL.map(rejected), [2, 3, 4, 4, 5]);
}

#[test]
fn a_clock_that_was_ahead_spoils_no_window_for_good_and_slots_are_bounded() {
    let fact = |at: i64| Fact { hat: 1, at: at * SECOND, committed: at * SECOND, what: 3, records: 1 };
    let ahead = 400 * 86_400;
    let facts: Vec<Fact> = [fact(0), fact(ahead), fact(ahead + 1), fact(5), fact(6), fact(7)].into();
    let statistics = fold(Statistics::new(5), &facts);
    let now = Timestamp(START + 7 * SECOND);
    let rejected = |window| statistics.window(window, now).tally.reached(Status::Rejected);
    // What lay before the jump is gone from the windows; what comes after it is counted again at once.
    assert_eq!(Window::ALL.map(rejected), [3, 3, 3, 3, 3]);

    let mut statistics = Statistics::new(5);
    for (leaf, i) in (0..3_000i64).enumerate() {
        let at = if i % 3 == 0 { i * 997 } else { i * 997 - i % 7 * 100_000 };
        let fact = Fact { hat: 1, at: at * SECOND, committed: i * 997 * SECOND, what: 0, records: 1 };
        statistics.apply(leaf as u64, Timestamp(START + fact.committed), &fact.entry());
        for window in Window::ALL {
            assert!(statistics.ring(window).slots().len() <= window.slots_max());
        }
    }
}

//! When a debit is in force, and what its owner's acts make of it.

use super::world::*;
use crate::domain::debit::{Cancelled, Debit, Enabled, Revision};
use crate::domain::time::SECOND;
use crate::domain::*;
use proptest::prelude::*;

const BOB: &str = "hat:bob.hubat.net";

/// Enabled at 1000 s, period 100 s.
fn debit(start: Option<i64>, once: bool, cancelled: Option<(i64, bool)>) -> Debit {
    let at = |s: i64| Timestamp(s * SECOND);
    let mut terms = terms("org:acme", &["a/b"]);
    terms.start = start.map(at);
    terms.period_seconds = 100;
    terms.cancel_at_period_end = once;
    Debit {
        client: a("org:acme"),
        offer: None,
        revisions: vec![Revision { terms, at: at(900), n: 1, program: Default::default(), gates: Default::default() }],
        enabled: Some(Enabled { revision: 1, at: at(1000), n: 2, since: None }),
        cancelled: cancelled.map(|(s, at_period_end)| Cancelled { at: at(s), at_period_end }),
        rolled: 0,
        told_end: None,
        place: None,
    }
}

#[test]
fn ends_are_those_of_the_reference() {
    for (start, once, cancelled, end) in [
        (None, false, None, None),
        (None, true, None, Some(1100)),
        (Some(500), true, None, Some(1100)),
        (Some(2000), true, None, Some(2100)),
        (None, false, Some((1250, false)), Some(1250)),
        (None, false, Some((1250, true)), Some(1300)),
        (None, false, Some((1300, true)), Some(1300)),
        (None, true, Some((1050, true)), Some(1100)),
        (None, true, Some((1050, false)), Some(1050)),
        (Some(2000), false, Some((1500, true)), Some(2000)),
        (Some(2000), false, Some((1500, false)), Some(1500)),
    ] {
        let debit = debit(start, once, cancelled);
        let got = debit.end().map(|end| end.0 / SECOND);
        assert_eq!(got, end, "{start:?} {once} {cancelled:?}");
    }
}

proptest! {
    #[test]
    fn active_is_enabled_and_from_start_until_end(
        start in proptest::option::of(0i64..3000),
        once: bool,
        cancelled in proptest::option::of((1000i64..3000, any::<bool>())),
        now in 0i64..4000,
    ) {
        let debit = debit(start, once, cancelled);
        // By walking through the periods, second by second.
        let from = start.unwrap_or(0).max(1000);
        let mut active = now >= from;
        if once && now >= from + 100 {
            active = false;
        }
        if let Some((at, at_period_end)) = cancelled {
            let mut end = at;
            if at_period_end {
                end = from;
                while end < at {
                    end += 100;
                }
            }
            active &= now < end;
        }
        prop_assert_eq!(debit.in_force(Timestamp(now * SECOND)).is_ok(), active);
    }
}

#[test]
fn an_amended_permission_waits_while_the_old_one_stays_active() {
    let mut w = World::new();
    let release = |endpoint: &str| Action::Release { debit: id("d1"), records: records(&[endpoint]) };
    let amend = Action::DebitAmend { debit: id("d1"), terms: terms("org:acme", &["rumpel/a"]) };
    w.must(BOB, "org:acme", amend);
    w.must(BOB, BOB, release("facebook/feed"));
    assert_eq!(w.refuses(BOB, BOB, release("rumpel/a")), Reason::NothingSelected);
    for unseen in [0, 1, 3] {
        let stale = Action::DebitEnable { debit: id("d1"), revision: Some(unseen) };
        assert_eq!(w.refuses(BOB, BOB, stale), Reason::Conflict, "{unseen}");
    }
    let enable = || Action::DebitEnable { debit: id("d1"), revision: Some(2) };
    let enabled = w.must(BOB, BOB, enable());
    assert!(matches!(enabled[0], Event::DebitEnabled { revision: 2, .. }));
    w.must(BOB, BOB, release("rumpel/a"));
    assert_eq!(w.refuses(BOB, BOB, release("facebook/feed")), Reason::NothingSelected);
    assert_eq!(w.refuses(BOB, BOB, enable()), Reason::WrongState);
}

#[test]
fn disable_and_enable_keep_the_terms_flag() {
    let mut w = World::new();
    let mut once = terms("org:acme", &["a/b"]);
    once.cancel_at_period_end = true;
    w.debit("d2", "org:acme", once);
    let disable = Action::DebitDisable { debit: id("d2"), at_period_end: false };
    w.must(BOB, BOB, disable);
    w.pass(60);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("d2"), revision: None });
    let end = w.hat(BOB).debits[&id("d2")].end();
    assert_eq!(end, Some(w.now.plus(3600 * SECOND)), "one period again");
    let disable = || Action::DebitDisable { debit: id("d1"), at_period_end: true };
    w.must(BOB, BOB, disable());
    assert_eq!(w.refuses(BOB, BOB, disable()), Reason::WrongState);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("d1"), revision: None });
    assert_eq!(w.hat(BOB).debits[&id("d1")].end(), None, "rolls on again");
}

#[test]
fn ended_debits_kept_are_bounded() {
    let mut w = World::new();
    w.limits.messages_per_minute = u32::MAX;
    for i in 0..hat::state::ENDED_DEBITS_MAX + 5 {
        let debit = format!("x{i}");
        w.debit(&debit, "org:acme", terms("org:acme", &["a/b"]));
        let debit = id(&debit);
        w.must(BOB, BOB, Action::DebitDisable { debit, at_period_end: false });
        w.pass(1);
    }
    let hat = w.hat(BOB);
    assert!(hat.debits.len() <= hat::state::ENDED_DEBITS_MAX + 2);
    assert!(!hat.debits.contains_key(&id("x0")), "the oldest went");
    assert!(hat.debits.contains_key(&id("d1")), "a live one stays");
}

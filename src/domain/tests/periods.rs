//! Periods of data debits: what the clock alone does, at the edges of calendar and time.

use super::world::*;
use crate::domain::time::SECOND;
use crate::domain::*;
use proptest::prelude::*;

const BOB: &str = "hat:bob.hubat.net";
const DAY: u32 = 86_400;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A world at `now` in which acme's debit `p` of this period is enabled on bob.
fn enabled(now: &str, period: u32, once: bool) -> World {
    let mut w = World::new();
    w.now = at(now);
    let mut terms = terms("org:acme", &["facebook/feed"]);
    terms.period_seconds = period;
    terms.cancel_at_period_end = once;
    w.debit("p", "org:acme", terms);
    w
}

fn debit(w: &World) -> &crate::domain::debit::Debit {
    &w.hat(BOB).debits[&id("p")]
}

/// What the clock does at `now`, as events.
fn wake(w: &mut World, now: &str) -> Vec<Event> {
    w.now = at(now);
    match w.local(&a(BOB), Action::Wake) {
        Decision::Record(drafts) => {
            assert!(drafts.iter().all(|draft| !draft.with_cause));
            let of_p = |event: &Event| match event {
                Event::DebitRolled { debit, .. } | Event::DebitEnded { debit, .. } => *debit == id("p"),
                other => panic!("not by the clock: {other:?}"),
            };
            drafts.into_iter().map(|draft| draft.event).filter(of_p).collect()
        }
        Decision::Nothing => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn rolled(periods: u64, period: u64, starts: &str) -> Event {
    Event::DebitRolled { debit: id("p"), client: a("org:acme"), periods, period, starts: at(starts) }
}

fn ended(end: &str) -> Event {
    Event::DebitEnded { debit: id("p"), client: a("org:acme"), end: at(end), claim: None }
}

fn release(w: &mut World, now: &str) -> Result<(), Reason> {
    w.now = at(now);
    let decision = w.tell(BOB, BOB, Action::Release { debit: id("p"), records: records(&["facebook/feed"]) });
    match &decision {
        Decision::Record(drafts) if matches!(drafts[0].event, Event::Opened(_)) => Ok(()),
        _ => Err(reason(&decision)),
    }
}

#[test]
fn a_period_is_a_span_of_seconds_over_month_ends_and_leap_days() {
    let mut w = enabled("2028-01-31T12:00:00Z", 30 * DAY, false);
    // 2028 is a leap year: 30 days from 31 January is 1 March, and nothing is skipped or shortened.
    assert_eq!(debit(&w).next_turn(), Some(at("2028-03-01T12:00:00Z")));
    assert!(wake(&mut w, "2028-03-01T11:59:59.999999999Z").is_empty());
    assert_eq!(wake(&mut w, "2028-03-01T12:00:00Z"), [rolled(1, 2, "2028-03-01T12:00:00Z")]);
    assert!(wake(&mut w, "2028-03-01T12:00:00Z").is_empty(), "told once");
    let mut w = enabled("2027-01-31T12:00:00Z", 30 * DAY, false);
    assert_eq!(wake(&mut w, "2027-03-02T12:00:00Z"), [rolled(1, 2, "2027-03-02T12:00:00Z")]);
    // The clocks of people change on 28 March 2027; UTC does not.
    let mut w = enabled("2027-03-27T23:30:00Z", DAY, false);
    assert_eq!(wake(&mut w, "2027-03-28T23:30:00Z"), [rolled(1, 2, "2027-03-28T23:30:00Z")]);
    // 29 February, one period of 365 days.
    let mut w = enabled("2028-02-29T00:00:00Z", 365 * DAY, true);
    assert_eq!(debit(&w).end(), Some(at("2029-02-28T00:00:00Z")));
    assert_eq!(release(&mut w, "2029-02-27T23:59:59.999999999Z"), Ok(()));
    assert_eq!(release(&mut w, "2029-02-28T00:00:00Z"), Err(Reason::DebitEnded));
    assert_eq!(wake(&mut w, "2029-02-28T00:00:00Z"), [ended("2029-02-28T00:00:00Z")]);
    assert_eq!(debit(&w).next_turn(), None);
}

#[test]
fn after_a_long_stop_one_entry_says_how_many_periods_rolled() {
    let mut w = enabled("2026-01-01T00:00:00Z", 60, false);
    let rolls = wake(&mut w, "2027-01-01T00:00:30Z");
    assert_eq!(rolls, [rolled(365 * 1440, 365 * 1440 + 1, "2027-01-01T00:00:00Z")]);
    assert_eq!(debit(&w).next_turn(), Some(at("2027-01-01T00:01:00Z")));
    // Cancelled with its period while nobody looked: what rolled before, then the end, in this order.
    let mut w = enabled("2026-01-01T00:00:00Z", 60, false);
    w.now = at("2026-01-01T00:02:10Z");
    let told = w.must(BOB, BOB, Action::DebitDisable { debit: id("p"), at_period_end: true });
    assert_eq!(told[0], rolled(2, 3, "2026-01-01T00:02:00Z"));
    assert!(matches!(told[1], Event::DebitDisabled { .. }));
    assert_eq!(wake(&mut w, "2026-02-01T00:00:00Z"), [ended("2026-01-01T00:03:00Z")]);
}

#[test]
fn times_beyond_what_can_be_counted_never_come() {
    assert!("9999-12-31T23:59:59Z".parse::<Timestamp>().is_err(), "refused, not bent");
    let century = 3_155_760_000;
    let mut w = enabled("2250-01-01T00:00:00Z", century, true);
    assert_eq!(debit(&w).next_turn(), None, "its end lies beyond the last instant");
    assert_eq!(release(&mut w, "2261-12-31T23:59:59Z"), Ok(()));
    assert!(wake(&mut w, "2261-12-31T23:59:59Z").is_empty());
    let mut w = enabled("2100-06-01T00:00:00Z", century, false);
    assert_eq!(wake(&mut w, "2261-12-31T23:59:59Z"), [rolled(1, 2, "2200-06-02T00:00:00Z")]);
    assert_eq!(debit(&w).next_turn(), None);
    let mut terms = terms("org:acme", &["facebook/feed"]);
    terms.start = Some(at("2261-12-31T23:59:59Z"));
    w.debit("far", "org:acme", terms);
    assert_eq!(w.hat(BOB).debits[&id("far")].standing(w.now), debit::DebitStanding::Active);
}

/// The original leaves `cancelAtPeriodEnd` true after a disabling at the period's end that is taken back:
/// its debit ends all the same, or is over at once.
#[test]
fn a_cancellation_taken_back_leaves_no_flag_behind() {
    let mut w = enabled("2026-01-01T00:00:00Z", DAY, false);
    w.now = at("2026-01-01T10:00:00Z");
    w.must(BOB, BOB, Action::DebitDisable { debit: id("p"), at_period_end: true });
    assert_eq!(debit(&w).end(), Some(at("2026-01-02T00:00:00Z")));
    w.now = at("2026-01-01T20:00:00Z");
    w.must(BOB, BOB, Action::DebitEnable { debit: id("p"), revision: None });
    assert_eq!((debit(&w).end(), debit(&w).start()), (None, Some(at("2026-01-01T00:00:00Z"))), "periods go on");
    assert_eq!(wake(&mut w, "2026-01-02T00:00:00Z"), [rolled(1, 2, "2026-01-02T00:00:00Z")]);
    // Also once that end has come: enabled again it rolls on, from then.
    w.must(BOB, BOB, Action::DebitDisable { debit: id("p"), at_period_end: true });
    assert_eq!(wake(&mut w, "2026-01-05T00:00:00Z"), [ended("2026-01-02T00:00:00Z")]);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("p"), revision: None });
    assert_eq!((debit(&w).end(), debit(&w).start()), (None, Some(at("2026-01-05T00:00:00Z"))));
    assert_eq!(release(&mut w, "2026-03-05T00:00:00Z"), Ok(()));
}

/// The original turns a one-period debit into an endless one when it is disabled at once and enabled again.
#[test]
fn a_one_period_debit_stays_one() {
    let mut w = enabled("2026-01-01T00:00:00Z", DAY, true);
    w.now = at("2026-01-01T10:00:00Z");
    w.must(BOB, BOB, Action::DebitDisable { debit: id("p"), at_period_end: false });
    assert_eq!(debit(&w).next_turn(), None, "what the owner did needs no telling");
    w.now = at("2026-01-03T00:00:00Z");
    w.must(BOB, BOB, Action::DebitEnable { debit: id("p"), revision: None });
    assert_eq!(debit(&w).end(), Some(at("2026-01-04T00:00:00Z")), "one period from the new acceptance");
    // Taking back a cancellation does not make the one period longer.
    w.now = at("2026-01-03T12:00:00Z");
    w.must(BOB, BOB, Action::DebitDisable { debit: id("p"), at_period_end: true });
    w.must(BOB, BOB, Action::DebitEnable { debit: id("p"), revision: None });
    assert_eq!(debit(&w).end(), Some(at("2026-01-04T00:00:00Z")));
    assert_eq!(wake(&mut w, "2026-01-04T00:00:00Z"), [ended("2026-01-04T00:00:00Z")]);
}

/// The original's roll-over is implicit: nothing tells of it. And its enabling is said to all revisions.
#[test]
fn a_new_revision_counts_its_own_periods() {
    let mut w = enabled("2026-01-01T00:00:00Z", DAY, false);
    assert_eq!(wake(&mut w, "2026-01-03T06:00:00Z"), [rolled(2, 3, "2026-01-03T00:00:00Z")]);
    let mut other = terms("org:acme", &["facebook/feed"]);
    other.period_seconds = 3600;
    w.must(BOB, "org:acme", Action::DebitAmend { debit: id("p"), terms: other });
    assert_eq!(debit(&w).next_turn(), Some(at("2026-01-04T00:00:00Z")), "the accepted one goes on meanwhile");
    w.must(BOB, BOB, Action::DebitEnable { debit: id("p"), revision: None });
    assert_eq!(wake(&mut w, "2026-01-03T07:00:00Z"), [rolled(1, 2, "2026-01-03T07:00:00Z")]);
}

#[test]
fn who_asks_is_final_and_what_is_asked_is_kept_by_revision() {
    let mut w = World::new();
    let mut first = terms("org:acme", &["facebook/feed"]);
    first.request_client_name = Some("Acme".into());
    first.request_description = Some("A study".into());
    first.conditions = Some(bundle(&["rumpel/age"]));
    w.debit("p", "org:acme", first.clone());
    let mut other = terms("org:acme", &["facebook/likes"]);
    other.request_client_name = Some("Somebody else".into());
    let amend = |terms| Action::DebitAmend { debit: id("p"), terms };
    assert_eq!(w.refuses(BOB, "org:acme", amend(other.clone())), Reason::WrongState);
    other.request_client_name = None;
    w.must(BOB, "org:acme", amend(other));
    let revisions = &debit(&w).revisions;
    assert_eq!(revisions[0].terms, first, "the old one stays as it was");
    assert_eq!(revisions[1].terms.request_client_name.as_deref(), Some("Acme"));
    assert_eq!(revisions[1].terms.conditions, None, "conditions are those of the revision");
}

proptest! {
    /// The periods that are told are those one comes to by walking, whenever one looks.
    #[test]
    fn rolls_are_counted_once_whenever_one_looks(
        period in 1u32..500,
        once: bool,
        looks in prop::collection::vec(1i64..400, 1..20),
        cancel in proptest::option::of((0usize..20, any::<bool>())),
    ) {
        let mut w = World::new();
        let mut terms = terms("org:acme", &["facebook/feed"]);
        terms.period_seconds = period;
        terms.cancel_at_period_end = once;
        w.debit("p", "org:acme", terms);
        let mut told = 0;
        for (i, seconds) in looks.iter().enumerate() {
            w.pass(*seconds);
            if let Some((when, at_period_end)) = cancel && when == i {
                let disable = Action::DebitDisable { debit: id("p"), at_period_end };
                w.tell(BOB, BOB, disable);
            }
            w.local(&a(BOB), Action::Wake);
            let (start, end) = (START, debit(&w).end());
            let mut walked = 0;
            let mut next = start.plus(i64::from(period) * SECOND);
            // What the clock did by the owner's word was told before it, at the same instant too.
            let word = debit(&w).cancelled.map(|cancelled| cancelled.at);
            while next <= w.now && end.is_none_or(|end| next < end || (next == end && word == Some(end))) {
                walked += 1;
                next = next.plus(i64::from(period) * SECOND);
            }
            prop_assert_eq!(debit(&w).rolled, walked);
            let next = debit(&w).next_turn();
            prop_assert!(next.is_none_or(|next| next > w.now));
        }
        for (entry, _) in &w.ledger {
            if let Event::DebitRolled { debit, periods, period, .. } = &entry.event && *debit == id("p") {
                told += periods;
                prop_assert_eq!(told, period - 1);
            }
        }
        prop_assert_eq!(told, debit(&w).rolled);
    }
}

//! Data debits through their lives: revisions, periods, starts ahead, ends.

use super::world::*;
use crate::domain::event::{DebitTerms, Event};
use crate::domain::time::SECOND;
use crate::domain::{Action, Reason};

const FEED: &str = "facebook/feed";
const POSTS: &str = "facebook/posts";

fn enable() -> Action {
    Action::DebitEnable { debit: id("d1") }
}

fn disable(at_period_end: bool) -> Action {
    Action::DebitDisable { debit: id("d1"), at_period_end }
}

fn propose(world: &mut World, change: impl FnOnce(&mut DebitTerms)) {
    let mut terms = terms(ACME, &[FEED]);
    change(&mut terms);
    world.say(ACME, BOB, Action::DebitPropose { debit: id("d1"), terms }).done();
}

fn releases(world: &mut World) -> Result<u32, Reason> {
    match world.say(BOB, BOB, release("d1", &[FEED, POSTS])).done_or_reason() {
        Ok(Event::Opened(opened)) => Ok(opened.count_out),
        Ok(other) => panic!("{other:?}"),
        Err(reason) => Err(reason),
    }
}

#[test]
fn a_debit_releases_nothing_before_its_owner_enables_it() {
    let mut world = World::new();
    assert_eq!(releases(&mut world), Err(Reason::DebitNotFound));
    propose(&mut world, |_| {});
    assert_eq!(releases(&mut world), Err(Reason::DebitNotActive));
    assert_eq!(world.say(BOB, BOB, disable(false)).refused(), Reason::DebitNotActive);
    assert_eq!(world.say(BOB, BOB, data(&[FEED])).refused(), Reason::NothingSelected);
    world.say(BOB, BOB, enable()).done();
    assert_eq!(releases(&mut world), Ok(1), "only what the bundle names");
}

#[test]
fn an_amended_revision_waits_while_the_old_one_stays() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    let amended = Action::DebitAmend { debit: id("d1"), terms: terms(ACME, &[FEED, POSTS]) };
    world.say(ACME, BOB, amended).done();
    assert_eq!(releases(&mut world), Ok(1));
    world.pass(1);
    world.say(BOB, BOB, enable()).done();
    assert_eq!(releases(&mut world), Ok(2));
    world.say(BOB, BOB, disable(false)).done();
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded), "the old revision does not come back");
    let stranger = Action::DebitAmend { debit: id("d1"), terms: terms(NOTABLES, &[FEED]) };
    assert_eq!(world.say(NOTABLES, BOB, stranger).refused(), Reason::DebitNotFound);
}

#[test]
fn a_rolling_revision_does_not_come_back_when_the_one_after_it_has_ended() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED, POSTS]);
    let mut once = terms(ACME, &[FEED]);
    once.cancel_at_period_end = true;
    world.say(ACME, BOB, Action::DebitAmend { debit: id("d1"), terms: once }).done();
    world.say(BOB, BOB, enable()).done();
    assert_eq!(releases(&mut world), Ok(1));
    world.pass(3600);
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded));
}

#[test]
fn a_debit_rolls_from_period_to_period() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    world.pass(10 * 3600);
    assert_eq!(releases(&mut world), Ok(1));
}

#[test]
fn a_debit_for_one_period_ends_with_it_to_the_second_and_can_be_enabled_again() {
    let mut world = World::new();
    propose(&mut world, |terms| terms.cancel_at_period_end = true);
    world.say(BOB, BOB, enable()).done();
    world.pass(3599);
    assert_eq!(releases(&mut world), Ok(1));
    world.pass(1);
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded));
    assert_eq!(world.say(BOB, BOB, disable(true)).refused(), Reason::DebitEnded);
    world.say(BOB, BOB, enable()).done();
    world.pass(3599);
    assert_eq!(releases(&mut world), Ok(1));
    world.pass(1);
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded), "the flag of its terms still stands");
}

#[test]
fn disabled_at_the_periods_end_it_runs_to_the_end_of_the_running_one() {
    for (passed, end) in [(0, 3600), (1, 3600), (3599, 3600), (3600, 7200), (3601, 7200)] {
        let mut world = World::new();
        world.debit("d1", ACME, &[FEED]);
        let start = world.now;
        world.pass(passed);
        world.say(BOB, BOB, disable(true)).done();
        world.now = start.plus((end - 1) * SECOND);
        assert_eq!(releases(&mut world), Ok(1), "disabled after {passed} s");
        world.now = start.plus(end * SECOND);
        assert_eq!(releases(&mut world), Err(Reason::DebitEnded), "disabled after {passed} s");
    }
}

#[test]
fn disabled_at_once_after_at_the_periods_end_it_ends_at_once() {
    let mut world = World::new();
    world.debit("d1", ACME, &[FEED]);
    world.say(BOB, BOB, disable(true)).done();
    world.pass(1);
    world.say(BOB, BOB, disable(false)).done();
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded));
}

#[test]
fn a_debit_that_starts_later_can_be_disabled_before_it_starts() {
    let mut world = World::new();
    let start = world.now.plus(100 * SECOND);
    propose(&mut world, |terms| terms.start = Some(start));
    world.say(BOB, BOB, enable()).done();
    assert_eq!(world.say(BOB, BOB, enable()).refused(), Reason::AlreadyExists);
    assert_eq!(releases(&mut world), Err(Reason::DebitNotActive));
    world.say(BOB, BOB, disable(true)).done();
    world.pass(200);
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded));
}

#[test]
fn a_debit_that_starts_later_is_in_force_from_its_start() {
    let mut world = World::new();
    let start = world.now.plus(100 * SECOND);
    propose(&mut world, |terms| {
        terms.start = Some(start);
        terms.cancel_at_period_end = true;
    });
    world.say(BOB, BOB, enable()).done();
    world.pass(100);
    assert_eq!(releases(&mut world), Ok(1));
    world.pass(3600);
    assert_eq!(releases(&mut world), Err(Reason::DebitEnded), "the period counts from the start");
}

#[test]
fn terms_that_could_release_nothing_are_malformed() {
    let mut world = World::new();
    let mut endless = terms(ACME, &[FEED]);
    endless.period_seconds = 0;
    for terms in [endless, terms(ACME, &[]), terms(ACME, &["Facebook"])] {
        assert_eq!(world.say(ACME, BOB, Action::DebitPropose { debit: id("d1"), terms }).refused(), Reason::Malformed);
    }
}

#[test]
fn the_numbers_of_debits_and_revisions_are_bounded() {
    let mut world = World::new();
    world.limits.debits_per_hat = 2;
    world.limits.revisions_per_debit = 2;
    world.debit("d1", ACME, &[FEED]);
    world.debit("d2", ACME, &[FEED]);
    let third = || Action::DebitPropose { debit: id("d3"), terms: terms(ACME, &[FEED]) };
    assert_eq!(world.say(ACME, BOB, third()).refused(), Reason::OverQuota);
    let amend = || Action::DebitAmend { debit: id("d1"), terms: terms(ACME, &[FEED]) };
    world.say(ACME, BOB, amend()).done();
    assert_eq!(world.say(ACME, BOB, amend()).refused(), Reason::OverQuota);
    world.say(BOB, BOB, Action::DebitDisable { debit: id("d2"), at_period_end: false }).done();
    world.say(ACME, BOB, third()).done();
    world.limits.active_debits_per_hat = 1;
    assert_eq!(world.say(BOB, BOB, Action::DebitEnable { debit: id("d3") }).refused(), Reason::OverQuota);
}

#[test]
fn debits_that_start_later_count_as_active_ones() {
    let mut world = World::new();
    world.limits.active_debits_per_hat = 1;
    let start = world.now.plus(100 * SECOND);
    propose(&mut world, |terms| terms.start = Some(start));
    world.say(BOB, BOB, enable()).done();
    world.say(ACME, BOB, Action::DebitPropose { debit: id("d2"), terms: terms(ACME, &[FEED]) }).done();
    assert_eq!(world.say(BOB, BOB, Action::DebitEnable { debit: id("d2") }).refused(), Reason::OverQuota);
}

//! Plugs that ask to be connected, and what HAT and plug are told.

use super::world::*;
use crate::domain::plug::{Asked, CONNECTING_FOR, CONNECTING_MAX, Connection, ConnectionState};
use crate::domain::time::SECOND;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const ROOT: &str = "operator:root";
const NEW: &str = "plug:fitbit";

fn fitbit() -> Action {
    Action::PlugConnect { plug: id("fitbit") }
}

fn refused() -> Action {
    Action::PlugDisconnect { plug: id("fitbit") }
}

fn world() -> World {
    let mut w = World::new();
    let profile = Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest: None };
    w.approved(NEW, profile);
    w
}

/// What was ledgered by this.
fn entries(w: &mut World, does: impl FnOnce(&mut World)) -> Vec<Entry> {
    let before = w.ledger.len();
    does(w);
    w.ledger[before..].iter().map(|(entry, _)| entry.clone()).collect()
}

fn done(w: &mut World, from: &str, action: Action) -> Vec<Entry> {
    entries(w, |w| {
        w.must(BOB, from, action);
    })
}

fn told(entries: &[Entry]) -> Vec<(Address, Connection)> {
    let effects = entries.iter().flat_map(effects_of);
    let told = effects.filter_map(|effect| match effect {
        Effect::Connection { to, said } => Some((to, said)),
        _ => None,
    });
    told.collect()
}

fn outcomes(entries: &[Entry], of: &str) -> Vec<(Status, Option<Reason>)> {
    let effects = entries.iter().flat_map(effects_of);
    let mine = effects.filter_map(|effect| match effect {
        Effect::Outcome { to, outcome, .. } if to == a(of) => Some((outcome.status, outcome.reason)),
        _ => None,
    });
    mine.collect()
}

#[test]
fn the_owner_is_asked_and_says_yes() {
    let mut w = world();
    let asked = done(&mut w, NEW, fitbit());
    assert_eq!(outcomes(&asked, NEW), [(Status::Accepted, None)]);
    let (to, said) = &told(&asked)[0];
    assert_eq!((to.to_string().as_str(), said.state), (BOB, ConnectionState::Connecting));
    assert_eq!(said.until, Some(asked[0].at.plus(CONNECTING_FOR)));
    let credit = Action::Credit { by: id("fitbit"), records: records(&["fitbit/steps"]) };
    assert_eq!(w.refuses(BOB, NEW, credit.clone()), Reason::NotConnected, "asking gives no right");
    assert_eq!(w.refuses(BOB, NEW, fitbit()), Reason::AlreadyExists);

    let connected = done(&mut w, BOB, fitbit());
    assert_eq!(outcomes(&connected, NEW), [(Status::Settled, None)]);
    assert_eq!(told(&connected)[0].1.state, ConnectionState::Connected);
    assert_eq!(told(&connected)[0].0, a(NEW));
    w.must(BOB, NEW, credit);
    assert_eq!(w.refuses(BOB, NEW, fitbit()), Reason::AlreadyExists);

    let over = done(&mut w, BOB, refused());
    assert_eq!(told(&over)[0].1.state, ConnectionState::Disconnected);
    assert!(told(&over)[0].1.n > told(&connected)[0].1.n);
}

#[test]
fn the_owner_says_no_or_nothing() {
    let mut w = world();
    w.must(BOB, NEW, fitbit());
    let declined = done(&mut w, BOB, refused());
    assert_eq!(outcomes(&declined, NEW), [(Status::Rejected, Some(Reason::RefusedByRecipient))]);
    assert_eq!(w.refuses(BOB, BOB, refused()), Reason::NotConnected);

    let asked = done(&mut w, NEW, fitbit());
    let until = asked[0].at.plus(CONNECTING_FOR);
    // Debits have turns of their own meanwhile.
    w.now = until.plus(-1);
    while w.wake_all() {}
    assert!(w.hat(BOB).connecting.contains_key(&id("fitbit")), "not before its time");
    w.now = until;
    let lapsed = entries(&mut w, |w| assert!(w.wake_all()));
    assert_eq!(outcomes(&lapsed, NEW), [(Status::Expired, Some(Reason::DeadlinePassed))]);
    assert!(w.hat(BOB).connecting.is_empty());
    w.must(BOB, NEW, fitbit());
}

#[test]
fn the_owner_is_asked_again_until_it_answers_or_the_wish_lapses() {
    let mut w = world();
    w.limits.connecting_again = 3600 * SECOND;
    let asked = done(&mut w, NEW, fitbit());
    let (began, until) = (asked[0].at, asked[0].at.plus(CONNECTING_FOR));
    let mut times = Vec::new();
    while let Some(next) = w.hat(BOB).connecting.get(&id("fitbit")).map(Asked::next) {
        w.now = next;
        for entry in entries(&mut w, |w| while w.wake_all() {}) {
            match &entry.event {
                Event::PlugAskedAgain { .. } => {
                    let (to, said) = &told(std::slice::from_ref(&entry))[0];
                    assert_eq!((to, said.state, said.until), (&a(BOB), ConnectionState::Connecting, Some(until)));
                    times.push(entry.at.since(began) / (3600 * SECOND));
                }
                Event::PlugUnanswered { .. } => assert_eq!(entry.at, until),
                _ => {}
            }
        }
    }
    // After an hour, then twice as long each time, up to a day.
    assert_eq!(times, [1, 3, 7, 15, 31, 55, 79, 103, 127, 151]);

    // Answered, it is asked no more; and not for who is not in force any more.
    w.must(BOB, NEW, fitbit());
    w.must(BOB, BOB, fitbit());
    let asks = |entries: &[Entry]| entries.iter().filter(|it| matches!(it.event, Event::PlugAskedAgain { .. })).count();
    w.pass(7200);
    assert_eq!(asks(&entries(&mut w, |w| while w.wake_all() {})), 0);
    w.must(BOB, BOB, refused());
    w.must(BOB, NEW, fitbit());
    w.must(NEW, ROOT, Action::Suspend);
    w.pass(3600);
    let lapsed = entries(&mut w, |w| while w.wake_all() {});
    assert_eq!(asks(&lapsed), 0);
    assert_eq!(outcomes(&lapsed, NEW), [(Status::Expired, Some(Reason::DeadlinePassed))]);
}

#[test]
fn only_a_plug_in_force_asks_and_only_for_itself() {
    let mut w = world();
    let other = Action::PlugConnect { plug: id("facebook") };
    assert_eq!(w.refuses(BOB, NEW, other), Reason::NotPermitted);
    assert_eq!(w.refuses(BOB, "org:acme", fitbit()), Reason::NotPermitted);
    w.must(NEW, ROOT, Action::Suspend);
    assert_eq!(w.refuses(BOB, NEW, fitbit()), Reason::Suspended);
    assert_eq!(w.refuses(BOB, BOB, fitbit()), Reason::Suspended);
}

#[test]
fn so_many_wait_and_no_more() {
    let mut w = world();
    for n in 0..=CONNECTING_MAX {
        let plug = format!("plug:p{n}");
        w.approved(&plug, Profile::Plug { name: "P".into(), namespace: "p".into(), manifest: None });
        let ask = Action::PlugConnect { plug: id(&format!("p{n}")) };
        if n < CONNECTING_MAX {
            w.must(BOB, &plug, ask);
        } else {
            assert_eq!(w.refuses(BOB, &plug, ask), Reason::RecipientOverQuota);
        }
    }
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("p0") });
    w.must(BOB, BOB, Action::PlugConnect { plug: id("p1") });
    w.must(BOB, "plug:p64", Action::PlugConnect { plug: id("p64") });
}

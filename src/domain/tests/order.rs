//! The order of the checks: a message with everything wrong is told one thing after the other.

use super::world::*;
use crate::domain::time::SECOND;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const PLUG: &str = "plug:facebook";

#[test]
fn the_first_check_that_fails_names_the_reason() {
    let mut w = World::new();
    let since = w.now;
    w.must(PLUG, "operator:root", Action::RevokeKey { key: key(PLUG), since });
    w.must(BOB, "operator:root", Action::Suspend);
    w.must(PLUG, "operator:root", Action::Suspend);
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") });
    w.limits.messages_per_minute = 0;
    w.limits.open_per_hat = 0;
    let wrong = Action::Credit { by: id("another"), records: records(&["x/y"]) };
    let mut command = w.message(&a(BOB), &a("plug:nobody"), wrong);
    command.deadline = Some(w.now);
    let cause = |c: &mut Command, change: &dyn Fn(&mut Cause)| change(c.cause.as_mut().unwrap());
    cause(&mut command, &|c| {
        c.key = Some(key("no key of anybody"));
        c.id = MessageId(uuid::Uuid::from_u128(1));
    });
    let bob = match &w.entities[&a(BOB)] {
        Any::Hat(hat) => (**hat).clone(),
        _ => unreachable!(),
    };
    let ask = |w: &World, hat: &Hat, command: &Command, known| {
        let entity = a(BOB);
        hat.decide(&w.context(&entity), command, known)
    };
    let change = |w: &mut World, party: &str, change: &dyn Fn(&mut Registration)| {
        let held = w.registry.0.get_mut(&a(party)).unwrap();
        change(std::sync::Arc::make_mut(held));
    };
    let anonymous = Decision::Anonymous;
    let mut hat = bob;
    let (new, other) = (Known::New, Known::Other);

    assert_eq!(ask(&w, &hat, &command, other), anonymous(Reason::UnknownParty));
    cause(&mut command, &|c| c.from = a(PLUG));
    assert_eq!(ask(&w, &hat, &command, other), anonymous(Reason::BadSignature));
    cause(&mut command, &|c| c.key = Some(key(PLUG)));
    assert_eq!(reason(&ask(&w, &hat, &command, other)), Reason::Conflict);
    assert_eq!(ask(&w, &hat, &command, Known::Same), Decision::Repeat);
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::Stale);
    let id_now = w.fresh();
    cause(&mut command, &|c| c.id = id_now);
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::RevokedKey);
    change(&mut w, PLUG, &|r| r.keys[0].until = None);
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::NotPermitted);
    command.action = Action::Credit { by: id("facebook"), records: records(&["x/y"]) };
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::Suspended);
    hat.registration.standing = Standing::Active;
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::Suspended, "the plug");
    change(&mut w, PLUG, &|r| r.standing = Standing::Active);
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::NotConnected);
    hat.plugs.insert(id("facebook"), 3);
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::OutsideNamespace);
    command.action = Action::Credit { by: id("facebook"), records: records(&["facebook/feed"]) };
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::OverQuota);
    w.limits.messages_per_minute = 10;
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::RecipientOverQuota);
    w.limits.open_per_hat = 10;
    assert_eq!(reason(&ask(&w, &hat, &command, new)), Reason::Malformed);
    command.deadline = Some(w.now.plus(SECOND));
    let decision = ask(&w, &hat, &command, new);
    assert!(matches!(decision, Decision::Record(drafts) if matches!(drafts[0].event, Event::Opened(_))));
}

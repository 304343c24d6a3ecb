//! HATs that a bridge speaks for: what counts as theirs, and what never does.

use super::world::*;
use crate::domain::pin::Pin;
use crate::domain::*;

const ROOT: &str = "operator:root";
const BRIDGE: &str = "bridge:dex.test";
const CAT: &str = "hat:cat.example.org";

fn pem() -> Pin {
    Pin::parse(include_str!("pin.pem")).expect("a key")
}

fn carried(by: &str) -> Profile {
    Profile::Hat { public_key: Some(pem()), transport: Transport::Http, bridge: Some(id(by)) }
}

/// The world with a declared bridge, and a HAT at an address of its own that it registered.
fn world() -> World {
    let mut w = World::new();
    w.local(&a(BRIDGE), Action::OperatorDeclare { keys: vec![key(BRIDGE)] });
    w.must(CAT, BRIDGE, Action::Register { key: None, profile: carried("dex.test") });
    w
}

fn registration(w: &World, party: &str) -> std::sync::Arc<Registration> {
    w.registry.registration(&a(party)).expect("registered")
}

#[test]
fn a_bridge_registers_by_address_only_where_no_platform_answers() {
    let mut w = world();
    let cat = registration(&w, CAT);
    assert_eq!((cat.standing, cat.keys.len()), (Standing::Active, 0));
    assert_eq!((cat.pin(), cat.bridge(), cat.transport()), (Some(&pem()), Some(&id("dex.test")), Transport::Http));
    let again = Action::Register { key: None, profile: carried("dex.test") };
    assert_eq!(w.refuses(CAT, BRIDGE, again.clone()), Reason::AlreadyExists);
    // A certified platform stands for its domain, however deep below it the address is.
    for hat in ["hat:dan.hubat.net", "hat:a.b.hubat.net"] {
        assert_eq!(w.refuses(hat, BRIDGE, again.clone()), Reason::NotPermitted);
    }
    w.must("platform:hubat.net", ROOT, Action::Suspend);
    w.must("hat:a.b.hubat.net", BRIDGE, again);
    // One of the platform's own name may.
    let named = Profile::Bridge { name: "n".into() };
    w.must("platform:hubat.net", ROOT, Action::Resume);
    w.approved("bridge:hubat.net", named);
    w.must("hat:dan.hubat.net", "bridge:hubat.net", Action::Register { key: None, profile: carried("hubat.net") });
}

#[test]
fn a_hat_without_any_key_or_without_who_carries_is_refused() {
    let mut w = world();
    let hat = "hat:new.example.org";
    let of = |public_key, transport, bridge| Action::Register {
        key: None,
        profile: Profile::Hat { public_key, transport, bridge },
    };
    assert_eq!(w.refuses(hat, BRIDGE, of(None, Transport::Nats, None)), Reason::Malformed);
    assert_eq!(w.refuses(hat, BRIDGE, of(None, Transport::Http, Some(id("dex.test")))), Reason::Malformed);
    assert_eq!(w.refuses(hat, BRIDGE, of(Some(pem()), Transport::Http, None)), Reason::Malformed);
    let unknown = of(Some(pem()), Transport::Http, Some(id("nobody")));
    assert_eq!(w.refuses(hat, BRIDGE, unknown), Reason::UnknownParty);
    w.must(hat, ROOT, of(Some(pem()), Transport::Nats, None));
}

#[test]
fn what_its_bridge_says_counts_as_the_owners_and_the_ledger_names_the_bridge() {
    let mut w = world();
    w.must(CAT, BRIDGE, Action::PlugConnect { plug: id("facebook") });
    w.must(CAT, BRIDGE, Action::AppSetup { app: id("notables"), version: None });
    let terms = terms("org:acme", &["facebook/feed"]);
    w.must(CAT, "org:acme", Action::DebitPropose { debit: id("d9"), terms });
    w.must(CAT, BRIDGE, Action::DebitEnable { debit: id("d9"), revision: None });
    let released = Action::Release { debit: id("d9"), records: records(&["facebook/feed", "facebook/feed"]) };
    w.must(CAT, BRIDGE, released);
    let (entry, _) = w.ledger.last().expect("an entry").clone();
    assert_eq!(entry.cause.as_ref().map(|cause| cause.from.clone()), Some(a(BRIDGE)));
    let Event::Opened(opened) = &entry.event else { panic!("opened: {:?}", entry.event) };
    // The recipient is told whose data it is, not who carried it.
    assert_eq!((&opened.from, &opened.to), (&a(CAT), &a("org:acme")));
    // A credit to the HAT is receipted by its bridge.
    w.must(CAT, "plug:facebook", Action::Credit { by: id("facebook"), records: records(&["facebook/feed"]) });
    let (entry, _) = w.ledger.last().expect("an entry").clone();
    let Event::Opened(opened) = &entry.event else { panic!("opened: {:?}", entry.event) };
    let said = Action::Receipt(agreeing(opened));
    assert_eq!(w.refuses(CAT, "org:other", said.clone()), Reason::NotPermitted);
    w.must(CAT, BRIDGE, said);
    assert!(matches!(w.ledger.last().expect("an entry").0.event, Event::Settled(_)));
    w.must(CAT, BRIDGE, Action::DebitDisable { debit: id("d9"), at_period_end: false });
}

#[test]
fn a_bridge_never_touches_keys_and_speaks_for_nobody_else() {
    let mut w = world();
    let since = w.now;
    for action in [
        Action::RotateKey { key: key("k") },
        Action::RevokeKey { key: key("k"), since },
        Action::PinKey { public_key: pem() },
        Action::Entrust { transport: Transport::Nats, bridge: None },
        Action::Retire,
        Action::Suspend,
        Action::DebitPropose { debit: id("d8"), terms: terms("org:acme", &["facebook/feed"]) },
    ] {
        assert_eq!(w.refuses(CAT, BRIDGE, action.clone()), Reason::NotPermitted, "{action:?}");
    }
    // Bob entrusted himself to nobody, and another bridge is not this one.
    let connect = Action::PlugConnect { plug: id("facebook") };
    assert_eq!(w.refuses("hat:eve.hubat.net", BRIDGE, connect.clone()), Reason::NotPermitted);
    w.approved("bridge:other", Profile::Bridge { name: "n".into() });
    assert_eq!(w.refuses(CAT, "bridge:other", connect.clone()), Reason::NotPermitted);
    // Entrusted by the operator to the other one, it is no longer the first one's.
    w.must(CAT, ROOT, Action::Entrust { transport: Transport::Http, bridge: Some(id("other")) });
    assert_eq!(w.refuses(CAT, BRIDGE, connect.clone()), Reason::NotPermitted);
    w.must("bridge:other", ROOT, Action::Suspend);
    assert_eq!(w.refuses(CAT, "bridge:other", connect.clone()), Reason::Suspended);
    w.must("bridge:other", ROOT, Action::Resume);
    w.must(CAT, "bridge:other", connect);
}

#[test]
fn roles_of_accounts_are_ledgered_by_their_bridge_or_an_operator() {
    let mut w = world();
    let change = Action::Account { account: "acme".into(), roles: vec!["createDataOffers".into()], approved: true };
    w.must(BRIDGE, BRIDGE, change.clone());
    w.must(BRIDGE, ROOT, change.clone());
    assert_eq!(w.refuses(BRIDGE, "org:acme", change.clone()), Reason::NotPermitted);
    assert_eq!(w.refuses("org:acme", ROOT, change), Reason::NotPermitted);
}

#[test]
fn a_bridge_that_is_no_longer_configured_speaks_for_nobody() {
    let mut w = world();
    w.local(&a(BRIDGE), Action::OperatorDeclare { keys: Vec::new() });
    let mut command = w.message(&a(CAT), &a(BRIDGE), Action::PlugConnect { plug: id("facebook") });
    command.cause.as_mut().expect("a cause").key = Some(key(BRIDGE));
    assert_eq!(reason(&w.run(&a(CAT), command)), Reason::RevokedKey);
}

#[test]
fn another_key_is_pinned_by_a_guardian_or_the_hat_itself() {
    let mut w = world();
    let other = Pin::parse(include_str!("../../../tests/data/hat.pub.pem")).expect("a key");
    let pin = |public_key: &Pin| Action::PinKey { public_key: public_key.clone() };
    assert_eq!(w.refuses(CAT, ROOT, pin(&pem())), Reason::AlreadyExists);
    w.must(CAT, ROOT, pin(&other));
    assert_eq!(registration(&w, CAT).pin(), Some(&other));
    // One with a key of its own needs nobody.
    w.must("hat:eve.hubat.net", "hat:eve.hubat.net", pin(&other));
    w.must("hat:eve.hubat.net", "platform:hubat.net", pin(&pem()));
    assert_eq!(registration(&w, "hat:eve.hubat.net").pin(), Some(&pem()));
}

//! Who is suspended is refused in everything but taking rights back; what was delivered to it stays open until it is
//! resumed, or expires.

use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::event::Verdict;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";
const EVE: &str = "hat:eve.hubat.net";
const ROOT: &str = "operator:root";
const BRIDGE: &str = "bridge:carrier";

fn feed() -> Records {
    records(&["facebook/feed"])
}

fn release() -> Action {
    Action::Release { debit: id("d1"), records: feed() }
}

fn credit() -> Action {
    Action::Credit { by: id("facebook"), records: feed() }
}

#[test]
fn a_receipt_of_who_is_suspended_is_refused_and_counts_once_it_is_resumed() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let opened = w.last_opened();
    w.must("org:acme", ROOT, Action::Suspend);
    for verdict in [Verdict::Accepted, Verdict::Refused, Verdict::Returned] {
        let said = command::Receipt { verdict, ..agreeing(&opened) };
        assert_eq!(w.refuses(BOB, "org:acme", Action::Receipt(said)), Reason::Suspended);
    }
    let unknown = command::Receipt { delivery: uuid::Uuid::from_u128(9), ..agreeing(&opened) };
    assert_eq!(w.refuses(BOB, "org:acme", Action::Receipt(unknown)), Reason::Suspended);
    assert!(w.hat(BOB).open.contains_key(&opened.delivery), "it stays open");
    // Another's word on it is no more than before.
    assert_eq!(w.refuses(BOB, "org:other", Action::Receipt(agreeing(&opened))), Reason::NotPermitted);
    w.must("org:acme", ROOT, Action::Resume);
    let events = w.must(BOB, "org:acme", Action::Receipt(agreeing(&opened)));
    assert!(matches!(events[0], Event::Settled(_)));
}

#[test]
fn without_a_resumption_it_expires() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let opened = w.last_opened();
    w.must("org:acme", ROOT, Action::Suspend);
    w.now = opened.deadline;
    let decision = w.local(&a(BOB), Action::Deadline { delivery: opened.delivery });
    let Decision::Record(drafts) = decision else { panic!("it ends") };
    assert!(matches!(drafts[0].event, Event::Expired(_)));
    assert!(w.hat(BOB).open.is_empty());
}

#[test]
fn a_suspended_hat_and_its_bridge_are_not_heard_either() {
    let mut w = World::new();
    w.approved(BRIDGE, Profile::Bridge { name: "n".into() });
    w.must(BOB, BOB, Action::Entrust { transport: Transport::Nats, bridge: Some(id("carrier")) });
    w.must(BOB, "plug:facebook", credit());
    let opened = w.last_opened();
    let said = || Action::Receipt(agreeing(&opened));
    w.must(BRIDGE, ROOT, Action::Suspend);
    assert_eq!(w.refuses(BOB, BRIDGE, said()), Reason::Suspended);
    w.must(BRIDGE, ROOT, Action::Resume);
    w.must(BOB, ROOT, Action::Suspend);
    assert_eq!(w.refuses(BOB, BRIDGE, said()), Reason::Suspended);
    assert_eq!(w.refuses(BOB, BOB, said()), Reason::Suspended);
    w.must(BOB, ROOT, Action::Resume);
    w.must(BOB, BRIDGE, said());
}

#[test]
fn who_has_retired_is_heard_on_what_was_delivered() {
    let mut w = World::new();
    w.register("platform:other.net", ROOT, Profile::Platform { name: "n".into() });
    w.must(BOB, "plug:facebook", credit());
    let opened = w.last_opened();
    w.must(BOB, BOB, Action::Retire);
    w.must(BOB, BOB, Action::Receipt(agreeing(&opened)));
    // Its platform may retire it, and an operator: nobody else.
    assert_eq!(w.refuses(EVE, "platform:other.net", Action::Retire), Reason::NotPermitted);
    assert_eq!(w.refuses(EVE, "org:acme", Action::Retire), Reason::NotPermitted);
    w.must(EVE, ROOT, Action::Retire);
}

#[test]
fn each_party_is_refused_whatever_it_asks() {
    let mut w = World::new();
    let exchange = {
        w.must(BOB, "plug:facebook", credit());
        w.last_opened().exchange
    };
    let terms = || terms("org:acme", &["facebook/feed"]);
    let jobs = plug::JobReport { done: 1, ..plug::JobReport::default() };
    let asks: Vec<(&str, &str, Action)> = vec![
        (BOB, "plug:facebook", credit()),
        (BOB, "plug:facebook", Action::Recall { exchange }),
        (EVE, "plug:facebook", Action::PlugConnect { plug: id("facebook") }),
        ("plug:facebook", "plug:facebook", Action::PlugReport(jobs)),
        ("plug:facebook", "plug:facebook", Action::RotateKey { key: key("next") }),
        (BOB, "app:notables", Action::Credit { by: id("notables"), records: records(&["rumpel/notes"]) }),
        (BOB, "org:acme", Action::Pull { debit: id("d1"), ask: PullAsk::default() }),
        (BOB, "org:acme", Action::DebitPropose { debit: id("d9"), terms: terms() }),
        (BOB, "org:acme", Action::DebitAmend { debit: id("d1"), terms: terms() }),
        ("offer:o", "org:acme", Action::OfferRegister { terms: offer_terms("org:acme", 1) }),
        (EVE, "org:acme", Action::Claim { offer: id("o") }),
        (BOB, BOB, release()),
        (BOB, BOB, Action::Data { records: feed() }),
        (BOB, BOB, Action::AppSetup { app: id("notables"), version: None }),
        (BOB, BOB, Action::DebitEnable { debit: id("d1"), revision: None }),
        (BOB, BOB, Action::Claim { offer: id("o") }),
        ("hat:new.hubat.net", "platform:hubat.net", Action::Register { key: Some(key("new")), profile: Profile::HAT }),
        (EVE, "platform:hubat.net", Action::Suspend),
        (EVE, "platform:hubat.net", Action::Retire),
    ];
    for (to, from, action) in asks {
        w.must(from, ROOT, Action::Suspend);
        assert_eq!(w.refuses(to, from, action.clone()), Reason::Suspended, "{from}: {action:?}");
        w.must(from, ROOT, Action::Resume);
    }
    // An owner may take its rights back all the same.
    w.must(BOB, BOB, release());
    let exchange = w.last_opened().exchange;
    w.must(BOB, ROOT, Action::Suspend);
    w.must(BOB, BOB, Action::Recall { exchange });
    w.must(BOB, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false });
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") });
    w.must(BOB, BOB, Action::AppDisable { app: id("notables") });
}

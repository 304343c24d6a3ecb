//! Random histories of a small world.

use proptest::prelude::*;

use super::world::*;
use crate::domain::command::PullAsk;
use crate::domain::event::{Opened, Verdict};
use crate::domain::*;

const HATS: [&str; 2] = ["hat:bob.hubat.net", "hat:eve.hubat.net"];
const CLIENTS: [&str; 4] = ["org:acme", "org:other", "app:notables", "hat:eve.hubat.net"];
/// The bridge that HATs entrust themselves to now and then.
pub const BRIDGE: &str = "bridge:carrier";
const PARTIES: [&str; 10] = [
    "hat:bob.hubat.net",
    "hat:eve.hubat.net",
    "plug:facebook",
    "app:notables",
    "org:acme",
    "org:other",
    "platform:hubat.net",
    BRIDGE,
    "operator:root",
    "org:nobody",
];
const DEBITS: [&str; 4] = ["d1", "d2", "d3", "o1"];
const OFFERS: [&str; 2] = ["o1", "o2"];
const ENDPOINTS: [&str; 4] = ["facebook/feed", "facebook/likes", "rumpel/notes", "x/y"];

/// One step; numbers pick out of what there is.
#[derive(Debug, Clone)]
pub enum Step {
    /// Somebody says something to somebody, mostly who may.
    Say { what: u8, hat: usize, object: usize, from: Option<usize>, bits: u8 },
    /// A receipt for one of the exchanges opened.
    Receipt { which: usize, verdict: u8, wrong: u8, stranger: bool },
    /// The sender recalls one of the exchanges opened.
    Recall { which: usize },
    /// The deadline of one of the exchanges opened is looked at.
    Deadline { which: usize },
    /// One of the exchange's own messages arrives, and perhaps a second time.
    Send { which: usize, twice: bool },
    /// A message comes again.
    Again { which: usize },
    /// The clock is looked at by everybody.
    Wake,
    /// A HAT takes an offer up and accepts its debit, and all messages arrive.
    TakeUp { hat: usize, offer: usize },
    /// Time passes.
    Pass { seconds: i64 },
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let some = any::<usize>;
    let say = (any::<u8>(), some(), some(), prop_oneof![9 => Just(None), 1 => some().prop_map(Some)], any::<u8>())
        .prop_map(|(what, hat, object, from, bits)| Step::Say { what, hat, object, from, bits });
    let receipt = (some(), 0u8..8, 0u8..8, prop::bool::weighted(0.1))
        .prop_map(|(which, verdict, wrong, stranger)| Step::Receipt { which, verdict, wrong, stranger });
    let step = prop_oneof![
        12 => say,
        6 => receipt,
        2 => some().prop_map(|which| Step::Recall { which }),
        3 => some().prop_map(|which| Step::Deadline { which }),
        3 => (some(), any::<bool>()).prop_map(|(which, twice)| Step::Send { which, twice }),
        1 => some().prop_map(|which| Step::Again { which }),
        2 => Just(Step::Wake),
        2 => (some(), some()).prop_map(|(hat, offer)| Step::TakeUp { hat, offer }),
        3 => prop_oneof![0i64..100, 0i64..8000, 0i64..90_000].prop_map(|seconds| Step::Pass { seconds }),
    ];
    prop::collection::vec(step, 0..most)
}

/// How long a job keeps the plug fresh, seconds.
pub const FRESH_FOR: u32 = 7200;

/// Where histories begin: an offer of two places that needs both is open, bob is entrusted to a bridge, and the plug's
/// manifest says how fresh it is.
pub fn start() -> World {
    let mut w = World::new();
    w.approved(BRIDGE, Profile::Bridge { name: "n".into() });
    let bridge = Some(id("carrier"));
    w.must(HATS[0], HATS[0], Action::Entrust { transport: Transport::Nats, bridge });
    let manifest = serde_json::from_str(include_str!("../plug/facebook.json")).expect("JSON");
    let mut manifest = plug::Manifest::read(&manifest).expect("a manifest");
    manifest.fresh_for_seconds = Some(FRESH_FOR);
    let manifest = Some(std::sync::Arc::new(manifest));
    w.approved("plug:facebook", Profile::Plug { name: "n".into(), namespace: "facebook".into(), manifest });
    let mut terms = offer_terms("org:acme", 2);
    terms.min_claims = 2;
    w.must("offer:o1", "org:acme", Action::OfferRegister { terms });
    w.must("offer:o1", "operator:root", Action::Approve { key: None });
    w
}

fn of<'t>(all: &[&'t str], pick: usize) -> &'t str {
    all[pick % all.len()]
}

fn opened(w: &World, which: usize) -> Option<(Address, Opened)> {
    let all: Vec<_> = w
        .ledger
        .iter()
        .filter_map(|(entry, _)| match &entry.event {
            Event::Opened(opened) => Some((&entry.entity, opened)),
            _ => None,
        })
        .collect();
    // The newest are the likeliest to be open still.
    let recent = &all[all.len().saturating_sub(6)..];
    let (entity, opened) = recent.get(which % recent.len().max(1))?;
    Some(((*entity).clone(), (***opened).clone()))
}

fn endpoints(bits: u8) -> Vec<&'static str> {
    let picked = (0..4).filter(|i| bits & (1 << i) != 0);
    let picked: Vec<_> = picked.map(|i| ENDPOINTS[i]).collect();
    if picked.is_empty() { vec![ENDPOINTS[0]] } else { picked }
}

fn some_terms(w: &World, client: &str, bits: u8) -> event::DebitTerms {
    let mut terms = terms(client, &endpoints(bits));
    terms.cancel_at_period_end = bits & 16 != 0;
    terms.start = (bits & 32 != 0).then(|| w.now.plus(1_000_000_000 * i64::from(bits)));
    terms
}

/// What is said, to whom, and by whom that may say it.
fn saying(w: &World, what: u8, hat: &str, object: usize, bits: u8) -> (String, String, Action) {
    let debit = || id(of(&DEBITS, object));
    let offer = || id(of(&OFFERS, object));
    let client = of(&CLIENTS, object / 4);
    // Half of what an owner says its bridge says, when it has one.
    let bridge = w.registry.registration(&a(hat)).and_then(|of| of.bridge().cloned()).filter(|_| bits & 128 != 0);
    let owner = bridge.map_or_else(|| hat.to_owned(), |bridge| format!("bridge:{bridge}"));
    let own = |action| (hat.to_owned(), owner.clone(), action);
    let itself = |action| (hat.to_owned(), hat.to_owned(), action);
    let by = |from: &str, action| (hat.to_owned(), from.to_owned(), action);
    let party = of(&PARTIES[..9], object);
    let to_party = |from: &str, action| (party.to_owned(), from.to_owned(), action);
    let by_whom = |to: &str, from: &str, action| (to.to_owned(), from.to_owned(), action);
    let to_offer = |from: &str, action| (format!("offer:{}", offer()), from.to_owned(), action);
    match what % 37 {
        0..=2 => {
            let records = records(&[ENDPOINTS[usize::from(bits & 1)]]);
            let by_id = id("facebook");
            by("plug:facebook", Action::Credit { by: by_id, records })
        }
        3 => {
            let (by_id, records) = (id("notables"), records(&endpoints(bits | 4)));
            by("app:notables", Action::Credit { by: by_id, records })
        }
        4 => {
            let (by_id, records) = (id("notables"), records(&["rumpel/notes"]));
            by("app:notables", Action::Credit { by: by_id, records })
        }
        5..=8 => {
            let records = records(&endpoints(bits));
            own(Action::Release { debit: debit(), records })
        }
        9..=10 => own(Action::Data { records: records(&endpoints(bits)) }),
        11..=12 => {
            let ask = PullAsk::default();
            by(client, Action::Pull { debit: debit(), ask })
        }
        13..=14 => {
            let terms = some_terms(w, client, bits);
            by(client, Action::DebitPropose { debit: debit(), terms })
        }
        15 => {
            let terms = some_terms(w, client, bits);
            by(client, Action::DebitAmend { debit: debit(), terms })
        }
        16..=18 => own(Action::DebitEnable { debit: debit(), revision: None }),
        19 => {
            let at_period_end = bits & 1 != 0;
            own(Action::DebitDisable { debit: debit(), at_period_end })
        }
        20 if bits & 3 == 3 => by("plug:facebook", Action::PlugConnect { plug: id("facebook") }),
        20 => own(Action::PlugConnect { plug: id("facebook") }),
        21 => own(Action::AppSetup { app: id("notables"), version: None }),
        22 if bits & 1 == 0 => own(Action::PlugDisconnect { plug: id("facebook") }),
        22 => own(Action::AppDisable { app: id("notables") }),
        23 if bits < 64 => to_party("operator:root", Action::Suspend),
        23..=24 => to_party("operator:root", Action::Resume),
        25 if bits < 16 => itself(Action::Retire),
        25 => to_party(party, Action::RotateKey { key: key(&format!("{party}{bits}")) }),
        26 => {
            let since = w.now.plus(-i64::from(bits % 2));
            let key = key(party);
            let (to, from) = (party.to_owned(), "operator:root".to_owned());
            if bits < 64 {
                (to, from, Action::RevokeKey { key, since })
            } else {
                (to, from, Action::Approve { key: Some(key) })
            }
        }
        27 => {
            let profile = Profile::Org { name: format!("n{}", bits % 3).into() };
            let key = key("org:acme");
            let org = "org:acme".to_owned();
            (org.clone(), org, Action::Register { key: Some(key), profile })
        }
        28 => {
            let mut terms = offer_terms("org:acme", 1 + u32::from(bits % 2));
            terms.min_claims = u32::from(bits % 4 / 2).min(terms.max_claims - 1) + 1;
            to_offer("org:acme", Action::OfferRegister { terms })
        }
        29 if bits < 16 => to_offer("org:acme", Action::OfferClose),
        29 => to_offer("operator:root", Action::Approve { key: None }),
        32 => {
            let bridge = (bits & 3 != 0).then(|| id("carrier"));
            let by = of(&[hat, "platform:hubat.net", "operator:root"], object);
            by_whom(hat, by, Action::Entrust { transport: Transport::Nats, bridge })
        }
        36 if bits < 128 => to_offer("operator:root", Action::OfferReject),
        36 => to_offer("operator:root", Action::OfferPay),
        33..=34 => {
            let (done, failed) = (u32::from(bits & 3 == 0), u32::from(bits & 3));
            let lag_seconds = (bits & 4 != 0).then(|| u32::from(bits) * 100);
            let report = plug::JobReport { done, failed, lag_seconds, error: None };
            by_whom("plug:facebook", "plug:facebook", Action::PlugReport(report))
        }
        35 => {
            let (name, version) = ("n".into(), format!("{}", bits % 5).into());
            let profile = Profile::App { name, version, namespaces: vec!["rumpel".into()], manifest: None };
            let key = key(&format!("app:notables{}", ["", "2"][usize::from(bits & 1)]));
            let (app, mut action) = ("app:notables", Action::Register { key: Some(key), profile });
            if bits & 2 != 0 {
                action = Action::Decline { key, why: "no".into() };
            } else if bits & 4 != 0 {
                action = Action::Approve { key: Some(key) };
            }
            let from = if matches!(action, Action::Register { .. }) { app } else { "operator:root" };
            by_whom(app, from, action)
        }
        30 if bits < 48 => itself(Action::Withdraw { offer: offer() }),
        _ => own(Action::Claim { offer: offer() }),
    }
}

/// Does one step.
pub fn take(w: &mut World, step: &Step) {
    match *step {
        Step::Say { what, hat, object, from, bits } => {
            let hat = of(&HATS, hat);
            let (to, may, action) = saying(w, what, hat, object, bits);
            let from = from.map_or(may, |pick| of(&PARTIES, pick).to_owned());
            let mut command = w.message(&a(&to), &a(&from), action);
            // A pull that waits for an answer is answered now and then.
            if let (Action::Release { .. }, true) = (&command.action, bits & 64 != 0) {
                command.pull = opened(w, object).map(|(_, opened)| opened.exchange);
            }
            w.run(&a(&to), command);
        }
        Step::Receipt { which, verdict, wrong, stranger } => {
            let Some((entity, opened)) = opened(w, which) else {
                return;
            };
            let mut receipt = agreeing(&opened);
            receipt.verdict = match verdict {
                0 => Verdict::Refused,
                1..=2 => Verdict::Returned,
                _ => Verdict::Accepted,
            };
            match wrong {
                0 => receipt.digest = Digest::of(b"wrong"),
                1 => receipt.count += 1,
                _ => {}
            }
            let from = if stranger { a("org:other") } else { opened.to };
            let lane = if which % 2 == 0 { a("lane:a7") } else { entity.clone() };
            let command = w.message(&lane, &from, Action::Receipt(receipt));
            w.run(&entity, command);
        }
        Step::Recall { which } => {
            if let Some((entity, opened)) = opened(w, which) {
                let exchange = opened.exchange;
                w.tell(&entity.to_string(), &opened.from.to_string(), Action::Recall { exchange });
            }
        }
        Step::Deadline { which } => {
            if let Some((entity, opened)) = opened(w, which) {
                let delivery = opened.delivery;
                w.local(&entity, Action::Deadline { delivery });
            }
        }
        Step::Send { which, twice } => {
            if !w.sends.is_empty() {
                let (to, action) = w.sends.remove(which % w.sends.len()).expect("is there");
                w.send(to.clone(), action.clone());
                if twice {
                    w.send(to, action);
                }
            }
        }
        Step::Again { which } => {
            if !w.told.is_empty() {
                let (entity, command) = w.told[which % w.told.len()].clone();
                let before = w.ledger.len();
                let known = w.known(&command);
                let decision = w.run(&entity, command.clone());
                if command.cause.is_some() && known == Known::Same {
                    let anonymous = matches!(decision, Decision::Anonymous(_));
                    assert!(anonymous || decision == Decision::Repeat);
                    assert_eq!(w.ledger.len(), before);
                }
            }
        }
        Step::TakeUp { hat, offer } => {
            let (hat, offer) = (of(&HATS, hat), id(of(&OFFERS, offer)));
            w.tell(hat, hat, Action::Claim { offer: offer.clone() });
            w.settle_sends();
            w.tell(hat, hat, Action::DebitEnable { debit: offer, revision: None });
            w.settle_sends();
        }
        Step::Wake => {
            for entity in w.entities.keys().cloned().collect::<Vec<_>>() {
                w.local(&entity, Action::Wake);
            }
        }
        Step::Pass { seconds } => w.pass(seconds),
    }
}

//! Large content for all debits of a HAT, and as the answer to a pull.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::*;
use crate::domain::bundle::{Bundle, Ordered};
use crate::domain::command::PullAsk;
use crate::domain::event::DebitTerms;
use crate::domain::exchange::answer::answer;
use crate::domain::exchange::large::{Answering, Fan, Found, Object, PartFound, Sift, Stopped, Terms};
use crate::domain::exchange::release::gate;
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";

fn object(content: &[u8], count: usize) -> Object {
    let chunks = u32::try_from(content.len().div_ceil(16 * 1024)).expect("few").max(1);
    let count = u32::try_from(count).expect("few");
    Object { id: Uuid::from_u128(5), size: content.len() as u64, digest: Digest::of(content), count, chunks }
}

fn refused(stopped: Stopped) -> Reason {
    match stopped {
        Stopped::Refused(reason) => reason,
        Stopped::Write(error) => panic!("{error}"),
    }
}

/// The terms of a debit of bob's as they stand.
fn under(w: &World, debit: &str) -> Terms {
    let debit = &w.hat(BOB).debits[&id(debit)];
    let (revision, enabled) = debit.in_force(w.now).expect("in force");
    let client = w.registry.registration(&debit.client).expect("registered");
    Terms {
        gate: gate(&w.registry, &client, revision),
        revision: revision.clone(),
        enabled,
        evaluated: false,
        hat: a(BOB),
        client: debit.client.clone(),
        key: [7; 32],
    }
}

fn bundle_of(value: Value) -> Bundle {
    Bundle::read(&value).expect("a bundle")
}

/// Bob with a debit d2 of this bundle beside d1.
fn with_d2(bundle: Value, conditions: Option<Value>) -> World {
    let mut w = World::new();
    let conditions = conditions.map(bundle_of);
    let terms = DebitTerms { bundle: bundle_of(bundle), conditions, ..terms("org:other", &["facebook/feed"]) };
    w.debit("d2", "org:other", terms);
    w
}

fn text(records: &[Value]) -> String {
    Value::from(records.to_vec()).to_string()
}

fn some_records() -> impl Strategy<Value = Vec<Value>> {
    let one = (0..3usize, 0..20i64, 0..30u8, prop::option::of("[a-c]")).prop_map(|(endpoint, n, day, word)| {
        let endpoint = ["facebook/feed", "facebook/events", "rumpel/notes"][endpoint];
        let time = format!("2026-01-{:02}T00:00:00Z", day + 1);
        json!({ "endpoint": endpoint, "recordId": word, "sourceTimestamp": time, "data": { "n": n, "w": word } })
    });
    prop::collection::vec(one, 1..60)
}

fn bundles() -> impl Strategy<Value = (Value, Option<Value>)> {
    let queries = || {
        prop::sample::subsequence(
            vec![
                json!({ "endpoint": "facebook/feed" }),
                json!({ "endpoint": "facebook/events", "mapping": { "k": "n", "v": "w" } }),
                json!({ "endpoint": "facebook/feed", "mapping": { "k": "n" } }),
                json!({ "endpoint": "rumpel/notes", "filters": [{ "field": "n", "operator": { "operator": "between", "lower": 3, "upper": 12 } }] }),
            ],
            1..4,
        )
    };
    let property = (queries(), any::<bool>(), any::<bool>(), prop::option::of(0..9u32)).prop_map(
        |(endpoints, ordered, turned, limit)| {
            let mut property = json!({ "endpoints": endpoints });
            if ordered {
                property["orderBy"] = json!("n");
            }
            if turned {
                property["ordering"] = json!("descending");
            }
            if let Some(limit) = limit {
                property["limit"] = json!(limit);
            }
            property
        },
    );
    let bundle =
        prop::collection::btree_map("[p-r]", property, 1..4).prop_map(|it| json!({ "name": "b", "bundle": it }));
    let condition = queries().prop_map(|it| json!({ "name": "c", "bundle": { "has": { "endpoints": it } } }));
    (bundle, prop::option::of(condition))
}

fn asks() -> impl Strategy<Value = PullAsk> {
    let since = prop::option::of((0..25i64).prop_map(|day| {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        start.plus(day * 86_400_000_000_000)
    }));
    (since, prop::option::of(0..6u32), prop::option::of(1..20u32)).prop_map(|(since, skip, limit)| PullAsk {
        since,
        skip,
        limit,
    })
}

proptest! {
    /// A large answer to a pull is what the same records in a body are, wherever they are cut.
    #[test]
    fn a_large_answer_is_what_a_small_one_is(
        records in some_records(),
        (bundle, conditions) in bundles(),
        ask in asks(),
        evaluated in prop::bool::weighted(0.2),
        size in 1usize..400,
        run in 1usize..2000,
    ) {
        let w = with_d2(bundle, conditions);
        let body = text(&records);
        let terms = Terms { evaluated, ..under(&w, "d2") };
        let revision = terms.revision.clone();
        let small = Records::parse(body.clone().into(), 1000).expect("records");
        let conditions = revision.terms.conditions.as_ref();
        let wanted = answer((&revision.terms.bundle, &revision.program), conditions, &small, &ask, evaluated, usize::MAX);
        let wanted = wanted.expect("no bound");
        let limits = Limits::default();
        let of = object(body.as_bytes(), records.len());
        let mut answering = Answering::by(of, terms, ask, Ordered::with_runs_of(run, u64::MAX), &limits);
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        for piece in body.as_bytes().chunks(size) {
            answering.push(piece, &mut scratch, &mut out).map_err(refused).expect("good");
        }
        let made = answering.finish(&mut scratch, &mut out).map_err(refused);
        match wanted {
            None => prop_assert_eq!(made.expect_err("nothing"), Reason::NothingSelected),
            Some(taken) => {
                let facts = made.expect("something");
                let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
                prop_assert_eq!(json(&out), json(&taken.body));
                prop_assert_eq!((facts.count, &facts.endpoints), (taken.count, &taken.endpoints));
                prop_assert_eq!((facts.size, facts.digest), (out.len() as u64, Digest::of(&out)));
            }
        }
    }

    /// What all debits are given of a content that is read once is what each would be given of it alone.
    #[test]
    fn each_part_is_what_its_debit_selects(records in some_records(), (bundle, _) in bundles(), size in 1usize..400) {
        let w = with_d2(bundle, None);
        let body = text(&records);
        let of = object(body.as_bytes(), records.len());
        let limits = Limits::default();
        let parent = MessageId(Uuid::from_u128(9));
        let debits = ["d1", "d2"].map(|debit| (id(debit), under(&w, debit)));
        let mut fan = Fan::new(of, parent, debits, u64::MAX, &limits);
        let mut outs = vec![Vec::new(), Vec::new()];
        for piece in body.as_bytes().chunks(size) {
            fan.push(piece, &mut outs).map_err(refused).expect("good");
        }
        let Found::Parts(parts) = fan.finish(&mut outs).map_err(refused).expect("good") else { panic!("parts") };
        prop_assert_eq!(parts.len(), 2);
        for (part, out) in parts.iter().zip(&outs) {
            let mut alone = Vec::new();
            let mut sift = Sift::under(of, under(&w, part.debit.as_str()), &limits);
            sift.push(body.as_bytes(), &mut alone).map_err(refused).expect("good");
            match sift.finish(&mut alone) {
                Ok(facts) => {
                    prop_assert_eq!(part.facts.as_ref(), Ok(&facts));
                    prop_assert_eq!(out, &alone);
                }
                Err(stopped) => prop_assert_eq!(part.facts.as_ref(), Err(&refused(stopped))),
            }
        }
    }
}

fn content() -> (String, Object) {
    let body = text(&[
        json!({ "endpoint": "facebook/feed", "data": { "n": 1 } }),
        json!({ "endpoint": "facebook/events", "data": { "n": 2 } }),
    ]);
    let of = object(body.as_bytes(), 2);
    (body, of)
}

/// What the mover finds of the content that is fetched for all debits.
fn sifted(w: &World, most: u64) -> (Uuid, Result<Found, Reason>) {
    let (body, of) = content();
    let fetching = w.hat(BOB).fetching.values().next().expect("one is fetched");
    let debits: Vec<(Id, Terms)> = fetching.debits.iter().map(|it| (it.clone(), under(w, it.as_str()))).collect();
    let mut outs = vec![Vec::new(); debits.len()];
    let mut fan = Fan::new(of, fetching.exchange, debits, most, &Limits::default());
    let read = fan.push(body.as_bytes(), &mut outs).and_then(|()| fan.finish(&mut outs));
    (fetching.delivery, read.map_err(refused))
}

/// A mapping that makes too much of a content leaves nothing on the disk, and nothing of its room is lost to the others.
#[test]
fn a_part_that_becomes_too_large_is_wiped_and_the_others_go_on() {
    let mapping = json!({ ("k".repeat(60)): "n" });
    let endpoints = json!([{ "endpoint": "facebook/feed", "mapping": mapping }]);
    let w = with_d2(json!({ "name": "b", "bundle": { "p": { "endpoints": endpoints } } }), None);
    // Several batches, of which the first one passes.
    let body = text(&vec![json!({ "endpoint": "facebook/feed", "data": { "n": 1 } }); 3 * 4096]);
    let of = object(body.as_bytes(), 3 * 4096);
    let limits = Limits { large_bytes: of.size + of.size / 2, ..Limits::default() };
    // How long the part that is delivered is, and the other one was before it was wiped.
    let fan_out = |most: u64| {
        let debits = ["d1", "d2"].map(|debit| (id(debit), under(&w, debit)));
        let mut fan = Fan::new(of, MessageId(Uuid::from_u128(9)), debits, most, &limits);
        let mut outs = vec![Vec::new(), Vec::new()];
        let mut begun = 0;
        for piece in body.as_bytes().chunks(16 * 1024) {
            fan.push(piece, &mut outs).map_err(refused).expect("good");
            begun = begun.max(outs[1].len());
        }
        assert!(begun > 0 && outs[1].is_empty(), "it had begun, and was wiped before the end");
        let Found::Parts(parts) = fan.finish(&mut outs).map_err(refused).expect("good") else { panic!("parts") };
        assert_eq!(parts[0].facts.as_ref().map(|facts| facts.count), Ok(3 * 4096));
        assert_eq!((parts[1].facts.as_ref().err(), outs[1].len()), (Some(&Reason::TooLarge), 0));
        (outs[0].len() as u64, begun as u64)
    };
    let (whole, begun) = fan_out(u64::MAX);
    // No room for both: the end of the one goes where the other had begun. The last byte is written after the last look.
    let most = whole - 1 + begun - 1;
    assert_eq!(fan_out(most), (whole, begun));
}

fn events_only() -> Value {
    json!({ "name": "b", "bundle": { "p": { "endpoints": [{ "endpoint": "facebook/events" }] } } })
}

#[test]
fn a_content_for_all_debits_becomes_a_part_for_each_that_selects_anything() {
    let mut w = with_d2(events_only(), None);
    w.debit("d3", "org:other", terms("org:other", &["rumpel/notes"]));
    let events = w.must(BOB, BOB, Action::DataObject { object: content().1 });
    let Event::Fetching(fetching) = &events[0] else { panic!("{events:?}") };
    assert_eq!(fetching.debits, ["d1", "d2", "d3"].map(id));
    let (_, outcome, _) = w.outcomes.last().expect("told");
    assert_eq!((outcome.status, outcome.reason, outcome.delivery), (Status::Pending, None, None));
    let parent = fetching.exchange;
    let (delivery, found) = sifted(&w, u64::MAX);
    let Ok(Found::Parts(parts)) = &found else { panic!("{found:?}") };
    assert_eq!(parts[2].facts, Err(Reason::NothingSelected));
    let Decision::Record(drafts) = w.local(&a(BOB), Action::Fetched { delivery, found }) else { panic!("nothing") };
    // The parts first: what lies on disk is theirs before it is nobody's.
    let opened: Vec<_> = drafts[..2]
        .iter()
        .map(|draft| match &draft.event {
            Event::Opened(opened) => (opened.to.to_string(), opened.parent, opened.count_out, opened.large.is_some()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(opened[0], ("org:acme".to_owned(), Some(parent), 1, true));
    assert_eq!(opened[1], ("org:other".to_owned(), Some(parent), 1, true));
    let Event::Fanned { parts, count: 2, fetched: Some(_), .. } = &drafts[2].event else { panic!("{drafts:?}") };
    let (to, outcome, first) = w.outcomes.last().expect("told");
    assert_eq!((to, outcome.exchange, outcome.status, *first), (&a(BOB), parent, Status::Accepted, false));
    assert_eq!(&outcome.parts, parts);
    let hat = w.hat(BOB);
    assert!(hat.fetching.is_empty() && !hat.open.contains_key(&delivery) && hat.open.len() == 2);
    assert_eq!(w.entities[&a(BOB)].restored(), w.entities[&a(BOB)]);
    // Each part ends by itself.
    let last = w.last_opened();
    let other = last.to.to_string();
    w.must(BOB, &other, Action::Receipt(agreeing(&last)));
    assert_eq!(w.outcomes.last().map(|(_, it, _)| (it.exchange, it.status)), Some((last.exchange, Status::Settled)));
}

#[test]
fn a_part_whose_right_has_gone_is_left_out_and_nothing_left_ends_it() {
    let dropped = |w: &mut World, found: Result<Found, Reason>, delivery| match w
        .local(&a(BOB), Action::Fetched { delivery, found })
    {
        Decision::Record(drafts) => match &drafts[..] {
            [Draft { event: Event::Dropped { reason, .. }, .. }] => Err(*reason),
            drafts => Ok(drafts.len()),
        },
        other => panic!("{other:?}"),
    };
    let mut w = with_d2(events_only(), None);
    let data = || Action::DataObject { object: content().1 };
    w.must(BOB, BOB, data());
    let (delivery, found) = sifted(&w, u64::MAX);
    w.must(BOB, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false });
    assert_eq!(dropped(&mut w, found, delivery), Ok(2), "d2's part, and the fan-out");
    w.must(BOB, BOB, data());
    let (delivery, found) = sifted(&w, u64::MAX);
    w.must(BOB, BOB, Action::DebitDisable { debit: id("d2"), at_period_end: false });
    assert_eq!(dropped(&mut w, found, delivery), Err(Reason::DebitEnded));
    assert_eq!(w.refuses(BOB, BOB, data()), Reason::NothingSelected, "no debit is left");

    // More than may be on disk for one HAT; by itself, and with what else is open.
    let mut w = with_d2(events_only(), None);
    w.must(BOB, BOB, data());
    assert_eq!(sifted(&w, 60).1, Err(Reason::RecipientOverQuota));
    let (delivery, found) = sifted(&w, u64::MAX);
    w.limits.large_per_hat = 60;
    assert_eq!(dropped(&mut w, found, delivery), Err(Reason::RecipientOverQuota));
    // Found for another kind of fetching: a fault of ours, which lets nothing out.
    w.limits.large_per_hat = 4 << 30;
    w.must(BOB, BOB, data());
    let delivery = *w.hat(BOB).fetching.keys().next().expect("one");
    let part = PartFound { debit: id("none"), exchange: w.fresh(), delivery, facts: Err(Reason::TooLarge) };
    assert_eq!(dropped(&mut w, Ok(Found::Parts(vec![part])), delivery), Err(Reason::TooLarge));
}

#[test]
fn a_large_answer_settles_its_pull_once_it_is_here() {
    let mut w = with_d2(events_only(), None);
    let asked = w.must(BOB, "org:other", Action::Pull { debit: id("d2"), ask: PullAsk::default() });
    let Event::Opened(request) = &asked[0] else { panic!("{asked:?}") };
    let pull = request.exchange;
    let (body, of) = content();
    let release = |w: &mut World| {
        let mut message = w.message(&a(BOB), &a(BOB), Action::ReleaseObject { debit: id("d2"), object: of });
        message.pull = Some(pull);
        w.run(&a(BOB), message)
    };
    assert!(matches!(release(&mut w), Decision::Record(_)));
    assert!(w.hat(BOB).open.contains_key(&request.delivery), "open until the answer is here");
    let find = |w: &World| {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let mut answering = Answering::new(of, under(w, "d2"), PullAsk::default(), &Limits::default());
        answering.push(body.as_bytes(), &mut scratch, &mut out).expect("good");
        Found::One(answering.finish(&mut scratch, &mut out).expect("good"))
    };
    let delivery = *w.hat(BOB).fetching.keys().next().expect("one");
    let found = Ok(find(&w));
    // Another answer is under way: it comes too late.
    assert!(matches!(release(&mut w), Decision::Record(_)));
    w.local(&a(BOB), Action::Fetched { delivery, found });
    let tail: Vec<&Event> = w.ledger.iter().rev().take(2).map(|(entry, _)| &entry.event).collect();
    assert!(matches!(tail[0], Event::Settled(closed) if closed.exchange == pull), "{tail:?}");
    assert!(matches!(tail[1], Event::Fetched(opened) if opened.pull == Some(pull)), "{tail:?}");
    let delivery = *w.hat(BOB).fetching.keys().next().expect("the other");
    let found = Ok(find(&w));
    w.local(&a(BOB), Action::Fetched { delivery, found });
    assert!(matches!(w.ledger.last(), Some((Entry { event: Event::Dropped { reason: Reason::NotFound, .. }, .. }, _))));
    assert_eq!(reason(&release(&mut w)), Reason::NotFound);
}

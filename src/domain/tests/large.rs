//! Content above the size of a message: cut, sifted, and the exchange around it.

use ::bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::world::*;
use crate::domain::event::{Authority, DebitTerms};
use crate::domain::exchange::large::{Facts, Found, Object, Selected, Sift, Splitter, Stopped, Terms};
use crate::domain::exchange::release::gate;
use crate::domain::exchange::tally;
use crate::domain::pii::{Catalogue, Class, ClassSet, Classified, Dropped, Gate};
use crate::domain::*;

const BOB: &str = "hat:bob.hubat.net";

fn object(content: &[u8], count: u32) -> Object {
    let chunks = u32::try_from(content.len().div_ceil(16 * 1024)).expect("few").max(1);
    Object { id: Uuid::from_u128(5), size: content.len() as u64, digest: Digest::of(content), count, chunks }
}

/// What a splitter makes of pieces: the records' own texts.
fn split(pieces: &[&[u8]]) -> Result<Vec<String>, Reason> {
    let mut found = Vec::new();
    let mut each = |records: Records| {
        found.extend(records.items.iter().map(|item| item.whole.of(records.text()).to_owned()));
        Ok::<(), Reason>(())
    };
    let mut splitter = Splitter::new(1 << 16, 64);
    for piece in pieces {
        splitter.push(piece, &mut each)?;
    }
    splitter.finish(&mut each)?;
    assert_eq!(splitter.count() as usize, found.len());
    Ok(found)
}

fn sift(mut sift: Sift, content: &[u8], size: usize) -> Result<(Facts, Vec<u8>), Reason> {
    let refused = |stopped| match stopped {
        Stopped::Refused(reason) => reason,
        Stopped::Write(error) => panic!("{error}"),
    };
    let mut out = Vec::new();
    for piece in content.chunks(size.max(1)) {
        sift.push(piece, &mut out).map_err(refused)?;
    }
    let facts = sift.finish(&mut out).map_err(refused)?;
    assert_eq!((facts.size, facts.digest), (out.len() as u64, Digest::of(&out)));
    Ok((facts, out))
}

fn record() -> impl Strategy<Value = String> {
    let endpoint = prop::sample::select(vec!["facebook/feed", "facebook/events", "rumpel/notes"]);
    let data = prop::sample::select(vec![
        "{}",
        r#"{"a":1}"#,
        r#"{"message":"a \"quoted\" } ] { [ brace \\"}"#,
        r#"[1,[2,[3]],{"x":{"y":null}}]"#,
        "\"é–😀\"",
        "12.5e3",
    ]);
    (endpoint, data, prop::bool::ANY).prop_map(|(endpoint, data, spaced)| match spaced {
        true => format!("{{ \"endpoint\" : \"{endpoint}\",\n \"data\" : {data} }}"),
        false => format!("{{\"endpoint\":\"{endpoint}\",\"data\":{data}}}"),
    })
}

fn array(records: &[String]) -> String {
    format!(" [{}\n]\n", records.join(" ,\t"))
}

proptest! {
    /// Wherever it is cut, the records are those that a reader of the whole finds.
    #[test]
    fn pieces_do_not_matter(records in prop::collection::vec(record(), 1..40), size in 1usize..200) {
        for text in [array(&records), records.join("\n"), format!("{}\n", records.join("\r\n\n"))] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let found = split(&pieces).expect("records");
            prop_assert_eq!(&found, &records);
        }
        let whole = Records::parse(array(&records).into(), 1000).expect("records");
        prop_assert_eq!(whole.items.len(), records.len());
    }

    /// What a debit selects of a large content is what it selects of the same records in a body.
    #[test]
    fn a_large_release_selects_what_a_small_one_does(records in prop::collection::vec(record(), 1..40), size in 1usize..300) {
        let text = array(&records);
        let count = u32::try_from(records.len()).expect("few");
        let w = World::new();
        let debit = &w.hat(BOB).debits[&id("d1")];
        let (revision, enabled) = debit.in_force(w.now).expect("in force");
        let limits = Limits::default();
        let made = sift(Sift::under(object(text.as_bytes(), count), under_d1(&w), &limits), text.as_bytes(), size);
        let body = Records::parse(text.clone().into(), 1000).expect("records");
        let wanted = revision.program.of(&revision.terms.bundle).take(&body, usize::MAX).expect("fits");
        match wanted {
            None => prop_assert_eq!(made.expect_err("nothing"), Reason::NothingSelected),
            Some(taken) => {
                let (facts, out) = made.expect("selected");
                let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON");
                prop_assert_eq!(json(&out), json(&taken.body));
                prop_assert_eq!((facts.count, &facts.endpoints), (taken.count, &taken.endpoints));
                prop_assert_eq!(facts.under.map(|it| it.enabled), Some(enabled));
            }
        }
        let (facts, out) = sift(Sift::whole(object(text.as_bytes(), count), &limits), text.as_bytes(), size).expect("as it is");
        prop_assert_eq!(out, text.as_bytes());
        prop_assert_eq!(facts.endpoints, tally(body.items.iter()));
    }

    /// No input makes it panic, and no more comes out than went in.
    #[test]
    fn rubbish_is_refused(bytes in prop::collection::vec(prop::sample::select(b"[]{},:\"\\ ae1".to_vec()), 0..200)) {
        let _ = split(&[&bytes]);
    }
}

/// What a debit's classes leave out of a body they leave out of a large content, wherever it is cut.
#[test]
fn fields_that_are_not_granted_are_left_out_of_large_content_too() {
    let w = World::new();
    let text = array(&[
        r#"{"endpoint":"facebook/feed","data":{"likes":3,"name":"Bob"}}"#.to_owned(),
        r#"{"endpoint":"facebook/feed","data":{"name":"Alice"}}"#.to_owned(),
        r#"{"endpoint":"facebook/feed","data":{"likes":4}}"#.to_owned(),
    ]);
    let mut catalogue = Catalogue::default();
    let word = serde_json::from_str(r#"{"fields":{"likes":{"class":"none"}}}"#).expect("a word");
    let classified = Some(std::sync::Arc::new([("facebook/feed".into(), Classified { n: 9, word })].into()));
    catalogue.learn(&a("dex:dex.example"), &Registration { classified, ..Registration::default() });
    let release = |text: &str, count: u32, classes: ClassSet, size: usize| {
        let mut terms = under_d1(&w);
        let bundle =
            serde_json::from_str(r#"{"name":"b","bundle":{"p":{"endpoints":[{"endpoint":"facebook/feed"}]}}}"#);
        terms.revision.terms.bundle = bundle.expect("a bundle");
        terms.revision.program = Default::default();
        terms.revision.terms.classes = Some(classes);
        terms.gate = std::sync::Arc::new(Gate::new(&terms.revision.terms, ClassSet::ALL, &catalogue));
        sift(Sift::under(object(text.as_bytes(), count), terms, &Limits::default()), text.as_bytes(), size)
    };
    for size in [1, 7, 64, 1000] {
        let (facts, out) = release(&text, 3, ClassSet::of([Class::None]), size).expect("something passes");
        let out: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let data: Vec<_> = out.as_array().expect("records").iter().map(|record| record["data"].to_string()).collect();
        assert_eq!(data, [r#"{"likes":3}"#, r#"{"likes":4}"#]);
        assert_eq!((facts.count, facts.dropped.direct), (2, 2));
        let all = release(&text, 3, ClassSet::ALL, size).expect("all passes").0;
        assert_eq!((all.count, all.dropped), (3, Dropped::default()));
        let names = array(&[r#"{"endpoint":"facebook/feed","data":{"name":"Bob"}}"#.to_owned()]);
        let nothing = release(&names, 1, ClassSet::of([Class::None]), size).expect_err("all is direct");
        assert_eq!(nothing, Reason::PiiNotGranted);
    }
}

#[test]
fn what_is_no_content_is_refused_with_its_reason() {
    let good = r#"[{"endpoint":"a/b","data":1},{"endpoint":"a/c","data":2}]"#;
    let whole =
        |object| sift(Sift::whole(object, &Limits::default()), good.as_bytes(), 7).map(|(facts, _)| facts.count);
    let right = object(good.as_bytes(), 2);
    assert_eq!(whole(right), Ok(2));
    assert_eq!(whole(Object { digest: Digest([0; 32]), ..right }), Err(Reason::DigestMismatch));
    assert_eq!(whole(Object { size: right.size - 1, ..right }), Err(Reason::DigestMismatch));
    assert_eq!(whole(Object { size: right.size + 1, ..right }), Err(Reason::DigestMismatch));
    assert_eq!(whole(Object { count: 3, ..right }), Err(Reason::CountMismatch));
    for bad in [
        "",
        "[]",
        "  ",
        "[",
        "{",
        r#"[{"endpoint":"a/b","data":1}"#,
        r#"[{"endpoint":"a/b","data":1},]"#,
        r#"[{"endpoint":"a/b","data":1}] x"#,
        r#"[[{"endpoint":"a/b","data":1}]]"#,
        r#"{"endpoint":"a/b","data":1},{"endpoint":"a/b","data":1}"#,
        r#"{"endpoint":"a/b"}"#,
        r#"{"endpoint":"A/B","data":1}"#,
        r#"{"endpoint":"a/b","data":1,"more":1}"#,
        r#"{"endpoint":"a/b","data":]}"#,
        "null",
    ] {
        assert_eq!(split(&[bad.as_bytes()]), Err(Reason::Malformed), "{bad}");
    }
    let deep = format!(r#"{{"endpoint":"a/b","data":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    assert_eq!(split(&[deep.as_bytes()]), Err(Reason::Malformed));
    let long = format!(r#"{{"endpoint":"a/b","data":"{}"}}"#, "x".repeat(1 << 16));
    assert_eq!(split(&[long.as_bytes()]), Err(Reason::TooLarge));
}

#[test]
fn endpoints_of_any_number_are_told_as_of_a_body() {
    let records: Vec<String> =
        (0..300).map(|n| format!(r#"{{"endpoint":"facebook/e{:03}","data":1}}"#, (n * 7) % 150)).collect();
    let text = array(&records);
    let (facts, _) =
        sift(Sift::whole(object(text.as_bytes(), 300), &Limits::default()), text.as_bytes(), 999).expect("good");
    let body = Records::parse(text.into(), 1000).expect("records");
    assert_eq!(facts.endpoints, tally(body.items.iter()));
    assert_eq!(facts.namespaces, ["facebook"]);
}

fn credit() -> Action {
    Action::CreditObject { by: id("facebook"), object: object(b"content", 3) }
}

fn release() -> Action {
    Action::ReleaseObject { debit: id("d1"), object: object(b"content", 3) }
}

/// The terms of debit d1 as they stand.
fn under_d1(w: &World) -> Terms {
    let debit = &w.hat(BOB).debits[&id("d1")];
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

fn facts(w: &World) -> Facts {
    let terms = w.hat(BOB).debits[&id("d1")].in_force(w.now).ok().map(|_| under_d1(w));
    let under = terms.map(|terms| Selected { enabled: terms.enabled, gate: terms.gate });
    Facts {
        digest: Digest::of(b"delivered"),
        size: 9,
        count: 2,
        endpoints: vec![("facebook/feed".into(), 2)],
        namespaces: vec!["facebook".into()],
        dropped: Dropped::default(),
        under,
    }
}

fn delivery(w: &World) -> Uuid {
    *w.hat(BOB).fetching.keys().next().expect("one is fetched")
}

fn found(w: &mut World, found: Result<Facts, Reason>) -> Event {
    let (delivery, found) = (delivery(w), found.map(Found::One));
    match w.local(&a(BOB), Action::Fetched { delivery, found }) {
        Decision::Record(mut drafts) => drafts.remove(0).event,
        other => panic!("{other:?}"),
    }
}

fn last(w: &World) -> (Address, Status, Option<Reason>) {
    let (to, outcome, _) = w.outcomes.last().expect("told");
    (to.clone(), outcome.status, outcome.reason)
}

#[test]
fn a_content_that_is_here_goes_its_ordinary_way() {
    for (action, sender, recipient) in [(credit(), "plug:facebook", BOB), (release(), BOB, "org:acme")] {
        let mut w = World::new();
        let events = w.must(BOB, sender, action);
        let Event::Fetching(fetching) = &events[0] else { panic!("{events:?}") };
        assert_eq!((&fetching.from, &fetching.to), (&a(sender), &a(recipient)));
        assert_eq!(last(&w), (a(sender), Status::Pending, None));
        assert_eq!(w.outcomes.last().expect("told").1.digest_in, Digest::of(b"content"));
        // It is open: it counts, can be recalled, and takes no receipt yet.
        assert_eq!(w.hat(BOB).open.len(), 1);
        let early = Action::Receipt(command::Receipt {
            delivery: fetching.delivery,
            digest: Digest::of(b"content"),
            count: 3,
            verdict: event::Verdict::Accepted,
            reason: None,
        });
        assert_eq!(w.refuses(BOB, recipient, early), Reason::WrongState);
        let at = w.hat(BOB).open[&fetching.delivery].opened_at;
        w.pass(10);
        let facts = facts(&w);
        let Event::Fetched(opened) = found(&mut w, Ok(facts)) else { panic!("not fetched") };
        assert_eq!(last(&w), (a(sender), Status::Accepted, None));
        assert_eq!((opened.digest_in, opened.digest_out), (Digest::of(b"content"), Digest::of(b"delivered")));
        assert_eq!((opened.count_in, opened.count_out, opened.bytes_out), (3, 2, 9));
        let hat = w.hat(BOB);
        assert!(hat.fetching.is_empty() && hat.open[&opened.delivery].opened_at == at);
        // Said twice it is said once.
        let again = w.local(&a(BOB), Action::Fetched { delivery: opened.delivery, found: Err(Reason::NotFound) });
        assert_eq!(again, Decision::Nothing);
        let restored = w.entities[&a(BOB)].restored();
        assert_eq!(restored, w.entities[&a(BOB)]);
        w.must(BOB, recipient, Action::Receipt(agreeing(&opened)));
        assert_eq!(last(&w), (a(sender), Status::Settled, None));
        assert!(w.hat(BOB).open.is_empty());
    }
}

#[test]
fn what_was_found_or_has_changed_meanwhile_ends_it() {
    let mut w = World::new();
    w.must(BOB, "plug:facebook", credit());
    let event = found(&mut w, Err(Reason::CountMismatch));
    assert!(matches!(event, Event::Dropped { reason: Reason::CountMismatch, .. }), "{event:?}");
    assert_eq!(last(&w), (a("plug:facebook"), Status::Rejected, Some(Reason::CountMismatch)));
    assert!(w.hat(BOB).open.is_empty() && w.hat(BOB).fetching.is_empty());

    w.must(BOB, "plug:facebook", credit());
    let foreign = Facts { namespaces: vec!["facebook".into(), "rumpel".into()], ..facts(&w) };
    assert!(matches!(found(&mut w, Ok(foreign)), Event::Dropped { reason: Reason::OutsideNamespace, .. }));

    w.must(BOB, "plug:facebook", credit());
    w.must(BOB, BOB, Action::PlugDisconnect { plug: id("facebook") });
    let good = facts(&w);
    assert!(matches!(found(&mut w, Ok(good)), Event::Dropped { reason: Reason::NotConnected, .. }));

    // Selected by terms that were replaced since.
    w.must(BOB, BOB, release());
    let before = facts(&w);
    let terms: DebitTerms = terms("org:acme", &["facebook/events"]);
    w.must(BOB, "org:acme", Action::DebitAmend { debit: id("d1"), terms });
    w.pass(1);
    w.must(BOB, BOB, Action::DebitEnable { debit: id("d1"), revision: None });
    assert!(matches!(found(&mut w, Ok(before)), Event::Dropped { reason: Reason::DebitNotActive, .. }));

    w.must(BOB, BOB, release());
    let before_d1 = facts(&w).under.expect("in force");
    w.must(BOB, BOB, Action::DebitDisable { debit: id("d1"), at_period_end: false });
    let late = Facts { under: Some(before_d1), ..facts(&w) };
    assert!(matches!(found(&mut w, Ok(late)), Event::Dropped { reason: Reason::DebitEnded, .. }));
}

#[test]
fn it_can_be_recalled_and_expires_while_it_is_fetched() {
    let mut w = World::new();
    w.must(BOB, "plug:facebook", credit());
    let exchange = w.hat(BOB).fetching.values().next().expect("one").exchange;
    let events = w.must(BOB, "plug:facebook", Action::Recall { exchange });
    assert!(matches!(events[0], Event::Recalled(_)) && w.hat(BOB).fetching.is_empty());

    w.must(BOB, "plug:facebook", credit());
    let delivery = delivery(&w);
    w.now = w.hat(BOB).open[&delivery].deadline;
    let good = facts(&w);
    assert_eq!(w.local(&a(BOB), Action::Fetched { delivery, found: Ok(Found::One(good)) }), Decision::Nothing);
    w.local(&a(BOB), Action::Deadline { delivery });
    assert_eq!(last(&w), (a("plug:facebook"), Status::Expired, Some(Reason::DeadlinePassed)));
    assert!(w.hat(BOB).fetching.is_empty());
}

#[test]
fn rights_and_bounds_are_judged_before_anything_is_fetched() {
    let mut w = World::new();
    let of = |size, count, chunks| Object { size, count, chunks, ..object(b"content", 3) };
    let by = |object| Action::CreditObject { by: id("facebook"), object };
    assert_eq!(w.refuses(BOB, "plug:facebook", by(of((1 << 30) + 1, 1, 1))), Reason::TooLarge);
    assert_eq!(w.refuses(BOB, "plug:facebook", by(of(9, 0, 1))), Reason::Malformed);
    assert_eq!(w.refuses(BOB, "app:notables", by(of(9, 1, 1))), Reason::NotPermitted);
    assert_eq!(w.refuses("hat:eve.hubat.net", "plug:facebook", credit()), Reason::NotConnected);
    assert_eq!(w.refuses(BOB, "org:acme", release()), Reason::NotPermitted);
    let debit = Action::ReleaseObject { debit: id("none"), object: object(b"content", 3) };
    assert_eq!(w.refuses(BOB, BOB, debit), Reason::DebitNotFound);
    let mut answer = w.message(&a(BOB), &a(BOB), release());
    answer.pull = Some(w.fresh());
    assert_eq!(reason(&w.run(&a(BOB), answer)), Reason::NotFound, "of no pull");
    w.limits.large_per_hat = 3 << 20;
    for _ in 0..3 {
        w.must(BOB, "plug:facebook", by(of(1 << 20, 1, 8)));
    }
    assert_eq!(w.refuses(BOB, "plug:facebook", by(of(1, 1, 1))), Reason::RecipientOverQuota);
    w.limits.large_bytes = 0;
    assert_eq!(w.refuses(BOB, "plug:facebook", by(of(1, 1, 1))), Reason::TooLarge);
}

#[test]
fn what_follows_is_told_by_the_entries() {
    let mut w = World::new();
    w.must(BOB, BOB, release());
    let fetches = |w: &World| effects_of(&w.ledger.last().expect("one").0);
    assert!(matches!(&fetches(&w)[1], Effect::Fetch(fetching) if fetching.by == a(BOB)));
    let good = facts(&w);
    found(&mut w, Ok(good));
    let effects = fetches(&w);
    let Effect::Deliver(opened) = &effects[1] else { panic!("{effects:?}") };
    let upload = opened.large.as_ref().expect("large");
    assert_eq!((&upload.by, upload.object), (&a(BOB), Uuid::from_u128(5)));
    assert_eq!(opened.authority, Authority::Debit(id("d1")));
    let content: &Option<Bytes> = &w.ledger.last().expect("one").1;
    assert!(content.is_none(), "its content is not the spool's");
}

//! What passes under a grant, by example.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::bundle::{Bundle, Program};
use crate::domain::event::DebitTerms;
use crate::domain::id::{Address, Id, Kind};
use crate::domain::pii::{Catalogue, Class, ClassSet, Classified, Dropped, Fields, Gate, Mask, Word};
use crate::domain::plug::Manifest;
use crate::domain::records::Records;
use crate::domain::registration::{Profile, Registration};

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A catalogue of one plug and one operator's word.
fn catalogue(fields: Value, word: Option<Value>) -> Catalogue {
    let manifest = json!({
        "description": "d", "url": "https://plug.example", "endpoints": [{ "name": "feed", "fields": fields }],
    });
    let manifest = Arc::new(Manifest::read(&manifest).expect("a manifest"));
    let profile = Some(Profile::Plug { name: "p".into(), namespace: "x".into(), manifest: Some(manifest) });
    let mut catalogue = Catalogue::default();
    assert!(catalogue.learn(&address("plug:x"), &Registration { profile, standing_n: 2, ..Registration::default() }));
    if let Some(word) = word {
        let word: Word = serde_json::from_value(word).expect("a word");
        let classified = Some(Arc::new([("x/feed".into(), Classified { n: 9, word })].into()));
        let own = Registration { classified, ..Registration::default() };
        assert!(catalogue.learn(&address("dex:dex.test"), &own));
        assert!(!catalogue.learn(&address("dex:dex.test"), &own), "nothing new");
    }
    catalogue
}

fn terms(query: Value) -> DebitTerms {
    let bundle = json!({ "name": "b", "bundle": { "p": { "endpoints": [query] } } });
    DebitTerms::new(address("org:acme"), "t", Bundle::read(&bundle).expect("a bundle"), 1)
}

fn pass(terms: &DebitTerms, catalogue: &Catalogue, records: Value) -> (Option<Value>, Dropped) {
    let gate = Gate::new(terms, ClassSet::ALL, catalogue);
    let records = Records::parse(records.to_string().into(), 100).expect("records");
    let taken = Program::compile(&terms.bundle).take(&records, 1 << 20).expect("small");
    let hat = Address::new(Kind::Hat, Id::new("bob.hubat.net").expect("an id"));
    let mask = Mask { key: &[7; 32], hat: &hat, client: &terms.client };
    let passed = gate.pass(taken, 1 << 20, &mask).expect("small");
    (passed.taken.map(|taken| serde_json::from_slice(&taken.body).expect("JSON")), passed.dropped)
}

fn record(data: Value) -> Value {
    json!([{ "endpoint": "x/feed", "recordId": "r1", "data": data }])
}

fn data(passed: &(Option<Value>, Dropped)) -> Value {
    passed.0.as_ref().map_or(Value::Null, |body| body[0]["data"].clone())
}

#[test]
fn classes_are_inherited_and_the_operators_word_goes_over_the_plugs() {
    let at = |known: &Catalogue, path: &str| known.of("x/feed").fields.at(path).class;
    let plug = json!({ "from": "none", "from.name": "direct", "tags[].id": "quasi", "likes": "none" });
    let known = catalogue(plug.clone(), None);
    let classes = ["from.id", "from.name.first", "tags.id", "tags[3].id.x", "tags", "likes", "unheard"];
    use Class::{Direct, Quasi, Special};
    assert_eq!(classes.map(|path| at(&known, path)), [Class::None, Direct, Quasi, Quasi, Direct, Class::None, Direct]);
    assert_eq!(known.of("y/feed").fields, Fields { class: Direct, below: Default::default() });
    assert!(known.of("x/feed/more").basis.is_empty());
    let known =
        catalogue(plug, Some(json!({ "fields": { "from": { "class": "special" }, "from.id": { "class": "none" } } })));
    assert_eq!(
        ["from", "from.name", "from.id.x", "likes"].map(|path| at(&known, path)),
        [Special, Special, Class::None, Class::None]
    );
    let basis: Vec<(String, u64)> = known.of("x/feed").basis.iter().map(|it| (it.entity.to_string(), it.n)).collect();
    assert_eq!(basis, [("plug:x".to_owned(), 2), ("dex:dex.test".to_owned(), 9)]);
    let known = catalogue(json!({ "likes": "none" }), Some(json!({ "class": "quasi" })));
    assert_eq!(at(&known, "likes"), Quasi, "the word on the whole endpoint goes over all that plugs say of it");
}

#[test]
fn fields_of_other_classes_are_left_out_and_what_becomes_empty_with_them() {
    let known =
        catalogue(json!({ "born": "quasi", "from": "direct", "from.id": "none", "ill": "special", "n": "none" }), None);
    let mut terms = terms(json!({ "endpoint": "x/feed" }));
    let whole =
        json!({ "n": 1, "born": 1990, "from": { "name": "Bob", "id": 7 }, "ill": ["a"], "who": [{ "x": 1 }, 2] });
    terms.classes = Some(ClassSet::of([Class::Quasi]));
    let passed = pass(&terms, &known, record(whole.clone()));
    assert_eq!(data(&passed), json!({ "n": 1, "born": 1990, "from": { "id": 7 } }));
    assert_eq!(passed.1, Dropped { quasi: 0, direct: 2, special: 1 });
    terms.classes = Some(ClassSet::NONE);
    let passed = pass(&terms, &known, record(json!({ "born": 1, "from": { "name": "Bob" }, "who": {} })));
    assert_eq!(passed, (None, Dropped { quasi: 1, direct: 2, special: 0 }));
    terms.classes = Some(ClassSet::ALL);
    assert_eq!(
        data(&pass(&terms, &known, record(whole))),
        json!({ "n": 1, "born": 1990, "from": { "name": "Bob", "id": 7 }, "ill": ["a"], "who": [{ "x": 1 }, 2] })
    );
    // A client that may never have more gets no more.
    let gate = Gate::new(&terms, ClassSet::NONE, &known);
    let records = Records::parse(record(json!({ "born": 1 })).to_string().into(), 1).expect("records");
    let taken = Program::compile(&terms.bundle).take(&records, 1000).expect("small");
    let mask = Mask { key: &[7; 32], hat: &address("hat:b"), client: &terms.client };
    assert!(gate.pass(taken, 1000, &mask).expect("small").taken.is_none());
}

#[test]
fn without_a_grant_what_is_named_passes_and_special_data_only_when_it_is_named_itself() {
    let known =
        catalogue(json!({ "ill": "special", "ill.since": "quasi", "from": "direct", "from.belief": "special" }), None);
    let whole = json!({ "ill": { "what": "flu", "since": 2020 }, "from": { "name": "Bob", "belief": "none" }, "x": 1 });
    let passed = pass(&terms(json!({ "endpoint": "x/feed" })), &known, record(whole.clone()));
    assert_eq!(data(&passed), json!({ "ill": { "since": 2020 }, "from": { "name": "Bob" }, "x": 1 }));
    assert_eq!(passed.1, Dropped { quasi: 0, direct: 0, special: 2 });
    let mapping = json!({ "health": "ill", "who": "from", "creed": "from.belief" });
    let passed = pass(&terms(json!({ "endpoint": "x/feed", "mapping": mapping })), &known, record(whole));
    let expected = json!({ "health": { "what": "flu", "since": 2020 }, "who": { "name": "Bob" }, "creed": "none" });
    assert_eq!(data(&passed), expected);
    // Of what nobody has classified all that a bundle names passes, byte for byte.
    let gate = Gate::new(&terms(json!({ "endpoint": "y/any" })), ClassSet::ALL, &known);
    let records = Records::parse("[ {\"endpoint\":\"y/any\", \"data\":{\"a\":1.0}} ]".into(), 1).expect("records");
    let taken = Program::compile(&terms(json!({ "endpoint": "y/any" })).bundle).take(&records, 1000).expect("small");
    let mask = Mask { key: &[7; 32], hat: &address("hat:b"), client: &address("org:acme") };
    let passed = gate.pass(taken, 1000, &mask).expect("small").taken.expect("something");
    assert_eq!(passed.body, records.body);
}

#[test]
fn a_destination_is_of_the_class_of_its_source_also_in_lists_and_links() {
    let known = catalogue(json!({ "legs": "none", "legs.from": "direct", "day": "quasi" }), None);
    let mapping = json!({
        "when": "day", "a.start": "legs[0].from",
        "trips[]": { "source": "legs", "mappings": { "km": "km", "start": "from" } },
    });
    let link = json!({ "endpoint": "x/feed", "mapping": { "km": "legs[0].km", "start": "legs[0].from" } });
    let mut terms = terms(json!({ "endpoint": "x/feed", "mapping": mapping, "links": [link] }));
    terms.classes = Some(ClassSet::NONE);
    let legs = json!([{ "km": 3, "from": "home" }, { "km": 4 }]);
    let linked = json!({ "endpoint": "x/feed", "recordId": "r2", "data": { "legs": legs } });
    let records =
        json!([{ "endpoint": "x/feed", "recordId": "r1", "data": { "day": 1, "legs": legs }, "links": [linked] }]);
    let passed = pass(&terms, &known, records);
    let body = passed.0.clone().expect("something passes");
    assert_eq!(body[0]["data"], json!({ "trips": [{ "km": 3 }, { "km": 4 }] }));
    assert_eq!(body[0]["links"], json!([{ "endpoint": "x/feed", "recordId": "r2", "data": { "km": 3 } }]));
    assert_eq!(passed.1, Dropped { quasi: 1, direct: 3, special: 0 });
}

#[test]
fn without_personal_data_ids_are_hidden_and_nothing_is_told_by_a_filter() {
    let known = catalogue(json!({ "n": "none", "born": "quasi", "name": "direct" }), None);
    let filter = |field: &str| json!({ "field": field, "operator": { "operator": "in", "value": ["Bob", 1] } });
    let mut open = terms(json!({ "endpoint": "x/feed", "filters": [filter("n")] }));
    open.without_pii = true;
    let whole = json!({ "n": 1, "born": 2, "name": "Bob" });
    let records = json!([{ "endpoint": "x/feed", "recordId": "r1", "sourceTimestamp": 5, "sourceUniqueId": "u1", "data": whole }]);
    let passed = pass(&open, &known, records);
    let body = passed.0.clone().expect("something passes");
    assert_eq!(body[0]["data"], json!({ "n": 1, "born": 2 }));
    let text = body.to_string();
    assert!(!text.contains("r1") && !text.contains("u1") && body[0]["recordId"].is_string(), "{text}");
    assert_eq!(body[0]["sourceTimestamp"], 5);
    open.classes = Some(ClassSet::NONE);
    let passed = pass(&open, &known, json!([{ "endpoint": "x/feed", "sourceTimestamp": 5, "data": whole }]));
    assert_eq!(passed.0, Some(json!([{ "endpoint": "x/feed", "data": { "n": 1 } }])));
    // A filter on what is not granted would tell it: its query is left out.
    let mut telling = terms(json!({ "endpoint": "x/feed", "filters": [filter("name")] }));
    assert!(!Gate::new(&telling, ClassSet::ALL, &known).cuts());
    telling.without_pii = true;
    let gate = Gate::new(&telling, ClassSet::ALL, &known);
    assert!(gate.cuts());
    let programs = crate::domain::bundle::Compiled::default();
    let (bundle, programs) = gate.bundle(&telling, &programs);
    let records = Records::parse(record(whole).to_string().into(), 1).expect("records");
    assert_eq!(programs.of(bundle).take(&records, 1000), Ok(None));
}

//! The law of conservation over a million random cases: classes delivered ⊆ granted ⊆ allowed, and nothing that is
//! granted is left out.
//!
//! The judge knows nothing of gates: each single value of a record is a number of its own, so it tells where in the
//! data it came from; of what class that place is, it reads off the list of what was said, longest path first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::domain::bundle::{Bundle, Program};
use crate::domain::event::DebitTerms;
use crate::domain::id::{Address, Id, Kind};
use crate::domain::pii::{Catalogue, Class, ClassSet, Classified, Gate, Mask, Word};
use crate::domain::plug::Manifest;
use crate::domain::records::Records;
use crate::domain::registration::{Profile, Registration};

/// Cases in all: a record under a grant.
const CASES: usize = 1_000_000;
/// Records tried under one grant.
const PER_GRANT: usize = 100;

/// A small generator of its own (splitmix64): the same cases each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("small")
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c", "d"][self.below(4)]
    }

    fn class(&mut self) -> Class {
        Class::ALL[self.below(4)]
    }

    fn path(&mut self) -> Vec<&'static str> {
        let steps = 1 + self.below(3);
        (0..steps).map(|_| self.name()).collect()
    }

    fn set(&mut self) -> ClassSet {
        let bits = self.below(8);
        ClassSet::of(
            [Class::Quasi, Class::Direct, Class::Special]
                .into_iter()
                .enumerate()
                .filter(|(n, _)| bits & (1 << n) != 0)
                .map(|(_, class)| class),
        )
    }

    /// Data in which every single value is another number, and where each came from.
    fn data(&mut self, at: &mut Vec<&'static str>, places: &mut Vec<Vec<&'static str>>, text: &mut String) {
        use std::fmt::Write as _;
        let deep = plain(at).len() >= 3 || at.len() >= 5;
        match self.below(if deep { 1 } else { 6 }) {
            0..3 if !at.is_empty() => {
                write!(text, "{}", places.len()).expect("a text grows");
                places.push(at.clone());
            }
            3 if !at.is_empty() => {
                text.push('[');
                at.push(ITEM);
                for n in 0..=self.below(2) {
                    if n > 0 {
                        text.push(',');
                    }
                    self.data(at, places, text);
                }
                at.pop();
                text.push(']');
            }
            _ => {
                text.push('{');
                for name in ["a", "b", "c", "d"].into_iter().skip(self.below(3)).take(2) {
                    if !text.ends_with('{') {
                        text.push(',');
                    }
                    write!(text, "\"{name}\":").expect("a text grows");
                    at.push(name);
                    self.data(at, places, text);
                    at.pop();
                }
                text.push('}');
            }
        }
    }
}

/// A step into an array, which is no step of a field's path.
const ITEM: &str = "[]";

/// A place as a field's path.
fn plain(place: &[&'static str]) -> Vec<&'static str> {
    place.iter().copied().filter(|step| *step != ITEM).collect()
}

/// What was said, as lists.
struct Said {
    operator: Vec<(Vec<&'static str>, Class)>,
    whole: Option<Class>,
    plugs: [Vec<(Vec<&'static str>, Class)>; 2],
}

fn longest(said: &[(Vec<&'static str>, Class)], place: &[&'static str]) -> Option<Class> {
    let over = said.iter().filter(|(path, _)| place.starts_with(path));
    over.max_by_key(|(path, class)| (path.len(), *class)).map(|(_, class)| *class)
}

impl Said {
    fn random(dice: &mut Dice) -> Said {
        let mut list = |most: usize| {
            let n = dice.below(most);
            let mut by_path = BTreeMap::new();
            for _ in 0..n {
                by_path.insert(dice.path(), dice.class());
            }
            by_path.into_iter().collect::<Vec<_>>()
        };
        let (operator, plugs) = (list(4), [list(6), list(3)]);
        let whole = (dice.below(6) == 0).then(|| dice.class());
        Said { operator, whole, plugs }
    }

    fn class(&self, place: &[&'static str]) -> Class {
        let operator = longest(&self.operator, place).or(self.whole);
        let plugs = self.plugs.iter().filter_map(|said| longest(said, place)).max();
        operator.or(plugs).unwrap_or(Class::Direct)
    }

    fn catalogue(&self) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (n, said) in self.plugs.iter().enumerate() {
            let fields: Map<String, Value> = said.iter().map(|(path, class)| (path.join("."), json!(class))).collect();
            let manifest = json!({
                "description": "d", "url": "https://plug.example", "endpoints": [{ "name": "e", "fields": fields }],
            });
            let manifest = Some(Arc::new(Manifest::read(&manifest).expect("a manifest")));
            let profile = Some(Profile::Plug { name: "p".into(), namespace: "x".into(), manifest });
            let plug = Address::new(Kind::Plug, Id::new(&format!("p{n}")).expect("an id"));
            catalogue.learn(&plug, &Registration { profile, ..Registration::default() });
        }
        let fields: Map<String, Value> =
            self.operator.iter().map(|(path, class)| (path.join("[]."), json!({ "class": class }))).collect();
        let word: Word = serde_json::from_value(json!({ "class": self.whole, "fields": fields })).expect("a word");
        let classified = Some(Arc::new(BTreeMap::from([("x/e".into(), Classified { n: 1, word })])));
        let own = Address::new(Kind::Dex, Id::new("d").expect("an id"));
        catalogue.learn(&own, &Registration { classified, ..Registration::default() });
        catalogue
    }
}

/// What a bundle names: the whole data, or sources of a mapping.
fn query(dice: &mut Dice) -> (Value, Vec<Vec<&'static str>>) {
    if dice.below(3) == 0 {
        return (json!({ "endpoint": "x/e" }), vec![vec![]]);
    }
    let (mut mapping, mut named) = (Map::new(), Vec::new());
    for n in 0..=dice.below(4) {
        let source = dice.path();
        let text = source.join(".");
        match dice.below(4) {
            0 => {
                let inner: Vec<_> = (0..=dice.below(1)).map(|_| dice.path()).collect();
                let mappings: Map<String, Value> =
                    inner.iter().enumerate().map(|(k, path)| (format!("m{k}"), json!(path.join(".")))).collect();
                let each = if dice.below(2) == 0 { "[]" } else { "" };
                mapping.insert(format!("k{n}{each}"), json!({ "source": text, "mappings": mappings }));
                let within = if each.is_empty() { vec![] } else { vec![ITEM] };
                named.extend(inner.into_iter().map(|path| [source.clone(), within.clone(), path].concat()));
            }
            1 => {
                mapping.insert(format!("deep.k{n}"), json!(text));
                named.push(source);
            }
            _ => {
                mapping.insert(format!("k{n}"), json!(text));
                named.push(source);
            }
        }
    }
    (json!({ "endpoint": "x/e", "mapping": mapping }), named)
}

/// What may be delivered of a place.
struct Judge<'a> {
    said: &'a Said,
    granted: Option<ClassSet>,
    allowed: ClassSet,
    named: &'a [Vec<&'static str>],
    classes: BTreeMap<Vec<&'static str>, Class>,
}

impl Judge<'_> {
    fn class(&mut self, place: &[&'static str]) -> Class {
        if let Some(class) = self.classes.get(place) {
            return *class;
        }
        let class = self.said.class(place);
        self.classes.insert(place.to_vec(), class);
        class
    }

    fn may(&mut self, place: &[&'static str]) -> bool {
        let named = self.named.iter().filter(|named| place.starts_with(named));
        let named: Vec<usize> = named.map(|named| plain(named).len()).collect();
        let place = plain(place);
        let class = self.class(&place);
        let granted = match self.granted {
            Some(granted) => granted.has(class) && !named.is_empty(),
            None if class == Class::Special => {
                // Named itself: from a place that is named down to here all is special.
                named.iter().any(|from| (*from..=place.len()).all(|n| self.class(&place[..n]) == Class::Special))
            }
            None => !named.is_empty(),
        };
        granted && self.allowed.has(class)
    }
}

/// The numbers in a JSON text: what has digits and stands in no string.
fn numbers(text: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let (mut number, mut quoted) = (None, false);
    for byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'0'..=b'9' if !quoted => number = Some(number.unwrap_or(0) * 10 + usize::from(byte - b'0')),
            _ => found.extend(number.take()),
        }
    }
    found
}

/// One grant and its records; how many values were delivered and how many left out.
fn try_grant(dice: &mut Dice) -> (usize, usize) {
    let said = Said::random(dice);
    let (query, named) = query(dice);
    let bundle = json!({ "name": "b", "bundle": { "p": { "endpoints": [query] } } });
    let bundle = Bundle::read(&bundle).expect("a bundle");
    let client = Address::new(Kind::Org, Id::new("acme").expect("an id"));
    let mut terms = DebitTerms::new(client.clone(), "t", bundle, 1);
    terms.classes = (dice.below(3) > 0).then(|| dice.set());
    terms.without_pii = dice.below(5) == 0;
    let allowed = if dice.below(2) == 0 { ClassSet::ALL } else { dice.set() };
    let granted = if terms.without_pii {
        let most = ClassSet::of([Class::Quasi]);
        Some(terms.classes.map_or(most, |classes| classes.and(most)))
    } else {
        terms.classes
    };
    let gate = Gate::new(&terms, allowed, &said.catalogue());
    let program = Program::compile(&terms.bundle);
    let hat = Address::new(Kind::Hat, Id::new("bob").expect("an id"));
    let mask = Mask { key: &[7; 32], hat: &hat, client: &client };
    let mut judge = Judge { said: &said, granted, allowed, named: &named, classes: BTreeMap::new() };
    let (mut delivered, mut left_out) = (0, 0);

    let (mut body, mut places) = (String::from("["), Vec::new());
    for n in 0..PER_GRANT {
        if n > 0 {
            body.push(',');
        }
        body.push_str("{\"endpoint\":\"x/e\",\"data\":");
        dice.data(&mut Vec::new(), &mut places, &mut body);
        body.push('}');
    }
    body.push(']');
    let records = Records::parse(body.into(), PER_GRANT).expect("records");
    let taken = program.take(&records, 1 << 24).expect("small");
    let selected = taken.as_ref().map_or_else(BTreeSet::new, |taken| numbers(&taken.body));
    let passed = gate.pass(taken, 1 << 24, &mask).expect("small");
    let out = passed.taken.as_ref().map_or_else(BTreeSet::new, |taken| numbers(&taken.body));
    for value in selected {
        let place = &places[value];
        let (may, has) = (judge.may(place), out.contains(&value));
        let class = judge.class(&plain(place));
        assert_eq!(may, has, "{place:?} of class {class:?}: granted {granted:?} of {allowed:?}, {terms:?}");
        if has {
            assert!(allowed.has(class) && granted.is_none_or(|granted| granted.has(class)));
        }
        delivered += usize::from(has);
        left_out += usize::from(!has);
    }
    assert!(out.iter().all(|value| *value < places.len()));
    (delivered, left_out)
}

#[test]
fn classes_delivered_are_granted_and_classes_granted_are_allowed_over_a_million_cases() {
    const HANDS: usize = 2;
    let hands: Vec<_> = (0..HANDS)
        .map(|hand| {
            std::thread::spawn(move || {
                let mut dice = Dice(hand as u64);
                (0..CASES / PER_GRANT / HANDS).fold((0, 0), |(kept, left), _| {
                    let (more_kept, more_left) = try_grant(&mut dice);
                    (kept + more_kept, left + more_left)
                })
            })
        })
        .collect();
    for hand in hands {
        let (delivered, left_out) = hand.join().expect("no case fails");
        assert!(delivered > CASES / 8 && left_out > CASES / 8, "{delivered} delivered, {left_out} left out");
    }
}

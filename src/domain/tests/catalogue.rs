//! The catalogue of available data: what it holds, its bounds against hostile shapes, and that its public figures give
//! nothing away of one HAT.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use smol_str::SmolStr;

use crate::domain::bundle::{Bundle, PropertyQuery};
use crate::domain::event::{Authority, Direction, Opened};
use crate::domain::pii;
use crate::domain::report::{Field, Reported, StatsKind};
use crate::domain::statistics::catalogue::{DEPTH_MAX, ENDPOINTS_MAX, FIELDS_PER_ENDPOINT_MAX};
use crate::domain::statistics::{Catalogue, catalogue_page};
use crate::domain::*;

const DAY: i64 = 86_400_000_000_000;

pub fn entry(hat: u32, at: Timestamp, event: Event) -> Entry {
    let entity = format!("hat:h{hat}.hubat.net").parse().expect("an address");
    Entry { v: 1, entity, n: 1, at, cause: None, basis: Vec::new(), event }
}

/// A HAT reports values of a field.
fn reports(hat: u32, at: i64, fields: &[(&str, &str, u64, bool)]) -> Entry {
    let fields: Vec<Field> = fields
        .iter()
        .map(|(endpoint, path, count, first)| Field {
            endpoint: (*endpoint).into(),
            path: (*path).into(),
            count: *count,
            first: *first,
        })
        .collect();
    let values_in = fields.iter().map(|field| field.count).sum();
    let kinds = BTreeMap::from([(StatsKind::Inbound, 1)]);
    let added = Reported { kinds, values_in, fields, ..Reported::default() };
    entry(hat, Timestamp(at), Event::Reported(Box::new(added)))
}

pub fn opened(hat: u32, direction: Direction, endpoints: &[(&str, u32)]) -> Opened {
    let hat: Address = format!("hat:h{hat}.hubat.net").parse().expect("an address");
    let plug: Address = "plug:fitbit".parse().expect("an address");
    let acme: Address = "org:acme".parse().expect("an address");
    let id = MessageId(uuid::Uuid::from_u128(7));
    let (from, to, authority) = match direction {
        Direction::Credit => (plug, hat, Authority::Plug(Id::new("fitbit").expect("an id"))),
        Direction::Release => (hat, acme, Authority::Debit(Id::new("steps").expect("an id"))),
        Direction::Pull => (acme, hat, Authority::Debit(Id::new("steps").expect("an id"))),
    };
    let endpoints: Vec<(SmolStr, u32)> = endpoints.iter().map(|(name, count)| ((*name).into(), *count)).collect();
    let count = endpoints.iter().map(|(_, count)| count).sum();
    Opened {
        exchange: id,
        from,
        parent: None,
        direction,
        authority,
        to,
        delivery: id.0,
        pull: None,
        since: None,
        skip: None,
        limit: None,
        deadline: Timestamp(1),
        digest_in: Digest::of(b""),
        digest_out: Digest::of(b""),
        count_in: count,
        count_out: count,
        bytes_in: 10,
        bytes_out: 10,
        endpoints,
        large: None,
        job: None,
        dropped: pii::Dropped::default(),
        without_pii: false,
    }
}

fn credited(hat: u32, at: i64, endpoints: &[(&str, u32)]) -> Entry {
    entry(hat, Timestamp(at), Event::Opened(Box::new(opened(hat, Direction::Credit, endpoints))))
}

/// All that the public is told, as text.
fn public(catalogue: &Catalogue) -> String {
    let (items, _) = catalogue_page(catalogue, &pii::Catalogue::default(), None, |_| false);
    let sums = catalogue.sums();
    format!("{items:?} {:?} {}", sums.shown, sums.shown_hats)
}

#[test]
fn what_hats_report_and_what_was_seen_stand_apart_under_one_endpoint() {
    let mut catalogue = Catalogue::new(2);
    for hat in 0..3 {
        let at = DAY + i64::from(hat) * DAY;
        catalogue.apply(&credited(hat, at, &[("fitbit/steps", 10)]));
        catalogue.apply(&reports(hat, at + 1, &[("fitbit/steps", "day.name", 4, true)]));
    }
    let (items, more) = catalogue_page(&catalogue, &pii::Catalogue::default(), None, |_| false);
    assert!(more.is_none());
    // Told in steps of two: what was seen was told when the third HAT had followed the second; what is reported, before it.
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!((&item["endpoint"], &item["firstSeen"]), (&json!("fitbit/steps"), &json!("1970-01-02T00:00:00Z")));
    assert_eq!(item["seen"], json!({ "hats": 3, "records": 30 }));
    let field = &item["fields"][0];
    assert_eq!((&field["path"], &field["hats"], &field["count"]), (&json!("day.name"), &json!(2), &json!(8)));
    assert_eq!(field["lastSeen"], "1970-01-03T00:00:00Z");
    assert_eq!(catalogue.sums().totals.values_in, 12);
    // Page by page the same.
    let (first, next) = catalogue_page(&catalogue, &pii::Catalogue::default(), None, |_| true);
    assert!(first.is_empty() && next.is_none());
    let (rest, _) = catalogue_page(&catalogue, &pii::Catalogue::default(), Some("fitbit/steps"), |_| false);
    assert!(rest.is_empty());
}

#[test]
fn hostile_shapes_are_bounded_and_the_totals_go_on() {
    let mut catalogue = Catalogue::new(5);
    let deep = vec!["x"; DEPTH_MAX + 1].join(".");
    for hat in 0..10u32 {
        for round in 0..6u32 {
            let names: Vec<String> = (0..256).map(|i| format!("f{}", hat * 10_000 + round * 256 + i)).collect();
            let fields: Vec<_> = names.iter().map(|name| ("a/b", name.as_str(), 1, true)).collect();
            catalogue.apply(&reports(hat, 1, &fields));
        }
        catalogue.apply(&reports(hat, 1, &[("a/c", &deep, 1, true)]));
        for round in 0..10u32 {
            let names: Vec<String> = (0..64).map(|i| format!("ns/{}", hat * 10_000 + round * 64 + i)).collect();
            let endpoints: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
            catalogue.apply(&credited(hat, 1, &endpoints));
        }
    }
    assert_eq!(catalogue.endpoints().len(), ENDPOINTS_MAX);
    assert_eq!(catalogue.endpoints()["a/b"].fields.len(), FIELDS_PER_ENDPOINT_MAX);
    assert_eq!(catalogue.fields(), FIELDS_PER_ENDPOINT_MAX);
    assert!(catalogue.endpoints()["a/c"].fields.is_empty());
    assert!(catalogue.sums().left_out > 0);
    assert_eq!(catalogue.sums().totals.values_in, 10 * (6 * 256 + 1));
}

#[test]
fn a_bundle_is_answered_by_a_range_that_holds() {
    let mut catalogue = Catalogue::new(5);
    // 60 HATs with steps, 40 of them with posts too, 10 with posts alone.
    for hat in 0..60 {
        catalogue.apply(&credited(hat, 1, &[("fitbit/steps", 1)]));
    }
    for hat in 20..70 {
        catalogue.apply(&credited(hat, 1, &[("facebook/feed", 1)]));
    }
    let bundle = |properties: &[&[&str]]| Bundle {
        name: "x".into(),
        bundle: (0..)
            .zip(properties)
            .map(|(i, of)| (format!("p{i}").into(), PropertyQuery::all(of.to_vec())))
            .collect(),
    };
    let found = |properties: &[&[&str]]| catalogue.estimate(&bundle(properties)).hats;
    for (properties, right) in [
        (&[&["fitbit/steps"][..]][..], 60u64),
        (&[&["fitbit/steps"], &["facebook/feed"]], 40),
        (&[&["fitbit/steps", "facebook/feed"]], 70),
        (&[&["fitbit/steps"], &["nobody/has"]], 0),
        (&[&["nobody/has", "facebook/feed"]], 50),
    ] {
        let range = found(properties);
        assert!(range.at_least <= right && right <= range.at_most, "{properties:?} {right} {range:?}");
    }
    assert!(found(&[&["fitbit/steps"]]).at_least > 50, "it says something");
    assert!(found(&[&["fitbit/steps"], &["facebook/feed"]]).at_least > 10, "also of two");
    assert_eq!(found(&[&["nobody/has"]]).at_most, 4, "up to k - 1 HATs are never told");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The attack: somebody asks after every single thing that any HAT does, and compares.
    #[test]
    fn no_public_figure_ever_moves_for_fewer_than_k_hats(
        k in 2u32..7,
        acts in prop::collection::vec((0u32..12, 0u8..3, 0usize..4, 1u64..50), 1..200),
    ) {
        let endpoints = ["fitbit/steps", "fitbit/sleep", "facebook/feed", "rare/thing"];
        let mut catalogue = Catalogue::new(k);
        let mut known = std::collections::BTreeSet::new();
        // For each figure who has done anything since it was last seen to move.
        let mut since: BTreeMap<String, std::collections::BTreeSet<u32>> = BTreeMap::new();
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        for (hat, what, which, count) in acts {
            let endpoint = endpoints[which];
            let at = i64::from(hat) * DAY + i64::try_from(count).expect("small");
            let event = match what {
                0 => credited(hat, at, &[(endpoint, u32::try_from(count).expect("small"))]),
                1 => reports(hat, at, &[(endpoint, "value", count, known.insert((hat, which, 0)))]),
                _ => reports(hat, at, &[(endpoint, "inner.value", count, known.insert((hat, which, 1)))]),
            };
            catalogue.apply(&event);
            for (figure, value) in figures(&catalogue, &endpoints) {
                // Whose act it is that may have changed this figure.
                let touched = match figure.as_str() {
                    "totals" => what > 0,
                    "hats" => true,
                    _ if figure == format!("{endpoint} seen") => true,
                    _ if figure == format!("{endpoint} value") => what == 1,
                    _ => figure == format!("{endpoint} inner.value") && what > 1,
                };
                if touched {
                    since.entry(figure.clone()).or_default().insert(hat);
                }
                if before.get(&figure).cloned().unwrap_or_default() != value {
                    let by = since.remove(&figure).unwrap_or_default();
                    prop_assert!(by.len() >= k as usize, "{figure} moved to {value} for {by:?}, k is {k}");
                    before.insert(figure, value);
                }
            }
        }
    }

    /// The same attack on one victim, whom nobody else joins: before and after are equal to the byte.
    #[test]
    fn one_hat_alone_changes_nothing_in_public(
        crowd in prop::collection::vec((0u32..20, 0usize..3, 1u64..9), 0..60),
        acts in prop::collection::vec((0usize..3, 1u64..1000, any::<bool>()), 1..40),
    ) {
        let endpoints = ["fitbit/steps", "fitbit/sleep", "rare/thing"];
        let mut catalogue = Catalogue::new(5);
        for (hat, which, count) in crowd {
            catalogue.apply(&reports(hat, 1, &[(endpoints[which], "value", count, true)]));
        }
        // What others did and is not told yet is told with the next of them, whoever it is: it is flushed first.
        for hat in 100..105 {
            for endpoint in endpoints {
                catalogue.apply(&reports(hat, 1, &[(endpoint, "value", 1, true)]));
                catalogue.apply(&credited(hat, 1, &[(endpoint, 1)]));
            }
        }
        let all = |catalogue: &Catalogue| {
            let bundle = |endpoint: &str| Bundle {
                name: "x".into(),
                bundle: BTreeMap::from([("p".into(), PropertyQuery::all([endpoint]))]),
            };
            let ranges: Vec<_> = endpoints.iter().map(|it| catalogue.estimate(&bundle(it))).collect();
            format!("{} {ranges:?}", public(catalogue))
        };
        // A gate may hold up to k - 1 others by now; the victim's first act may complete them, and then says no more of
        // the victim than of each of those. From there on it is alone.
        for endpoint in endpoints {
            catalogue.apply(&reports(7_777, DAY, &[(endpoint, "value", 1, true)]));
            catalogue.apply(&credited(7_777, DAY, &[(endpoint, 1)]));
        }
        let before = all(&catalogue);
        for (which, count, credit) in acts {
            let act = match credit {
                true => credited(7_777, 2 * DAY, &[(endpoints[which], 3)]),
                false => reports(7_777, 2 * DAY, &[(endpoints[which], "value", count, false)]),
            };
            catalogue.apply(&act);
            prop_assert_eq!(all(&catalogue), before.clone());
        }
    }
}

/// Every single figure of the public answers.
fn figures(catalogue: &Catalogue, endpoints: &[&str]) -> Vec<(String, String)> {
    let (items, _) = catalogue_page(catalogue, &pii::Catalogue::default(), None, |_| false);
    let of = |endpoint: &str| items.iter().find(|item| item["endpoint"] == endpoint);
    let mut figures = vec![
        ("totals".to_owned(), format!("{:?}", Some(&catalogue.sums().shown).filter(|it| it.values_in > 0))),
        (
            "hats".to_owned(),
            Some(catalogue.sums().shown_hats).filter(|it| *it > 0).map(|it| it.to_string()).unwrap_or_default(),
        ),
    ];
    if figures[0].1 == "None" {
        figures[0].1.clear();
    }
    for endpoint in endpoints {
        let seen = of(endpoint).filter(|item| item["seen"]["hats"] != 0);
        let seen = seen.map(|item| format!("{} {} {}", item["seen"], item["firstSeen"], item["lastSeen"]));
        figures.push((format!("{endpoint} seen"), seen.unwrap_or_default()));
        for path in ["value", "inner.value"] {
            let fields = of(endpoint).and_then(|item| item["fields"].as_array());
            let field = fields.and_then(|all| all.iter().find(|field| field["path"] == path));
            figures.push((format!("{endpoint} {path}"), field.map(ToString::to_string).unwrap_or_default()));
        }
    }
    figures
}

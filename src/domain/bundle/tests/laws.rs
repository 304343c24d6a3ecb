//! Laws: nothing panics, nothing grows beyond its bound, nothing comes out that a bundle does not name.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::domain::bundle::{Bundle, Ordered, Program, TooLarge, Unordered};
use crate::domain::records::Records;

const KEYS: [&str; 6] = ["a", "b", "c", "0", "1", "k_1"];

fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from("2017-04-20T14:37:27Z")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(&KEYS[..]), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = (prop::sample::select(&KEYS[..]), prop_oneof![4 => Just(""), 1 => Just("[0]"), 1 => Just("[1]")]);
    prop::collection::vec(segment.prop_map(|(key, index)| format!("{key}{index}")), 1..4)
        .prop_map(|parts| parts.join("."))
}

fn mapping() -> impl Strategy<Value = Value> {
    let plain = prop::collection::btree_map("[xyz](\\.[pqr]){0,2}", path().prop_map(Value::from), 0..4);
    plain.prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()).prop_recursive(2, 8, 2, |inner| {
        (prop::sample::select(&["u", "v[]", "w.s", "w.t[]"][..]), path(), inner, inner_leaf()).prop_map(
            |(key, source, mappings, mut outer)| {
                outer[key] = json!({ "source": source, "mappings": mappings });
                outer
            },
        )
    })
}

fn inner_leaf() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[xyz]", path().prop_map(Value::from), 0..3)
        .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
}

fn filter() -> impl Strategy<Value = Value> {
    let field = path().prop_map(|path| path.replace("[0]", ".0").replace("[1]", ".1"));
    let operator = prop_oneof![
        data().prop_map(|value| json!({ "operator": "contains", "value": value })),
        data().prop_map(|value| json!({ "operator": "in", "value": value })),
        (data(), data()).prop_map(|(a, b)| json!({ "operator": "between", "lower": a, "upper": b })),
    ];
    (field, operator).prop_map(|(field, operator)| json!({ "field": field, "operator": operator }))
}

fn query() -> impl Strategy<Value = Value> {
    let endpoint = prop::sample::select(&["n/a", "n/b"][..]);
    (endpoint, prop::option::of(mapping()), prop::collection::vec(filter(), 0..2)).prop_map(
        |(endpoint, mapping, filters)| {
            let mut query = json!({ "endpoint": endpoint, "filters": filters });
            if let Some(mapping) = mapping {
                query["mapping"] = mapping;
            }
            query
        },
    )
}

fn bundle() -> impl Strategy<Value = Value> {
    let property = (prop::collection::vec(query(), 1..3), prop::option::of(0u32..4)).prop_map(|(endpoints, limit)| {
        let mut property = json!({ "endpoints": endpoints });
        if let Some(limit) = limit {
            property["limit"] = json!(limit);
        }
        property
    });
    prop::collection::btree_map("[pq]", property, 1..3).prop_map(|map| json!({ "name": "b", "bundle": map }))
}

fn records(data: &[Value]) -> Records {
    let record =
        |(n, data): (usize, &Value)| json!({ "endpoint": (["n/a", "n/b"][n % 2]), "recordId": n, "data": data });
    let list: Vec<Value> = data.iter().enumerate().map(record).collect();
    Records::parse(Bytes::from(json!(list).to_string()), 100).expect("records")
}

/// Whether every key of `out` is one that the mapping sets there.
fn named(mapping: &Value, out: &Value) -> bool {
    let mut allowed = json!({});
    for (key, target) in mapping.as_object().expect("a mapping") {
        let mut at = &mut allowed;
        for part in key.trim_end_matches("[]").split('.') {
            at = &mut at[part];
        }
        *at = if target.is_string() { json!("any") } else { json!({ "inner": target["mappings"] }) };
    }
    fn fits(allowed: &Value, out: &Value) -> bool {
        match (allowed, out) {
            (Value::String(_), _) => true,
            (Value::Object(allowed), Value::Array(items)) if allowed.contains_key("inner") => {
                items.iter().all(|item| named(&allowed["inner"], item))
            }
            (Value::Object(allowed), out) if allowed.contains_key("inner") => named(&allowed["inner"], out),
            (Value::Object(allowed), Value::Object(out)) => {
                out.iter().all(|(key, value)| allowed.get(key).is_some_and(|allowed| fits(allowed, value)))
            }
            _ => false,
        }
    }
    fits(&allowed, out)
}

proptest! {
    /// What is delivered is of the bundle's endpoints, of mapped data only what the mapping names, and keeps its bound;
    /// the answer to a pull holds no record that the stream would not hold.
    #[test]
    fn nothing_comes_out_that_is_not_named(bundle in bundle(), data in prop::collection::vec(data(), 1..6), most in 64usize..4096) {
        let Ok(read) = Bundle::read(&bundle) else {
            // Destinations that exclude one another: refused, with its place.
            return Ok(());
        };
        let program = Program::compile(&read);
        let records = records(&data);
        let streamed = program.take(&records, usize::MAX).expect("no bound");
        let body: Value = streamed.as_ref().map_or(json!([]), |taken| serde_json::from_slice(&taken.body).expect("JSON"));
        for record in body.as_array().expect("an array") {
            let queries: Vec<&Value> = bundle["bundle"].as_object().expect("properties").values()
                .flat_map(|property| property["endpoints"].as_array().expect("queries"))
                .filter(|query| query["endpoint"] == record["endpoint"]).collect();
            prop_assert!(!queries.is_empty(), "{record} was not asked for");
            let held = |query: &&Value| query.get("mapping").is_none_or(|mapping| named(mapping, &record["data"]));
            prop_assert!(queries.iter().any(held), "{record} holds what no mapping names: {bundle}");
        }
        match program.take(&records, most) {
            Ok(taken) => {
                // What goes on as it came has its own bound.
                let fits = |taken: &crate::domain::bundle::Taken| taken.body == records.body || taken.body.len() <= most;
                prop_assert!(taken.as_ref().is_none_or(fits));
                prop_assert_eq!(&taken, &streamed);
            }
            Err(TooLarge) => prop_assert!(streamed.is_some_and(|taken| taken.body.len() + 2 >= most / 2)),
        }
        let answer = program.answer(&records, usize::MAX).expect("no bound");
        let answer: Value = answer.map_or(json!([]), |taken| serde_json::from_slice(&taken.body).expect("JSON"));
        for row in answer.as_array().expect("an array") {
            let queries = |row: &Value| row["recordId"].clone();
            prop_assert!(body.as_array().expect("an array").iter().any(|streamed| queries(streamed) == queries(row)));
        }
        program.explain(&records);
    }

    /// What records before looked like changes nothing: many at once come out as each of them alone.
    #[test]
    fn many_records_come_out_as_each_alone(bundle in bundle(), few in prop::collection::vec(data(), 1..4), picks in prop::collection::vec(0usize..4, 8..24)) {
        let Ok(read) = Bundle::read(&bundle) else {
            return Ok(());
        };
        let program = Program::compile(&read);
        let many: Vec<Value> = picks.iter().map(|pick| few[pick % few.len()].clone()).collect();
        let records = records(&many);
        let rows = |records: &Records| -> Vec<Value> {
            let taken = program.take(records, usize::MAX).expect("no bound");
            taken.map_or_else(Vec::new, |taken| match serde_json::from_slice(&taken.body).expect("JSON") {
                Value::Array(rows) => rows,
                one => vec![one],
            })
        };
        let alone = records.items.iter().flat_map(|item| {
            let whole = item.whole.of(records.text()).to_owned();
            rows(&Records::parse(Bytes::from(whole), 1).expect("one of them"))
        });
        prop_assert_eq!(rows(&records), alone.collect::<Vec<_>>());
    }

    /// A bundle that was evaluated already changes nothing of what it made: taking twice is taking once.
    #[test]
    fn what_a_hat_has_evaluated_passes_unchanged(bundle in bundle(), data in prop::collection::vec(data(), 1..6)) {
        let Ok(read) = Bundle::read(&bundle) else {
            return Ok(());
        };
        // Several queries of one endpoint may exclude one another's destinations: then less passes, never more.
        let mut endpoints: Vec<&str> = read.queries().map(|query| query.endpoint.as_str()).collect();
        endpoints.sort_unstable();
        let alone = endpoints.windows(2).all(|pair| pair[0] != pair[1]);
        let Some(once) = Program::compile(&read).take(&records(&data), usize::MAX).expect("no bound") else {
            return Ok(());
        };
        let made = Records::parse(once.body.clone(), 100).expect("records");
        let again = Program::compile(&read.evaluated()).take(&made, usize::MAX).expect("no bound");
        if alone {
            let json = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON");
            prop_assert_eq!(json(&again.expect("something").body), json(&once.body));
        }
    }

    /// What is put in order on disk, in runs of any size, comes out as an answer that was put in order in memory.
    #[test]
    fn what_is_ordered_by_runs_is_what_is_ordered_at_once(
        bundle in bundle(),
        orders in prop::collection::vec((prop::option::of(path()), any::<bool>()), 2),
        data in prop::collection::vec(data(), 1..40),
        cut in 1usize..9,
        run in 1usize..3000,
    ) {
        let mut bundle = bundle;
        for ((_, property), (by, turned)) in bundle["bundle"].as_object_mut().expect("properties").iter_mut().zip(orders) {
            if let Some(by) = by {
                property["orderBy"] = json!(by);
            }
            if turned {
                property["ordering"] = json!("descending");
            }
        }
        let Ok(read) = Bundle::read(&bundle) else { return Ok(()) };
        let program = Program::compile(&read);
        let records = records(&data);
        let at_once = program.answer(&records, usize::MAX).expect("no bound");
        let wanted: Vec<String> = at_once.map_or(Vec::new(), |taken| {
            let taken = Records::parse(taken.body, 1000).expect("records");
            taken.items.iter().map(|item| item.whole.of(taken.text()).to_owned()).collect()
        });
        let (mut scratch, mut ordered) = (Vec::new(), Ordered::with_runs_of(run, u64::MAX));
        let mut from = 0;
        while from < records.items.len() {
            let mut number = 0;
            let part = records.only(|_| { number += 1; (from..from + cut).contains(&(number - 1)) }).expect("some");
            ordered.push(&program, &part, &mut scratch).expect("fits");
            from += cut;
        }
        let mut given = Vec::new();
        ordered.finish::<Unordered>(&program, &mut scratch, &mut |row| { given.push(row.to_owned()); Ok(true) }).expect("fits");
        prop_assert_eq!(given, wanted);
    }

    /// Whatever JSON comes: read or refused with a place, and run without a panic.
    #[test]
    fn any_json_is_read_or_refused(value in data(), more in data()) {
        for value in [value.clone(), json!({ "name": "b", "bundle": value }), json!({ "name": "b", "bundle": { "p": { "endpoints": [{ "endpoint": "n/a", "mapping": more, "filters": value }] } } })] {
            match Bundle::read(&value) {
                Ok(bundle) => {
                    Program::compile(&bundle);
                }
                Err(fault) => prop_assert!(fault.at.starts_with("bundle") && !fault.why.is_empty()),
            }
        }
    }

    /// Text that is no JSON, or half of one, never panics the reader of paths.
    #[test]
    fn any_path_is_read_or_refused(path in ".{0,40}") {
        let query = json!({ "endpoint": "n/a", "mapping": { "x": path }, "filters": [{ "field": path, "operator": { "operator": "in", "value": 1 } }] });
        let bundle = json!({ "name": "b", "bundle": { "p": { "endpoints": [query], "orderBy": path } } });
        if let Ok(bundle) = Bundle::read(&bundle) {
            Program::compile(&bundle);
        }
    }
}

//! Order and containment of JSON as `jsonb` has them, written plainly over `serde_json`'s values.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// Whether a float tells this number from all others that are told.
fn exact(number: &Number) -> bool {
    const LARGEST: f64 = (1u64 << 40) as f64;
    number.as_f64().is_some_and(|float| float.abs() < LARGEST && (float * 1024.0).fract() == 0.0)
}

/// Whether all numbers in the value can be compared as floats.
pub fn comparable(value: &Value) -> bool {
    match value {
        Value::Number(number) => exact(number),
        Value::Array(items) => items.iter().all(comparable),
        Value::Object(members) => members.values().all(comparable),
        _ => true,
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::String(_) => 1,
        Value::Number(_) => 2,
        Value::Bool(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn single(value: &Value) -> bool {
    rank(value) < 4
}

fn float(number: &Number) -> f64 {
    number.as_f64().expect("a number")
}

/// Members, shorter keys first.
fn members(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    members.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
    members
}

/// The order of two whole values: an empty array is below any single one.
pub fn order(a: &Value, b: &Value) -> Ordering {
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    if empty(a) && single(b) {
        return Ordering::Less;
    }
    if empty(b) && single(a) {
        return Ordering::Greater;
    }
    inner(a, b)
}

fn inner(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => float(a).partial_cmp(&float(b)).expect("not NaN"),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let mut all = a.len().cmp(&b.len());
            for (a, b) in a.iter().zip(b) {
                all = all.then_with(|| inner(a, b));
            }
            all
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut all = a.len().cmp(&b.len());
            for ((key_a, a), (key_b, b)) in members(a).into_iter().zip(members(b)) {
                all = all.then_with(|| key_a.cmp(key_b)).then_with(|| inner(a, b));
            }
            all
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    single(a) && single(b) && inner(a, b) == Ordering::Equal
}

/// `a @> b`.
pub fn contains(a: &Value, b: &Value) -> bool {
    match a {
        // Only at the top an array holds a single value.
        Value::Array(items) if single(b) => items.iter().any(|item| same(item, b)),
        _ => holds(a, b),
    }
}

fn holds(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(items), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| holds(item, wanted)))
        }
        (Value::Object(held), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| held.get(key).is_some_and(|held| holds(held, wanted)))
        }
        _ => same(a, b),
    }
}

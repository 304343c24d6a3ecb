//! Shapes of JSON, written as JSON: what a recorded answer of the original holds, field by field.
//!
//! `"text"` and the other words of [`fits`] are types; `"#name"` is a named shape; an object has exactly its fields, those
//! with `?` at the end of their name may be missing, `"*"` stands for any name; `[s]` is a list of any length, `{"some": s}`
//! one that is not empty, `{"tuple": [a, b]}` one of exactly these; `{"=": value}` is that value.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Says where and why `value` is not of this shape.
///
/// # Errors
/// The place, like `claims[0].user`, and what is wrong there.
pub fn fits(named: &Map<String, Value>, shape: &Value, value: &Value) -> Result<(), String> {
    at(named, shape, value, "it")
}

fn wrong<T>(place: &str, what: impl std::fmt::Display, value: &Value) -> Result<T, String> {
    Err(format!("{place} is not {what}: {value}"))
}

fn at(named: &Map<String, Value>, shape: &Value, value: &Value, place: &str) -> Result<(), String> {
    match shape {
        Value::String(word) => match word.strip_prefix('#') {
            Some(name) => {
                let shape = named.get(name).ok_or_else(|| format!("there is no shape {name}"))?;
                at(named, shape, value, place)
            }
            None => typed(word, value, place),
        },
        Value::Array(of) => match of.as_slice() {
            [one] => each(named, one, value, place),
            _ => Err(format!("{place}: the shape {shape} is no list of one")),
        },
        Value::Object(fields) => match fields.iter().next() {
            Some((name, literal)) if name == "=" => {
                if value == literal {
                    Ok(())
                } else {
                    wrong(place, literal, value)
                }
            }
            Some((name, one)) if name == "some" && fields.len() == 1 => {
                if value.as_array().is_some_and(Vec::is_empty) {
                    return wrong(place, "a list of some", value);
                }
                each(named, one, value, place)
            }
            Some((name, Value::Array(shapes))) if name == "tuple" && fields.len() == 1 => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if !value.is_array() || items.len() != shapes.len() {
                    return wrong(place, format_args!("a list of {}", shapes.len()), value);
                }
                let mut pairs = shapes.iter().zip(items).enumerate();
                pairs.try_for_each(|(n, (shape, item))| at(named, shape, item, &format!("{place}[{n}]")))
            }
            _ => object(named, fields, value, place),
        },
        _ => Err(format!("{place}: {shape} is no shape")),
    }
}

fn each(named: &Map<String, Value>, shape: &Value, value: &Value, place: &str) -> Result<(), String> {
    let Some(items) = value.as_array() else { return wrong(place, "a list", value) };
    items.iter().enumerate().try_for_each(|(n, item)| at(named, shape, item, &format!("{place}[{n}]")))
}

fn object(named: &Map<String, Value>, fields: &Map<String, Value>, value: &Value, place: &str) -> Result<(), String> {
    let Some(held) = value.as_object() else { return wrong(place, "an object", value) };
    let mut known = BTreeSet::new();
    for (name, shape) in fields.iter().filter(|(name, _)| *name != "*") {
        let (name, optional) = name.strip_suffix('?').map_or((name.as_str(), false), |name| (name, true));
        known.insert(name);
        match held.get(name) {
            Some(inner) => at(named, shape, inner, &format!("{place}.{name}"))?,
            None if optional => {}
            None => return Err(format!("{place}.{name} is missing: {value}")),
        }
    }
    for (name, inner) in held.iter().filter(|(name, _)| !known.contains(name.as_str())) {
        match fields.get("*") {
            Some(shape) => at(named, shape, inner, &format!("{place}.{name}"))?,
            None => return Err(format!("{place}.{name} is not in the shape: {value}")),
        }
    }
    Ok(())
}

fn typed(word: &str, value: &Value, place: &str) -> Result<(), String> {
    let text = value.as_str();
    let holds = match word {
        "text" => text.is_some_and(|text| !text.is_empty()),
        "string" => text.is_some(),
        "int" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "object" => value.is_object(),
        "uuid" => text.is_some_and(|text| text.len() == 36 && uuid::Uuid::parse_str(text).is_ok()),
        // As HATs read them: a full instant with its zone.
        "date" => text.is_some_and(|text| text.contains('T') && text.parse::<jiff::Timestamp>().is_ok()),
        "ms" => value.as_u64().is_some_and(|ms| (1_500_000_000_000..4_000_000_000_000).contains(&ms)),
        _ => return Err(format!("{place}: there is no type {word}")),
    };
    if holds { Ok(()) } else { wrong(place, word, value) }
}

#[test]
fn shapes_hold_what_they_say_and_nothing_else() {
    let named = json!({ "pair": { "a": "int", "b?": "#pair" } });
    let named = named.as_object().expect("an object");
    let good = [
        (json!("text"), json!("x")),
        (json!("#pair"), json!({ "a": 1, "b": { "a": 2 } })),
        (json!(["int"]), json!([])),
        (json!({ "some": "int" }), json!([1, 2])),
        (json!({ "tuple": ["int", "text"] }), json!([1, "x"])),
        (json!({ "=": { "a": [] } }), json!({ "a": [] })),
        (json!({ "*": "bool" }), json!({ "x": true, "y": false })),
        (json!("date"), json!("2026-01-31T12:00:00Z")),
        (json!("ms"), json!(1_769_860_800_000u64)),
        (json!("uuid"), json!("694dd8ed-56ae-4910-abf1-6ec4887b4c42")),
    ];
    for (shape, value) in good {
        assert_eq!(fits(named, &shape, &value), Ok(()), "{shape}");
    }
    let bad = [
        (json!("text"), json!("")),
        (json!("text"), json!(null)),
        (json!("int"), json!(1.5)),
        (json!("#pair"), json!({ "a": 1, "b": { "a": "2" } })),
        (json!("#pair"), json!({ "a": 1, "c": 2 })),
        (json!("#pair"), json!({ "b": { "a": 2 } })),
        (json!("#none"), json!({})),
        (json!("nonsense"), json!({})),
        (json!(["int"]), json!({})),
        (json!(["int"]), json!(["x"])),
        (json!({ "some": "int" }), json!([])),
        (json!({ "some": "int" }), json!({})),
        (json!({ "tuple": ["int"] }), json!([1, 2])),
        (json!({ "tuple": [] }), json!(null)),
        (json!({ "=": 1 }), json!("1")),
        (json!({ "*": "bool" }), json!({ "x": 1 })),
        (json!("date"), json!("2026-01-31")),
        (json!("date"), json!(0)),
        (json!("ms"), json!(1_769_860_800)),
        (json!("uuid"), json!("694dd8ed56ae4910abf16ec4887b4c42")),
    ];
    for (shape, value) in bad {
        assert!(fits(named, &shape, &value).is_err(), "{shape} {value}");
    }
}

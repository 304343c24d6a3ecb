//! Reads values: of records, from text that was checked; of a bundle.

use std::borrow::Cow;

use serde_json::Value;

use super::{Json, Scan, Unreadable};

/// How deep a value may nest to be compared: deeper than what comes as a message may. What compares goes down with it.
const DEPTH_MAX: usize = 128;

impl<'a> Json<'a> {
    /// Reads checked JSON text.
    ///
    /// # Errors
    /// [`Unreadable`].
    #[inline]
    pub fn read(raw: &'a str) -> Result<Self, Unreadable> {
        value(&mut Scan::new(raw), DEPTH_MAX)
    }

    /// With its texts for its own.
    pub fn into_owned(self) -> Json<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Json::Null => Json::Null,
            Json::String(text) => Json::String(own(text)),
            Json::Number(text) => Json::Number(own(text)),
            Json::Bool(value) => Json::Bool(value),
            Json::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Json::Object(members) => {
                Json::Object(members.into_iter().map(|(key, value)| (own(key), value.into_owned())).collect())
            }
        }
    }

    /// A value of a bundle.
    pub fn of(value: &Value) -> Json<'static> {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(Cow::Owned(number.to_string())),
            Value::String(text) => Json::String(Cow::Owned(text.clone())),
            Value::Array(items) => Json::Array(items.iter().map(Json::of).collect()),
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| (Cow::Owned(key.clone()), Json::of(value));
                Json::Object(ordered(members.iter().map(member).collect()))
            }
        }
    }
}

fn value<'a>(scan: &mut Scan<'a>, depth: usize) -> Result<Json<'a>, Unreadable> {
    match scan.peek().ok_or(Unreadable)? {
        b'"' => scan.text().map(Json::String),
        b'{' | b'[' if depth == 0 => Err(Unreadable),
        b'[' => {
            let mut items = Vec::new();
            scan.enter();
            while scan.element()? {
                items.push(value(scan, depth - 1)?);
            }
            Ok(Json::Array(items))
        }
        b'{' => {
            let mut members = Vec::new();
            scan.enter();
            while let Some(key) = scan.member()? {
                members.push((key, value(scan, depth - 1)?));
            }
            Ok(Json::Object(ordered(members)))
        }
        b'n' => scan.skip().map(|()| Json::Null),
        b't' => scan.skip().map(|()| Json::Bool(true)),
        b'f' => scan.skip().map(|()| Json::Bool(false)),
        _ => scan.value().map(|number| Json::Number(Cow::Borrowed(number))),
    }
}

/// Members in `jsonb`'s order; of equal keys the last stays.
fn ordered<'a>(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Vec<(Cow<'a, str>, Json<'a>)> {
    members.reverse();
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
    members.dedup_by(|later, first| later.0 == first.0);
    members
}

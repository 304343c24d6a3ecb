//! JSON values as PostgreSQL's `jsonb` compares them: <https://www.postgresql.org/docs/15/datatype-json.html>.

mod contain;
mod number;
mod order;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// JSON that cannot be compared: a text with half a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A JSON value. Numbers keep their text: they are compared exactly, whatever their size.
#[derive(Debug, Clone)]
pub(super) enum Json<'a> {
    Null,
    String(Cow<'a, str>),
    Number(Cow<'a, str>),
    Bool(bool),
    Array(Vec<Json<'a>>),
    /// In `jsonb`'s own order, shorter keys first; of equal keys the last one given.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> Json<'a> {
    /// Reads checked JSON text.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(raw: &'a str) -> Result<Self, Unreadable> {
        let raw = raw.trim_ascii();
        match raw.as_bytes().first() {
            Some(b'n') => Ok(Json::Null),
            Some(b't') => Ok(Json::Bool(true)),
            Some(b'f') => Ok(Json::Bool(false)),
            Some(b'"') => serde_json::from_str(raw).map(|Text(text)| Json::String(text)).map_err(|_| Unreadable),
            Some(b'[') => {
                let Items(items) = serde_json::from_str(raw).map_err(|_| Unreadable)?;
                Ok(Json::Array(items.into_iter().map(|raw| Json::read(raw.get())).collect::<Result<_, _>>()?))
            }
            Some(b'{') => {
                let Members(members) = serde_json::from_str(raw).map_err(|_| Unreadable)?;
                let members = members.into_iter().map(|(key, raw)| Ok((key, Json::read(raw.get())?)));
                Ok(Json::Object(ordered(members.collect::<Result<_, _>>()?)))
            }
            Some(_) => Ok(Json::Number(Cow::Borrowed(raw))),
            None => Err(Unreadable),
        }
    }

    /// The same, owning its texts.
    pub fn into_owned(self) -> Json<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(value),
            Json::String(text) => Json::String(own(text)),
            Json::Number(text) => Json::Number(own(text)),
            Json::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Json::Object(members) => {
                Json::Object(members.into_iter().map(|(key, value)| (own(key), value.into_owned())).collect())
            }
        }
    }

    /// A value of a bundle.
    pub fn of(value: &serde_json::Value) -> Json<'static> {
        // A text that serde_json wrote has no half surrogates.
        Json::read(&value.to_string()).map_or(Json::Null, Json::into_owned)
    }
}

/// Members in `jsonb`'s order; of equal keys the last stays.
fn ordered<'a>(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Vec<(Cow<'a, str>, Json<'a>)> {
    members.reverse();
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
    members.dedup_by(|later, first| later.0 == first.0);
    members
}

/// An array's elements as they stand.
pub(super) struct Items<'a>(pub Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

/// An object's members as they stand, equal keys too.
pub(super) struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

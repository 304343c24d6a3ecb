//! What of a source's record becomes a record of ours: its id, its time, its fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::domain::Timestamp;

use super::error::SettingsFault;
use super::path::Path;
use super::time_form::TimeForm;

/// Longest id of a source taken as it is, bytes; of a longer one the digest is taken.
const ID_BYTES_MAX: usize = 512;
/// Most fields of a map, and most paths that are dropped.
const FIELDS_MAX: usize = 256;

/// One record of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// The source's own id, or the content's digest where it has none.
    pub id: String,
    /// The source's own time of it.
    pub at: Option<Timestamp>,
    /// What is stored.
    pub data: Value,
}

/// A path, or several whose values make one id together.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TimeSettings {
    pub path: String,
    #[serde(default = "auto")]
    pub format: String,
}

fn auto() -> String {
    "auto".into()
}

/// The settings of a shape.
#[derive(Debug, Clone, Default)]
pub(super) struct ShapeSettings {
    pub id: Option<OneOrMore>,
    pub timestamp: Option<TimeSettings>,
    pub fields: BTreeMap<String, String>,
    pub drop: Vec<String>,
}

/// How a record is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    id: Vec<Path>,
    time: Option<(Path, TimeForm)>,
    fields: Vec<(Path, Path)>,
    drop: Vec<Path>,
}

impl Shape {
    pub fn read(settings: ShapeSettings, at: &str) -> Result<Shape, SettingsFault> {
        let id = match settings.id {
            None => Vec::new(),
            Some(OneOrMore::One(path)) => vec![path],
            Some(OneOrMore::More(paths)) if (1..=8).contains(&paths.len()) => paths,
            Some(_) => return Err(SettingsFault::new(format!("{at}.id"), "has not 1 to 8 paths")),
        };
        let id = id.iter().map(|path| Path::read(path, &format!("{at}.id"))).collect::<Result<_, _>>()?;
        let time = settings.timestamp.map(|time| {
            let path = Path::read(&time.path, &format!("{at}.timestamp.path"))?;
            Ok((path, TimeForm::parse(&time.format, &format!("{at}.timestamp.format"))?))
        });
        if settings.fields.len() > FIELDS_MAX || settings.drop.len() > FIELDS_MAX {
            return Err(SettingsFault::new(at, format!("names more than {FIELDS_MAX} fields")));
        }
        let field = |(to, from): (&String, &String)| {
            let at = format!("{at}.fields.{to}");
            if to.is_empty() {
                return Err(SettingsFault::new(at, "has no name"));
            }
            Ok((Path::read(to, &at)?, Path::read(from, &at)?))
        };
        let fields = settings.fields.iter().map(field).collect::<Result<_, _>>()?;
        let drop =
            settings.drop.iter().map(|path| Path::read(path, &format!("{at}.drop"))).collect::<Result<_, _>>()?;
        Ok(Shape { id, time: time.transpose()?, fields, drop })
    }

    /// Whether records have times.
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// A record of a source's value.
    pub fn record(&self, mut value: Value) -> SourceRecord {
        let at = self.time.as_ref().and_then(|(path, form)| form.read(path.of(&value)?));
        let id = self.id_of(&value);
        for path in &self.drop {
            path.remove(&mut value);
        }
        let data = if self.fields.is_empty() {
            if value.is_object() { value } else { Value::Object(Map::from_iter([("value".to_owned(), value)])) }
        } else {
            let mut out = Map::new();
            for (to, from) in &self.fields {
                if let Some(found) = from.of(&value) {
                    to.set(&mut out, found.clone());
                }
            }
            Value::Object(out)
        };
        let id = id.unwrap_or_else(|| digest(&data));
        SourceRecord { id, at, data }
    }

    fn id_of(&self, value: &Value) -> Option<String> {
        let word = |path: &Path| match path.of(value)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let words: Vec<String> = self.id.iter().map(word).collect::<Option<_>>()?;
        (!words.is_empty()).then(|| sized(words.join("\u{1f}")))
    }
}

/// An id that is not too long, and without the zero byte that divides what record ids are made of.
pub(super) fn sized(id: String) -> String {
    if id.len() > ID_BYTES_MAX || id.contains('\0') { hex(&Sha256::digest(id)) } else { id }
}

/// The digest of a value: SHA-256 of its JSON with the names of objects in order.
pub(super) fn digest(value: &Value) -> String {
    // The map of serde_json is ordered by name.
    hex(&Sha256::digest(value.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_has_its_sources_id_time_and_the_fields_that_are_wanted() {
        let settings = ShapeSettings {
            id: Some(OneOrMore::More(vec!["a".into(), "b.c".into()])),
            timestamp: Some(TimeSettings { path: "when".into(), format: "unix".into() }),
            fields: BTreeMap::from([("x.y".into(), "b.c".into()), ("none".into(), "absent".into())]),
            drop: vec![],
        };
        let shape = Shape::read(settings, "s").expect("reads");
        let record = shape.record(json!({"a": 7, "b": {"c": "q"}, "when": 1, "secret": true}));
        assert_eq!(record.id, "7\u{1f}q");
        assert_eq!(record.at, Some(Timestamp(1_000_000_000)));
        assert_eq!(record.data, json!({"x": {"y": "q"}}));
    }

    #[test]
    fn without_an_id_the_content_is_one() {
        let shape = Shape::default();
        let one = shape.record(json!({"b": 1, "a": [1, 2]}));
        assert_eq!(one.id, shape.record(json!({"a": [1, 2], "b": 1})).id);
        assert_eq!(one.id.len(), 64);
        assert_ne!(one.id, shape.record(json!({"a": [2, 1], "b": 1})).id);
        assert_eq!(shape.record(json!(3)).data, json!({"value": 3}));
        let named =
            ShapeSettings { id: Some(OneOrMore::One("id".into())), drop: vec!["p".into()], ..Default::default() };
        let named = Shape::read(named, "s").expect("reads");
        assert_eq!(named.record(json!({"id": null, "q": 1})).id.len(), 64);
        assert_eq!(named.record(json!({"id": "x".repeat(600)})).id.len(), 64);
    }
}

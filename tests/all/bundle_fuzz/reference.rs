//! A bundle evaluated plainly, step by step over `serde_json`'s values, as docs/bundles.md says it. Slow, and short enough
//! to be looked through.

use std::cmp::Ordering;

use dex::domain::records::Records;
use serde_json::{Map, Value, json};

use super::reference_json::{comparable, contains, order};

/// A bundle's properties, and the records that it is evaluated over.
pub struct Reference<'a> {
    properties: Vec<(&'a String, &'a Value)>,
    records: Vec<&'a Value>,
}

/// A record as it goes out. One that goes as it stands may be written otherwise than one that is put together, so the
/// two are not taken for the same.
#[derive(PartialEq, Clone)]
struct Row {
    whole: bool,
    record: Value,
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether nothing is asked that is not evaluated here: words, and parts of times.
fn known(query: &Value) -> bool {
    let plain = |filter: &Value| {
        let name = &filter["transformation"]["transformation"];
        (name.is_null() || name == "identity") && comparable(filter)
    };
    items(&query["filters"]).all(plain) && items(&query["links"]).all(known)
}

/// Whether each record's id, and what is linked with it, is written as it would be here: both are compared as texts.
fn plainly_written(records: &Records, read: &[&Value]) -> bool {
    let text = records.text();
    let same = |raw: Option<&str>, value: &Value| {
        let written = value.to_string();
        raw.is_none_or(|raw| raw == written)
    };
    records.items.iter().zip(read).all(|(item, value)| {
        let view = item.view(text);
        same(view.record_id, &value["recordId"]) && same(view.links, &value["links"])
    })
}

impl<'a> Reference<'a> {
    /// `None` when something in it is not evaluated here.
    pub fn of(bundle: &'a Value, body: &'a Value, records: &Records) -> Option<Self> {
        let mut properties: Vec<_> = bundle["bundle"].as_object()?.iter().collect();
        properties.sort_by_key(|(name, _)| *name);
        let queries = properties.iter().flat_map(|(_, property)| items(&property["endpoints"]));
        let read: Vec<&Value> = if body.is_array() { items(body).collect() } else { vec![body] };
        let mine = queries.into_iter().all(known) && comparable(body) && plainly_written(records, &read);
        mine.then_some(Reference { properties, records: read })
    }

    /// What streams out.
    pub fn take(&self) -> Vec<Value> {
        let mut out = Vec::new();
        for record in &self.records {
            let mut rows: Vec<Row> = Vec::new();
            for (_, property) in &self.properties {
                let Some(query) = items(&property["endpoints"]).find(|query| selects(query, record)) else { continue };
                let row = row(query, record);
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
            out.extend(rows.into_iter().map(|row| row.record));
        }
        out
    }

    /// The values of each property.
    pub fn values(&self, skip: usize, take: Option<usize>) -> Value {
        let of = |(name, property): &(&String, &Value)| ((*name).clone(), self.property(property, skip, take));
        Value::Object(self.properties.iter().map(of).collect())
    }

    fn property(&self, property: &Value, skip: usize, take: Option<usize>) -> Value {
        let mut matches = Vec::new();
        for (place, record) in self.records.iter().enumerate() {
            for query in items(&property["endpoints"]).filter(|query| selects(query, record)) {
                let key = property["orderBy"].as_str().map(|by| ordered_by(query, by, &record["data"]));
                matches.push((key, place, *record, query));
            }
        }
        let turned = |order: Ordering| if property["ordering"] == "descending" { order.reverse() } else { order };
        let id = |record: &Value| record.get("recordId").filter(|id| !id.is_null()).map(Value::to_string);
        matches.sort_by(|(a, at_a, record_a, _), (b, at_b, record_b, _)| {
            let by_key = match (a, b) {
                (Some(Some(a)), Some(Some(b))) => turned(order(a, b)),
                // What is missing is last, whichever way.
                (Some(a), Some(b)) => a.is_none().cmp(&b.is_none()),
                _ => turned(at_a.cmp(at_b)),
            };
            by_key.then_with(|| id(record_a).cmp(&id(record_b))).then_with(|| at_a.cmp(at_b))
        });
        let limit = property["limit"].as_u64().map(|limit| usize::try_from(limit).expect("a limit"));
        let take = match limit {
            Some(limit) => limit.saturating_sub(skip).min(take.unwrap_or(limit)),
            None => take.unwrap_or(usize::MAX),
        };
        let mut rows = Vec::new();
        let mut last = None;
        for (_, place, record, query) in matches.into_iter().skip(skip).take(take) {
            if last != Some(place) {
                rows.push(row(query, record).record);
            }
            last = Some(place);
        }
        json!(rows)
    }
}

fn selects(query: &Value, record: &Value) -> bool {
    query["endpoint"] == record["endpoint"] && items(&query["filters"]).all(|filter| passes(filter, &record["data"]))
}

fn ordered_by<'v>(query: &Value, by: &str, data: &'v Value) -> Option<&'v Value> {
    let path =
        query.get("mapping").and_then(|mapping| mapping.get(by)).map_or(by, |source| source.as_str().expect("a path"));
    field(data, path)
}

fn passes(filter: &Value, data: &Value) -> bool {
    let Some(value) = field(data, filter["field"].as_str().expect("a path")) else { return false };
    let operator = &filter["operator"];
    match operator["operator"].as_str().expect("a name") {
        "contains" => contains(value, &operator["value"]),
        "in" => contains(&operator["value"], value),
        _ => order(&operator["lower"], value).is_le() && order(value, &operator["upper"]).is_le(),
    }
}

/// A path as a database reads it.
fn field<'v>(data: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(data, |at, step| match at {
        Value::Object(members) => members.get(step),
        Value::Array(items) if step.bytes().all(|byte| byte.is_ascii_digit()) => {
            items.get(usize::try_from(step.parse::<u32>().ok()?).ok()?)
        }
        _ => None,
    })
}

/// A path as a mapping has it.
fn source<'v>(data: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(data, |at, step| {
        let (name, index) = step.split_once('[').unwrap_or((step, "]"));
        let member = at.as_object()?.get(name)?;
        match index.trim_end_matches(']') {
            "" => Some(member),
            index => member.as_array()?.get(usize::try_from(index.parse::<u32>().ok()?).ok()?),
        }
    })
}

fn mapped(mapping: &Value, data: &Value) -> Value {
    let mut out = json!({});
    for (destination, target) in mapping.as_object().expect("a mapping") {
        let found = source(data, target.as_str().unwrap_or_else(|| target["source"].as_str().expect("a path")));
        let value = match (found, target.is_string(), destination.ends_with("[]")) {
            (Some(found), true, _) => Some(found.clone()),
            (Some(found), false, false) => Some(mapped(&target["mappings"], found)),
            (Some(Value::Array(items)), false, true) => {
                Some(items.iter().map(|item| mapped(&target["mappings"], item)).collect())
            }
            _ => None,
        };
        if let Some(value) = value {
            let mut at = &mut out;
            for key in destination.trim_end_matches("[]").split('.') {
                at = at.as_object_mut().expect("an object").entry(key).or_insert_with(|| json!({}));
            }
            *at = value;
        }
    }
    out
}

fn row(query: &Value, record: &Value) -> Row {
    let links = record.get("links").filter(|links| !links.is_null());
    let mapping = query.get("mapping");
    if mapping.is_none() && links.is_none() {
        return Row { whole: true, record: record.clone() };
    }
    let mut out = Map::new();
    out.insert("endpoint".into(), record["endpoint"].clone());
    let own: &[&str] =
        if mapping.is_some() { &["recordId"] } else { &["recordId", "sourceTimestamp", "sourceUniqueId"] };
    for name in own {
        if let Some(value) = record.get(name).filter(|value| !value.is_null()) {
            out.insert((*name).into(), value.clone());
        }
    }
    out.insert(
        "data".into(),
        mapping.map_or_else(|| record["data"].clone(), |mapping| mapped(mapping, &record["data"])),
    );
    let linked = links.map_or_else(Vec::new, |links| linked(query, record, links));
    if !linked.is_empty() {
        out.insert("links".into(), linked.into());
    }
    Row { whole: false, record: out.into() }
}

/// Whether what stands among the links is a record.
fn is_record(link: &Value) -> bool {
    const FIELDS: [&str; 6] = ["endpoint", "recordId", "sourceTimestamp", "sourceUniqueId", "data", "links"];
    let Some(members) = link.as_object() else { return false };
    members.keys().all(|key| FIELDS.contains(&key.as_str()))
        && members.get("endpoint").is_some_and(Value::is_string)
        && members.contains_key("data")
}

fn linked(query: &Value, record: &Value, links: &Value) -> Vec<Value> {
    let links: Vec<&Value> = items(links).filter(|link| is_record(link)).collect();
    let mut taken = vec![false; links.len()];
    let mut out = Vec::new();
    for query in items(&query["links"]) {
        for (link, taken) in links.iter().zip(&mut taken) {
            let itself = !record["recordId"].is_null() && link["recordId"] == record["recordId"];
            if !*taken && !itself && selects(query, link) {
                *taken = true;
                out.push(row(query, link).record);
            }
        }
    }
    out
}

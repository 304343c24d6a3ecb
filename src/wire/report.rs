//! Reads the batch of events that a HAT reports: counts and names of fields, never what they hold.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::domain::report::{Counted, EVENTS_MAX, Report, StatsKind, Told};
use crate::domain::{Digest, Reason};

use super::body::Wrong;

/// Longest name of a field or endpoint, bytes.
const NAME_BYTES_MAX: usize = 128;

/// Reads a batch: an array of events in the HAT's own form. Fields that are not known are passed over, as HATs of
/// different ages send different ones. Events that cannot be read are counted; a batch of nothing else is refused.
///
/// # Errors
/// [`Reason::Malformed`] or [`Reason::TooLarge`] with a sentence that says what and where.
pub fn read(body: &[u8]) -> Result<Report, Wrong> {
    let events: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| (Reason::Malformed, format!("the body: {error}")))?;
    if events.len() > EVENTS_MAX {
        let detail = format!("{} events, more than {EVENTS_MAX}: send them in several batches", events.len());
        return Err((Reason::TooLarge, detail));
    }
    let mut report = Report { told: Vec::with_capacity(events.len()), unreadable: 0 };
    let mut first_wrong = None;
    // Equal events of one batch are told apart by their number: the batch as a whole is what may come again.
    let mut equal: BTreeMap<Digest, u32> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        match told(event) {
            Ok((kind, values)) => {
                let mut text = Vec::with_capacity(256);
                canonical(event, &mut text);
                let digest = Digest::of(&text);
                let number = equal.entry(digest).or_default();
                report.told.push(Told { mark: mark(&digest, *number), kind, values });
                *number += 1;
            }
            Err(wrong) => {
                report.unreadable += 1;
                first_wrong.get_or_insert_with(|| format!("[{at}].{wrong}"));
            }
        }
    }
    match first_wrong {
        Some(wrong) if report.told.is_empty() => Err((Reason::Malformed, wrong)),
        _ => Ok(report),
    }
}

/// The first 8 bytes of a hash over the event's digest and which of equal ones it is.
fn mark(digest: &Digest, number: u32) -> u64 {
    let mut text = digest.0.to_vec();
    text.extend(number.to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(&text).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// One text for all ways in which the same JSON may be written.
fn canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                canonical(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push(b'{');
            for (name, value) in sorted {
                text.extend(Value::from(name.as_str()).to_string().as_bytes());
                text.push(b':');
                canonical(value, text);
                text.push(b',');
            }
            text.push(b'}');
        }
        plain => text.extend(plain.to_string().as_bytes()),
    }
}

fn told(event: &Value) -> Result<(StatsKind, Vec<Counted>), String> {
    let kind = event["statsType"].as_str().ok_or("statsType: it is missing or no text")?;
    let kind = StatsKind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| {
        let known: Vec<&str> = StatsKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("statsType: it is none of {}", known.join(", "))
    })?;
    let mut values = Vec::new();
    match kind {
        StatsKind::Inbound | StatsKind::Outbound => {
            let stats = event["stats"].as_array().ok_or("stats: it is missing or no array")?;
            for (at, endpoint) in stats.iter().enumerate() {
                endpoint_stats(endpoint, &mut values).map_err(|wrong| format!("stats[{at}].{wrong}"))?;
            }
        }
        StatsKind::Datadebit | StatsKind::DatadebitEvent => {
            event["operation"].as_str().ok_or("operation: it is missing or no text")?;
            event["dataDebit"].as_object().ok_or("dataDebit: it is missing or no object")?;
        }
        StatsKind::Datacredit | StatsKind::Storage => match &event["dataTableStats"] {
            Value::Null => {}
            Value::Array(tables) => {
                for (at, table) in tables.iter().enumerate() {
                    table_stats(table, &mut values).map_err(|wrong| format!("dataTableStats[{at}].{wrong}"))?;
                }
            }
            table => table_stats(table, &mut values).map_err(|wrong| format!("dataTableStats.{wrong}"))?,
        },
    }
    Ok((kind, values))
}

/// `{endpoint, propertyStats: {path: count}}`.
fn endpoint_stats(of: &Value, values: &mut Vec<Counted>) -> Result<(), String> {
    let endpoint = named("endpoint", &of["endpoint"])?;
    if !endpoint.split_once('/').is_some_and(|(namespace, path)| !namespace.is_empty() && !path.is_empty()) {
        return Err("endpoint: it is not namespace/path".into());
    }
    let none = Map::new();
    let stats = match &of["propertyStats"] {
        Value::Null => &none,
        Value::Object(stats) => stats,
        _ => return Err("propertyStats: it is no object".into()),
    };
    for (path, count) in stats {
        let path = name("propertyStats", path)?;
        values.push(Counted { endpoint: endpoint.clone(), path, count: counted("propertyStats", count)? });
    }
    Ok(())
}

/// `{name, source, fields[{name, valueCount}], subTables?}`, the older form. The body's depth is checked already.
fn table_stats(table: &Value, values: &mut Vec<Counted>) -> Result<(), String> {
    let (source, table_name) = (named("source", &table["source"])?, named("name", &table["name"])?);
    let endpoint = SmolStr::from(format!("{source}/{table_name}"));
    for field in table["fields"].as_array().into_iter().flatten() {
        let path = named("fields.name", &field["name"])?;
        let count = counted("fields.valueCount", &field["valueCount"])?;
        values.push(Counted { endpoint: endpoint.clone(), path, count });
    }
    table["subTables"].as_array().into_iter().flatten().try_for_each(|table| table_stats(table, values))
}

fn named(field: &str, value: &Value) -> Result<SmolStr, String> {
    value.as_str().map_or_else(|| Err(format!("{field}: it is missing or no text")), |text| name(field, text))
}

fn name(field: &str, text: &str) -> Result<SmolStr, String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("{field}: a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"));
    }
    Ok(text.into())
}

fn counted(field: &str, value: &Value) -> Result<u32, String> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| format!("{field}: a count is a whole number, 0 to {}", u32::MAX))
}

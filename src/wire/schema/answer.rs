//! What each query answers: schemas of objects that may gain fields. Beside them the pieces that they are made of.

mod actors;
mod debit;
mod exchange;
mod job;
mod ledger;
mod notice;
mod offer;
mod party;
mod stats;

use serde_json::{Value, json};

pub(super) use actors::actors;
pub(super) use debit::{debit_list, debit_show};
pub(super) use exchange::{explain, trace};
pub(super) use job::plug_jobs;
pub(super) use ledger::{bundle, checkpoint, dead, health, proof};
pub(super) use notice::{notice_list, notice_show};
pub(super) use offer::{claim_standing, offer_claims, offer_list, offer_show};
pub(super) use party::{hat_show, party_list, plug_show, verify};
pub(super) use stats::{catalogue, classes, estimate, reported, series, summary, window};

use super::shape::{address, id};

/// SHA-256 in hex.
pub(super) const DIGEST: &str = "^[0-9a-f]{64}$";

/// An object with these fields always, and those sometimes.
fn answer(always: Value, sometimes: Value) -> Value {
    let (Value::Object(mut properties), Value::Object(more)) = (always, sometimes) else {
        unreachable!("both are written here as objects")
    };
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(more);
    json!({"type": "object", "required": required, "properties": properties})
}

/// The same schema, which also takes `null`.
pub(super) fn or_null(mut schema: Value) -> Value {
    match schema["type"].as_str().map(str::to_owned) {
        Some(one) if schema.get("enum").is_none() => {
            schema["type"] = json!([one, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// The same schema, of objects that may gain fields.
fn open(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                members.remove("additionalProperties");
            }
            members.values_mut().for_each(|member| *member = open(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = open(item.take())),
        _ => {}
    }
    schema
}

/// An entry with what proves it to anybody: bytes and salt in Base64, the path of its leaf.
fn statement() -> Value {
    answer(json!({"leaf": count(), "entry": string(), "salt": string(), "path": array(digest())}), json!({}))
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// One page: `next` is the `after` of the next one.
fn page(items: Value, next: Value) -> Value {
    answer(json!({"items": array(items)}), json!({"next": next}))
}

fn string() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

/// Zero or more.
fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// Counts by name.
fn counts() -> Value {
    json!({"type": "object", "additionalProperties": count()})
}

fn digest() -> Value {
    json!({"type": "string", "pattern": DIGEST})
}

fn key() -> Value {
    json!({"type": "string", "pattern": "^U[A-Z2-7]{55}$"})
}

/// Any party or entity.
pub(super) fn party_address() -> Value {
    address("hat|plug|app|org|platform|bridge|operator|offer|lane|dex|pseudonym")
}

/// An entry by its entity and number.
fn entry() -> Value {
    answer(json!({"entity": party_address(), "n": count()}), json!({}))
}

/// A connected party, with the entry that connected it.
fn connected() -> Value {
    answer(json!({"id": id(), "n": count(), "leaf": or_null(count())}), json!({}))
}

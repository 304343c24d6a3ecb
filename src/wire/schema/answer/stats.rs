//! Answers that count: exchanges, and what HATs have reported.

use serde_json::{Value, json};

use super::{answer, array, count, counts, entry, flag, string, time};
use crate::domain::Status;
use crate::domain::statistics::Window;
use crate::wire::schema::shape::class;

/// `stats.summary`.
pub fn summary() -> Value {
    let mut always = json!({
        "at": time(), "origin": string(), "treeSize": count(), "open": count(), "reasons": counts(),
        "disputes": counts(), "unauthenticated": counts(), "records": counts(), "bytes": counts(),
    });
    for status in Status::ALL {
        always[status.as_str()] = count();
    }
    answer(always, json!({"total": answer(json!({"figures": figures(), "asOf": as_of()}), json!({}))}))
}

/// `stats.reported`.
pub fn reported() -> Value {
    answer(
        json!({
            "at": time(), "kinds": counts(), "repeated": count(), "unreadable": count(), "valuesIn": count(),
            "valuesOut": count(), "hats": count(), "plugs": count(), "asOf": as_of(),
        }),
        json!({}),
    )
}

/// `stats.catalogue`.
pub fn catalogue() -> Value {
    let field = answer(
        json!({
            "path": string(), "count": count(), "hats": count(), "class": class(), "firstSeen": time(),
            "lastSeen": time(),
        }),
        json!({"description": string()}),
    );
    let seen = answer(json!({"hats": count(), "records": count()}), json!({}));
    let endpoint = answer(
        json!({"endpoint": string(), "class": class(), "fields": array(field), "seen": seen}),
        json!({"firstSeen": time(), "lastSeen": time(), "description": string(), "truncated": flag()}),
    );
    answer(json!({"items": array(endpoint), "k": count(), "asOf": as_of()}), json!({"next": string()}))
}

/// What figures stand on: so many entries of the ledger, and the checkpoint over just them.
fn as_of() -> Value {
    answer(json!({"treeSize": count(), "checkpoint": string()}), json!({}))
}

/// Counts by group, some groups with groups in them.
fn figures() -> Value {
    let groups = json!({"type": "object", "additionalProperties": counts()});
    answer(
        json!({
            "exchanges": groups, "rejections": counts(), "disputes": counts(), "unauthenticated": counts(),
            "records": counts(), "bytes": counts(), "fieldsDropped": counts(), "claims": counts(), "debits": counts(),
            "parties": counts(), "jobs": counts(), "jobsReported": counts(), "notices": counts(), "deadLetters": counts(), "reported": groups,
        }),
        json!({}),
    )
}

fn number() -> Value {
    json!({"type": "number", "minimum": 0})
}

fn times() -> Value {
    answer(json!({"count": count()}), json!({"p50": number(), "p90": number(), "p99": number()}))
}

/// `stats.window`.
pub fn window() -> Value {
    let top = || array(answer(json!({"endpoint": string(), "records": count()}), json!({"over": count()})));
    let rates = json!({
        "accepted": number(), "settled": number(), "rejected": number(), "records": number(), "bytes": number(),
    });
    answer(
        json!({
            "window": of_window(), "at": time(), "from": time(), "seconds": number(), "figures": figures(),
            "perSecond": answer(rates, json!({})),
            "uniques": answer(json!({"hats": count(), "sources": count(), "acquirers": count()}), json!({})),
            "settleSeconds": times(), "outcomeSeconds": times(), "topIn": top(), "topOut": top(), "asOf": as_of(),
        }),
        json!({}),
    )
}

/// `stats.series`.
pub fn series() -> Value {
    let mut always = json!({
        "begins": time(), "unauthenticated": count(), "records": count(), "bytes": count(), "hats": count(),
        "settleSeconds": times(),
    });
    for status in Status::ALL {
        always[status.as_str()] = count();
    }
    let items = array(answer(always, json!({})));
    answer(
        json!({"window": of_window(), "at": time(), "slotSeconds": count(), "items": items, "asOf": as_of()}),
        json!({}),
    )
}

fn of_window() -> Value {
    json!({"type": "string", "enum": Window::ALL})
}

/// `catalogue.estimate`.
pub fn estimate() -> Value {
    let range = || json!({"atLeast": count(), "atMost": count()});
    let mut property = range();
    property["name"] = string();
    let mut whole = range();
    whole["known"] = answer(range(), json!({}));
    whole["properties"] = array(answer(property, json!({})));
    whole["k"] = count();
    whole["asOf"] = as_of();
    answer(whole, json!({}))
}

/// `catalogue.show`.
pub fn classes() -> Value {
    let field = answer(json!({"path": string(), "class": class()}), json!({"description": string()}));
    answer(
        json!({"endpoint": string(), "class": class(), "fields": array(field), "basis": array(entry())}),
        json!({"description": string()}),
    )
}

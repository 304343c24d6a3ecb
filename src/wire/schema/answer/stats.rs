//! Answers that count: exchanges, and what HATs have reported.

use serde_json::{Value, json};

use super::{answer, array, count, counts, entry, page, string, time};
use crate::domain::Status;
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
    answer(always, json!({}))
}

/// `stats.reported`.
pub fn reported() -> Value {
    answer(
        json!({
            "at": time(), "kinds": counts(), "repeated": count(), "unreadable": count(), "valuesIn": count(),
            "valuesOut": count(), "hats": count(), "plugs": count(),
        }),
        json!({}),
    )
}

/// `stats.catalogue`.
pub fn catalogue() -> Value {
    let field = answer(json!({"path": string(), "count": count(), "class": class()}), json!({}));
    page(answer(json!({"endpoint": string(), "fields": array(field)}), json!({})), string())
}

/// `catalogue.show`.
pub fn classes() -> Value {
    let field = answer(json!({"path": string(), "class": class()}), json!({"description": string()}));
    answer(
        json!({"endpoint": string(), "class": class(), "fields": array(field), "basis": array(entry())}),
        json!({"description": string()}),
    )
}

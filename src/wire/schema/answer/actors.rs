//! The daemon's own actors.

use serde_json::{Value, json};

use super::{answer, array, count, flag, or_null, string, time};
use crate::domain::Kind;
use crate::wire::schema::shape::id;

/// `actors.show`.
pub fn actors() -> Value {
    let kind = answer(
        json!({
            "kind": {"enum": Kind::ALL.map(Kind::as_str)}, "live": count(), "quarantined": count(),
            "restarts": count(), "quarantines": count(),
        }),
        json!({}),
    );
    let partition = answer(
        json!({
            "partition": count(), "lane": id(), "live": count(), "mailbox": count(), "held": count(),
            "inFlight": count(), "lagMessages": count(), "openExchanges": count(), "kinds": array(kind),
        }),
        json!({}),
    );
    let check = answer(json!({"name": string(), "ok": flag(), "detail": string()}), json!({}));
    let queue = answer(json!({"waiting": count(), "most": count()}), json!({}));
    answer(
        json!({
            "at": time(), "partitions": array(partition), "liveMost": count(), "quarantined": count(),
            "dispatch": or_null(queue), "tailEntries": count(), "checks": array(check),
        }),
        json!({}),
    )
}

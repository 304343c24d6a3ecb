//! Answers about jobs of plugs.

use serde_json::{Value, json};

use super::{answer, array, count, flag, or_null, string, time, uuid};
use crate::domain::job::JobError;
use crate::wire::schema::shape::id;

/// `plug.jobs`: `hat`, `connected` and `items` only when a HAT is asked for.
pub fn plug_jobs() -> Value {
    let endpoint = answer(json!({"endpoint": string(), "refreshSeconds": or_null(count())}), json!({}));
    let item = answer(
        json!({"endpoint": string(), "failures": count()}),
        json!({
            "next": time(),
            "lastDoneAt": time(),
            "notBefore": time(),
            "error": {"enum": JobError::ALL.map(JobError::as_str)},
            "continuation": string(),
            "job": uuid(),
            "attempt": count(),
            "plannedAt": time(),
            "endsAt": time(),
        }),
    );
    answer(
        json!({
            "plug": id(),
            "paused": flag(),
            "open": count(),
            "queued": count(),
            "leaseSeconds": count(),
            "attempts": count(),
            "perMinute": count(),
            "endpoints": array(endpoint),
        }),
        json!({
            "heldUntil": time(),
            "why": {"enum": ["asked", "failing", "rate-limited", null]},
            "hat": id(),
            "connected": flag(),
            "items": array(item),
        }),
    )
}

//! What became, or would become, of a message.

use serde_json::{Value, json};

use super::{answer, array, count, counts, digest, entry, flag, or_null, party_address, statement, string, time, uuid};
use crate::domain::{Reason, Status};

fn status() -> Value {
    json!({"enum": Status::ALL.map(Status::as_str)})
}

fn reason() -> Value {
    json!({"enum": Reason::ALL.map(Reason::as_str)})
}

/// `exchange.trace`.
pub fn trace() -> Value {
    answer(
        json!({"exchange": uuid(), "steps": array(step()), "treeSize": count()}),
        json!({
            "status": status(), "reason": reason(), "truncated": flag(), "statements": array(statement()),
            "checkpoint": string(),
        }),
    )
}

/// One entry; which fields it has follows from its event.
fn step() -> Value {
    let dropped = || answer(json!({}), json!({"quasi": count(), "direct": count(), "special": count()}));
    let part = answer(json!({"exchange": uuid(), "debit": string()}), json!({"dropped": dropped()}));
    answer(
        json!({"leaf": count(), "at": time(), "entity": party_address(), "n": count(), "event": string()}),
        json!({
            "status": status(), "reason": reason(), "message": uuid(), "from": party_address(), "subject": string(),
            "basis": array(entry()), "exchange": uuid(), "parent": uuid(), "pull": uuid(),
            "direction": {"enum": ["credit", "release", "pull"]}, "authority": string(), "to": party_address(),
            "delivery": uuid(), "deadline": time(), "openedAt": time(), "digestIn": digest(), "digestOut": digest(),
            "countIn": count(), "countOut": count(), "bytesIn": count(), "bytesOut": count(), "dropped": dropped(),
            "parts": array(part), "verdict": {"enum": ["accepted", "refused", "returned"]},
            "plug": string(), "endpoint": string(), "job": uuid(), "attempt": count(), "endsAt": time(),
            "records": count(), "nextAt": or_null(time()), "error": string(), "until": time(), "why": string(),
            "kinds": counts(), "repeated": count(), "unreadable": count(),
        }),
    )
}

/// `exchange.explain`.
pub fn explain() -> Value {
    let mut verdicts: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    verdicts.extend(["unknown", "repeat", "nothing"]);
    let check = answer(json!({"rule": string(), "passed": or_null(flag()), "detail": or_null(string())}), json!({}));
    let located = answer(json!({"entity": party_address(), "n": count(), "leaf": or_null(count())}), json!({}));
    answer(
        json!({"verdict": {"enum": verdicts}, "refused": flag(), "checks": array(check), "at": time()}),
        json!({
            "reason": reason(), "detail": string(), "hint": string(), "basis": array(located),
        }),
    )
}

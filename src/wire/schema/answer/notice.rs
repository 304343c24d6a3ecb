//! Answers about notices: those that stand, and how far each was told.

use serde_json::{Value, json};

use super::party::with;
use super::{answer, array, count, flag, page, party_address, string, time, uuid};

/// `notice.list`: `target` and `told` only for who asks for a party's notices, or for all.
pub fn notice_list() -> Value {
    page(with(line(), json!({}), more()), uuid())
}

/// `notice.show`.
pub fn notice_show() -> Value {
    with(line(), more(), json!({}))
}

fn line() -> Value {
    answer(
        json!({"notice": uuid(), "from": party_address(), "message": string(), "at": time(), "expires": time()}),
        json!({}),
    )
}

fn more() -> Value {
    let target = json!({
        "withAnyRole": array(string()), "withAllRoles": array(string()), "emails": count(), "hats": count(),
    });
    let told = json!({"published": count(), "listed": count(), "passed": count(), "done": flag()});
    json!({"target": answer(target, json!({})), "told": answer(told, json!({}))})
}

//! Data debits.

use serde_json::{Value, json};

use super::party::with;
use super::{answer, array, count, flag, open, or_null, page, party_address, string, time, uuid};
use crate::wire::schema::shape::{self, id};

/// `debit.list`.
pub fn debit_list() -> Value {
    with(page(line(), id()), json!({"hat": id()}), json!({}))
}

/// `debit.show`: `revisions` are the revisions themselves here.
pub fn debit_show() -> Value {
    let revision = answer(
        json!({"revision": count(), "terms": terms(), "proposedAt": time()}),
        json!({"enabledAt": time(), "disabledAt": time(), "atPeriodEnd": flag()}),
    );
    with(line(), json!({"hat": id(), "revisions": array(revision)}), json!({}))
}

/// Terms, as they were proposed.
pub(super) fn terms() -> Value {
    open(shape::debit())
}

/// A debit as one line.
pub(super) fn line() -> Value {
    let period = answer(json!({"number": count(), "starts": time(), "ends": time()}), json!({}));
    let place = answer(
        json!({
            "claim": uuid(), "until": time(), "standing": {"enum": ["held", "released", "lapsed", "withdrawn"]},
        }),
        json!({"over": time()}),
    );
    let standings = ["proposed", "accepted", "active", "waiting", "lapsed", "withdrawn", "ending", "ended", "disabled"];
    answer(
        json!({
            "debit": id(), "standing": {"enum": standings}, "client": party_address(), "period": or_null(period),
            "rolled": count(), "toldEnd": or_null(time()), "revision": or_null(count()), "revisions": count(),
            "offer": or_null(id()), "place": or_null(place), "active": flag(), "ended": flag(), "waits": flag(),
            "start": or_null(time()), "end": or_null(time()), "purpose": or_null(string()),
        }),
        json!({}),
    )
}

//! Offers and their claims.

use serde_json::{Value, json};

use super::debit;
use super::party::with;
use super::{answer, count, flag, key, or_null, page, party_address, string, time, uuid};
use crate::wire::schema::shape::id;

/// `offer.list`.
pub fn offer_list() -> Value {
    page(line(), id())
}

/// `offer.show`.
pub fn offer_show() -> Value {
    with(line(), json!({"terms": or_null(terms()), "entries": count()}), json!({}))
}

/// `offer.claims`.
pub fn offer_claims() -> Value {
    let claim = answer(
        json!({"standing": claim_standing()}),
        json!({
            "hat": id(), "since": time(), "claim": or_null(uuid()), "until": time(), "publicKey": or_null(string()),
            "key": or_null(key()), "debit": id(),
        }),
    );
    with(page(claim, id()), json!({"offer": id(), "satisfied": flag()}), json!({}))
}

/// Where a claim stands.
pub fn claim_standing() -> Value {
    json!({"enum": ["reserved", "confirmed", "completed", "withdrawn", "lapsed"]})
}

fn line() -> Value {
    let standings = ["draft", "paid", "approved", "satisfied", "oversubscribed", "expired", "rejected", "closed"];
    let mut sometimes = stated();
    sometimes["registered"] = time();
    sometimes["terms"] = or_null(terms());
    answer(
        json!({
            "offer": id(), "standing": {"enum": standings}, "reserved": count(), "confirmed": count(),
            "satisfied": flag(),
        }),
        sometimes,
    )
}

/// What its terms say of the offer itself.
fn stated() -> Value {
    json!({
        "owner": party_address(), "title": string(), "starts": time(), "expires": time(), "maxClaims": count(),
        "minClaims": count(),
    })
}

fn terms() -> Value {
    let mut always = stated();
    always["debit"] = debit::terms();
    answer(always, json!({}))
}

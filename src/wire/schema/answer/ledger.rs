//! The exchange itself, its ledger and what it signs.

use serde_json::{Value, json};

use super::{answer, array, count, digest, flag, key, page, string, time};
use crate::domain::Reason;
use crate::wire::schema::shape::id;

/// `health`.
pub fn health() -> Value {
    answer(
        json!({
            "origin": string(), "key": key(), "keys": array(key()), "checkpointKey": string(), "version": string(),
            "ready": flag(), "at": time(), "uptimeSeconds": count(), "treeSize": count(), "partitions": count(),
            "lanes": array(id()), "signatures": {"enum": ["required", "trusted-broker"]},
        }),
        json!({}),
    )
}

/// `trust.bundle`: the signed bundle, or that the asker has it already.
pub fn bundle() -> Value {
    let unchanged = json!({
        "unchanged": {"enum": [true]}, "digest": digest(), "generation": count(), "expires": time(),
    });
    let held = answer(json!({"key": key(), "fingerprint": string(), "from": time()}), json!({"until": time()}));
    let role = answer(json!({"role": string()}), json!({"detail": string()}));
    let rules = json!({
        "namespaces": array(string()), "domain": string(), "version": string(), "roles": array(role),
    });
    let rules = answer(json!({}), rules);
    let party = answer(
        json!({
            "party": super::party_address(), "standing": {"enum": ["active", "suspended", "retired"]},
            "rules": rules,
            "keys": array(held),
        }),
        json!({}),
    );
    let stand = answer(json!({"treeSize": count(), "root": digest(), "note": string()}), json!({}));
    let bundle = answer(
        json!({
            "v": {"enum": [1]}, "origin": string(), "generation": count(), "issued": time(), "expires": time(),
            "checkpoint": stand, "keys": array(key()), "complete": flag(), "omitted": count(),
            "parties": array(party),
        }),
        json!({}),
    );
    let signed = json!({"bundle": bundle, "key": key(), "signature": string()});
    json!({"type": "object", "anyOf": [answer(unchanged, json!({})), answer(signed, json!({}))]})
}

/// `ledger.checkpoint`.
pub fn checkpoint() -> Value {
    answer(json!({"checkpoint": string(), "treeSize": count(), "origin": string()}), json!({}))
}

/// `ledger.proof`.
pub fn proof() -> Value {
    answer(
        json!({
            "leaf": count(), "treeSize": count(), "commitment": digest(), "leafHash": digest(), "root": digest(),
            "path": array(digest()), "checkpoint": string(),
        }),
        json!({"consistency": array(digest())}),
    )
}

/// `dead.list`.
pub fn dead() -> Value {
    let row = |kind: &str, mut more: Value| {
        more["kind"] = json!({"enum": [kind]});
        more["leaf"] = count();
        more["at"] = time();
        more["lane"] = id();
        more["reason"] = json!({"enum": Reason::ALL.map(Reason::as_str)});
        answer(more, json!({}))
    };
    let letter = row("dead-letter", json!({"subject": string(), "sequence": count(), "body": digest()}));
    page(json!({"anyOf": [letter, row("refused", json!({"count": count()}))]}), count())
}

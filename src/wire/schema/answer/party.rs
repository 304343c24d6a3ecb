//! How parties stand.

use serde_json::{Value, json};

use super::debit;
use super::{answer, array, basis, connected, count, digest, flag, key, or_null, page, party_address, string, time};
use crate::wire::schema::shape::id;

/// `trust.verify`.
pub fn verify() -> Value {
    let revoked = answer(json!({"key": key(), "since": time(), "at": time(), "leaf": count()}), json!({}));
    let statement =
        answer(json!({"leaf": count(), "entry": string(), "salt": string(), "path": array(digest())}), json!({}));
    let more = json!({
        "platform": or_null(id()),
        "plugs": array(connected()),
        "apps": array(connected()),
        "revokedLater": array(revoked),
        "statements": array(statement),
        "treeSize": count(),
        "checkpoint": string(),
    });
    with(view(), json!({"at": time()}), more)
}

/// `platform.list`, `hat.list`, `plug.list`, `app.list`, `org.list`, `bridge.list`.
pub fn party_list() -> Value {
    page(view(), id())
}

/// `hat.show`.
pub fn hat_show() -> Value {
    let accepted = answer(
        json!({
            "app": id(), "version": string(), "namespaces": array(string()), "at": time(), "active": flag(),
            "needsUpdating": flag(),
        }),
        json!({}),
    );
    let always = json!({
        "platform": or_null(id()),
        "plugs": array(id()),
        "apps": array(id()),
        "accepted": array(accepted),
        "debits": array(debit::line()),
        "debitCount": count(),
        "claims": array(id()),
        "openExchanges": count(),
        "entries": count(),
    });
    with(view(), always, json!({}))
}

/// A registration: standing, keys, what it says of itself.
fn view() -> Value {
    let held = answer(
        json!({"key": key(), "from": time(), "n": count()}),
        json!({"until": time(), "leaf": count(), "inForce": flag()}),
    );
    let pending = answer(json!({"key": key(), "fingerprint": string(), "profile": profile(), "at": time()}), json!({}));
    let version = answer(
        json!({"version": string(), "at": time(), "registered": count(), "n": count()}),
        json!({"digest": digest()}),
    );
    answer(
        json!({
            "party": party_address(),
            "standing": {"enum": ["unknown", "pending", "active", "suspended", "retired"]},
            "approved": flag(),
            "profile": or_null(profile()),
            "keys": array(held),
            "pending": array(pending),
            "basis": basis(Value::Null),
        }),
        json!({
            "versions": array(version),
            "approvedBy": answer(json!({"operator": party_address(), "key": key()}), json!({})),
        }),
    )
}

/// What a party says of itself, by its kind.
fn profile() -> Value {
    let of = |kinds: &[&str], mut always: Value, sometimes: Value| {
        always["kind"] = json!({"enum": kinds});
        answer(always, sometimes)
    };
    let hat = json!({"publicKey": string(), "transport": {"enum": ["nats", "http"]}, "bridge": id()});
    let app = json!({"name": string(), "version": string(), "namespaces": array(string())});
    json!({"anyOf": [
        of(&["hat"], json!({}), hat),
        of(&["plug"], json!({"name": string(), "namespace": string()}), json!({})),
        of(&["app"], app, json!({"manifest": manifest()})),
        of(&["org", "platform", "bridge"], json!({"name": string()}), json!({})),
        of(&["operator"], json!({}), json!({})),
    ]})
}

/// An app's manifest, in the format of HATs.
fn manifest() -> Value {
    let any = || json!({"type": "object"});
    answer(
        json!({
            "id": id(), "kind": any(), "info": any(), "developer": any(), "permissions": any(), "setup": any(),
            "status": any(),
        }),
        json!({"dependencies": any()}),
    )
}

/// An object's schema with more fields.
pub(super) fn with(mut schema: Value, always: Value, sometimes: Value) -> Value {
    let mut more = answer(always, sometimes);
    if let (Some(own), Value::Object(properties)) = (schema["properties"].as_object_mut(), more["properties"].take()) {
        own.extend(properties);
    }
    if let (Some(own), Value::Array(required)) = (schema["required"].as_array_mut(), more["required"].take()) {
        own.extend(required.into_iter().filter(|name| !own.contains(name)).collect::<Vec<_>>());
    }
    schema
}

//! How parties stand.

use serde_json::{Value, json};

use super::debit;
use super::{
    answer, array, connected, count, digest, entry, flag, key, or_null, page, party_address, statement, string, time,
};
use crate::domain::Kind;
use crate::wire::schema::shape::{self, id};

/// `trust.verify`.
pub fn verify() -> Value {
    let revoked = answer(json!({"key": key(), "since": time(), "at": time(), "leaf": count()}), json!({}));
    let more = json!({
        "platform": or_null(id()),
        "plugs": array(connected()),
        "apps": array(connected()),
        "revokedLater": array(revoked),
        "statements": array(statement()),
        "treeSize": count(),
        "checkpoint": string(),
    });
    with(located(view(None)), json!({}), more)
}

/// The same with the leaves that say so, and the time that is answered for.
fn located(mut view: Value) -> Value {
    view["properties"]["basis"] = with(entry(), json!({}), json!({"leaf": count()}));
    let held = &mut view["properties"]["keys"]["items"];
    held["properties"]["leaf"] = count();
    *held = with(held.take(), json!({"inForce": flag()}), json!({}));
    with(view, json!({"at": time()}), json!({}))
}

/// `platform.list`, `hat.list`, `plug.list`, `app.list`, `org.list`, `bridge.list`.
pub fn party_list(kind: Kind) -> Value {
    page(view(Some(kind)), id())
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
    let waiting = answer(json!({"plug": id(), "at": time(), "until": time()}), json!({}));
    let always = json!({
        "platform": or_null(id()),
        "plugs": array(id()),
        "connecting": array(waiting),
        "apps": array(id()),
        "accepted": array(accepted),
        "debits": array(debit::line()),
        "debitCount": count(),
        "claims": array(id()),
        "openExchanges": count(),
        "entries": count(),
    });
    with(view(Some(Kind::Hat)), always, json!({}))
}

/// `plug.show`.
pub fn plug_show() -> Value {
    let step = answer(
        json!({"n": count(), "leaf": count(), "at": time(), "what": string()}),
        json!({"by": party_address(), "key": key(), "why": string()}),
    );
    let health = answer(
        json!({
            "standing": {"enum": ["unknown", "healthy", "stale", "failing"]},
            "failures": count(), "jobsDone": count(), "jobsFailed": count(),
        }),
        json!({
            "reported": time(), "done": time(), "failed": time(), "freshUntil": time(), "lagSeconds": count(),
            "error": string(),
        }),
    );
    let always = json!({
        "history": array(step), "connections": count(), "connecting": count(), "health": health, "entries": count(),
    });
    with(located(view(Some(Kind::Plug))), always, json!({}))
}

/// A registration of a party of this kind, or of any: standing, keys, what it says of itself.
fn view(kind: Option<Kind>) -> Value {
    let profile = || kind.map_or_else(any_profile, profile);
    let held = answer(json!({"key": key(), "from": time(), "n": count()}), json!({"until": time()}));
    let pending = answer(json!({"key": key(), "fingerprint": string(), "profile": profile(), "at": time()}), json!({}));
    let version = answer(
        json!({"version": string(), "at": time(), "registered": count(), "n": count()}),
        json!({"digest": digest()}),
    );
    let mut sometimes = json!({"approvedBy": answer(json!({"operator": party_address(), "key": key()}), json!({}))});
    if kind.is_none_or(|kind| matches!(kind, Kind::Org | Kind::App)) {
        sometimes["classes"] = shape::classes("that it may ever be given");
    }
    if kind.is_none_or(|kind| kind == Kind::App) {
        sometimes["versions"] = array(version);
    }
    answer(
        json!({
            "party": party_address(),
            "standing": {"enum": ["unknown", "pending", "active", "suspended", "retired"]},
            "approved": flag(),
            "profile": or_null(profile()),
            "keys": array(held),
            "pending": array(pending),
            "basis": entry(),
        }),
        sometimes,
    )
}

/// What a party says of itself, by its kind.
fn any_profile() -> Value {
    let kinds = [Kind::Hat, Kind::Plug, Kind::App, Kind::Org, Kind::Platform, Kind::Bridge, Kind::Operator];
    json!({"anyOf": kinds.map(profile)})
}

fn profile(kind: Kind) -> Value {
    let (mut always, sometimes) = match kind {
        Kind::Hat => {
            (json!({}), json!({"publicKey": string(), "transport": {"enum": ["nats", "http"]}, "bridge": id()}))
        }
        Kind::Plug => (json!({"name": string(), "namespace": string()}), json!({"manifest": {"type": "object"}})),
        Kind::App => (
            json!({"name": string(), "version": string(), "namespaces": array(string())}),
            json!({"manifest": manifest()}),
        ),
        Kind::Org | Kind::Platform | Kind::Bridge => (json!({"name": string()}), json!({})),
        _ => (json!({}), json!({})),
    };
    always["kind"] = json!({"enum": [kind.as_str()]});
    answer(always, sometimes)
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

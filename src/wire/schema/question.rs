//! What each query is asked: closed schemas, as [`crate::daemon`] reads them.

use serde_json::{Value, json};

use super::answer::{DIGEST, or_null};
use super::shape::{id, object, time};
use crate::domain::Kind;
use crate::domain::statistics::Window;

/// Most parties, claims or rows on one page.
const PAGE_MAX: usize = 1000;
/// Most debits or notices on one page.
const LONG_PAGE_MAX: usize = 400;

/// Nothing is asked: an empty body or `{}`.
pub(super) fn nothing() -> Value {
    object(&[], json!({}))
}

/// An id of a message, an exchange, a delivery or a notice, in a field of this name.
pub(super) fn uuid(name: &str) -> Value {
    let mut properties = json!({});
    properties[name] = uuid_of_any();
    object(&[name], properties)
}

/// Ids in fields of these names.
pub(super) fn ids(names: &[&str]) -> Value {
    object(names, names.iter().map(|name| ((*name).to_owned(), id())).collect::<serde_json::Map<_, _>>().into())
}

/// Jobs of a plug, and of one HAT.
pub(super) fn jobs() -> Value {
    object(&["plug"], json!({"plug": id(), "hat": or_null(id())}))
}

pub(super) fn verify() -> Value {
    object(
        &["party"],
        json!({
            "party": party(),
            "at": or_null(time()),
            "proof": {"type": "boolean", "description": "with the entries that say so, and their proofs"},
        }),
    )
}

pub(super) fn trace() -> Value {
    object(
        &["id"],
        json!({
            "id": uuid_of_any(),
            "proof": {"type": "boolean", "description": "with the entries that the steps are told from, and their proofs"},
        }),
    )
}

pub(super) fn explain() -> Value {
    object(
        &["subject", "headers"],
        json!({
            "subject": {"type": "string", "description": "the one that the message is published to"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": "string"},
        }),
    )
}

pub(super) fn bundle() -> Value {
    object(&[], json!({"ifNoneMatch": or_null(json!({"type": "string", "pattern": DIGEST}))}))
}

/// A page of the parties (or offers) of a kind.
pub(super) fn list(kind: Kind) -> Value {
    let mut properties = page(id(), PAGE_MAX);
    match kind {
        Kind::Offer => properties["terms"] = or_null(json!({"type": "boolean", "description": "with their terms"})),
        Kind::App | Kind::Plug => {
            properties["manifests"] = or_null(json!({"type": "boolean", "description": "with their manifests"}));
        }
        _ => {}
    }
    object(&[], properties)
}

pub(super) fn claims() -> Value {
    let mut properties = page(id(), PAGE_MAX);
    properties["offer"] = id();
    properties["hat"] = or_null(id());
    properties["standing"] = or_null(super::answer::claim_standing());
    properties["keys"] = json!({"type": "boolean", "description": "with each HAT's key"});
    object(&["offer"], properties)
}

pub(super) fn debits() -> Value {
    let mut properties = page(id(), LONG_PAGE_MAX);
    properties["hat"] = id();
    object(&["hat"], properties)
}

pub(super) fn proof() -> Value {
    let whole = || json!({"type": "integer", "minimum": 0});
    object(&["leaf"], json!({"leaf": whole(), "treeSize": or_null(whole())}))
}

pub(super) fn dead() -> Value {
    object(&[], page(json!({"type": "integer", "minimum": 0}), PAGE_MAX))
}

pub(super) fn catalogue() -> Value {
    object(&[], page(json!({"type": "string"}), PAGE_MAX))
}

pub(super) fn reported() -> Value {
    object(&[], json!({"public": or_null(json!({"type": "boolean", "description": "in steps of several HATs"}))}))
}

/// A rolling window, `5m` when none is named.
pub(super) fn window() -> Value {
    object(&[], json!({"window": or_null(json!({"type": "string", "enum": Window::ALL}))}))
}

pub(super) fn estimate() -> Value {
    object(&["bundle"], json!({"bundle": super::bundle::bundle()}))
}

pub(super) fn estimate_example() -> Value {
    let query = |endpoint: &str| json!({"endpoints": [{"endpoint": endpoint}]});
    json!({"bundle": {"name": "steps", "bundle": {"steps": query("fitbit/activity"), "posts": query("facebook/feed")}}})
}

pub(super) fn endpoint() -> Value {
    object(&["endpoint"], json!({"endpoint": {"type": "string"}}))
}

/// For a HAT, of a party (or all), or for somebody with such roles and that email address.
pub(super) fn notices() -> Value {
    let with = |must: &[&str], more: Value| {
        let mut properties = page(uuid_of_any(), LONG_PAGE_MAX);
        for (name, schema) in more.as_object().into_iter().flatten() {
            properties[name] = schema.clone();
        }
        for name in ["hat", "party", "roles", "email"] {
            if properties.get(name).is_none() {
                properties[name] = json!({"type": "null"});
            }
        }
        object(must, properties)
    };
    let roles = json!({"type": "array", "maxItems": 64, "items": {"type": "string"}});
    json!({
        "type": "object",
        "anyOf": [
            with(&["hat"], json!({"hat": id()})),
            with(&[], json!({"party": or_null(party())})),
            with(&[], json!({"roles": or_null(roles), "email": or_null(json!({"type": "string"}))})),
        ],
    })
}

/// Where a page begins, and how long it is.
fn page(after: Value, most: usize) -> Value {
    json!({
        "after": or_null(after),
        "limit": or_null(json!({"type": "integer", "minimum": 1, "maximum": most})),
    })
}

fn party() -> Value {
    super::answer::party_address()
}

fn uuid_of_any() -> Value {
    json!({"type": "string", "format": "uuid"})
}

/// A message that can be explained: a credit that nobody has signed.
pub(super) fn explain_example() -> Value {
    json!({
        "subject": "dex.v1.in.hat.bob_hubat_net.credit.facebook",
        "headers": {
            "Dex-Id": super::shape::CLAIM,
            "Dex-From": "plug:facebook",
        },
        "body": "[{\"endpoint\": \"facebook/feed\", \"data\": {\"message\": \"hi\"}}]",
    })
}

//! Manifests: read strictly, and what follows from them.

use serde_json::{Value, json};

use super::*;
use crate::domain::Id;

pub fn notables(version: &str) -> Value {
    let mut manifest: Value = serde_json::from_str(include_str!("notables.json")).expect("JSON");
    manifest["info"]["version"] = json!(version);
    manifest
}

fn id() -> Id {
    "notables".parse().expect("an id")
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    let value = notables("1.1.4");
    let manifest = Manifest::read(&id(), &value).expect("a manifest");
    assert_eq!(serde_json::to_value(&manifest).expect("JSON"), value);
    let packed = rmp_serde::to_vec_named(&manifest).expect("packed");
    assert_eq!(rmp_serde::from_slice::<Manifest>(&packed).expect("unpacked"), manifest);
    assert_eq!(manifest.namespaces(), ["rumpel"]);
    let (debit, terms) = manifest.debit(&id()).expect("it reads data");
    assert_eq!((debit.as_str(), terms.period_seconds, terms.cancel_at_period_end), ("app-notables", 2_592_000, false));
    assert_eq!(terms.bundle.name, "notablesapp");
    assert!(manifest.outdates("0.9.0") && !manifest.outdates("1.0.0") && !manifest.outdates("1.1.4"));
}

#[test]
fn every_fault_is_told_with_its_place() {
    let cases: [(&str, Value, &str); 15] = [
        ("/info/version", json!("1.1"), "manifest.info.version"),
        ("/info/version", json!("01.1.1"), "manifest.info.version"),
        ("/info/colour", json!("red"), "manifest.info"),
        ("/info/name", json!(""), "manifest.info.name"),
        ("/info/graphics/logo", json!({ "small": "x" }), "manifest.info.graphics.logo"),
        ("/id", json!("other"), "manifest.id"),
        ("/kind", json!({ "kind": "Contract", "url": "https://x.example" }), "manifest.id"),
        ("/kind", json!({ "kind": "Game", "url": "https://x.example" }), "manifest.kind"),
        ("/status/compatibility", json!("2.0.0"), "manifest.status.compatibility"),
        ("/permissions/rolesGranted/0/role", json!("owner"), "manifest.permissions.rolesGranted[0].role"),
        ("/permissions/rolesGranted/0/detail", json!("Bad Name"), "manifest.permissions.rolesGranted[0].detail"),
        ("/permissions/dataRequired", json!({}), "manifest.permissions.dataRequired"),
        ("/permissions/dataRetrieved/name", json!("two words"), "manifest.permissions.dataRetrieved"),
        (
            "/permissions/dataRetrieved/bundle",
            json!({ "p": { "endpoints": [{ "endpoint": "a/b", "filters": [{ "field": "x", "operator": { "operator": "find", "search": "london" } }] }] } }),
            "manifest.permissions.dataRetrieved",
        ),
        ("/info/headline", json!("x".repeat(50_000)), "manifest"),
    ];
    for (pointer, value, at) in cases {
        let mut manifest = notables("1.1.4");
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        match manifest.pointer_mut(parent).expect("a parent") {
            Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value,
            parent => parent[key] = value,
        }
        let fault = Manifest::read(&id(), &manifest).expect_err(pointer);
        assert!(fault.at.starts_with(at), "{pointer}: {fault}");
    }
}

#[test]
fn versions_are_compared_by_number() {
    let version = |text: &str| text.parse::<Version>().expect("a version");
    assert!(version("1.10.0") > version("1.9.9") && version("2.0.0") > version("1.99.99"));
    for bad in ["1", "1.2", "1.2.3.4", "1.2.x", "v1.2.3", "1.2.-3", "1.2.+3", "", "1.2.99999999999"] {
        assert!(bad.parse::<Version>().is_err(), "{bad}");
    }
}

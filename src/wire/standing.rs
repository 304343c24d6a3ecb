//! How a party stands, as it is told: the same from the registry, from the ledger's entries, and from entries that came as a proof.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::fact::AsOf;
use crate::domain::{Address, Entry, Kind, Registration, Standing, Timestamp};

/// How a party stood by its entries, each with its leaf, in order; those after `through` do not count. `at` is the time that
/// is answered for: keys are in force then or not.
pub fn told(party: &Address, entries: &[(u64, &Entry)], through: Timestamp, at: Timestamp) -> Value {
    let told = AsOf::fold(entries.iter().map(|(_, entry)| *entry), through);
    let mut answer = view(party, &told.registration);
    let leaves: BTreeMap<u64, u64> = entries.iter().map(|(leaf, entry)| (entry.n, *leaf)).collect();
    locate(&mut answer, &leaves, at);
    if party.kind == Kind::Hat {
        let told_of = |(id, n): (&_, &u64)| json!({ "id": id, "n": n, "leaf": leaves.get(n) });
        answer["platform"] = json!(told.platform);
        answer["plugs"] = told.plugs.iter().map(told_of).collect();
        answer["apps"] = told.apps.iter().map(told_of).collect();
    }
    answer
}

/// Adds the leaves of standing and keys, whether each key is in force, and the time that is answered for.
pub fn locate(answer: &mut Value, leaves: &BTreeMap<u64, u64>, at: Timestamp) {
    let leaf = |n: &Value| n.as_u64().and_then(|n| leaves.get(&n)).copied();
    answer["at"] = json!(at);
    if let Some(leaf) = leaf(&answer["basis"]["n"]) {
        answer["basis"]["leaf"] = json!(leaf);
    }
    for key in answer["keys"].as_array_mut().into_iter().flatten() {
        let time = |name: &str| key[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let covers = time("from").is_some_and(|from| from <= at) && time("until").is_none_or(|until| at < until);
        key["inForce"] = json!(covers);
        if let Some(leaf) = leaf(&key["n"]) {
            key["leaf"] = json!(leaf);
        }
    }
}

/// A party's registration as it is shown.
pub fn view(party: &Address, registration: &Registration) -> Value {
    let pending: Vec<Value> = registration
        .pending
        .iter()
        .map(|(key, waits)| json!({ "key": key, "fingerprint": key.fingerprint(), "profile": waits.profile, "at": waits.at }))
        .collect();
    let keys: Vec<Value> = registration
        .keys
        .iter()
        .map(|record| {
            let mut key = json!({ "key": record.key, "from": record.from, "n": record.n });
            if let Some(until) = record.until {
                key["until"] = json!(until);
            }
            key
        })
        .collect();
    let mut view = json!({
        "party": party,
        "standing": registration.standing,
        "approved": registration.standing == Standing::Active,
        "profile": registration.profile,
        "keys": keys,
        "pending": pending,
        "basis": { "entity": party, "n": registration.standing_n },
    });
    if !registration.versions.is_empty() {
        view["versions"] = json!(registration.versions);
    }
    if let Some(allowed) = &registration.allowed {
        view["classes"] = json!(allowed.classes);
    }
    if let Some(first) = &registration.seconded {
        view["approvedBy"] = json!({ "operator": first.by, "key": first.key });
    }
    view
}

/// The same for a list: without manifests, which are long; or with `one`, the published one or else the first that
/// waits.
pub fn line(party: &Address, registration: &Registration, one: bool) -> Value {
    let mut view = view(party, registration);
    let mut left = usize::from(one);
    let mut keep = |profile: &mut Value| {
        if let Some(profile) = profile.as_object_mut().filter(|profile| profile.contains_key("manifest")) {
            if left == 0 {
                profile.remove("manifest");
            }
            left = left.saturating_sub(1);
        }
    };
    keep(&mut view["profile"]);
    for waits in view["pending"].as_array_mut().into_iter().flatten() {
        keep(&mut waits["profile"]);
    }
    view
}

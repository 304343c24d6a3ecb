//! `trust.verify`: is this party approved, and with which rules, now or at a past time? With the leaves that say so.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::fact::{AsOf, Fact};
use crate::domain::{Address, Event, Kind, Registration, RegistryView, Standing, Timestamp};

use super::ask::{Answer, malformed, question};
use super::history;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    party: Address,
    /// As of then; now when absent.
    at: Option<Timestamp>,
    /// With the entries themselves and their proofs.
    #[serde(default)]
    proof: bool,
}

/// What is known of a party. One that was never registered has the standing `unknown`.
///
/// A past time is answered from the party's entries in the ledger whose event time is not after it.
pub fn verify(shared: &Shared, body: &[u8]) -> Answer {
    let Question { party, at, proof } = question(body)?;
    let now = shared.clock.now();
    if let Some(ahead) = at.filter(|at| *at > now) {
        return Err(malformed(format!("{ahead} is yet to come: it is {now}")));
    }
    // The exchange's own key is in no entry.
    if party == shared.dex() || (at.is_none() && !proof) {
        let registration = shared.registry.registration(&party);
        let mut answer = match registration {
            Some(registration) => view(&party, &registration),
            None => view(&party, &Registration::default()),
        };
        let leaves = history::places(shared, &party, Fact::Registration)?;
        locate(&mut answer, &leaves.iter().map(|place| (place.n, place.leaf)).collect(), at.unwrap_or(now));
        return Ok(answer);
    }
    let until = at.unwrap_or(now);
    // An entry of this very moment may carry a broker's time that is a little ahead of our clock.
    let through = at.unwrap_or(Timestamp(i64::MAX));
    let facts: &[Fact] =
        if party.kind == Kind::Hat { &[Fact::Registration, Fact::Connection] } else { &[Fact::Registration] };
    let entries = history::entries(shared, &party, facts)?;
    let told = AsOf::fold(entries.iter().map(|it| &it.entry), through);
    let mut answer = view(&party, &told.registration);
    let leaves: BTreeMap<u64, u64> = entries.iter().map(|it| (it.entry.n, it.leaf)).collect();
    locate(&mut answer, &leaves, until);
    if party.kind == Kind::Hat {
        let told_of = |(id, n): (&_, &u64)| json!({ "id": id, "n": n, "leaf": leaves.get(n) });
        answer["platform"] = json!(told.platform);
        answer["plugs"] = told.plugs.iter().map(told_of).collect();
        answer["apps"] = told.apps.iter().map(told_of).collect();
    }
    let later = entries.iter().filter(|it| it.entry.at > through);
    let revoked: Vec<Value> = later
        .filter_map(|it| match it.entry.event {
            Event::KeyRevoked { key, since } if since <= until => {
                Some(json!({ "key": key, "since": since, "at": it.entry.at, "leaf": it.leaf }))
            }
            _ => None,
        })
        .collect();
    if !revoked.is_empty() {
        answer["revokedLater"] = Value::Array(revoked);
    }
    if proof {
        let mut proven = history::statements(shared, &entries, through)?;
        for name in ["statements", "treeSize", "checkpoint"] {
            answer[name] = proven[name].take();
        }
    }
    Ok(answer)
}

/// Adds the leaves of standing and keys, whether each key is in force, and the time that is answered for.
fn locate(answer: &mut Value, leaves: &BTreeMap<u64, u64>, at: Timestamp) {
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
    json!({
        "party": party,
        "standing": registration.standing,
        "approved": registration.standing == Standing::Active,
        "profile": registration.profile,
        "keys": keys,
        "pending": pending,
        "basis": { "entity": party, "n": registration.standing_n },
    })
}

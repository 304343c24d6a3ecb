//! `trust.verify`: is this party approved, and with which rules, now or at a past time? With the leaves that say so.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::fact::Fact;
use crate::domain::{Address, Event, Kind, Registration, RegistryView, Timestamp};
use crate::wire::standing::{locate, told, view};

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
    let placed: Vec<_> = entries.iter().map(|it| (it.leaf, &it.entry)).collect();
    let mut answer = told(&party, &placed, through, until);
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

//! `trust.verify`: is this party approved, and with which rules?

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::{Address, Registration, RegistryView, Standing};

use super::ask::{Answer, question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    party: Address,
}

/// What is known of a party. One that was never registered has the standing `unknown`.
pub fn verify(shared: &Shared, body: &[u8]) -> Answer {
    let Question { party } = question(body)?;
    let registration = shared.registry.registration(&party);
    Ok(match registration {
        Some(registration) => view(&party, &registration),
        None => view(&party, &Registration::default()),
    })
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

//! Records in the shapes of the ecosystem's endpoints, by seed: 200 bytes to 3 KB each.

mod facebook;
mod fitbit;
mod monzo;
mod others;
pub mod time;
mod twitter;
mod words;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use time::Moment;

pub use words::FIRST as FIRST_NAMES;

/// Endpoints for which records are made, with how often each comes among its plug's.
pub const ENDPOINTS: &[(&str, u32)] = &[
    ("facebook/feed", 3),
    ("facebook/events", 1),
    ("twitter/tweets", 1),
    ("fitbit/sleep", 1),
    ("fitbit/activity", 3),
    ("fitbit/weight", 1),
    ("monzo/transactions", 1),
    ("calendar/google/events", 1),
    ("spotify/feed", 1),
    ("rumpel/locations/ios", 8),
    ("rumpel/notablesv1", 1),
];

/// The data of one record of `endpoint`.
pub fn data(rng: &mut StdRng, endpoint: &str, at: Moment) -> Value {
    match endpoint {
        "facebook/feed" => facebook::feed(rng, at),
        "facebook/events" => facebook::events(rng, at),
        "twitter/tweets" => twitter::tweets(rng, at),
        "fitbit/sleep" => fitbit::sleep(rng, at),
        "fitbit/activity" => fitbit::activity(rng, at),
        "fitbit/weight" => fitbit::weight(rng, at),
        "monzo/transactions" => monzo::transactions(rng, at),
        "calendar/google/events" => others::calendar(rng, at),
        "spotify/feed" => others::played(rng, at),
        "rumpel/notablesv1" => others::notable(rng, at),
        _ => others::location(rng, at),
    }
}

/// One of a namespace's endpoints, by how often each comes.
pub fn endpoint_of(rng: &mut StdRng, namespace: &str) -> &'static str {
    let of: Vec<_> = ENDPOINTS.iter().filter(|(endpoint, _)| endpoint.split('/').next() == Some(namespace)).collect();
    let sum: u32 = of.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.gen_range(0..sum.max(1));
    for (endpoint, weight) in of {
        if at < *weight {
            return endpoint;
        }
        at -= weight;
    }
    "rumpel/locations/ios"
}

/// A body of one record for each of `endpoints`. `mark` stands in every record's id, where it passes the
/// exchange byte for byte: it tells the recipients of the simulation what to do.
pub fn body(rng: &mut StdRng, endpoints: &[&str], mark: &str) -> Bytes {
    let records: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| {
            let at = Moment(1_767_225_600 + rng.gen_range(0..20_000_000));
            let id = format!("{mark}.{:016x}", rng.r#gen::<u64>());
            json!({"endpoint": endpoint, "recordId": id, "data": data(rng, endpoint, at)})
        })
        .collect();
    serde_json::to_vec(&records).expect("plain JSON").into()
}

/// The mark in a body made by [`body`].
pub fn mark_of(body: &[u8]) -> Option<String> {
    let records: Value = serde_json::from_slice(body).ok()?;
    let first = records.get(0).unwrap_or(&records);
    Some(first["recordId"].as_str()?.split('.').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Records;
    use rand::SeedableRng;

    #[test]
    fn records_are_well_formed_of_realistic_size_and_the_same_by_seed() {
        for (endpoint, _) in ENDPOINTS {
            let namespace = endpoint.split('/').next().expect("namespace");
            let mut sizes = Vec::new();
            for seed in 0..40 {
                let made = |seed| body(&mut StdRng::seed_from_u64(seed), &[endpoint], "accept");
                let one = made(seed);
                assert_eq!(one, made(seed));
                assert_eq!(mark_of(&one).as_deref(), Some("accept"));
                let records = Records::parse(one.clone(), 10).expect("records");
                assert_eq!(records.count(), 1);
                assert_eq!(records.items[0].endpoint, **endpoint);
                sizes.push(one.len());
                let drawn = endpoint_of(&mut StdRng::seed_from_u64(seed), namespace);
                assert!(drawn.starts_with(namespace), "{drawn}");
            }
            let (least, most) = (sizes.iter().min().expect("some"), sizes.iter().max().expect("some"));
            assert!(*least >= 150 && *most <= 6000, "{endpoint}: {least} to {most}");
        }
    }
}

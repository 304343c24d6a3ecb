//! `plug.show`: a plug's manifest, what became of its registrations, its connections and how its jobs do.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::fact::Fact;
use crate::domain::plug::Plug;
use crate::domain::{Address, Entry, Event, Id, Kind, Timestamp};
use crate::store::load;
use crate::wire::standing;

use super::ask::{Answer, not_found, question, unreadable};
use super::{history, steps};

/// Most entries of its history that are shown, the newest.
const HISTORY_SHOWN: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    plug: Id,
}

/// Standing, keys, manifests, history, connections and health.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Question { plug: id } = question(body)?;
    let address = Address::new(Kind::Plug, id);
    let plug: Plug = load(&shared.db, &shared.tail, &address).map_err(|error| unreadable(&error))?;
    let entries = history::entries(shared, &address, &[Fact::Registration])?;
    if entries.is_empty() {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    }
    let now = shared.clock.now();
    let mut answer = standing::view(&address, &plug.registration);
    standing::locate(&mut answer, &entries.iter().map(|it| (it.entry.n, it.leaf)).collect(), now);
    let newest = &entries[entries.len().saturating_sub(HISTORY_SHOWN)..];
    answer["history"] = newest.iter().map(|it| line(it.leaf, &it.entry)).collect();
    let counts = shared.connections.of(&address.id);
    answer["connections"] = json!(counts.connected);
    answer["connecting"] = json!(counts.connecting);
    answer["health"] = health(&plug, now);
    answer["entries"] = json!(plug.n);
    Ok(answer)
}

fn line(leaf: u64, entry: &Entry) -> Value {
    let mut line = json!({ "n": entry.n, "leaf": leaf, "at": entry.at, "what": steps::name(&entry.event) });
    if let Some(cause) = &entry.cause {
        line["by"] = json!(cause.from);
    }
    let (key, why) = match &entry.event {
        Event::Registered { key, .. } | Event::Approved { key } => (*key, None),
        Event::Declined { key, why } => (Some(*key), Some(why)),
        Event::Seconded { key, .. } | Event::KeyRotated { key } | Event::KeyRevoked { key, .. } => (Some(*key), None),
        _ => (None, None),
    };
    if let Some(key) = key {
        line["key"] = json!(key);
    }
    if let Some(why) = why {
        line["why"] = json!(why);
    }
    line
}

fn health(plug: &Plug, now: Timestamp) -> Value {
    let health = &plug.health;
    let fresh_for = plug.fresh_for_seconds();
    let mut told = json!({
        "standing": plug.standing(now), "failures": health.failures, "jobsDone": health.jobs_done,
        "jobsFailed": health.jobs_failed,
    });
    let times = [
        ("reported", health.reported),
        ("done", health.done),
        ("failed", health.failed),
        ("freshUntil", health.fresh_until(fresh_for)),
    ];
    for (name, at) in times {
        if let Some(at) = at {
            told[name] = json!(at);
        }
    }
    if let Some(lag) = health.lag_seconds {
        told["lagSeconds"] = json!(lag);
    }
    if let Some(error) = &health.error {
        told["error"] = json!(error);
    }
    told
}

//! `plug.jobs`: what holds for the jobs of a plug, and how those of one HAT stand.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::job::Track;
use crate::domain::{Address, Hat, Id, Kind, Profile, RegistryView};
use crate::store::load;

use super::ask::{Answer, not_found, question, unreadable};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    plug: Id,
    #[serde(default)]
    hat: Option<Id>,
}

/// Of the plug, and of one HAT when it is asked for.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Question { plug, hat } = question(body)?;
    let address = Address::new(Kind::Plug, plug.clone());
    let Some(registration) = shared.registry.registration(&address) else {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    };
    let hold = registration.jobs.unwrap_or_default();
    let manifest = registration.profile.as_ref().and_then(Profile::plug_manifest);
    let limits = manifest.and_then(|manifest| manifest.jobs).unwrap_or_default();
    let census = shared.jobs.of(&plug);
    let endpoints: Vec<Value> = manifest
        .iter()
        .flat_map(|manifest| &manifest.endpoints)
        .map(|endpoint| json!({ "endpoint": endpoint.name, "refreshSeconds": endpoint.refresh_seconds }))
        .collect();
    let mut answer = json!({
        "plug": plug,
        "paused": hold.paused,
        "open": census.open,
        "queued": census.queued,
        "leaseSeconds": limits.lease_seconds,
        "attempts": limits.attempts,
        "perMinute": limits.per_minute,
        "endpoints": endpoints,
    });
    if let Some(until) = hold.until.filter(|until| *until > shared.clock.now()) {
        answer["heldUntil"] = json!(until);
        answer["why"] = json!(hold.why);
    }
    if let Some(id) = hat {
        let address = Address::new(Kind::Hat, id);
        let hat: Hat = load(&shared.db, &shared.tail, &address).map_err(|error| unreadable(&error))?;
        if hat.n == 0 {
            return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
        }
        answer["hat"] = json!(address.id);
        answer["connected"] = json!(hat.plugs.contains_key(&plug));
        answer["items"] = hat.jobs.of(&plug).map(line).collect();
    }
    Ok(answer)
}

fn line(track: &Track) -> Value {
    let mut line = json!({ "endpoint": track.endpoint, "failures": track.failures });
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            line[name] = value;
        }
    };
    say("next", track.next.map(|at| json!(at)));
    say("lastDoneAt", track.done.map(|at| json!(at)));
    say("notBefore", track.not_before.map(|at| json!(at)));
    say("error", track.error.map(|error| json!(error)));
    say("continuation", track.continuation.as_ref().map(|text| json!(text)));
    if let Some(job) = &track.job {
        say("job", Some(json!(job.job)));
        say("attempt", Some(json!(job.attempt)));
        say("plannedAt", Some(json!(job.planned)));
        say("endsAt", Some(json!(job.ends)));
    }
    line
}

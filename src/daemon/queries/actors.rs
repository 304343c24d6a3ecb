//! `actors.show`: the actors as a tree of counts, by partition and kind. Never which entities they are.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::board::Queue;
use crate::actors::directory::Census;
use crate::actors::shared::Shared;
use crate::domain::{Address, Kind};

use super::ask::{Answer, question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn queue(queue: Option<Queue>) -> Value {
    queue.map_or(Value::Null, |queue| json!({ "waiting": queue.waiting, "most": queue.most }))
}

/// Partitions with their entities by kind, the queue before the dispatch actor, the checks of health.
///
/// An answer is as long as partitions and kinds are many; live entities are counted by walking the directory.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Nothing {} = question(body)?;
    let seats = shared.directory.census_by(|entity: &Address| (shared.partition_of(entity), entity.kind));
    let partitions: Vec<Value> = (0..)
        .zip(&shared.lanes)
        .map(|(number, lane)| {
            let stand = shared.board.stand(number);
            let kinds = kinds(shared, number, &seats);
            let live: usize = kinds.iter().map(|(_, census)| census.live).sum();
            json!({
                "partition": number, "lane": lane, "live": live, "mailbox": stand.mailbox, "held": stand.held,
                "inFlight": stand.in_flight, "lagMessages": stand.lag, "openExchanges": stand.open,
                "kinds": kinds.into_iter().map(|(line, _)| line).collect::<Vec<_>>(),
            })
        })
        .collect();
    let quarantined: usize = seats.values().map(|census| census.quarantined).sum();
    Ok(json!({
        "at": shared.clock.now(),
        "partitions": partitions,
        "liveMost": shared.bounds.live,
        "quarantined": quarantined,
        "dispatch": queue(shared.board.dispatch()),
        "tailEntries": shared.tail.len(),
        "checks": shared.health.checks(Instant::now()),
    }))
}

/// The kinds of which a partition has, or had, anything to tell.
fn kinds(shared: &Shared, number: u16, seats: &BTreeMap<(u16, Kind), Census>) -> Vec<(Value, Census)> {
    let of = |kind: Kind| {
        let census = seats.get(&(number, kind)).copied().unwrap_or_default();
        let faults = shared.board.faults(number, kind);
        let any = census.live + census.quarantined > 0 || faults.restarts + faults.quarantines > 0;
        let line = json!({
            "kind": kind.as_str(), "live": census.live, "quarantined": census.quarantined,
            "restarts": faults.restarts, "quarantines": faults.quarantines,
        });
        any.then_some((line, census))
    };
    Kind::ALL.into_iter().filter_map(of).collect()
}

//! `stats.summary`, and the pulse, a broadcast of the same counters once a second: since the daemon's start.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::actors::shared::Shared;
use crate::domain::{Status, statistics};
use crate::telemetry::{names, recorder};
use crate::wire::subject;

use super::ask::{Answer, question};

/// How often the pulse is broadcast.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {}

/// Counters by status and reason: the very numbers of `/metrics`, which committed entries feed. With them, those of all
/// that the ledger holds, where statistics are kept.
pub fn summary(shared: &Shared, body: &[u8]) -> Answer {
    let Question {} = question(body)?;
    let mut summary = now(shared);
    if let Some(total) = shared.statistics.look(|look| statistics::total(look.statistics(), look.stand())) {
        summary["total"] = total;
    }
    Ok(summary)
}

/// Broadcasts the counters until told to stop.
pub async fn pulse(shared: Arc<Shared>, client: async_nats::Client, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let topic = subject::broadcast("pulse");
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let body = now(&shared).to_string();
        if let Err(error) = client.publish(topic.clone(), body.into()).await {
            tracing::debug!(%error, "the pulse was not broadcast");
        }
    }
}

fn now(shared: &Shared) -> Value {
    let mut summary = counted(&recorder().render());
    summary["at"] = json!(shared.clock.now());
    summary["origin"] = json!(shared.origin);
    summary["treeSize"] = json!(shared.reader.tree_size());
    summary
}

/// The counters of a page of metrics, as one object.
fn counted(page: &str) -> Value {
    let mut statuses: Map<String, Value> =
        Status::ALL.iter().map(|status| (status.as_str().to_owned(), json!(0))).collect();
    let (mut reasons, mut disputes, mut refused) = (Map::new(), Map::new(), Map::new());
    let (mut open, mut records, mut bytes) = (0, Map::new(), Map::new());
    for (name, label, value) in page.lines().filter_map(series) {
        let into = match name {
            names::EXCHANGES_TOTAL => &mut statuses,
            names::REJECTIONS_TOTAL => &mut reasons,
            names::DISPUTES_TOTAL => &mut disputes,
            names::REFUSED_UNAUTHENTICATED_TOTAL => &mut refused,
            names::RECORDS_TOTAL => &mut records,
            names::CONTENT_BYTES_TOTAL => &mut bytes,
            names::OPEN_EXCHANGES => {
                open += value;
                continue;
            }
            _ => continue,
        };
        // Reasons that never occurred would only be noise.
        if value > 0 || name == names::EXCHANGES_TOTAL {
            into.insert(label.to_owned(), json!(value));
        }
    }
    let mut summary = Value::Object(statuses);
    summary["open"] = json!(open);
    summary["reasons"] = Value::Object(reasons);
    summary["disputes"] = Value::Object(disputes);
    summary["unauthenticated"] = Value::Object(refused);
    summary["records"] = Value::Object(records);
    summary["bytes"] = Value::Object(bytes);
    summary
}

/// Name, value of the one label, and whole number of a line like `name{label="value"} 12`.
fn series(line: &str) -> Option<(&str, &str, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    let label = labels.split('"').nth(1)?;
    let value: f64 = value.parse().ok()?;
    // Counters and gauges of things are whole and far below 2^53.
    Some((name, label, value.max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_off_the_page_of_metrics() {
        let page = "# HELP dex_exchanges_total x\ndex_exchanges_total{status=\"settled\"} 12\n\
                    dex_exchanges_total{status=\"rejected\"} 2\ndex_rejections_total{reason=\"stale\"} 2\n\
                    dex_rejections_total{reason=\"retired\"} 0\ndex_open_exchanges{partition=\"0\"} 3\n\
                    dex_open_exchanges{partition=\"1\"} 4\ndex_commit_seconds_bucket{le=\"1\"} 9\ndex_tail_entries 5\n";
        let summary = counted(page);
        assert_eq!(summary["settled"], 12);
        assert_eq!(summary["expired"], 0);
        assert_eq!(summary["open"], 7);
        assert_eq!(summary["reasons"], json!({"stale": 2}));
    }
}

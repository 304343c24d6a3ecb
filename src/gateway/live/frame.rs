//! One second of the exchange: what everybody is told, and what only those are who may see statistics.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::domain::{Reason, Status, Timestamp};
use crate::telemetry::live::{Figures, Latency};

/// Totals at an instant.
pub struct Sample {
    /// When.
    pub at: Instant,
    /// What was read.
    pub figures: Figures,
}

/// A frame, as it is told.
pub struct Frame {
    /// Its number, from 1 since the gateway's start.
    pub number: u64,
    /// JSON for everybody.
    pub open: Bytes,
    /// JSON for those with the role `ViewDataStats`.
    pub full: Bytes,
}

/// To three decimals: more is noise, and takes room in every frame.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// To six decimals: latencies are told in seconds.
fn micros(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn latency(over: &Latency) -> Value {
    match (over.quantile(0.5), over.quantile(0.99)) {
        (Some(p50), Some(p99)) => json!({ "p50": micros(p50), "p99": micros(p99), "count": over.count() }),
        _ => Value::Null,
    }
}

/// Of each name how much more there is a second; what does not move is left out.
fn moved<const N: usize>(names: [&str; N], before: &[u64; N], after: &[u64; N], seconds: f64) -> Value {
    let rate = |at: usize| rounded(after[at].saturating_sub(before[at]) as f64 / seconds);
    let of = names.into_iter().enumerate().map(|(at, name)| (name.to_owned(), rate(at)));
    Value::Object(of.filter(|(_, rate)| *rate > 0.0).map(|(name, rate)| (name, json!(rate))).collect::<Map<_, _>>())
}

impl Frame {
    /// What happened between `last` and `now`; latencies since `first`.
    pub fn new(number: u64, at: Timestamp, last: &Sample, first: &Sample, now: &Sample) -> Frame {
        let (before, after) = (&last.figures, &now.figures);
        let seconds = now.at.duration_since(last.at).as_secs_f64().max(0.001);
        let rate = |after: u64, before: u64| rounded(after.saturating_sub(before) as f64 / seconds);
        let statuses: Map<String, Value> = Status::ALL
            .into_iter()
            .enumerate()
            .map(|(at, it)| (it.as_str().to_owned(), json!(rate(after.statuses[at], before.statuses[at]))))
            .collect();
        let open: u64 = after.partitions.iter().map(|partition| partition.open).sum();
        let mut frame = json!({
            "at": at.unix_ms(),
            "treeSize": after.tree_size,
            "open": open,
            "rates": statuses,
            "records": rate(after.records, before.records),
            "outcome": latency(&after.outcome.since(&first.figures.outcome)),
            "settle": latency(&after.settle.since(&first.figures.settle)),
        });
        let told = Bytes::from(frame.to_string());
        let reasons = Reason::ALL.map(Reason::as_str);
        frame["reasons"] = moved(reasons, &before.rejections, &after.rejections, seconds);
        frame["disputes"] = moved(reasons, &before.disputes, &after.disputes, seconds);
        frame["unauthenticated"] = moved(reasons, &before.unauthenticated, &after.unauthenticated, seconds);
        let lag = |it: &crate::telemetry::live::PartitionFigures| json!([it.lag, it.open, it.live]);
        frame["partitions"] = after.partitions.iter().map(lag).collect();
        frame["quarantined"] = json!(after.quarantined);
        frame["connected"] = json!(after.connected);
        Frame { number, open: told, full: Bytes::from(frame.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::live;

    #[test]
    fn a_frame_tells_what_moved_and_the_public_one_tells_less() {
        let first = Sample { at: Instant::now(), figures: live().read() };
        let mut figures = first.figures.clone();
        figures.statuses[Status::Settled as usize] += 30;
        figures.rejections[Reason::Stale as usize] += 3;
        figures.tree_size = 77;
        figures.partitions = vec![Default::default(); 2];
        figures.partitions[1].open = 4;
        figures.partitions[1].lag = 9;
        let now = Sample { at: first.at + Duration::from_secs(2), figures };
        let frame = Frame::new(1, Timestamp(5_000_000), &first, &first, &now);
        let open: Value = serde_json::from_slice(&frame.open).expect("JSON");
        let full: Value = serde_json::from_slice(&frame.full).expect("JSON");
        assert_eq!(open["rates"]["settled"], 15.0);
        assert_eq!((&open["open"], &open["treeSize"], &open["at"]), (&json!(4), &json!(77), &json!(5)));
        assert_eq!(open["outcome"], Value::Null, "nothing was observed");
        assert_eq!(full["reasons"], json!({ "stale": 1.5 }));
        assert_eq!(full["partitions"], json!([[0, 0, 0], [9, 4, 0]]));
        for inside in ["reasons", "disputes", "unauthenticated", "partitions", "quarantined", "connected"] {
            assert!(open.get(inside).is_none(), "{inside} is not for everybody");
        }
        assert!(frame.full.len() < 4096, "{}", frame.full.len());
    }
}

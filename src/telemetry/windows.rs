//! Gauges of the rolling windows, the catalogue and the plugs' health.

use std::collections::BTreeMap;

use metrics::gauge;

use super::names;
use crate::domain::Status;
use crate::domain::statistics::{Bucket, Window};

/// Most plugs that are shown by name; what further ones have in common is under [`OTHER`].
pub const PLUGS_MAX: usize = 50;
/// The rest of the plugs.
pub const OTHER: &str = "other";

/// The gauges of a window, with their values of its bucket.
fn of(bucket: &Bucket) -> [(&'static str, f64); 26] {
    let tally = &bucket.tally;
    let reached = |status| tally.reached(status) as f64;
    let figure = |group, name| tally.get(group, name) as f64;
    let settle = |q| bucket.settle.quantile(q).unwrap_or(0.0);
    let outcome = |q| bucket.outcome.quantile(q).unwrap_or(0.0);
    [
        (names::WINDOW_ACCEPTED_EXCHANGES, reached(Status::Accepted)),
        (names::WINDOW_SETTLED_EXCHANGES, reached(Status::Settled)),
        (names::WINDOW_DISPUTED_EXCHANGES, reached(Status::Disputed)),
        (names::WINDOW_EXPIRED_EXCHANGES, reached(Status::Expired)),
        (names::WINDOW_RECALLED_EXCHANGES, reached(Status::Recalled)),
        (names::WINDOW_REJECTED_MESSAGES, reached(Status::Rejected)),
        (names::WINDOW_UNAUTHENTICATED_MESSAGES, tally.sum("unauthenticated") as f64),
        (names::WINDOW_CREDITED_RECORDS, figure("records", "credit")),
        (names::WINDOW_RELEASED_RECORDS, figure("records", "release")),
        (names::WINDOW_CREDITED_BYTES, figure("bytes", "credit")),
        (names::WINDOW_RELEASED_BYTES, figure("bytes", "release")),
        (names::WINDOW_DROPPED_FIELDS, tally.sum("fieldsDropped") as f64),
        (names::WINDOW_ACTIVE_HATS, bucket.hats.estimate() as f64),
        (names::WINDOW_ACTIVE_SOURCES, bucket.sources.estimate() as f64),
        (names::WINDOW_ACTIVE_ACQUIRERS, bucket.acquirers.estimate() as f64),
        (names::WINDOW_SETTLE_P50_SECONDS, settle(0.5)),
        (names::WINDOW_SETTLE_P99_SECONDS, settle(0.99)),
        (names::WINDOW_OUTCOME_P50_SECONDS, outcome(0.5)),
        (names::WINDOW_OUTCOME_P99_SECONDS, outcome(0.99)),
        (names::WINDOW_CLAIMS_CONFIRMED, figure("claims", "confirmed")),
        (names::WINDOW_DEBITS_ENABLED, figure("debits", "enabled")),
        (names::WINDOW_DEBITS_DISABLED, figure("debits", "disabled")),
        (names::WINDOW_JOBS_DONE, figure("jobsReported", "done")),
        (names::WINDOW_JOBS_FAILED, figure("jobsReported", "failed")),
        (names::WINDOW_REPORTED_IN_VALUES, figure("reported.values", "in")),
        (names::WINDOW_REPORTED_OUT_VALUES, figure("reported.values", "out")),
    ]
}

/// Shows a window.
pub fn window_gauges(window: Window, bucket: &Bucket) {
    for (name, value) in of(bucket) {
        gauge!(name, "window" => window.as_str()).set(value);
    }
}

/// Shows how large the catalogue is, and how many entries the statistics do not hold yet.
pub fn statistics_gauges(endpoints: usize, fields: usize, behind: u64) {
    gauge!(names::CATALOGUE_ENDPOINTS).set(endpoints as f64);
    gauge!(names::CATALOGUE_FIELDS).set(fields as f64);
    gauge!(names::STATISTICS_BEHIND_ENTRIES).set(behind as f64);
}

/// How one plug does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlugGauge {
    /// Whether its jobs are well, or it has reported none.
    pub healthy: bool,
    /// How far it lies behind its source, seconds; 0 when it does not say.
    pub lag: u32,
}

/// Names that a plug was shown under. A series is never taken back, so a name keeps its place for the process's life.
#[derive(Debug, Default)]
pub struct PlugGauges(BTreeMap<String, bool>);

impl PlugGauges {
    /// Shows all approved plugs.
    pub fn set(&mut self, plugs: impl IntoIterator<Item = (String, PlugGauge)>) {
        self.0.values_mut().for_each(|here| *here = false);
        let (mut well, mut lag) = (true, 0);
        for (name, plug) in plugs {
            // A plug may be called like the rest.
            let room = (self.0.len() < PLUGS_MAX || self.0.contains_key(&name)) && name != OTHER;
            if room {
                show(&name, f64::from(u8::from(plug.healthy)), f64::from(plug.lag));
                self.0.insert(name, true);
            } else {
                well &= plug.healthy;
                lag = plug.lag.max(lag);
            }
        }
        show(OTHER, f64::from(u8::from(well)), f64::from(lag));
        for (gone, _) in self.0.iter().filter(|(_, here)| !**here) {
            show(gone, f64::NAN, f64::NAN);
        }
    }
}

fn show(name: &str, healthy: f64, lag: f64) {
    gauge!(names::PLUG_HEALTHY, "name" => name.to_owned()).set(healthy);
    gauge!(names::PLUG_LAG_SECONDS, "name" => name.to_owned()).set(lag);
}

/// Makes every gauge appear.
pub fn touch() {
    for window in Window::ALL {
        window_gauges(window, &Bucket::default());
    }
    PlugGauges::default().set([]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::{Statistics, hash};
    use crate::domain::{Entry, Event, Reason, Timestamp};
    use crate::telemetry::recorder;

    /// One test, because the recorder is the process's.
    #[test]
    fn a_hundred_thousand_hats_and_many_plugs_make_no_more_series() {
        let page = recorder();
        let series = |page: &str| page.lines().filter(|line| line.starts_with("dex_")).count();
        let before = series(&page.render());
        let mut statistics = Statistics::new(5);
        for leaf in 0..100_000u64 {
            let at = Timestamp(1_767_600_000_000_000_000 + i64::try_from(leaf).expect("small") * 10_000_000);
            let entity = format!("hat:h{leaf}.hubat.net").parse().expect("an address");
            let event = Event::Rejected { reason: Reason::ALL[leaf as usize % Reason::ALL.len()] };
            let entry = Entry { v: 1, entity, n: 1, at, cause: None, basis: Vec::new(), event };
            statistics.apply(leaf, at, &entry);
        }
        for window in Window::ALL {
            window_gauges(window, &statistics.window(window, statistics.now()));
        }
        let plug =
            |n: usize| (format!("plug-{n}"), PlugGauge { healthy: hash(&n.to_string()).is_multiple_of(2), lag: 7 });
        let mut plugs = PlugGauges::default();
        plugs.set((0..400).map(plug));
        plugs.set((1..400).map(plug));

        let started = std::time::Instant::now();
        let text = page.render();
        let took = started.elapsed();
        let after = series(&text);
        assert_eq!(after, before + 2 * PLUGS_MAX, "only plugs by name are more");
        assert!(after <= 5_000, "{after} series");
        println!("{after} series, rendered in {took:?}");
        assert!(took.as_millis() <= 50, "{took:?}");
        assert!(text.contains("dex_window_rejected_messages{window=\"1h\"} 100000"), "{text}");
        assert!(text.contains("dex_plug_healthy{name=\"plug-0\"} NaN"), "gone");
        assert!(text.contains("dex_plug_lag_seconds{name=\"other\"} 7"));
    }
}

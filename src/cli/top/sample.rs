//! The exchange's figures at one moment, as its page of metrics or its broadcast tells them.

use std::collections::HashMap;

use serde_json::Value;

use crate::telemetry::names;

/// Figures by name and by the value of their one label, which may be empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// When, seconds of this program's own clock.
    pub at: f64,
    series: HashMap<String, Vec<(String, f64)>>,
}

impl Sample {
    /// Reads a page in Prometheus' text format. What is no line of a figure is passed over.
    pub fn of_page(page: &str, at: f64) -> Self {
        let mut sample = Sample { at, ..Sample::default() };
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, label) = match name.split_once('{') {
                Some((name, labels)) => (name, labels.split('"').nth(1).unwrap_or_default()),
                None => (name, ""),
            };
            sample.add(name, label, value);
        }
        sample
    }

    /// Reads the answer of `stats.summary`, which has fewer figures.
    pub fn of_summary(summary: &Value, at: f64) -> Self {
        let mut sample = Sample { at, ..Sample::default() };
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        for status in crate::domain::Status::ALL {
            sample.add(names::EXCHANGES_TOTAL, status.as_str(), number(&summary[status.as_str()]));
        }
        sample.add(names::OPEN_EXCHANGES, "", number(&summary["open"]));
        sample.add(names::LEDGER_TREE_SIZE, "", number(&summary["treeSize"]));
        for (member, name) in [
            ("reasons", names::REJECTIONS_TOTAL),
            ("disputes", names::DISPUTES_TOTAL),
            ("unauthenticated", names::REFUSED_UNAUTHENTICATED_TOTAL),
            ("records", names::RECORDS_TOTAL),
            ("bytes", names::CONTENT_BYTES_TOTAL),
        ] {
            for (label, value) in summary[member].as_object().into_iter().flatten() {
                sample.add(name, label, number(value));
            }
        }
        sample
    }

    fn add(&mut self, name: &str, label: &str, value: f64) {
        match self.series.get_mut(name) {
            Some(series) => series.push((label.to_owned(), value)),
            None => drop(self.series.insert(name.to_owned(), vec![(label.to_owned(), value)])),
        }
    }

    /// All series of a name, in the page's order.
    pub fn all(&self, name: &str) -> &[(String, f64)] {
        self.series.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// One series.
    pub fn get(&self, name: &str, label: &str) -> Option<f64> {
        self.all(name).iter().find(|(there, _)| there == label).map(|(_, value)| *value)
    }

    /// The sum of all series of a name; none where there is none.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let all = self.all(name);
        (!all.is_empty()).then(|| all.iter().map(|(_, value)| value).sum())
    }
}

/// Observations of a histogram between two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Between {
    /// How many.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Upper bounds and how many were at most that, rising.
    buckets: Vec<(f64, f64)>,
}

impl Between {
    /// What `name` saw after `old` and until `new`; none when it saw nothing, or began anew.
    pub fn of(name: &str, old: &Sample, new: &Sample) -> Option<Self> {
        let part = |suffix: &str| {
            let name = format!("{name}_{suffix}");
            Some(new.get(&name, "")? - old.get(&name, "").unwrap_or_default())
        };
        let (count, sum) = (part("count")?, part("sum")?);
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = new
            .all(&name)
            .iter()
            .filter_map(|(bound, value)| {
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
                Some((bound, value - old.all(&name).iter().find(|(b, _)| parse(b) == bound).map_or(0.0, |(_, v)| *v)))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        (count > 0.0 && sum >= 0.0).then_some(Between { count, sum, buckets })
    }

    /// The quantile, straight within its bucket as Prometheus has it; the largest bound where it is above all of them.
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = q * self.count;
        let (mut below, mut low) = (0.0, 0.0);
        for (bound, upto) in &self.buckets {
            if *upto >= rank && *upto > below {
                return if bound.is_finite() { low + (bound - low) * (rank - below) / (upto - below) } else { low };
            }
            (below, low) = (*upto, *bound);
        }
        low
    }
}

fn parse(bound: &str) -> f64 {
    if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP x y\n# TYPE dex_open_exchanges gauge\ndex_open_exchanges{partition=\"0\"} 3\n\
        dex_open_exchanges{partition=\"1\"} 4\ndex_tail_entries 5\nrubbish\ndex_bad x\n\
        dex_commit_seconds_bucket{le=\"0.001\"} 10\ndex_commit_seconds_bucket{le=\"0.01\"} 90\n\
        dex_commit_seconds_bucket{le=\"+Inf\"} 100\ndex_commit_seconds_sum 1.5\ndex_commit_seconds_count 100\n";

    #[test]
    fn a_page_is_read() {
        let sample = Sample::of_page(PAGE, 1.0);
        assert_eq!(sample.get("dex_open_exchanges", "1"), Some(4.0));
        assert_eq!(sample.sum("dex_open_exchanges"), Some(7.0));
        assert_eq!(sample.sum("dex_tail_entries"), Some(5.0));
        assert_eq!(sample.sum("dex_none"), None);
        assert_eq!(Sample::of_page("\u{0}\n{\n} }", 0.0).series.len(), 0);
    }

    #[test]
    fn quantiles_are_those_of_the_time_between() {
        let (none, all) = (Sample::default(), Sample::of_page(PAGE, 1.0));
        let between = Between::of("dex_commit_seconds", &none, &all).expect("seen");
        assert_eq!(between.count, 100.0);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(between.quantile(0.5), 0.001 + 0.009 * 40.0 / 80.0);
        close(between.quantile(0.99), 0.01);
        assert_eq!(Between::of("dex_commit_seconds", &all, &all), None);
        // A daemon that was started anew.
        assert_eq!(
            Between::of("dex_commit_seconds", &all, &Sample::of_page("dex_commit_seconds_count 1\n", 2.0)),
            None
        );
    }

    #[test]
    fn a_summary_is_read() {
        let summary = serde_json::json!({"settled": 3, "open": 2, "treeSize": 9, "reasons": {"stale": 4}});
        let sample = Sample::of_summary(&summary, 0.0);
        assert_eq!(sample.get(names::EXCHANGES_TOTAL, "settled"), Some(3.0));
        assert_eq!(sample.get(names::REJECTIONS_TOTAL, "stale"), Some(4.0));
    }
}

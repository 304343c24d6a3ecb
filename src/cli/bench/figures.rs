//! The figures of all rounds: medians and ranges, as a table or one JSON object.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::round::Measured;
use crate::simulation::load::Mode;

/// One figure over its runs.
struct Row {
    name: &'static str,
    what: &'static str,
    runs: Vec<f64>,
}

/// What was measured.
#[derive(Default)]
pub struct Figures {
    rows: Vec<Row>,
    faults: Vec<String>,
}

impl Figures {
    /// Takes one run.
    pub fn add(&mut self, mode: Mode, run: &Measured) {
        self.faults.extend(run.faults.iter().cloned());
        let (rate, dex, nats) = match mode {
            Mode::Raw => ("raw_forward_per_s", "raw_cpu_us_forwarder", "raw_cpu_us_nats"),
            Mode::Unsigned => ("unsigned_settled_per_s", "unsigned_cpu_us_dex", "unsigned_cpu_us_nats"),
            Mode::Signed => ("settled_per_s", "cpu_us_dex", "cpu_us_nats"),
        };
        self.put(rate, "exchanges a second, closed loop", run.per_second);
        self.put(dex, "CPU per exchange, µs", run.cpu.middle);
        self.put(nats, "CPU of nats-server per exchange, µs", run.cpu.nats);
        if mode == Mode::Signed {
            self.put("cpu_us_load", "CPU of the load itself per exchange, µs", run.cpu.load);
            self.put("rss_mib", "memory of dex at the end of the closed loop, MiB", run.rss_mib);
            self.put("peak_rss_mib", "most memory of dex until then, MiB", run.peak_rss_mib);
        }
        if let Some(open) = &run.open {
            self.put("open_per_s", "exchanges a second, open loop", open.per_second);
            self.put("open_cpu_us_dex", "CPU per exchange there, µs", open.cpu.middle);
            self.put("open_cpu_us_nats", "CPU of nats-server per exchange there, µs", open.cpu.nats);
            self.put("open_cpu_us_load", "CPU of the load itself per exchange there, µs", open.cpu.load);
            self.put("outcome_p50_ms", "first outcome, median, ms", open.outcome_p50_ms);
            self.put("outcome_p99_ms", "first outcome, 99 %, ms", open.outcome_p99_ms);
            self.put("settlement_p50_ms", "settlement, median, ms", open.settlement_p50_ms);
            self.put("settlement_p99_ms", "settlement, 99 %, ms", open.settlement_p99_ms);
        }
        if let Some(again) = &run.again {
            self.put("ledger_entries", "entries at the restart", again.entries);
            self.put("ready_ms", "until ready after the restart, ms", again.ready_ms);
        }
    }

    fn put(&mut self, name: &'static str, what: &'static str, value: f64) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.runs.push(value),
            None => self.rows.push(Row { name, what, runs: vec![value] }),
        }
    }

    /// Whether everything that was sent settled, and every ledger is sound.
    pub fn balanced(&self) -> bool {
        self.faults.is_empty()
    }

    fn ratio(&self) -> Option<f64> {
        let median = |name| self.rows.iter().find(|row| row.name == name).map(Row::median);
        Some(median("unsigned_settled_per_s")? / median("raw_forward_per_s")?.max(f64::MIN_POSITIVE))
    }

    /// One object: each figure's median by its name, their ranges under `spread`.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        let mut spread = Map::new();
        for row in &self.rows {
            object.insert(row.name.into(), json!(rounded(row.median())));
            let (least, most) = row.range();
            spread
                .insert(row.name.into(), json!({"min": rounded(least), "max": rounded(most), "runs": row.runs.len()}));
        }
        if let Some(ratio) = self.ratio() {
            object.insert("unsigned_to_raw".into(), json!((ratio * 1000.0).round() / 1000.0));
        }
        object.insert("balanced".into(), json!(self.balanced()));
        object.insert("faults".into(), json!(self.faults));
        object.insert("spread".into(), Value::Object(spread));
        Value::Object(object)
    }

    /// A line a figure.
    pub fn table(&self) -> String {
        let mut text = format!("{:<24} {:>10} {:>10} {:>10}\n", "figure", "median", "least", "most");
        for row in &self.rows {
            let (least, most) = row.range();
            let _ =
                writeln!(text, "{:<24} {:>10.1} {:>10.1} {:>10.1}  {}", row.name, row.median(), least, most, row.what);
        }
        if let Some(ratio) = self.ratio() {
            let _ = writeln!(text, "{:<24} {ratio:>10.3}{:>24}unsigned to raw, of the medians", "unsigned_to_raw", "");
        }
        for fault in &self.faults {
            let _ = writeln!(text, "not balanced: {fault}");
        }
        let _ = write!(text, "balanced={}", if self.balanced() { "yes" } else { "no" });
        text
    }
}

impl Row {
    fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => 0.0,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    fn range(&self) -> (f64, f64) {
        let least = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.runs.iter().copied().fold(0.0, f64::max))
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges_are_those_of_the_runs() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0] {
            figures.put("settled_per_s", "", value);
            figures.put("unsigned_settled_per_s", "", value * 6.0);
            figures.put("raw_forward_per_s", "", 20.0);
        }
        let json = figures.json();
        assert_eq!(json["settled_per_s"], 2.0);
        assert_eq!(json["spread"]["settled_per_s"], json!({"min": 1.0, "max": 3.0, "runs": 3}));
        assert_eq!(json["unsigned_to_raw"], 0.6);
        assert_eq!(json["balanced"], true);
        figures.faults.push("one was lost".into());
        assert_eq!(figures.json()["balanced"], false);
        assert!(figures.table().contains("not balanced: one was lost"));
    }
}

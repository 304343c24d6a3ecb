//! What `dex top` shows: the last minute's samples, and how somebody wants to look at them.

use std::collections::VecDeque;

use super::sample::{Between, Sample};
use crate::domain::Status;
use crate::telemetry::names;

/// Samples that are kept.
const SAMPLES: usize = 120;
/// Rates and quantiles are of about so many seconds.
const WINDOW: f64 = 10.0;

/// A table that can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// Why things were refused.
    Reasons,
    /// Where things wait.
    Partitions,
    /// What takes long.
    Steps,
}

impl Panel {
    /// All of them, in the order of Tab.
    pub const ALL: [Panel; 3] = [Panel::Reasons, Panel::Partitions, Panel::Steps];

    /// Its columns; the first is a name, the rest are figures.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Panel::Reasons => &["reason", "total", "per s"],
            Panel::Partitions => &["partition", "lag", "open", "live", "ids"],
            Panel::Steps => &["step", "per s", "mean", "p50", "p99"],
        }
    }
}

/// How one table is sorted and scrolled.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// By which column.
    pub column: usize,
    /// The largest first.
    pub falling: bool,
    /// Rows above the first one shown.
    pub scroll: usize,
}

/// A row: its name, and a figure for each other column where it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Figures.
    pub figures: Vec<Option<f64>>,
}

/// Everything that is shown.
pub struct Model {
    samples: VecDeque<Sample>,
    /// Where the figures come from, for the title.
    pub source: String,
    /// Why there are no newer ones.
    pub fault: Option<String>,
    /// Since when, seconds.
    pub fault_since: f64,
    /// New samples are not shown.
    pub paused: bool,
    /// The keys are shown.
    pub help: bool,
    /// Only rows with this in their names.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The table that keys act on.
    pub focus: Panel,
    orders: [Order; 3],
}

/// Steps and their histograms.
const STEPS: [(&str, &str); 7] = [
    ("give outcome", names::OUTCOME_SECONDS),
    ("settle", names::SETTLE_SECONDS),
    ("verify a batch", names::VERIFY_SECONDS),
    ("decide a batch", names::DECIDE_SECONDS),
    ("commit a group", names::COMMIT_SECONDS),
    ("snapshot", names::SNAPSHOT_SECONDS),
    ("REST answer", names::REST_SECONDS),
];

impl Model {
    /// Nothing yet.
    pub fn new(source: String) -> Self {
        let by = |column| Order { column, falling: true, scroll: 0 };
        Model {
            samples: VecDeque::new(),
            source,
            fault: None,
            fault_since: 0.0,
            paused: false,
            help: false,
            filter: String::new(),
            typing: false,
            focus: Panel::Reasons,
            orders: [by(1), Order { column: 0, falling: false, scroll: 0 }, by(4)],
        }
    }

    /// A new sample is here.
    pub fn push(&mut self, sample: Sample) {
        self.fault = None;
        if self.paused {
            return;
        }
        // A daemon that was started anew counts from zero.
        let began = |sample: &Sample| sample.sum(names::START_TIME_SECONDS);
        if self.samples.back().is_some_and(|last| began(last) != began(&sample)) {
            self.samples.clear();
        }
        self.samples.push_back(sample);
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// There is none, for this reason.
    pub fn failed(&mut self, why: String, now: f64) {
        if self.fault.is_none() {
            self.fault_since = now;
        }
        self.fault = Some(why);
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// The sample that rates are counted from.
    fn before(&self) -> Option<&Sample> {
        let last = self.last()?;
        let mut older = self.samples.iter().rev().skip(1);
        older.find(|sample| last.at - sample.at >= WINDOW).or_else(|| self.samples.front())
    }

    /// A figure of now.
    pub fn now(&self, name: &str, label: &str) -> Option<f64> {
        self.last()?.get(name, label)
    }

    /// The sum of a figure's series of now.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.last()?.sum(name)
    }

    /// How fast a counter grows, a second.
    pub fn rate(&self, name: &str, label: &str) -> Option<f64> {
        let (old, new) = (self.before()?, self.last()?);
        let span = new.at - old.at;
        let (old, new) = (old.get(name, label).unwrap_or_default(), new.get(name, label)?);
        (span > 0.0 && new >= old).then(|| (new - old) / span)
    }

    /// Settled exchanges a second between the samples, oldest first.
    pub fn pulse(&self) -> Vec<u64> {
        let settled =
            |sample: &Sample| sample.get(names::EXCHANGES_TOTAL, Status::Settled.as_str()).unwrap_or_default();
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        // Whole numbers are enough for a picture.
        pairs.map(|(a, b)| ((settled(b) - settled(a)) / (b.at - a.at).max(0.001)).max(0.0) as u64).collect()
    }

    /// Whether the source tells of partitions and steps.
    pub fn is_whole(&self) -> bool {
        self.last().is_none_or(|last| !last.all(names::INTAKE_LAG_MESSAGES).is_empty())
    }

    /// How a table is sorted.
    pub fn order(&self, panel: Panel) -> &Order {
        &self.orders[panel as usize]
    }

    /// The same, to change it.
    pub fn order_mut(&mut self) -> &mut Order {
        &mut self.orders[self.focus as usize]
    }

    /// A table's rows, filtered and sorted.
    pub fn rows(&self, panel: Panel) -> Vec<Row> {
        let mut rows = match panel {
            Panel::Reasons => self.reasons(),
            Panel::Partitions => self.partitions(),
            Panel::Steps => self.steps(),
        };
        rows.retain(|row| row.name.contains(&self.filter));
        let order = self.order(panel);
        let figure = |row: &Row| row.figures.get(order.column - 1).copied().flatten().unwrap_or(f64::NEG_INFINITY);
        rows.sort_by(|a, b| {
            let by = match order.column {
                0 => natural(&a.name).cmp(&natural(&b.name)),
                _ => figure(a).total_cmp(&figure(b)),
            };
            let by = if order.falling { by.reverse() } else { by };
            by.then_with(|| natural(&a.name).cmp(&natural(&b.name)))
        });
        rows
    }

    fn reasons(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let Some(last) = self.last() else { return rows };
        for (name, what) in [
            (names::REJECTIONS_TOTAL, "rejected"),
            (names::DISPUTES_TOTAL, "disputed"),
            (names::REFUSED_UNAUTHENTICATED_TOTAL, "unauthenticated"),
        ] {
            for (reason, total) in last.all(name).iter().filter(|(_, total)| *total > 0.0) {
                let figures = vec![Some(*total), self.rate(name, reason)];
                rows.push(Row { name: format!("{reason}, {what}"), figures });
            }
        }
        rows
    }

    fn partitions(&self) -> Vec<Row> {
        let Some(last) = self.last() else { return Vec::new() };
        let of = |(partition, lag): &(String, f64)| {
            let figure = |name: &str| last.get(name, partition);
            let live = figure(names::ACTORS_LIVE);
            let figures = vec![Some(*lag), figure(names::OPEN_EXCHANGES), live, figure(names::RECENT_IDS)];
            Row { name: partition.clone(), figures }
        };
        last.all(names::INTAKE_LAG_MESSAGES).iter().map(of).collect()
    }

    fn steps(&self) -> Vec<Row> {
        let (Some(old), Some(new)) = (self.before(), self.last()) else { return Vec::new() };
        let of = |(step, name): (&str, &str)| {
            // Whether there is such a step at all: a gateway that is off answers nothing.
            new.get(&format!("{name}_count"), "")?;
            let seen = Between::of(name, old, new).filter(|_| new.at > old.at);
            let figures = match seen {
                Some(seen) => {
                    [seen.count / (new.at - old.at), seen.sum / seen.count, seen.quantile(0.5), seen.quantile(0.99)]
                        .map(Some)
                        .to_vec()
                }
                None => vec![Some(0.0), None, None, None],
            };
            Some(Row { name: step.to_owned(), figures })
        };
        STEPS.into_iter().filter_map(of).collect()
    }
}

/// A name for sorting: numbers by their size.
fn natural(name: &str) -> (u64, &str) {
    (name.parse().unwrap_or(u64::MAX), name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A page whose counters have grown to `n`.
    pub fn page(n: u64) -> String {
        let mut page = format!(
            "dex_exchanges_total{{status=\"settled\"}} {n}\ndex_exchanges_total{{status=\"accepted\"}} {}\n\
             dex_rejections_total{{reason=\"stale\"}} {n}\ndex_rejections_total{{reason=\"conflict\"}} 7\n\
             dex_rejections_total{{reason=\"retired\"}} 0\ndex_disputes_total{{reason=\"digest-mismatch\"}} 2\n\
             dex_ready 1\ndex_live 1\ndex_nats_connected 1\ndex_ledger_tree_size {}\ndex_start_time_seconds 5\n\
             dex_disk_free_bytes 12345678900\n",
            n + 3,
            3 * n
        );
        for partition in [0, 1, 10, 2] {
            page.push_str(&format!(
                "dex_intake_lag_messages{{partition=\"{partition}\"}} {}\ndex_open_exchanges{{partition=\"{partition}\"}} 1\n",
                partition * 3
            ));
        }
        for (name, seconds) in [("commit", 0.01), ("verify", 0.0001)] {
            page.push_str(&format!(
                "dex_{name}_seconds_bucket{{le=\"{seconds}\"}} {n}\ndex_{name}_seconds_bucket{{le=\"+Inf\"}} {n}\n\
                 dex_{name}_seconds_sum {}\ndex_{name}_seconds_count {n}\n",
                seconds * n as f64 / 2.0
            ));
        }
        page
    }

    pub fn model() -> Model {
        let mut model = Model::new("http://127.0.0.1:8080/metrics".into());
        for second in 0..20 {
            model.push(Sample::of_page(&page(100 * second), second as f64));
        }
        model
    }

    #[test]
    fn rates_are_of_the_window_and_begin_anew_with_the_daemon() {
        let mut model = model();
        assert_eq!(model.rate(names::EXCHANGES_TOTAL, "settled"), Some(100.0));
        assert_eq!(model.pulse(), [100; 19]);
        let anew = page(1).replace("dex_start_time_seconds 5", "dex_start_time_seconds 50");
        model.push(Sample::of_page(&anew, 21.0));
        assert_eq!(model.rate(names::EXCHANGES_TOTAL, "settled"), None);
        assert_eq!(model.now(names::EXCHANGES_TOTAL, "settled"), Some(1.0));
        model.paused = true;
        model.push(Sample::of_page(&anew.replace("settled\"} 1", "settled\"} 9"), 22.0));
        assert_eq!(model.now(names::EXCHANGES_TOTAL, "settled"), Some(1.0));
    }

    #[test]
    fn tables_are_sorted_and_filtered() {
        let mut model = model();
        let names = |model: &Model, panel| model.rows(panel).into_iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(
            names(&model, Panel::Reasons),
            ["stale, rejected", "conflict, rejected", "digest-mismatch, disputed"]
        );
        assert_eq!(names(&model, Panel::Partitions), ["0", "1", "2", "10"]);
        model.focus = Panel::Partitions;
        *model.order_mut() = Order { column: 1, falling: true, scroll: 0 };
        assert_eq!(names(&model, Panel::Partitions), ["10", "2", "1", "0"]);
        assert_eq!(names(&model, Panel::Steps), ["commit a group", "verify a batch"]);
        let commit = &model.rows(Panel::Steps)[0];
        assert_eq!(commit.figures[0], Some(100.0));
        assert!((commit.figures[3].expect("seen") - 0.0099).abs() < 1e-6, "{commit:?}");
        model.filter = "digest".into();
        assert_eq!(names(&model, Panel::Reasons), ["digest-mismatch, disputed"]);
    }
}

//! How things stand, once a second: a table that redraws itself on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;

use crate::client::Client;
use crate::simulation::Summary;

/// Where and how the demo shows itself.
pub struct Show {
    json: bool,
    terminal: bool,
    drawn: Cell<usize>,
}

impl Show {
    /// JSON lines when asked for, a table on a terminal, else plain lines.
    pub fn new(json: bool) -> Self {
        Show { json, terminal: !json && std::io::stdout().is_terminal(), drawn: Cell::new(0) }
    }

    /// A message for people.
    pub fn say(&self, text: &str) {
        self.end();
        if self.json {
            let _ = writeln!(std::io::stderr(), "dex: {text}");
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    /// Leaves what is drawn where it is.
    pub fn end(&self) {
        self.drawn.set(0);
    }

    fn draw(&self, lines: &[String]) {
        let mut text = String::new();
        if self.drawn.get() > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn.get()));
        }
        for line in lines {
            text.push_str(&format!("\x1b[2K{line}\n"));
        }
        self.drawn.set(lines.len());
        self.write(&text);
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone still gets the demo ended in order, by its exit code.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// What is looked at: the books, and the ledger from outside.
pub struct Sight {
    watcher: Client,
    state: PathBuf,
    begun: Instant,
    before: (Instant, u64),
    entries: u64,
}

impl Sight {
    /// Begins now.
    pub fn new(watcher: &Client, state: PathBuf) -> Self {
        Sight { watcher: watcher.clone(), state, begun: Instant::now(), before: (Instant::now(), 0), entries: 0 }
    }

    /// Shows how things stand.
    pub async fn look(&mut self, show: &Show, summary: &Summary) {
        let within = std::time::Duration::from_millis(500);
        let asked = self.watcher.query("ledger.checkpoint", Bytes::new());
        if let Ok(Ok(checkpoint)) = tokio::time::timeout(within, asked).await
            && let Some(size) = checkpoint["treeSize"].as_u64()
        {
            self.entries = size;
        }
        let counts = &summary.counts;
        let answered = counts.accepted + counts.rejections();
        let span = self.before.0.elapsed().as_secs_f64().max(0.001);
        let rate = (answered.saturating_sub(self.before.1)) as f64 / span;
        self.before = (Instant::now(), answered);
        self.print(show, summary, rate);
    }

    /// Shows the end, without a rate.
    pub async fn last(&mut self, show: &Show, summary: &Summary) {
        self.look(show, summary).await;
    }

    fn print(&self, show: &Show, summary: &Summary, rate: f64) {
        let counts = &summary.counts;
        let ms = |times: &crate::simulation::latency::Latencies, q: f64| times.quantile(q).as_secs_f64() * 1e3;
        let (p50, p99) = (ms(&summary.first, 0.5), ms(&summary.first, 0.99));
        let (s50, s99) = (ms(&summary.settle, 0.5), ms(&summary.settle, 0.99));
        let seconds = self.begun.elapsed().as_secs();
        let mib = size_of(&self.state.join("ledger")) as f64 / f64::from(1 << 20);
        if show.json {
            let mut value = summary.json();
            value["seconds"] = json!(seconds);
            value["rate"] = json!(rate.round());
            value["ledger"] = json!({"entries": self.entries, "mib": (mib * 10.0).round() / 10.0});
            show.write(&format!("{value}\n"));
            return;
        }
        if !show.terminal {
            show.write(&format!(
                "t={seconds}s rate={rate:.0}/s settled={} rejected={} disputed={} expired={} recalled={} acquired={} open={} outcome_ms={p50:.1}/{p99:.1} settle_ms={s50:.1}/{s99:.1} ledger={}\n",
                counts.settled, counts.rejections(), counts.disputed, counts.expired, counts.recalled, counts.acquired.settled, counts.open + counts.acquired.open,
                self.entries
            ));
            return;
        }
        let mut lines = vec![
            format!("  {seconds:>5} s   {rate:>7.0} messages/s answered, {} waiting", counts.waiting),
            String::new(),
            format!("  settled    {:>9}     latency      p50        p99", counts.settled),
            format!("  disputed   {:>9}     outcome   {p50:>7.1} ms {p99:>7.1} ms", counts.disputed),
            format!("  expired    {:>9}     settled   {s50:>7.1} ms {s99:>7.1} ms", counts.expired),
            format!("  recalled   {:>9}", counts.recalled),
            format!(
                "  acquired   {:>9}     by dex worker, {} records",
                counts.acquired.settled, counts.acquired.records
            ),
            format!(
                "  open       {:>9}     ledger    {:>9} entries, {mib:.1} MiB",
                counts.open + counts.acquired.open,
                self.entries
            ),
            format!("  rejected   {:>9}", counts.rejections()),
        ];
        lines.extend(counts.rejected.iter().map(|(reason, n)| format!("    {:<20} {n:>7}", reason.as_str())));
        show.draw(&lines);
    }
}

/// Bytes of the files in a folder.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter_map(Result::ok).filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

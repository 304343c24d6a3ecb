//! What a simulation came to, and whether its sums balance.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::domain::Reason;

use super::latency::Latencies;
use super::mistakes::Mistake;

/// What a worker has acquired from a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acquired {
    /// Exchanges opened.
    pub opened: u64,
    /// Records in them.
    pub records: u64,
    /// Ended so.
    pub settled: u64,
    /// Ended so.
    pub expired: u64,
    /// Not ended.
    pub open: u64,
}

/// Counts of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that move data, or ask for it, each once.
    pub sent: u64,
    /// Of these: accepted.
    pub accepted: u64,
    /// Of these, and of repeats with other content: refused, by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// Of these: no outcome came.
    pub unanswered: u64,
    /// Of these: still waiting for their first outcome.
    pub waiting: u64,
    /// Messages sent again on purpose, under an id that was used.
    pub repeats: u64,
    /// Exchanges opened: one for each accepted message, for a fan-out one for each part.
    pub opened: u64,
    /// Ended so.
    pub settled: u64,
    /// Ended so.
    pub disputed: u64,
    /// Ended so.
    pub expired: u64,
    /// Ended so.
    pub recalled: u64,
    /// Not ended.
    pub open: u64,
    /// Receipts and recalls that were answered.
    pub receipts: u64,
    /// Exchanges of the worker, which are not among those above.
    pub acquired: Acquired,
    /// Refusals with a ledger entry, whatever was refused, by reason.
    pub ledgered: BTreeMap<Reason, u64>,
}

impl Counts {
    /// All refusals.
    pub fn rejections(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// The books at one moment.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Counts.
    pub counts: Counts,
    /// Mistakes made on purpose.
    pub expected: BTreeMap<Mistake, u64>,
    /// Those that came out as they must.
    pub found: BTreeMap<Mistake, u64>,
    /// The first contradictions, as text.
    pub strays: Vec<String>,
    /// All contradictions.
    pub stray_count: u64,
    /// Time from sending to the first outcome.
    pub first: Latencies,
    /// Time from sending to the settlement.
    pub settle: Latencies,
}

impl Summary {
    /// What does not balance; empty when all does.
    pub fn faults(&self) -> Vec<String> {
        let counts = &self.counts;
        let mut faults = Vec::new();
        let mut equal = |what: &str, left: u64, right: u64| {
            if left != right {
                faults.push(format!("{what}: {left} is not {right}"));
            }
        };
        let conflicts = counts.rejected.get(&Reason::Conflict).copied().unwrap_or(0);
        equal(
            "messages sent = accepted + rejected (without conflicting repeats) + unanswered + waiting",
            counts.sent,
            counts.accepted + counts.rejections() - conflicts + counts.unanswered + counts.waiting,
        );
        equal(
            "exchanges opened = settled + disputed + expired + recalled + open",
            counts.opened,
            counts.settled + counts.disputed + counts.expired + counts.recalled + counts.open,
        );
        let acquired = &counts.acquired;
        equal(
            "exchanges of the worker opened = settled + expired + open",
            acquired.opened,
            acquired.settled + acquired.expired + acquired.open,
        );
        equal("exchanges of the worker that did not settle", acquired.expired + acquired.open, 0);
        equal("messages without an outcome", counts.unanswered + counts.waiting, 0);
        equal("exchanges still open though their deadlines have passed", counts.open, 0);
        for mistake in Mistake::ALL {
            let of = |map: &BTreeMap<Mistake, u64>| map.get(&mistake).copied().unwrap_or(0);
            equal(&format!("mistakes found = made, {mistake}"), of(&self.found), of(&self.expected));
        }
        equal("contradictions", self.stray_count, 0);
        faults.extend(self.strays.iter().map(|stray| format!("  {stray}")));
        faults
    }

    /// Compares with the exchange's own counters: the text of its `/metrics`, of a daemon that has seen
    /// nothing but this simulation. Empty when they agree.
    pub fn compare(&self, metrics: &str) -> Vec<String> {
        let counts = &self.counts;
        let wanted = [
            ("accepted", counts.opened + counts.acquired.opened),
            ("settled", counts.settled + counts.acquired.settled),
            ("disputed", counts.disputed),
            ("expired", counts.expired + counts.acquired.expired),
            ("recalled", counts.recalled),
        ];
        let wanted = wanted
            .into_iter()
            .map(|(status, ours)| (format!("dex_exchanges_total{{status=\"{status}\"}}"), ours, false));
        // A message that conflicts with an earlier one conflicts again whenever it is repeated for want of
        // an answer, and each time is an entry.
        let refusals = Reason::ALL.into_iter().map(|reason| {
            let ours = counts.ledgered.get(&reason).copied().unwrap_or(0);
            let name = format!("dex_rejections_total{{reason=\"{reason}\"}}");
            (name, ours, reason == Reason::Conflict && ours > 0)
        });
        let mut faults = Vec::new();
        for (name, ours, or_more) in wanted.chain(refusals) {
            match counter(metrics, &name) {
                Some(theirs) if theirs == ours || (or_more && theirs > ours) => {}
                Some(theirs) => faults.push(format!("{name}: the exchange counted {theirs}, the simulation {ours}")),
                None if ours == 0 => {}
                None => faults.push(format!("the exchange's metrics have no {name}")),
            }
        }
        faults
    }

    /// The line that ends a demo.
    pub fn line(&self, balanced: bool) -> String {
        let counts = &self.counts;
        format!(
            "summary: settled={} rejected={} disputed={} expired={} acquired={} open={} balanced={}",
            counts.settled,
            counts.rejections(),
            counts.disputed,
            counts.expired,
            counts.acquired.settled,
            counts.open + counts.acquired.open,
            if balanced { "yes" } else { "no" },
        )
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let counts = &self.counts;
        let reasons: serde_json::Map<String, Value> =
            counts.rejected.iter().map(|(reason, n)| (reason.to_string(), json!(n))).collect();
        let mistakes: Vec<Value> = self
            .expected
            .iter()
            .map(|(mistake, made)| json!({"mistake": mistake.as_str(), "made": made, "found": self.found.get(mistake).copied().unwrap_or(0)}))
            .collect();
        let ms = |times: &Latencies, q: f64| (times.quantile(q).as_secs_f64() * 1e5).round() / 100.0;
        json!({
            "sent": counts.sent, "accepted": counts.accepted, "rejected": counts.rejections(), "reasons": reasons,
            "unanswered": counts.unanswered + counts.waiting, "repeats": counts.repeats,
            "opened": counts.opened, "settled": counts.settled, "disputed": counts.disputed, "expired": counts.expired,
            "recalled": counts.recalled, "open": counts.open, "receipts": counts.receipts, "mistakes": mistakes,
            "outcomeMs": {"p50": ms(&self.first, 0.5), "p99": ms(&self.first, 0.99)},
            "acquired": {
                "opened": counts.acquired.opened, "records": counts.acquired.records, "settled": counts.acquired.settled,
                "expired": counts.acquired.expired, "open": counts.acquired.open,
            },
            "settleMs": {"p50": ms(&self.settle, 0.5), "p99": ms(&self.settle, 0.99)},
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "messages   {:>9} sent = {} accepted + {} rejected at once",
            counts.sent,
            counts.accepted,
            counts.sent.saturating_sub(counts.accepted)
        )?;
        writeln!(
            f,
            "exchanges  {:>9} opened = {} settled + {} disputed + {} expired + {} recalled + {} open",
            counts.opened, counts.settled, counts.disputed, counts.expired, counts.recalled, counts.open
        )?;
        let acquired = &counts.acquired;
        if acquired.opened > 0 {
            writeln!(
                f,
                "acquired   {:>9} exchanges by dex worker, of {} records = {} settled + {} expired + {} open",
                acquired.opened, acquired.records, acquired.settled, acquired.expired, acquired.open
            )?;
        }
        for (reason, n) in &counts.rejected {
            writeln!(f, "rejected   {n:>9} {reason}")?;
        }
        for (mistake, made) in &self.expected {
            let found = self.found.get(mistake).copied().unwrap_or(0);
            writeln!(f, "mistake    {made:>9} {mistake}: {found} found")?;
        }
        let ms = |times: &Latencies, q: f64| times.quantile(q).as_secs_f64() * 1e3;
        write!(
            f,
            "latency    outcome p50 {:.1} ms, p99 {:.1} ms; settlement p50 {:.1} ms, p99 {:.1} ms",
            ms(&self.first, 0.5),
            ms(&self.first, 0.99),
            ms(&self.settle, 0.5),
            ms(&self.settle, 0.99)
        )
    }
}

/// The value of one counter in a Prometheus page.
pub fn counter(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name))?;
    let value: f64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(counts: Counts) -> Summary {
        Summary {
            counts,
            expected: BTreeMap::new(),
            found: BTreeMap::new(),
            strays: Vec::new(),
            stray_count: 0,
            first: Latencies::default(),
            settle: Latencies::default(),
        }
    }

    fn good() -> Counts {
        Counts {
            sent: 10,
            accepted: 8,
            rejected: [(Reason::NotConnected, 2), (Reason::Conflict, 1)].into(),
            repeats: 1,
            opened: 9,
            settled: 6,
            disputed: 1,
            expired: 1,
            recalled: 1,
            ledgered: [(Reason::NotConnected, 2), (Reason::Conflict, 1)].into(),
            ..Counts::default()
        }
    }

    #[test]
    fn sums_that_balance_do_and_others_do_not() {
        assert_eq!(summary(good()).faults(), Vec::<String>::new());
        assert_eq!(
            summary(good()).line(true),
            "summary: settled=6 rejected=3 disputed=1 expired=1 acquired=0 open=0 balanced=yes"
        );
        let bad = [
            Counts { settled: 5, ..good() },
            Counts { sent: 11, ..good() },
            Counts { settled: 5, open: 1, ..good() },
            Counts { sent: 11, unanswered: 1, ..good() },
            Counts { acquired: Acquired { opened: 2, settled: 1, ..Acquired::default() }, ..good() },
            Counts { acquired: Acquired { opened: 1, expired: 1, ..Acquired::default() }, ..good() },
        ];
        for counts in bad {
            assert!(!summary(counts.clone()).faults().is_empty(), "{counts:?}");
        }
        let mut missed = summary(good());
        missed.expected.insert(Mistake::Silent, 1);
        assert!(!missed.faults().is_empty());
    }

    #[test]
    fn the_exchange_s_counters_are_compared() {
        let page = "# TYPE dex_exchanges_total counter\ndex_exchanges_total{status=\"accepted\"} 9\n\
            dex_exchanges_total{status=\"settled\"} 6\ndex_exchanges_total{status=\"disputed\"} 1\n\
            dex_exchanges_total{status=\"expired\"} 1\ndex_exchanges_total{status=\"recalled\"} 1\n\
            dex_rejections_total{reason=\"not-connected\"} 2\ndex_rejections_total{reason=\"conflict\"} 4\n";
        assert_eq!(summary(good()).compare(page), Vec::<String>::new());
        assert_eq!(summary(Counts { settled: 7, ..good() }).compare(page).len(), 1);
        let more = page.replace("not-connected\"} 2", "not-connected\"} 3");
        assert_eq!(summary(good()).compare(&more).len(), 1);
        assert_eq!(summary(good()).compare("").len(), 7);
    }
}

//! What a collector has done since it was started.

use std::collections::BTreeMap;

use serde::Serialize;

/// The sums. Each delivery ends in one of them; `untaken` counts besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Deliveries that came, each once, and those that were kept before and not done with.
    pub deliveries: u64,
    /// Exchanges that have settled: all their records are in the sink.
    pub settled: u64,
    /// Records of these, and of those of an end that is not known.
    pub records: u64,
    /// Given back after a recall.
    pub returned: u64,
    /// Refused: not what was delivered, or not to be written.
    pub refused: u64,
    /// Kept and not settled, so removed: by how they ended.
    pub dropped: BTreeMap<String, u64>,
    /// Ended, and it cannot be told whether they had settled: all their records are in the sink.
    pub untold: u64,
    /// Came again after they were done with.
    pub repeated: u64,
    /// Came after their deadlines, or after their ends and contents had gone, and were not taken.
    pub late: u64,
    /// Said that they are the exchange's and are not, or are damaged: not taken, not answered.
    pub unverified: u64,
    /// Had receipts that the exchange did not take for the key that signs them; they are sent again, so these are in
    /// another sum too.
    pub untaken: u64,
    /// Still waiting for the outcome of their receipts.
    pub unresolved: u64,
}

impl Counts {
    /// Whether something is to be looked at.
    pub fn is_finding(&self) -> bool {
        [self.unverified, self.refused, self.untold, self.untaken].iter().any(|count| *count > 0)
    }

    /// In one line, for people.
    pub fn line(&self) -> String {
        let mut line = format!("{} deliveries, {} settled, {} records", self.deliveries, self.settled, self.records);
        let dropped: u64 = self.dropped.values().sum();
        let more = [
            ("waiting", self.unresolved),
            ("returned", self.returned),
            ("refused", self.refused),
            ("dropped", dropped),
            ("of an end that is not known", self.untold),
            ("repeated", self.repeated),
            ("late", self.late),
            ("unverified", self.unverified),
            ("whose receipts were not taken for their key", self.untaken),
        ];
        for (name, count) in more.into_iter().filter(|(_, count)| *count > 0) {
            line.push_str(&format!(", {count} {name}"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_told() {
        let mut counts = Counts { deliveries: 3, settled: 2, records: 9, ..Counts::default() };
        assert_eq!(counts.line(), "3 deliveries, 2 settled, 9 records");
        counts.dropped.insert("expired".into(), 1);
        counts.unverified = 2;
        assert_eq!(counts.line(), "3 deliveries, 2 settled, 9 records, 1 dropped, 2 unverified");
        assert!(counts.is_finding());
        assert!(Counts { untaken: 1, ..Counts::default() }.is_finding());
        assert!(!Counts { settled: 1, late: 1, ..Counts::default() }.is_finding());
        let json = serde_json::to_value(&counts).expect("JSON");
        assert_eq!(json["dropped"]["expired"], 1);
    }
}

//! What HATs report of themselves: events counted by kind and by field, never their values, each event once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

mod totals;

pub use totals::Totals;

/// Most events of one batch.
pub const EVENTS_MAX: usize = 1000;
/// How many of a HAT's newest events are remembered: a repeat within them is not counted again.
pub const RECENT_MAX: usize = 1024;
/// Most fields remembered of one HAT; the values of further ones count in the totals only.
pub const FIELDS_PER_HAT_MAX: usize = 512;
/// Most fields named in one entry; the values of further ones count in the totals only.
pub const FIELDS_PER_ENTRY_MAX: usize = 256;

/// What kind of event a HAT reports, by the name that it gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatsKind {
    /// Records were created.
    Inbound,
    /// A debit's values were read.
    Outbound,
    /// Something happened to a debit.
    Datadebit,
    /// Something happened to a debit of the older form.
    DatadebitEvent,
    /// Records of the older form were created.
    Datacredit,
    /// How much the HAT holds. A level and no flow: its counts are never summed.
    Storage,
}

impl StatsKind {
    /// All of them.
    pub const ALL: [StatsKind; 6] = [
        StatsKind::Inbound,
        StatsKind::Outbound,
        StatsKind::Datadebit,
        StatsKind::DatadebitEvent,
        StatsKind::Datacredit,
        StatsKind::Storage,
    ];

    /// The HAT's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            StatsKind::Inbound => "inbound",
            StatsKind::Outbound => "outbound",
            StatsKind::Datadebit => "datadebit",
            StatsKind::DatadebitEvent => "datadebitEvent",
            StatsKind::Datacredit => "datacredit",
            StatsKind::Storage => "storage",
        }
    }
}

/// How many values a field had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// `namespace/path`.
    pub endpoint: SmolStr,
    /// The field: names joined by dots, arrays with `[]`.
    pub path: SmolStr,
    /// Values.
    pub count: u32,
}

/// One event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The event's identity: its content, and which of equal ones in the batch it is.
    pub mark: u64,
    /// Its kind.
    pub kind: StatsKind,
    /// Its values by field.
    pub values: Vec<Counted>,
}

/// A batch, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its events that can be read.
    pub told: Vec<Told>,
    /// How many cannot.
    pub unreadable: u32,
}

/// Values of one field in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// `namespace/path`.
    pub endpoint: SmolStr,
    /// The field.
    pub path: SmolStr,
    /// Values that came in.
    pub count: u64,
    /// Whether this HAT reports the field for the first time.
    pub first: bool,
}

/// What a batch added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reported {
    /// New events by kind.
    pub kinds: BTreeMap<StatsKind, u32>,
    /// Events that were reported before.
    #[serde(default)]
    pub repeated: u32,
    /// Events that could not be read.
    #[serde(default)]
    pub unreadable: u32,
    /// Values that came in.
    #[serde(default)]
    pub values_in: u64,
    /// Values that went out.
    #[serde(default)]
    pub values_out: u64,
    /// Values that came in by field, in order; at most [`FIELDS_PER_ENTRY_MAX`].
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Identities of the new events.
    #[serde(default)]
    pub marks: Vec<u64>,
}

impl Reported {
    /// New events of all kinds.
    pub fn new_events(&self) -> u32 {
        self.kinds.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// All that one HAT has reported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reports {
    /// Identities of its newest events, oldest first; at most [`RECENT_MAX`].
    pub recent: VecDeque<u64>,
    /// Sums of all its entries.
    pub totals: Totals,
    /// Values by endpoint and field; at most [`FIELDS_PER_HAT_MAX`] fields.
    pub fields: BTreeMap<SmolStr, BTreeMap<SmolStr, u64>>,
}

impl Reports {
    fn holds(&self, endpoint: &str, path: &str) -> bool {
        self.fields.get(endpoint).is_some_and(|fields| fields.contains_key(path))
    }

    /// How many fields are remembered.
    pub fn len(&self) -> usize {
        self.fields.values().map(BTreeMap::len).sum()
    }

    /// Whether no field is remembered.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// What a batch adds to this.
    pub fn decide(&self, report: &Report) -> Reported {
        let mut known: BTreeSet<u64> = self.recent.iter().copied().collect();
        let mut added = Reported { unreadable: report.unreadable, ..Reported::default() };
        let mut fields: BTreeMap<(&SmolStr, &SmolStr), u64> = BTreeMap::new();
        let mut room = FIELDS_PER_HAT_MAX.saturating_sub(self.len());
        for event in &report.told {
            if !known.insert(event.mark) {
                added.repeated += 1;
                continue;
            }
            added.marks.push(event.mark);
            *added.kinds.entry(event.kind).or_default() += 1;
            for value in &event.values {
                match event.kind {
                    StatsKind::Outbound => added.values_out += u64::from(value.count),
                    StatsKind::Inbound | StatsKind::Datacredit => {
                        added.values_in += u64::from(value.count);
                        let key = (&value.endpoint, &value.path);
                        let held = fields.contains_key(&key);
                        let new = !held && !self.holds(&value.endpoint, &value.path);
                        if !held && (fields.len() >= FIELDS_PER_ENTRY_MAX || (new && room == 0)) {
                            continue;
                        }
                        room -= usize::from(new);
                        *fields.entry(key).or_default() += u64::from(value.count);
                    }
                    StatsKind::Datadebit | StatsKind::DatadebitEvent | StatsKind::Storage => {}
                }
            }
        }
        added.fields = fields
            .into_iter()
            .map(|((endpoint, path), count)| Field {
                first: !self.holds(endpoint, path),
                endpoint: endpoint.clone(),
                path: path.clone(),
                count,
            })
            .collect();
        added
    }

    /// Folds an entry in.
    pub fn apply(&mut self, added: &Reported) {
        self.recent.extend(&added.marks);
        let over = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..over);
        self.totals.add(added);
        for field in &added.fields {
            let of = self.fields.entry(field.endpoint.clone()).or_default();
            let held = of.entry(field.path.clone()).or_default();
            *held = held.saturating_add(field.count);
        }
    }
}

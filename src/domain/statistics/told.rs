//! How statistics are told: JSON that is a function of the statistics and the time asked for, so that whoever has the
//! ledger can make the same answer again.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::bucket::{Bucket, Times};
use super::estimate::Estimate;
use super::top::Top;
use super::{Catalogue, Statistics, Window};
use crate::domain::pii;
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Status;

/// Times before which figures of public answers are not told apart, nanoseconds: a day.
const DAY: i64 = 86_400 * SECOND;

/// What figures stand on: the ledger's first entries, and the checkpoint over just them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// How many entries.
    pub tree_size: u64,
    /// The signed note.
    pub checkpoint: std::sync::Arc<str>,
}

impl Stand {
    /// As answers name it.
    pub fn told(&self) -> Value {
        json!({ "treeSize": self.tree_size, "checkpoint": &*self.checkpoint })
    }
}

fn times(of: &Times) -> Value {
    let mut told = json!({ "count": of.count() });
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        if let Some(seconds) = of.quantile(q) {
            told[name] = json!(seconds);
        }
    }
    told
}

fn top(of: &Top) -> Value {
    let told = |it: &super::Counted| {
        let mut told = json!({ "endpoint": it.name, "records": it.count });
        if it.over > 0 {
            told["over"] = json!(it.over);
        }
        told
    };
    of.sorted().into_iter().map(told).collect()
}

/// What is known of a window that ends at `at`; `bucket` is its [`Statistics::window`].
pub fn window(of: Window, at: Timestamp, bucket: &Bucket, stand: &Stand) -> Value {
    let from = Timestamp(of.begins(at));
    let seconds = at.since(from) as f64 / SECOND as f64;
    let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let tally = &bucket.tally;
    json!({
        "window": of,
        "at": at,
        "from": from,
        "seconds": seconds,
        "figures": tally.told(),
        "perSecond": {
            "accepted": rate(tally.reached(Status::Accepted)),
            "settled": rate(tally.reached(Status::Settled)),
            "rejected": rate(tally.reached(Status::Rejected)),
            "records": rate(tally.sum("records")),
            "bytes": rate(tally.sum("bytes")),
        },
        "uniques": {
            "hats": bucket.hats.estimate(),
            "sources": bucket.sources.estimate(),
            "acquirers": bucket.acquirers.estimate(),
        },
        "settleSeconds": times(&bucket.settle),
        "outcomeSeconds": times(&bucket.outcome),
        "topIn": top(&bucket.top_in),
        "topOut": top(&bucket.top_out),
        "asOf": stand.told(),
    })
}

/// What everybody who listens is told: windows without endpoints, and without numbers of fewer than `k` parties.
pub fn broadcast(origin: &str, at: Timestamp, windows: &[(Window, Bucket)], k: u32, stand: &Stand) -> Value {
    let told = |(of, bucket): &(Window, Bucket)| {
        let mut told = window(*of, at, bucket, stand);
        if let Value::Object(members) = &mut told {
            for name in ["topIn", "topOut", "asOf", "at"] {
                members.remove(name);
            }
            if let Some(Value::Object(uniques)) = members.get_mut("uniques") {
                uniques.retain(|_, count| count.as_u64().is_some_and(|count| count >= u64::from(k)));
            }
        }
        told
    };
    let windows: Vec<Value> = windows.iter().map(told).collect();
    json!({ "origin": origin, "at": at, "k": k, "windows": windows, "asOf": stand.told() })
}

/// The slots of a window that ends at `at`, the earliest first; those in which nothing happened are not there.
pub fn series(statistics: &Statistics, of: Window, at: Timestamp, stand: &Stand) -> Value {
    let mut items = Vec::new();
    let fresh = statistics.fresh(of, at);
    let place = statistics.head().second.map(|(second, _)| of.slot_of(Timestamp(second)));
    let mut met = false;
    let mut tell = |begins: i64, bucket: &Bucket| {
        let tally = &bucket.tally;
        let mut item = json!({ "begins": Timestamp(begins) });
        for status in Status::ALL {
            item[status.as_str()] = json!(tally.reached(status));
        }
        item["unauthenticated"] = json!(tally.sum("unauthenticated"));
        item["records"] = json!(tally.sum("records"));
        item["bytes"] = json!(tally.sum("bytes"));
        item["hats"] = json!(bucket.hats.estimate());
        item["settleSeconds"] = times(&bucket.settle);
        items.push(item);
    };
    for (begins, bucket) in statistics.ring(of).within(of.begins(at), at) {
        match fresh {
            Some(fresh) if place == Some(begins) => {
                met = true;
                let mut whole = (**bucket).clone();
                whole.merge(fresh);
                tell(begins, &whole);
            }
            _ => tell(begins, bucket),
        }
    }
    if let (Some(fresh), Some(begins), false) = (fresh, place, met) {
        tell(begins, fresh);
        items.sort_by_key(|item| item["begins"].as_str().map(str::to_owned));
    }
    json!({
        "window": of,
        "at": at,
        "slotSeconds": of.slot() / SECOND,
        "items": items,
        "asOf": stand.told(),
    })
}

/// Counts of everything since the ledger's first entry.
pub fn total(statistics: &Statistics, stand: &Stand) -> Value {
    json!({ "figures": statistics.total().told(), "asOf": stand.told() })
}

/// To the day: a public answer does not tell when somebody was the first.
fn day(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(DAY) * DAY)
}

/// One endpoint after the other, until `full` says that there is no room for more; the last one when there is more. `full`
/// may [`cut`] what it is shown.
pub fn catalogue_page(
    catalogue: &Catalogue,
    classes: &pii::Catalogue,
    after: Option<&str>,
    mut full: impl FnMut(&mut Value) -> bool,
) -> (Vec<Value>, Option<smol_str::SmolStr>) {
    let (mut items, mut last) = (Vec::new(), None);
    for (name, endpoint, fields) in catalogue.shown(after) {
        let known = classes.of(name).fields;
        let word = classes.word(name);
        let fields: Vec<Value> = fields
            .map(|(path, field)| {
                let mut told = json!({
                    "path": path, "count": field.shown.count, "hats": field.shown.hats, "class": known.at(path).class,
                    "firstSeen": day(field.shown.first), "lastSeen": day(field.shown.last),
                });
                let description = word.and_then(|word| word.fields.get(path)).and_then(|of| of.description.as_ref());
                if let Some(description) = description {
                    told["description"] = json!(description);
                }
                told
            })
            .collect();
        let mut item = json!({
            "endpoint": name, "class": known.class, "fields": fields,
            "seen": { "hats": endpoint.shown.hats, "records": endpoint.shown.records },
        });
        if endpoint.shown.hats > 0 {
            item["firstSeen"] = json!(day(endpoint.shown.first));
            item["lastSeen"] = json!(day(endpoint.shown.last));
        }
        let manifest = classes.manifests(name).find_map(|(_, _, of)| of.description.as_ref().map(ToString::to_string));
        let said = word.and_then(|word| word.description.as_ref()).map(ToString::to_string).or(manifest);
        if let Some(description) = said {
            item["description"] = json!(description);
        }
        if full(&mut item) {
            return (items, last);
        }
        items.push(item);
        last = Some(name.clone());
    }
    (items, None)
}

fn by_path(a: &Value, b: &Value) -> Ordering {
    a["path"].as_str().cmp(&b["path"].as_str())
}

/// What the most HATs hold comes first; of as many HATs by path.
fn by_use(a: &Value, b: &Value) -> Ordering {
    let hats = |field: &Value| field["hats"].as_u64();
    hats(b).cmp(&hats(a)).then_with(|| by_path(a, b))
}

impl Catalogue {
    /// Most bytes of one endpoint as it is told: fields that go beyond are left out.
    pub const ENDPOINT_BYTES: usize = 128 * 1024;

    /// Keeps so many fields of an endpoint as it is told: those that the most HATs hold, of as many HATs the first by path; in
    /// order of their paths again. The first one that is left out, if any is.
    pub fn keep_fields(fields: &mut Vec<Value>, count: usize) -> Option<Value> {
        fields.sort_by(by_use);
        let next = fields.drain(count.min(fields.len())..).next();
        fields.sort_by(by_path);
        next
    }
}

/// Leaves fields of an endpoint out when it comes to more than `most` bytes, those that the fewest HATs hold first, and says
/// so. Its bytes then.
pub fn cut(item: &mut Value, most: usize) -> usize {
    let whole = item.to_string().len();
    if whole <= most {
        return whole;
    }
    item["truncated"] = json!(true);
    let mut bytes = item.to_string().len();
    if let Some(fields) = item["fields"].as_array_mut() {
        fields.sort_by(by_use);
        while bytes > most
            && let Some(field) = fields.pop()
        {
            // With the comma before it.
            bytes = bytes.saturating_sub(field.to_string().len() + 1);
        }
        fields.sort_by(by_path);
    }
    // The only field has none.
    item.to_string().len()
}

/// How many HATs could satisfy a bundle.
pub fn estimated(estimate: &Estimate, k: u32, stand: &Stand) -> Value {
    let properties: Vec<Value> = estimate
        .properties
        .iter()
        .map(|(name, range)| json!({ "name": name, "atLeast": range.at_least, "atMost": range.at_most }))
        .collect();
    json!({
        "atLeast": estimate.hats.at_least,
        "atMost": estimate.hats.at_most,
        "known": estimate.known,
        "properties": properties,
        "k": k,
        "asOf": stand.told(),
    })
}

//! Lets what a bundle has made of a body through the gate of its debit.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::class::{Class, Dropped};
use super::gate::Gate;
use super::node::{Node, Rule, UNEXPECTED, Whole};
use super::pseudonym;
use crate::domain::bundle::{Taken, TooLarge};
use crate::domain::exchange::tally;
use crate::domain::id::Address;
use crate::domain::records::{RecordView, Records, linked};

/// What ids of records are hidden with, where a debit delivers no personal data.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a> {
    /// The exchange's secret.
    pub key: &'a [u8; 32],
    /// Whose records.
    pub hat: &'a Address,
    /// Who gets them.
    pub client: &'a Address,
}

/// What has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// What is left; `None`: nothing.
    pub taken: Option<Taken>,
    /// Fields that were left out.
    pub dropped: Dropped,
}

/// Members of an object in their order, equal keys too.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// What is written, and what was left out of it.
struct Out {
    text: Vec<u8>,
    dropped: Dropped,
}

impl Out {
    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Writes what passes of a value; false when nothing of it does.
    fn value(&mut self, node: &Node, raw: &str) -> bool {
        match node.whole {
            Whole::Open => {
                self.push(raw);
                true
            }
            Whole::Shut(class) => {
                self.dropped.count(class);
                false
            }
            Whole::Mixed => self.mixed(node, raw),
        }
    }

    fn mixed(&mut self, node: &Node, raw: &str) -> bool {
        match raw.as_bytes().first() {
            Some(b'{') => match serde_json::from_str(raw) {
                Ok(Members(members)) => self.object(node, &members),
                // A key with half a surrogate pair is no name of a field.
                Err(_) => self.unexpected(),
            },
            Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(raw) {
                Ok(items) => self.array(node, &items),
                Err(_) => self.unexpected(),
            },
            _ => self.leaf(node.rule, raw),
        }
    }

    fn unexpected(&mut self) -> bool {
        self.dropped.count(Class::Direct);
        false
    }

    fn leaf(&mut self, rule: Option<Rule>, raw: &str) -> bool {
        let rule = rule.unwrap_or(UNEXPECTED);
        if rule.passes {
            self.push(raw);
        } else {
            self.dropped.count(rule.class);
        }
        rule.passes
    }

    /// An object or array that holds nothing: where only what is named stands, there is nothing that could be withheld.
    fn empty(&mut self, node: &Node, text: &str) -> bool {
        let rule = node.rule.unwrap_or(Rule { passes: true, class: Class::None });
        self.leaf(Some(rule), text)
    }

    fn object(&mut self, node: &Node, members: &[(Cow<'_, str>, &RawValue)]) -> bool {
        if members.is_empty() {
            return self.empty(node, "{}");
        }
        let start = self.text.len();
        self.push("{");
        for (key, value) in members {
            let before = self.text.len();
            if before > start + 1 {
                self.push(",");
            }
            // A key is text: it can be written.
            let _ = serde_json::to_writer(&mut self.text, key);
            self.push(":");
            let kept = match node.below.get(key.as_ref()) {
                Some(below) => self.value(below, value.get()),
                None => self.leaf(node.rule, value.get()),
            };
            if !kept {
                self.text.truncate(before);
            }
        }
        self.close(start, "}")
    }

    fn array(&mut self, node: &Node, items: &[&RawValue]) -> bool {
        if items.is_empty() {
            return self.empty(node, "[]");
        }
        let start = self.text.len();
        self.push("[");
        for item in items {
            let before = self.text.len();
            if before > start + 1 {
                self.push(",");
            }
            if !self.value(node, item.get()) {
                self.text.truncate(before);
            }
        }
        self.close(start, "]")
    }

    fn close(&mut self, start: usize, end: &str) -> bool {
        if self.text.len() == start + 1 {
            self.text.truncate(start);
            return false;
        }
        self.push(end);
        true
    }

    /// Writes a record's fields beside its data, as far as they go along.
    fn envelope(&mut self, record: &RecordView<'_>, mask: Option<&Mask<'_>>, quasi: bool) {
        self.push("{\"endpoint\":\"");
        self.push(record.endpoint);
        self.push("\"");
        let field = |out: &mut Out, name: &str, raw: Option<&str>| {
            if let Some(raw) = raw {
                out.push(name);
                out.push(raw);
            }
        };
        let Some(mask) = mask else {
            field(self, ",\"recordId\":", record.record_id);
            field(self, ",\"sourceTimestamp\":", record.source_timestamp);
            field(self, ",\"sourceUniqueId\":", record.source_unique_id);
            return;
        };
        let hidden = |raw: Option<&str>| raw.map(|raw| format!("\"{}\"", pseudonym::record(mask, raw)));
        field(self, ",\"recordId\":", hidden(record.record_id).as_deref());
        field(self, ",\"sourceTimestamp\":", record.source_timestamp.filter(|_| quasi));
        field(self, ",\"sourceUniqueId\":", hidden(record.source_unique_id).as_deref());
    }
}

impl Gate {
    /// Lets what a bundle has made of a body through. What is left of it is at most `most` bytes.
    ///
    /// # Errors
    /// [`TooLarge`] when it would come to more, by ids that are hidden.
    pub fn pass(&self, taken: Option<Taken>, most: usize, mask: &Mask<'_>) -> Result<Passed, TooLarge> {
        let whole = |taken| Passed { taken, dropped: Dropped::default() };
        let Some(made) = taken else { return Ok(whole(None)) };
        // Which endpoints are in it is told already. The rest of very many stands under an empty name, which opens nothing.
        if self.open || (!self.without_pii && made.endpoints.iter().all(|(endpoint, _)| self.opens(endpoint))) {
            return Ok(whole(Some(made)));
        }
        // It was read when it came, or written here.
        let records = Records::parse(made.body.clone(), usize::MAX).map_err(|_| TooLarge)?;
        let text = records.text();
        let mut out = Out { text: Vec::with_capacity(text.len()), dropped: Dropped::default() };
        out.push("[");
        let mut kept = Vec::with_capacity(records.items.len());
        for item in &records.items {
            let before = out.text.len();
            if before > 1 {
                out.push(",");
            }
            if self.record(&mut out, &item.view(text), mask) {
                kept.push(item);
            } else {
                out.text.truncate(before);
            }
        }
        out.push("]");
        let dropped = out.dropped;
        if kept.is_empty() {
            return Ok(Passed { taken: None, dropped });
        }
        if out.text.len() > most {
            return Err(TooLarge);
        }
        let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        let endpoints = tally(kept.into_iter());
        // As it came when nothing of it was left out, so that its digest stays.
        let body = if dropped.is_empty() && !self.without_pii { made.body } else { Bytes::from(out.text) };
        Ok(Passed { taken: Some(Taken { body, count, endpoints }), dropped })
    }

    /// Whether all of an endpoint's records passes, with all that may be linked with them.
    fn opens(&self, endpoint: &str) -> bool {
        let open = |node: &Node| node.whole == Whole::Open;
        self.endpoints.get(endpoint).is_some_and(open) && self.linked.values().all(open)
    }

    /// Writes what passes of a record; false when nothing of its data does.
    fn record(&self, out: &mut Out, record: &RecordView<'_>, mask: &Mask<'_>) -> bool {
        let Some(node) = self.endpoints.get(record.endpoint) else { return out.unexpected() };
        if !self.whole(out, node, record, mask) {
            return false;
        }
        if let Some(links) = record.links {
            let before = out.text.len();
            out.push(",\"links\":[");
            let first = out.text.len();
            linked(links, |record| {
                let start = out.text.len();
                if start > first {
                    out.push(",");
                }
                let node = self.linked.get(record.endpoint);
                let written = match node {
                    Some(node) => self.whole(out, node, &record, mask),
                    None => out.unexpected(),
                };
                if written {
                    out.push("}");
                } else {
                    out.text.truncate(start);
                }
                None::<()>
            });
            if out.text.len() == first {
                out.text.truncate(before);
            } else {
                out.push("]");
            }
        }
        out.push("}");
        true
    }

    /// Writes a record up to its links.
    fn whole(&self, out: &mut Out, node: &Node, record: &RecordView<'_>, mask: &Mask<'_>) -> bool {
        let quasi = self.lets(Class::Quasi);
        out.envelope(record, self.without_pii.then_some(mask), quasi);
        out.push(",\"data\":");
        out.value(node, record.data)
    }
}

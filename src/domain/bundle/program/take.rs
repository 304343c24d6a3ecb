//! Takes from a body what a bundle selects, record by record: filters and mappings.

use bytes::Bytes;
use smol_str::SmolStr;

use super::write::{Bounded, TooLarge};
use super::{Found, Kept, Layouts, Program, Route};
use crate::domain::exchange::tally::{self, tally};
use crate::domain::records::{RecordSpan, RecordView, Records};

/// The part of a body that a bundle selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// As it is delivered: the very bytes that came when all records go as they are, otherwise an array.
    pub body: Bytes,
    /// Records in it.
    pub count: u32,
    /// Records per endpoint, in order of the endpoint's name.
    pub endpoints: Vec<(SmolStr, u32)>,
}

impl Taken {
    /// Without its first `skip` records, at most `limit` of the others; none when none is left.
    pub fn part(self, skip: Option<u32>, limit: Option<u32>) -> Option<Taken> {
        let (skip, limit) = (skip.unwrap_or(0), limit.unwrap_or(u32::MAX));
        if skip == 0 && self.count <= limit {
            return Some(self);
        }
        // What was written here is read again for its records alone.
        let records = Records::parse(self.body, self.count as usize).ok()?;
        let mut place = 0u32;
        let part = records.only(|_| {
            place += 1;
            place > skip && place - skip <= limit
        })?;
        Some(Taken { count: part.count(), endpoints: tally(part.items.iter()), body: part.body.clone() })
    }
}

/// What has been taken so far.
struct Taking<'a> {
    text: &'a str,
    items: &'a [RecordSpan],
    most: usize,
    /// How many records, from the first on, were all taken as they stand: nothing is written for them yet.
    whole: usize,
    /// The array that is written, once a record was left out or changed.
    out: Vec<u8>,
    count: usize,
    /// Records taken, by the first route of their endpoint.
    counts: Vec<u32>,
}

impl<'a> Taking<'a> {
    fn bounded(&mut self) -> Bounded<'_> {
        Bounded { out: &mut self.out, most: self.most }
    }

    /// From here on it is written: first those that were taken as they stand.
    fn begin(&mut self) -> Result<(), TooLarge> {
        if self.out.is_empty() {
            self.bounded().push("[")?;
            for item in &self.items[..self.whole] {
                self.separate()?;
                let whole = item.whole.of(self.text);
                self.bounded().push(whole)?;
            }
        }
        Ok(())
    }

    fn separate(&mut self) -> Result<(), TooLarge> {
        if self.out.len() > 1 { self.bounded().push(",") } else { Ok(()) }
    }

    /// Takes record number `at` by `route`. In another property it goes again, unless it looks the same.
    fn record(
        &mut self,
        at: usize,
        route: &Route,
        record: &RecordView<'a>,
        found: &Found<'a>,
        rows: &mut Vec<(usize, usize)>,
    ) -> Result<(), TooLarge> {
        let whole = route.leaves_whole(record);
        if whole && self.out.is_empty() && self.whole == at {
            self.whole = at + 1;
            self.count += 1;
            return Ok(());
        }
        if whole && self.out.is_empty() && self.whole == at + 1 {
            return Ok(());
        }
        // The record may be among those not written yet: then it stands last.
        let pending = self.out.is_empty() && self.whole == at + 1;
        self.begin()?;
        if pending {
            let end = self.out.len();
            rows.push((end - record.whole.len(), end));
        }
        let before = self.out.len();
        self.separate()?;
        let start = self.out.len();
        route.write(&mut self.bounded(), record, found)?;
        let end = self.out.len();
        if rows.iter().any(|(from, to)| self.out[*from..*to] == self.out[start..end]) {
            self.out.truncate(before);
            return Ok(());
        }
        rows.push((start, end));
        self.count += 1;
        Ok(())
    }
}

impl Program {
    /// What the bundle selects of a body; `None` when that is nothing. A record that several queries of a property
    /// select is taken by the first one; one that several properties select is taken for each, once where that is
    /// the same. Order and limits are of answers as a whole, not of what streams by.
    ///
    /// # Errors
    /// [`TooLarge`] when it would come to more than `most` bytes.
    pub fn take(&self, records: &Records, most: usize) -> Result<Option<Taken>, TooLarge> {
        let text = records.text();
        let items = &records.items;
        let mut taking =
            Taking { text, items, most, whole: 0, out: Vec::new(), count: 0, counts: vec![0; self.routes.len()] };
        let mut found = Found::new();
        let mut layouts = Layouts::for_run(items.len(), self.places);
        let mut rows = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let record = item.view(text);
            rows.clear();
            let before = taking.count;
            let mut property = None;
            let first = self.first_of(&item.endpoint);
            for route in self.routes_from(first, &item.endpoint) {
                if property == Some(route.property) || route.look_by(record.data, &mut found, &mut layouts) != Kept::Yes
                {
                    continue;
                }
                property = Some(route.property);
                taking.record(at, route, &record, &found, &mut rows)?;
            }
            if taking.count == before {
                taking.begin()?;
            } else {
                let count = &mut taking.counts[first];
                *count = count.saturating_add(u32::try_from(taking.count - before).unwrap_or(u32::MAX));
            }
        }
        if taking.count == 0 {
            return Ok(None);
        }
        let count = u32::try_from(taking.count).unwrap_or(u32::MAX);
        let counts = self.routes.iter().zip(&taking.counts).filter(|(_, count)| **count > 0);
        let endpoints = tally::bounded(counts.map(|(route, count)| (&route.endpoint, *count)));
        let body = if taking.out.is_empty() {
            records.body.clone()
        } else {
            taking.bounded().push("]")?;
            taking.out.into()
        };
        Ok(Some(Taken { body, count, endpoints }))
    }
}

//! Evaluates a bundle over many records at once, as a HAT answers a read of values: ordered, limited, with conditions.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use smol_str::SmolStr;

use super::json::Json;
use super::program::{Bounded, Found, Kept, Layouts, Program, Route, Row, Taken, TooLarge};
use super::rank::Rank;
use crate::domain::exchange::tally;
use crate::domain::records::{RecordView, Records};

/// Property → records, each as JSON text.
pub type Values = BTreeMap<SmolStr, Vec<Row>>;

/// Property of a conditions bundle → whether any record was found.
pub type Conditions = BTreeMap<SmolStr, bool>;

/// A value, and the place of its record.
struct Placed {
    place: usize,
    row: Row,
}

/// A record that a query selects.
struct Match<'a> {
    rank: Rank<'a>,
    record: RecordView<'a>,
    route: &'a Route,
    found: Found<'a>,
}

impl Program {
    /// The values of each property. `records` are given oldest first. Of each property the first `skip` are left
    /// out, and at most `most` are given.
    ///
    /// # Errors
    /// [`TooLarge`] when all values together would come to more than `bytes`.
    pub fn values(
        &self,
        records: &Records,
        skip: usize,
        most: Option<usize>,
        bytes: usize,
    ) -> Result<Values, TooLarge> {
        let placed = self.placed(records, skip, most, bytes)?;
        let rows = |placed: Vec<Placed>| placed.into_iter().map(|placed| placed.row).collect();
        Ok(placed.into_iter().map(|(name, placed)| (name, rows(placed))).collect())
    }

    /// [`values`](Self::values) with the records' places.
    fn placed(
        &self,
        records: &Records,
        skip: usize,
        most: Option<usize>,
        bytes: usize,
    ) -> Result<BTreeMap<SmolStr, Vec<Placed>>, TooLarge> {
        let text = records.text();
        let mut by_property: Vec<Vec<Match<'_>>> = self.plans.iter().map(|_| Vec::new()).collect();
        let mut layouts = Layouts::for_run(records.items.len(), self.places);
        for (place, item) in records.items.iter().enumerate() {
            let record = item.view(text);
            for route in self.of_endpoint(&item.endpoint) {
                let mut found = Found::new();
                if route.look_by(record.data, &mut found, &mut layouts) != Kept::Yes {
                    continue;
                }
                let key = route.order.and_then(|slot| found[slot]).and_then(|raw| Json::read(raw).ok());
                let record_id = record.record_id.map(Cow::Borrowed);
                let rank = Rank { key, place, record_id, query: route.query };
                by_property[route.property].push(Match { rank, record, route, found });
            }
        }
        let mut values = BTreeMap::new();
        let mut left = bytes;
        for (plan, mut matches) in self.plans.iter().zip(by_property) {
            matches.sort_by(|a, b| a.rank.order(&b.rank, plan.direction));
            let take = match plan.limit {
                Some(limit) => {
                    let limit = limit as usize;
                    limit.saturating_sub(skip).min(most.unwrap_or(limit))
                }
                None => most.unwrap_or(usize::MAX),
            };
            let mut taken: Vec<Match<'_>> = matches.into_iter().skip(skip).take(take).collect();
            // A record that two queries select stands twice in a row and counts twice; it is given once, by the first.
            taken.dedup_by(|later, first| later.rank.place == first.rank.place);
            let mut rows = Vec::with_capacity(taken.len());
            for one in &taken {
                let mut out = Vec::new();
                one.route.write(&mut Bounded { out: &mut out, most: left }, &one.record, &one.found)?;
                left -= out.len();
                rows.push(Placed { place: one.rank.place, row: String::from_utf8(out).unwrap_or_default() });
            }
            values.insert(plan.name.clone(), rows);
        }
        Ok(values)
    }

    /// The values of all properties as one body, in order of the properties' names; a record that looks the same in two of
    /// them is given once. `None` when there is nothing.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn answer(&self, records: &Records, most: usize) -> Result<Option<Taken>, TooLarge> {
        let values = self.placed(records, 0, None, most)?;
        let mut seen = HashSet::new();
        let placed = values.values().flatten();
        let given: Vec<&Placed> = placed.filter(|placed| seen.insert((placed.place, placed.row.as_str()))).collect();
        let size = given.iter().map(|placed| placed.row.len() + 1).sum::<usize>() + 1;
        if given.is_empty() {
            return Ok(None);
        }
        if size > most {
            return Err(TooLarge);
        }
        let mut body = Vec::with_capacity(size);
        for placed in &given {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(placed.row.as_bytes());
        }
        body.push(b']');
        let endpoints = tally(given.iter().map(|placed| &records.items[placed.place]));
        let count = u32::try_from(given.len()).unwrap_or(u32::MAX);
        Ok(Some(Taken { body: body.into(), count, endpoints }))
    }

    /// Whether each property of a conditions bundle finds any record.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn conditions(&self, records: &Records, bytes: usize) -> Result<Conditions, TooLarge> {
        let values = self.values(records, 0, None, bytes)?;
        Ok(values.into_iter().map(|(property, rows)| (property, !rows.is_empty())).collect())
    }
}

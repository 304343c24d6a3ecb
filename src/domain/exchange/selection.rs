//! What a bundle selects of a body.

use bytes::Bytes;
use smol_str::SmolStr;

use super::tally::tally;
use crate::domain::event::Bundle;
use crate::domain::records::Records;

/// A bundle's endpoints in order, so that many records are looked up quickly.
pub(crate) struct Selection<'a>(Vec<&'a str>);

/// The selected part of a body.
pub(crate) struct Selected {
    /// As it is delivered.
    pub body: Bytes,
    /// Records in it.
    pub count: u32,
    /// Records per endpoint.
    pub endpoints: Vec<(SmolStr, u32)>,
}

impl<'a> Selection<'a> {
    pub fn of(bundle: &'a Bundle) -> Self {
        let queries = bundle.bundle.values().flat_map(|p| &p.endpoints);
        let mut endpoints: Vec<&str> = queries.map(|q| q.endpoint.as_str()).collect();
        endpoints.sort_unstable();
        Selection(endpoints)
    }

    fn has(&self, endpoint: &str) -> bool {
        self.0.binary_search(&endpoint).is_ok()
    }

    /// The records of the bundle's endpoints; `None` when there is none.
    pub fn take(&self, records: &Records) -> Option<Selected> {
        let (body, count) = records.select(|endpoint| self.has(endpoint))?;
        let kept = records.items.iter().filter(|r| self.has(&r.endpoint));
        Some(Selected { body, count, endpoints: tally(kept) })
    }
}

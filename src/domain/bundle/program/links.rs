//! Writes a record as it is delivered, with the linked records that may come along.

use super::write::{Bounded, TooLarge, object};
use super::{Found, Kept, Route};
use crate::domain::records::{RecordView, linked};

impl Route {
    /// Whether the record goes as it stands: nothing is mapped, and no links have to be left out.
    pub(in super::super) fn leaves_whole(&self, record: &RecordView<'_>) -> bool {
        self.shape.is_none() && record.links.is_none()
    }

    /// Writes the record: where it comes from, its data in the mapping's shape, the links that are asked for.
    /// What the source calls it goes along only with data that is not mapped.
    pub(in super::super) fn write(
        &self,
        out: &mut Bounded<'_>,
        record: &RecordView<'_>,
        found: &Found<'_>,
    ) -> Result<(), TooLarge> {
        if self.leaves_whole(record) {
            return out.push(record.whole);
        }
        let field = |out: &mut Bounded<'_>, name: &str, raw: Option<&str>| match raw {
            Some(raw) => out.push(name).and_then(|()| out.push(raw)),
            None => Ok(()),
        };
        // An endpoint is made of 0-9, a-z, '-' and '/': nothing to escape.
        out.push("{\"endpoint\":\"")?;
        out.push(record.endpoint)?;
        out.push("\"")?;
        field(out, ",\"recordId\":", record.record_id)?;
        match &self.shape {
            Some(shape) => {
                out.push(",\"data\":")?;
                object(out, shape, found)?;
            }
            None => {
                field(out, ",\"sourceTimestamp\":", record.source_timestamp)?;
                field(out, ",\"sourceUniqueId\":", record.source_unique_id)?;
                field(out, ",\"data\":", Some(record.data))?;
            }
        }
        if let Some(links) = record.links.filter(|_| !self.links.is_empty()) {
            self.write_links(out, record.record_id, links)?;
        }
        out.push("}")
    }

    /// Linked records in the order of the queries that ask for them; each once, and never the record itself.
    fn write_links(&self, out: &mut Bounded<'_>, own: Option<&str>, links: &str) -> Result<(), TooLarge> {
        let start = out.out.len();
        out.push(",\"links\":[")?;
        let empty = out.out.len();
        let mut taken = Vec::new();
        for route in &self.links {
            let mut n = 0usize;
            let results = linked(links, |record| {
                n += 1;
                let wanted = record.endpoint == route.endpoint && !taken.contains(&n);
                if !wanted || (own.is_some() && record.record_id == own) {
                    return None;
                }
                let mut found = Found::new();
                if route.look(record.data, &mut found) != Kept::Yes {
                    return None;
                }
                taken.push(n);
                let comma = if out.out.len() > empty { out.push(",") } else { Ok(()) };
                Some(comma.and_then(|()| route.write(out, &record, &found)))
            });
            results.into_iter().collect::<Result<(), TooLarge>>()?;
        }
        if out.out.len() == empty {
            out.out.truncate(start);
            return Ok(());
        }
        out.push("]")
    }
}

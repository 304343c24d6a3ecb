//! Reads a content as it comes: is it what its sender signed for, and what of it is delivered?

use std::collections::BTreeSet;
use std::io::Write;

use smol_str::SmolStr;

use super::out::Out;
use super::source::Source;
use super::{Facts, Object, Stopped, Terms};
use crate::domain::limits::Limits;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Most namespaces in one content: more than any sender may write.
const NAMESPACES_MAX: usize = 64;

/// What of each record is delivered.
enum Way {
    /// All of it, byte for byte.
    Whole(BTreeSet<SmolStr>),
    /// What a debit's bundle selects.
    Under(Box<Terms>),
}

impl Way {
    fn take(&mut self, out: &mut Out, records: &Records, to: &mut impl Write) -> Result<(), Stopped> {
        match self {
            Way::Whole(namespaces) => pass(namespaces, out, records),
            Way::Under(terms) => out.select(terms, records, to),
        }
    }
}

/// Counts what goes by byte for byte.
fn pass(namespaces: &mut BTreeSet<SmolStr>, out: &mut Out, records: &Records) -> Result<(), Stopped> {
    for item in &records.items {
        out.spread.add(&item.endpoint, 1);
        let namespace = item.endpoint.split('/').next().unwrap_or_default();
        if !namespaces.contains(namespace) {
            if namespaces.len() >= NAMESPACES_MAX {
                return Err(Reason::OutsideNamespace.into());
            }
            namespaces.insert(namespace.into());
        }
    }
    out.add(records.count())
}

/// The reader of a content for one recipient. Memory: a batch of records, whatever the content's size.
pub struct Sift {
    source: Source,
    way: Way,
    out: Out,
}

impl Sift {
    /// For a credit: passes byte for byte.
    pub fn whole(object: Object, limits: &Limits) -> Self {
        Self::new(object, Way::Whole(BTreeSet::new()), limits)
    }

    /// For a release under these terms.
    pub fn under(object: Object, terms: Terms, limits: &Limits) -> Self {
        Self::new(object, Way::Under(Box::new(terms)), limits)
    }

    fn new(object: Object, way: Way, limits: &Limits) -> Self {
        let out = Out::new(limits.large_bytes.max(object.size));
        Sift { source: Source::new(object, limits), way, out }
    }

    /// Takes the next bytes; what is delivered goes to `to`.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn push(&mut self, piece: &[u8], to: &mut impl Write) -> Result<(), Stopped> {
        let (way, out) = (&mut self.way, &mut self.out);
        self.source.push(piece, &mut |records| way.take(out, &records, to))?;
        if matches!(way, Way::Whole(_)) {
            to.write_all(piece)?;
        }
        Ok(())
    }

    /// The content is over.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn finish(mut self, to: &mut impl Write) -> Result<Facts, Stopped> {
        let (way, out) = (&mut self.way, &mut self.out);
        let digest = self.source.finish(&mut |records| way.take(out, &records, to))?;
        match self.way {
            Way::Whole(namespaces) => {
                self.out.size = self.source.object.size;
                Ok(self.out.facts(digest, namespaces.into_iter().collect(), None))
            }
            Way::Under(terms) => self.out.finish(&terms, to),
        }
    }
}

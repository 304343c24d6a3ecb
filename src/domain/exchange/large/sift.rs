//! Reads a content as it comes: is it what its sender signed for, and what of it is delivered?

use std::collections::BTreeSet;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::split::Splitter;
use super::spread::Spread;
use super::{Facts, Object};
use crate::domain::bytes::Digest;
use crate::domain::debit::Revision;
use crate::domain::exchange::release::sieve;
use crate::domain::limits::Limits;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Most namespaces in one content: more than any sender may write.
const NAMESPACES_MAX: usize = 64;
/// Most bytes that a mapping may make of one batch of records.
const BATCH_OUT_MAX: u64 = 16 << 20;

/// Why a content is read no further.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It is not to be delivered.
    #[error("{0}")]
    Refused(Reason),
    /// What is delivered of it could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

impl From<Reason> for Stopped {
    fn from(reason: Reason) -> Self {
        Stopped::Refused(reason)
    }
}

/// What of each record is delivered.
enum Way {
    /// All of it, byte for byte.
    Whole,
    /// What a debit's bundle selects.
    Under { revision: Box<Revision>, enabled: u64, evaluated: bool },
}

/// What goes out.
struct Out {
    hash: Sha256,
    size: u64,
    count: u32,
    spread: Spread,
    namespaces: BTreeSet<SmolStr>,
    most: u64,
}

/// The reader. Memory: a batch of records, whatever the content's size.
pub struct Sift {
    object: Object,
    splitter: Splitter,
    hash: Sha256,
    size: u64,
    way: Way,
    out: Out,
}

impl Sift {
    /// For a credit: passes byte for byte.
    pub fn whole(object: Object, limits: &Limits) -> Self {
        Self::new(object, Way::Whole, limits)
    }

    /// For a release under this revision, which entry `enabled` put in force. `evaluated`: the HAT has taken the records
    /// through the bundle already, and a bridge brings what came of it.
    pub fn under(object: Object, revision: &Revision, enabled: u64, evaluated: bool, limits: &Limits) -> Self {
        let revision = Box::new(revision.clone());
        Self::new(object, Way::Under { revision, enabled, evaluated }, limits)
    }

    fn new(object: Object, way: Way, limits: &Limits) -> Self {
        // The array around the records is a level of its own.
        let splitter = Splitter::new(limits.body_bytes, limits.depth.saturating_sub(1));
        let out = Out {
            hash: Sha256::new(),
            size: 0,
            count: 0,
            spread: Spread::default(),
            namespaces: BTreeSet::new(),
            most: limits.large_bytes.max(object.size),
        };
        Sift { object, splitter, hash: Sha256::new(), size: 0, way, out }
    }

    /// Takes the next bytes; what is delivered goes to `to`.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn push(&mut self, piece: &[u8], to: &mut impl Write) -> Result<(), Stopped> {
        self.size += piece.len() as u64;
        if self.size > self.object.size {
            return Err(Reason::DigestMismatch.into());
        }
        self.hash.update(piece);
        let (way, out) = (&self.way, &mut self.out);
        if matches!(way, Way::Whole) {
            to.write_all(piece)?;
        }
        self.splitter.push(piece, &mut |records| out.take(way, &records, to))
    }

    /// The content is over.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of it may be delivered then.
    pub fn finish(mut self, to: &mut impl Write) -> Result<Facts, Stopped> {
        let digest = Digest(self.hash.finalize().into());
        if self.size != self.object.size || digest != self.object.digest {
            return Err(Reason::DigestMismatch.into());
        }
        let (way, mut out) = (self.way, self.out);
        self.splitter.finish(&mut |records| out.take(&way, &records, to))?;
        if self.splitter.count() != self.object.count {
            return Err(Reason::CountMismatch.into());
        }
        let (digest, under) = match way {
            Way::Whole => {
                out.size = self.size;
                (digest, None)
            }
            Way::Under { enabled, .. } => {
                if out.count == 0 {
                    return Err(Reason::NothingSelected.into());
                }
                out.write(b"]", to)?;
                (Digest(out.hash.finalize().into()), Some(enabled))
            }
        };
        Ok(Facts {
            digest,
            size: out.size,
            count: out.count,
            endpoints: out.spread.finish(),
            namespaces: out.namespaces.into_iter().collect(),
            under,
        })
    }
}

impl Out {
    fn take(&mut self, way: &Way, records: &Records, to: &mut impl Write) -> Result<(), Stopped> {
        match way {
            Way::Whole => self.pass(records),
            Way::Under { revision, evaluated, .. } => self.select(revision, *evaluated, records, to),
        }
    }

    fn pass(&mut self, records: &Records) -> Result<(), Stopped> {
        for item in &records.items {
            self.spread.add(&item.endpoint, 1);
            let namespace = item.endpoint.split('/').next().unwrap_or_default();
            if !self.namespaces.contains(namespace) {
                if self.namespaces.len() >= NAMESPACES_MAX {
                    return Err(Reason::OutsideNamespace.into());
                }
                self.namespaces.insert(namespace.into());
            }
        }
        self.add(records.count())
    }

    fn select(
        &mut self,
        revision: &Revision,
        evaluated: bool,
        records: &Records,
        to: &mut impl Write,
    ) -> Result<(), Stopped> {
        let room = (self.most - self.size.min(self.most)).min(BATCH_OUT_MAX);
        let most = usize::try_from(room).unwrap_or(usize::MAX);
        let Some(taken) = sieve(revision, evaluated, records, most).map_err(|_| Reason::TooLarge)? else {
            return Ok(());
        };
        // A batch is an array, and so is what comes of it.
        let inner = taken.body.get(1..taken.body.len().saturating_sub(1)).unwrap_or_default();
        self.write(if self.count == 0 { b"[" } else { b"," }, to)?;
        self.write(inner, to)?;
        for (endpoint, count) in &taken.endpoints {
            self.spread.add(endpoint, *count);
        }
        self.add(taken.count)
    }

    fn add(&mut self, count: u32) -> Result<(), Stopped> {
        self.count = self.count.checked_add(count).ok_or(Reason::TooLarge)?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], to: &mut impl Write) -> Result<(), Stopped> {
        self.size += bytes.len() as u64;
        // One more for the end of the array.
        if self.size > self.most.saturating_add(1) {
            return Err(Reason::TooLarge.into());
        }
        self.hash.update(bytes);
        to.write_all(bytes)?;
        Ok(())
    }
}

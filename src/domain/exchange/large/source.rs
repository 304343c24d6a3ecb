//! What comes of an object, held against what its sender signed for.

use sha2::{Digest as _, Sha256};

use super::split::Splitter;
use super::{Object, Stopped};
use crate::domain::bytes::Digest;
use crate::domain::limits::Limits;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// The reader of a content: size, digest and records of it. Memory: a batch of records.
pub(super) struct Source {
    pub object: Object,
    splitter: Splitter,
    hash: Sha256,
    size: u64,
}

impl Source {
    pub fn new(object: Object, limits: &Limits) -> Self {
        // The array around the records is a level of its own.
        let splitter = Splitter::new(limits.body_bytes, limits.depth.saturating_sub(1));
        Source { object, splitter, hash: Sha256::new(), size: 0 }
    }

    /// Takes the next bytes; whole batches of records go to `each`.
    ///
    /// # Errors
    /// [`Stopped`], and what `each` returns.
    pub fn push(&mut self, piece: &[u8], each: &mut impl FnMut(Records) -> Result<(), Stopped>) -> Result<(), Stopped> {
        self.size += piece.len() as u64;
        if self.size > self.object.size {
            return Err(Reason::DigestMismatch.into());
        }
        self.hash.update(piece);
        self.splitter.push(piece, each)
    }

    /// The content is over; the last batch goes to `each`. Its digest.
    ///
    /// # Errors
    /// [`Stopped`] when it is not what was signed for, and what `each` returns.
    pub fn finish(&mut self, each: &mut impl FnMut(Records) -> Result<(), Stopped>) -> Result<Digest, Stopped> {
        let digest = Digest(std::mem::take(&mut self.hash).finalize().into());
        if self.size != self.object.size || digest != self.object.digest {
            return Err(Reason::DigestMismatch.into());
        }
        self.splitter.finish(each)?;
        if self.splitter.count() != self.object.count {
            return Err(Reason::CountMismatch.into());
        }
        Ok(digest)
    }
}

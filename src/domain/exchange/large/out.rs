//! What is delivered of a content, as it is written: an array of records that nobody has in memory as a whole.

use std::io::Write;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::spread::Spread;
use super::{Facts, Selected, Stopped, Terms};
use crate::domain::bundle::{Taken, TooLarge};
use crate::domain::bytes::Digest;
use crate::domain::exchange::release::sieve;
use crate::domain::pii::{Dropped, Passed};
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// Most bytes that a mapping may make of one batch of records.
const BATCH_OUT_MAX: u64 = 16 << 20;

/// The array, and what is told of it.
pub(super) struct Out {
    hash: Sha256,
    pub size: u64,
    pub count: u32,
    pub spread: Spread,
    pub dropped: Dropped,
    most: u64,
}

impl Out {
    /// An array of at most `most` bytes.
    pub fn new(most: u64) -> Self {
        Out { hash: Sha256::new(), size: 0, count: 0, spread: Spread::default(), dropped: Dropped::default(), most }
    }

    /// Bytes that the next batch may come to.
    pub fn room(&self) -> usize {
        let room = self.most.saturating_sub(self.size).min(BATCH_OUT_MAX);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// What these terms select of a batch, record by record.
    ///
    /// # Errors
    /// [`Stopped`]; [`Reason::TooLarge`] when it comes to more than may be.
    pub fn select(&mut self, terms: &Terms, records: &Records, to: &mut impl Write) -> Result<(), Stopped> {
        let passed = sieve(&terms.revision, &terms.gate, &terms.mask(), terms.evaluated, records, self.room());
        self.passed(passed, to)
    }

    /// What has passed a gate of a batch.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn passed(&mut self, passed: Result<Passed, TooLarge>, to: &mut impl Write) -> Result<(), Stopped> {
        let Passed { taken, dropped } = passed.map_err(|TooLarge| Reason::TooLarge)?;
        self.dropped.add(&dropped);
        match taken {
            Some(taken) => self.taken(&taken, to),
            None => Ok(()),
        }
    }

    fn taken(&mut self, taken: &Taken, to: &mut impl Write) -> Result<(), Stopped> {
        // A batch is an array, and so is what comes of it.
        let inner = taken.body.get(1..taken.body.len().saturating_sub(1)).unwrap_or_default();
        self.write(if self.count == 0 { b"[" } else { b"," }, to)?;
        self.write(inner, to)?;
        for (endpoint, count) in &taken.endpoints {
            self.spread.add(endpoint, *count);
        }
        self.add(taken.count)
    }

    /// Counts records.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] beyond what can be counted.
    pub fn add(&mut self, count: u32) -> Result<(), Stopped> {
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

    /// Ends the array; what is told of what was delivered under these terms.
    ///
    /// # Errors
    /// [`Stopped`], with the reason why when nothing was.
    pub fn finish(mut self, terms: &Terms, to: &mut impl Write) -> Result<Facts, Stopped> {
        if self.count == 0 {
            return Err(terms.gate.nothing(&self.dropped).into());
        }
        self.write(b"]", to)?;
        let selected = Selected { enabled: terms.enabled, gate: Arc::clone(&terms.gate) };
        let digest = Digest(std::mem::take(&mut self.hash).finalize().into());
        Ok(self.facts(digest, Vec::new(), Some(selected)))
    }

    /// What is told of a content of this digest.
    pub fn facts(self, digest: Digest, namespaces: Vec<SmolStr>, under: Option<Selected>) -> Facts {
        Facts {
            digest,
            size: self.size,
            count: self.count,
            endpoints: self.spread.finish(),
            namespaces,
            dropped: self.dropped,
            under,
        }
    }
}

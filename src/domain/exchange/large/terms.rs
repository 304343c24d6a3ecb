//! Under which terms a content leaves a HAT.

use std::sync::Arc;

use crate::domain::bundle::{Bundle, Compiled};
use crate::domain::debit::Revision;
use crate::domain::id::Address;
use crate::domain::pii::{Gate, Mask};

/// The terms of a release.
pub struct Terms {
    /// The debit's revision that is in force.
    pub revision: Revision,
    /// Number of the entry that put it in force.
    pub enabled: u64,
    /// The HAT has taken the records through the bundle already, and a bridge brings what came of it.
    pub evaluated: bool,
    /// What they let pass.
    pub gate: Arc<Gate>,
    /// Whose records.
    pub hat: Address,
    /// Who gets them.
    pub client: Address,
    /// The secret that ids are hidden with.
    pub key: [u8; 32],
}

impl Terms {
    /// What ids of records are hidden with.
    pub(super) fn mask(&self) -> Mask<'_> {
        Mask { key: &self.key, hat: &self.hat, client: &self.client }
    }

    /// The bundle that is applied, and its programs.
    pub(super) fn bundle(&self) -> (&Bundle, &Compiled) {
        self.gate.bundle(&self.revision.terms, &self.revision.program)
    }
}

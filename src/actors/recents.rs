//! Message ids that the index on disk does not hold yet: being committed, or committed since the
//! last snapshot.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smol_str::SmolStr;

use crate::domain::{Cause, Digest, Entry, Known};
use crate::store::{IndexKey, Sealed};

/// What is known of one id.
#[derive(Debug, Clone)]
pub enum First {
    /// Not committed yet; committed before anything decided now.
    Flying,
    /// Committed.
    Landed(Arc<Sealed>),
}

struct Flying {
    subject: SmolStr,
    body: Digest,
    entry: Option<Arc<Sealed>>,
}

/// Ids decided since the last snapshot. Bounded by the snapshot interval and its early trigger.
#[derive(Default)]
pub struct Recents {
    ids: HashMap<IndexKey, Flying>,
    landed: VecDeque<(u64, IndexKey)>,
}

/// Whether a message with these facts is the one that `cause` tells of.
pub fn same(cause: &Cause, subject: &str, body: &Digest) -> bool {
    cause.subject == subject && cause.body == *body
}

impl Recents {
    /// What is known of `key`; `None` when this table does not hold it.
    pub fn look(&self, key: &IndexKey, subject: &str, body: &Digest) -> Option<(Known, First)> {
        let found = self.ids.get(key)?;
        let known = if found.subject == subject && found.body == *body { Known::Same } else { Known::Other };
        let first = found.entry.clone().map_or(First::Flying, First::Landed);
        Some((known, first))
    }

    /// A decision about `key` is on its way to the ledger. The first one counts.
    pub fn fly(&mut self, key: IndexKey, cause: &Cause) {
        self.ids.entry(key).or_insert_with(|| Flying { subject: cause.subject.clone(), body: cause.body, entry: None });
    }

    /// It is committed.
    pub fn land(&mut self, key: IndexKey, sealed: &Arc<Sealed>) {
        if let Some(flying) = self.ids.get_mut(&key)
            && flying.entry.is_none()
        {
            flying.entry = Some(Arc::clone(sealed));
            self.landed.push_back((sealed.leaf, key));
        }
    }

    /// The committed entry of `key`, if this table holds it.
    pub fn landed(&self, key: &IndexKey) -> Option<Arc<Sealed>> {
        self.ids.get(key).and_then(|found| found.entry.clone())
    }

    /// Forgets what the index holds now, at most `most` ids of it: all at once would keep messages waiting.
    pub fn forget_below(&mut self, leaf: u64, most: usize) {
        for _ in 0..most {
            let Some((landed, key)) = self.landed.front() else { break };
            if *landed >= leaf {
                break;
            }
            self.ids.remove(key);
            self.landed.pop_front();
        }
    }

    /// How many ids are held.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True when none is held.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The message key of an entry that a message caused.
pub fn key_of(entry: &Entry) -> Option<IndexKey> {
    let cause = entry.cause.as_ref()?;
    let addressed = crate::wire::subject::parse(&cause.subject).ok()?.addressed;
    Some(IndexKey::message(&addressed, &cause.from, cause.id))
}

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

/// What the message of an id was.
struct Flying {
    subject: SmolStr,
    body: Digest,
}

/// How far an id has come. Most have landed: their facts are those of the entry.
enum Stage {
    Flying(Box<Flying>),
    Landed(Arc<Sealed>),
}

/// Ids decided since the last snapshot. Bounded by the snapshot interval and its early trigger.
#[derive(Default)]
pub struct Recents {
    ids: HashMap<IndexKey, Stage>,
    landed: VecDeque<(u64, IndexKey)>,
}

/// Whether an entry is one that the message of `cause` itself brought about.
pub fn brought_by(sealed: &Sealed, cause: &Cause) -> bool {
    let first = sealed.entry.cause.as_ref();
    first.is_some_and(|first| first.id == cause.id && first.tells_of(&cause.subject, &cause.body))
}

impl Recents {
    /// What is known of `key`; `None` when this table does not hold it.
    pub fn look(&self, key: &IndexKey, subject: &str, body: &Digest) -> Option<(Known, First)> {
        let (same, first) = match self.ids.get(key)? {
            Stage::Flying(it) => (it.subject == subject && it.body == *body, First::Flying),
            Stage::Landed(sealed) => {
                let same = sealed.entry.cause.as_ref().is_some_and(|cause| cause.tells_of(subject, body));
                (same, First::Landed(Arc::clone(sealed)))
            }
        };
        Some((if same { Known::Same } else { Known::Other }, first))
    }

    /// A decision about `key` is on its way to the ledger. The first one counts.
    pub fn fly(&mut self, key: IndexKey, cause: &Cause) {
        let flying = || Flying { subject: cause.subject.clone(), body: cause.body };
        self.ids.entry(key).or_insert_with(|| Stage::Flying(Box::new(flying())));
    }

    /// It is committed.
    pub fn land(&mut self, key: IndexKey, sealed: &Arc<Sealed>) {
        if let Some(stage @ Stage::Flying(_)) = self.ids.get_mut(&key) {
            *stage = Stage::Landed(Arc::clone(sealed));
            self.landed.push_back((sealed.leaf, key));
        }
    }

    /// The committed entry of `key`, if this table holds it.
    pub fn landed(&self, key: &IndexKey) -> Option<Arc<Sealed>> {
        match self.ids.get(key)? {
            Stage::Landed(sealed) => Some(Arc::clone(sealed)),
            Stage::Flying(_) => None,
        }
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

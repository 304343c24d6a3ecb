//! A message on its way through the steps.

use std::collections::HashSet;

use smol_str::SmolStr;

use super::entity::Ask;
use crate::domain::{Address, MessageId};
use crate::store::IndexKey;
use crate::wire::TraceContext;

/// One message (or local command) to be decided.
#[derive(Debug, Clone)]
pub struct Work {
    /// What is asked.
    pub ask: Ask,
    /// Who decides.
    pub entity: Address,
    /// The message's key in the index; `None` for local commands.
    pub key: Option<IndexKey>,
    /// Its sequence in the input stream; `None` for local commands.
    pub sequence: Option<u64>,
    /// Where a waiting caller wants the first outcome.
    pub reply: Option<SmolStr>,
    /// Whether the caller wants a proof with it.
    pub want_proof: bool,
    /// The sender's place in a trace of its own, for logs.
    pub trace: Option<TraceContext>,
}

/// A refusal to be told to a waiting caller before any entry is made.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The caller's inbox.
    pub reply: SmolStr,
    /// The message's id, when it was readable.
    pub id: Option<MessageId>,
    /// Why.
    pub reason: crate::domain::Reason,
    /// Which part, and what to do.
    pub detail: String,
}

/// Cuts `works` so that no key stands twice in a round: the second one must see the first one's entry.
pub fn rounds(works: Vec<Work>) -> Vec<Vec<Work>> {
    let mut rounds = Vec::with_capacity(1);
    let mut seen: HashSet<IndexKey> = HashSet::with_capacity(works.len());
    let mut round = Vec::with_capacity(works.len());
    for work in works {
        if let Some(key) = work.key
            && !seen.insert(key)
        {
            rounds.push(std::mem::take(&mut round));
            seen.clear();
            seen.insert(key);
        }
        round.push(work);
    }
    if !round.is_empty() {
        rounds.push(round);
    }
    rounds
}

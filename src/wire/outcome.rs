//! Outcomes as they are published: what happened, and where in the ledger it stands.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::domain::{Digest, Outcome};

/// A place in a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// The ledger's name: the exchange's origin.
    pub log: SmolStr,
    /// Index of the leaf, from 0.
    pub index: u64,
}

/// What proves an outcome to anybody: the entry is in the tree that the checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The entry's bytes, standard base64 with padding.
    pub entry: String,
    /// The entry's salt, standard base64 with padding. The leaf is SHA-256(salt ‖ entry).
    pub salt: String,
    /// The inclusion path, lowest first (RFC 9162).
    pub path: Vec<Digest>,
    /// The signed checkpoint (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// An outcome with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeOut {
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its entry.
    pub leaf: Leaf,
    /// Size of the tree whose signed checkpoint covers the entry.
    pub tree_size: u64,
    /// The proof, for those who want it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

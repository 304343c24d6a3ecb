//! Questions and answers of the request–reply queries under `dex.v1.api.`; errors are a [`super::Problem`].

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::domain::registration::KeyRecord;
use crate::domain::{Address, Digest, Key, MessageId, Profile, Reason, Standing, Status, Timestamp};

use super::outcome::Leaf;

/// Names the exchange and its keys; the question is `{}` or empty.
pub const HEALTH: &str = "dex.v1.api.health";
/// Every step of one exchange.
pub const TRACE: &str = "dex.v1.api.exchange.trace";
/// How a party stands.
pub const TRUST: &str = "dex.v1.api.trust.verify";
/// The newest signed checkpoint; the question is `{}` or empty.
pub const CHECKPOINT: &str = "dex.v1.api.ledger.checkpoint";
/// An inclusion proof.
pub const PROOF: &str = "dex.v1.api.ledger.proof";

/// Answer of [`HEALTH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The exchange's name, the `origin` of signed texts.
    pub origin: SmolStr,
    /// The keys that it signs messages with, newest first.
    pub keys: Vec<Key>,
    /// The verifier key of its checkpoints (C2SP signed-note vkey).
    pub checkpoint_key: String,
}

/// Question of [`TRACE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceAsk {
    /// The exchange's id.
    pub id: MessageId,
}

/// One step of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceStep {
    /// The entity that decided.
    pub entity: Address,
    /// Its entry number.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// How the exchange stood after it.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Where it stands in the ledger.
    pub leaf: Leaf,
}

/// Answer of [`TRACE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The exchange's id.
    pub exchange: MessageId,
    /// Its steps, oldest first.
    pub steps: Vec<TraceStep>,
}

/// Question of [`TRUST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustAsk {
    /// Who.
    pub party: Address,
    /// As of then; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// With the entries that say so, and their proofs.
    #[serde(default)]
    pub proof: bool,
}

/// Answer of [`TRUST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// Who.
    pub party: Address,
    /// Whether it may take part now.
    pub approved: bool,
    /// Where it stands.
    pub standing: Standing,
    /// What it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Its keys, oldest first.
    pub keys: Vec<KeyRecord>,
}

/// Answer of [`CHECKPOINT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointAnswer {
    /// The signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// The size that it signs.
    pub tree_size: u64,
}

/// Question of [`PROOF`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProofAsk {
    /// Index of the leaf.
    pub leaf: u64,
    /// For the tree of this size; the newest checkpoint's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_size: Option<u64>,
}

/// Answer of [`PROOF`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofAnswer {
    /// The leaf.
    pub leaf: Leaf,
    /// The tree's size.
    pub tree_size: u64,
    /// The leaf's data: SHA-256(salt ‖ entry).
    pub commitment: Digest,
    /// The inclusion path, lowest first (RFC 9162).
    pub path: Vec<Digest>,
    /// The checkpoint of that size; absent when another size than the newest was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_closed() {
        assert!(serde_json::from_str::<ProofAsk>(r#"{"leaf":1,"treeSize":2}"#).is_ok());
        assert!(serde_json::from_str::<ProofAsk>(r#"{"leaf":1,"size":2}"#).is_err());
        assert!(serde_json::from_str::<TrustAsk>(r#"{"party":"hat:bob"}"#).is_ok());
        assert!(serde_json::from_str::<TraceAsk>(r#"{"id":"X"}"#).is_err());
    }

    #[test]
    fn a_trust_answer_is_written_as_the_protocol_says() {
        let answer = Trust {
            party: "plug:fitbit".parse().expect("address"),
            approved: true,
            standing: Standing::Active,
            profile: Some(Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest: None }),
            keys: vec![],
        };
        assert_eq!(
            serde_json::to_string(&answer).expect("JSON"),
            r#"{"party":"plug:fitbit","approved":true,"standing":"active","profile":{"kind":"plug","name":"Fitbit","namespace":"fitbit"},"keys":[]}"#
        );
    }
}

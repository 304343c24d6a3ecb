//! What an offer offers, and to whom.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::debit_terms::DebitTerms;
use super::id::{Address, Id, MessageId};
use super::time::Timestamp;

/// The terms of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferTerms {
    /// The org that makes the offer and receives the data.
    pub owner: Address,
    /// A short title.
    pub title: SmolStr,
    /// Claims are taken from then on.
    pub starts: Timestamp,
    /// Claims are taken until then.
    pub expires: Timestamp,
    /// Most claims.
    pub max_claims: u32,
    /// Confirmed claims from which on the offer is satisfied.
    pub min_claims: u32,
    /// The debit that is proposed to each claimer; its client is the owner.
    pub debit: DebitTerms,
}

/// A HAT's claim on an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HatClaim {
    /// Whose.
    pub hat: Id,
    /// The claim's message; none for a place that was reserved before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<MessageId>,
}

//! The two closed sets that every answer of the exchange is made of: statuses and reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an exchange (or a registry action) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Ledgered and on its way (ISO 20022 ACSP).
    Accepted,
    /// Held, with a reason (PDNG).
    Pending,
    /// The recipient's receipt matches, or a registry action is done (ACSC).
    Settled,
    /// Refused, with a reason (RJCT).
    Rejected,
    /// The two sides differ.
    Disputed,
    /// No receipt by the deadline.
    Expired,
    /// Taken back by its sender (CANC).
    Recalled,
}

impl Status {
    /// The whole closed set.
    pub const ALL: [Status; 7] = [
        Status::Accepted,
        Status::Pending,
        Status::Settled,
        Status::Rejected,
        Status::Disputed,
        Status::Expired,
        Status::Recalled,
    ];

    /// The word on the wire, in the ledger, in metrics and in API errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Accepted => "accepted",
            Status::Pending => "pending",
            Status::Settled => "settled",
            Status::Rejected => "rejected",
            Status::Disputed => "disputed",
            Status::Expired => "expired",
            Status::Recalled => "recalled",
        }
    }

    /// True when nothing can change any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Status::Accepted | Status::Pending)
    }
}

/// Why something was refused, disputed, expired or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The message or its body is not of the protocol's form.
    Malformed,
    /// Body or headers are over their limit.
    TooLarge,
    /// The sender or the addressed party is not registered.
    UnknownParty,
    /// The signature does not fit, or its key was never the sender's.
    BadSignature,
    /// The key was not in force when the message was stored.
    RevokedKey,
    /// The sender may not do this on this subject.
    NotPermitted,
    /// The plug, app, org or offer has no approval in force.
    NotApproved,
    /// The plug or app is not connected to this HAT.
    NotConnected,
    /// A party to the exchange is suspended.
    Suspended,
    /// The HAT is retired.
    Retired,
    /// A record's endpoint is outside the sender's namespace.
    OutsideNamespace,
    /// The HAT has no such data debit.
    DebitNotFound,
    /// The data debit is not enabled or has not started.
    DebitNotActive,
    /// The data debit has ended.
    DebitEnded,
    /// No active debit selects any of the records.
    NothingSelected,
    /// The records hold a class of personal data that was not granted.
    PiiNotGranted,
    /// The id was used before for another message.
    Conflict,
    /// The id's time lies outside the id horizon.
    Stale,
    /// The sender is over its quota.
    OverQuota,
    /// The recipient is over its quota.
    RecipientOverQuota,
    /// The receipt names another digest than was delivered.
    DigestMismatch,
    /// The receipt names another number of records than was delivered.
    CountMismatch,
    /// The recipient refused the delivery.
    RefusedByRecipient,
    /// No receipt came by the deadline.
    DeadlinePassed,
    /// The sender recalled the exchange.
    RecalledBySender,
    /// What the message refers to does not exist.
    NotFound,
    /// The entity is in a state that does not allow this.
    WrongState,
    /// The thing to be made is there already.
    AlreadyExists,
    /// The offer has no place left.
    OfferFull,
    /// The offer has not reached its minimum.
    OfferBelowMinimum,
    /// The exchange failed on this message; it is kept as a dead letter.
    Internal,
}

impl Reason {
    /// The whole closed set.
    pub const ALL: [Reason; 31] = [
        Reason::Malformed,
        Reason::TooLarge,
        Reason::UnknownParty,
        Reason::BadSignature,
        Reason::RevokedKey,
        Reason::NotPermitted,
        Reason::NotApproved,
        Reason::NotConnected,
        Reason::Suspended,
        Reason::Retired,
        Reason::OutsideNamespace,
        Reason::DebitNotFound,
        Reason::DebitNotActive,
        Reason::DebitEnded,
        Reason::NothingSelected,
        Reason::PiiNotGranted,
        Reason::Conflict,
        Reason::Stale,
        Reason::OverQuota,
        Reason::RecipientOverQuota,
        Reason::DigestMismatch,
        Reason::CountMismatch,
        Reason::RefusedByRecipient,
        Reason::DeadlinePassed,
        Reason::RecalledBySender,
        Reason::NotFound,
        Reason::WrongState,
        Reason::AlreadyExists,
        Reason::OfferFull,
        Reason::OfferBelowMinimum,
        Reason::Internal,
    ];

    /// The word on the wire, in the ledger, in metrics and in API errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too-large",
            Reason::UnknownParty => "unknown-party",
            Reason::BadSignature => "bad-signature",
            Reason::RevokedKey => "revoked-key",
            Reason::NotPermitted => "not-permitted",
            Reason::NotApproved => "not-approved",
            Reason::NotConnected => "not-connected",
            Reason::Suspended => "suspended",
            Reason::Retired => "retired",
            Reason::OutsideNamespace => "outside-namespace",
            Reason::DebitNotFound => "debit-not-found",
            Reason::DebitNotActive => "debit-not-active",
            Reason::DebitEnded => "debit-ended",
            Reason::NothingSelected => "nothing-selected",
            Reason::PiiNotGranted => "pii-not-granted",
            Reason::Conflict => "conflict",
            Reason::Stale => "stale",
            Reason::OverQuota => "over-quota",
            Reason::RecipientOverQuota => "recipient-over-quota",
            Reason::DigestMismatch => "digest-mismatch",
            Reason::CountMismatch => "count-mismatch",
            Reason::RefusedByRecipient => "refused-by-recipient",
            Reason::DeadlinePassed => "deadline-passed",
            Reason::RecalledBySender => "recalled-by-sender",
            Reason::NotFound => "not-found",
            Reason::WrongState => "wrong-state",
            Reason::AlreadyExists => "already-exists",
            Reason::OfferFull => "offer-full",
            Reason::OfferBelowMinimum => "offer-below-minimum",
            Reason::Internal => "internal",
        }
    }

    /// One sentence for people: what it means.
    pub const fn explanation(self) -> &'static str {
        match self {
            Reason::Malformed => "The message or its body is not of the protocol's form.",
            Reason::TooLarge => "Body or headers are over their limit.",
            Reason::UnknownParty => "The sender or the addressed party is not registered.",
            Reason::BadSignature => "The signature does not fit, or its key was never the sender's.",
            Reason::RevokedKey => "The key was not in force when the message was stored.",
            Reason::NotPermitted => "The sender may not do this on this subject.",
            Reason::NotApproved => "The plug, app, org or offer has no approval in force.",
            Reason::NotConnected => "The plug or app is not connected to this HAT.",
            Reason::Suspended => "A party to the exchange is suspended.",
            Reason::Retired => "The HAT is retired.",
            Reason::OutsideNamespace => "A record's endpoint is outside the sender's namespace.",
            Reason::DebitNotFound => "The HAT has no such data debit.",
            Reason::DebitNotActive => "The data debit is not enabled or has not started.",
            Reason::DebitEnded => "The data debit has ended.",
            Reason::NothingSelected => "No active debit selects any of the records.",
            Reason::PiiNotGranted => "The records hold a class of personal data that was not granted.",
            Reason::Conflict => "The id was used before for another message.",
            Reason::Stale => "The id's time lies outside the id horizon.",
            Reason::OverQuota => "The sender is over its quota.",
            Reason::RecipientOverQuota => "The recipient is over its quota.",
            Reason::DigestMismatch => "The receipt names another digest than was delivered.",
            Reason::CountMismatch => "The receipt names another number of records than was delivered.",
            Reason::RefusedByRecipient => "The recipient refused the delivery.",
            Reason::DeadlinePassed => "No receipt came by the deadline.",
            Reason::RecalledBySender => "The sender recalled the exchange.",
            Reason::NotFound => "What the message refers to does not exist.",
            Reason::WrongState => "The entity is in a state that does not allow this.",
            Reason::AlreadyExists => "The thing to be made is there already.",
            Reason::OfferFull => "The offer has no place left.",
            Reason::OfferBelowMinimum => "The offer has not reached its minimum.",
            Reason::Internal => "The exchange failed on this message; it is kept as a dead letter.",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Status::ALL
            .into_iter()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| format!("no status of the protocol: {text:?}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Reason::ALL
            .into_iter()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| format!("no reason of the protocol: {text:?}"))
    }
}

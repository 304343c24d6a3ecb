//! What goes wrong on purpose, and what must come of it.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Reason, Status};

/// What the recipient of the simulation does with a delivery. Stands in the records' ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Accepts it.
    Accept,
    /// Holds it until the recall request, then gives it back.
    Hold,
    /// Says nothing.
    Silent,
    /// Refuses it.
    Refuse,
    /// Accepts it with the digest of something else.
    WrongDigest,
    /// Accepts it with another count.
    WrongCount,
}

impl Mark {
    /// All of them.
    pub const ALL: [Mark; 6] =
        [Mark::Accept, Mark::Hold, Mark::Silent, Mark::Refuse, Mark::WrongDigest, Mark::WrongCount];

    /// As it stands in records' ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mark::Accept => "accept",
            Mark::Hold => "hold",
            Mark::Silent => "silent",
            Mark::Refuse => "refuse",
            Mark::WrongDigest => "wrong-digest",
            Mark::WrongCount => "wrong-count",
        }
    }

    /// How an exchange with this mark must end.
    pub const fn end(self) -> End {
        match self {
            Mark::Accept => End(Status::Settled, None),
            Mark::Hold => End(Status::Recalled, None),
            Mark::Silent => End(Status::Expired, None),
            Mark::Refuse => End(Status::Disputed, Some(Reason::RefusedByRecipient)),
            Mark::WrongDigest => End(Status::Disputed, Some(Reason::DigestMismatch)),
            Mark::WrongCount => End(Status::Disputed, Some(Reason::CountMismatch)),
        }
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Mark::ALL.into_iter().find(|mark| mark.as_str() == text).ok_or(())
    }
}

/// A final status, and the reason where the simulation insists on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End(pub Status, pub Option<Reason>);

impl End {
    /// Whether an exchange ended so.
    pub fn is(self, status: Status, reason: Option<Reason>) -> bool {
        self.0 == status && (self.1.is_none() || self.1 == reason)
    }
}

/// A mistake of a sender or of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mistake {
    /// Signed with a key that was never the sender's.
    BadSignature,
    /// The plug is not connected to the HAT.
    NotConnected,
    /// A record of somebody else's namespace.
    OutsideNamespace,
    /// To a HAT that does not exist.
    UnknownHat,
    /// Under a debit that does not exist.
    DebitNotFound,
    /// Data that no debit selects.
    NothingSelected,
    /// The same message twice: the first outcome must come again.
    Replayed,
    /// The same id with other content.
    Conflicting,
    /// The receipt's digest differs.
    WrongDigest,
    /// The receipt's count differs.
    WrongCount,
    /// The recipient refuses.
    Refused,
    /// The recipient, or the HAT that is asked for a release, says nothing.
    Silent,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Mistake; 12] = [
        Mistake::BadSignature,
        Mistake::NotConnected,
        Mistake::OutsideNamespace,
        Mistake::UnknownHat,
        Mistake::DebitNotFound,
        Mistake::NothingSelected,
        Mistake::Replayed,
        Mistake::Conflicting,
        Mistake::WrongDigest,
        Mistake::WrongCount,
        Mistake::Refused,
        Mistake::Silent,
    ];

    /// What the sender must be told at once; `None`: it is accepted.
    pub const fn refusal(self) -> Option<Reason> {
        match self {
            Mistake::BadSignature => Some(Reason::BadSignature),
            Mistake::NotConnected => Some(Reason::NotConnected),
            Mistake::OutsideNamespace => Some(Reason::OutsideNamespace),
            Mistake::UnknownHat => Some(Reason::UnknownParty),
            Mistake::DebitNotFound => Some(Reason::DebitNotFound),
            Mistake::NothingSelected => Some(Reason::NothingSelected),
            Mistake::Replayed
            | Mistake::Conflicting
            | Mistake::WrongDigest
            | Mistake::WrongCount
            | Mistake::Refused
            | Mistake::Silent => None,
        }
    }

    /// What the recipient does.
    pub const fn mark(self) -> Mark {
        match self {
            Mistake::WrongDigest => Mark::WrongDigest,
            Mistake::WrongCount => Mark::WrongCount,
            Mistake::Refused => Mark::Refuse,
            Mistake::Silent => Mark::Silent,
            _ => Mark::Accept,
        }
    }

    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mistake::BadSignature => "bad signature",
            Mistake::NotConnected => "plug not connected",
            Mistake::OutsideNamespace => "outside namespace",
            Mistake::UnknownHat => "unknown HAT",
            Mistake::DebitNotFound => "unknown debit",
            Mistake::NothingSelected => "nothing selected",
            Mistake::Replayed => "replayed",
            Mistake::Conflicting => "same id, other content",
            Mistake::WrongDigest => "receipt of another digest",
            Mistake::WrongCount => "receipt of another count",
            Mistake::Refused => "recipient refuses",
            Mistake::Silent => "recipient silent",
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

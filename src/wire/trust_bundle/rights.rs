//! What a checked bundle says about a right, without asking the exchange.

use std::fmt;

use super::{LISTED, Party, TrustBundle};
use crate::domain::{Address, Key, Kind, Reason, Standing, Timestamp};

/// What a bundle says about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Yes, in every HAT that has connected the party: which have, a bundle does not tell.
    May,
    /// No, for this reason.
    MayNot(Reason),
    /// Parties were left out and this one is not there: ask the exchange.
    LeftOut,
    /// Parties of this kind are never listed.
    NotCovered,
    /// The party is listed, but not with its roles.
    RolesNotTold,
    /// The time lies before the bundle was issued or not before it ends: it says nothing of then.
    OtherTime,
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ruling::May => f.write_str("yes, in HATs that have connected it"),
            Ruling::MayNot(reason) => write!(f, "no: {reason}: {}", reason.explanation()),
            Ruling::LeftOut => f.write_str("not known: the bundle leaves parties out and this one is not in it"),
            Ruling::NotCovered => f.write_str("not known: a bundle lists no parties of this kind"),
            Ruling::RolesNotTold => f.write_str("not known: the bundle does not tell the roles of this app"),
            Ruling::OtherTime => f.write_str("not known: the bundle says nothing about that time"),
        }
    }
}

impl TrustBundle {
    /// What is listed of a party.
    pub fn party(&self, party: &Address) -> Option<&Party> {
        self.parties.iter().find(|listed| listed.party == *party)
    }

    /// Whether `party` takes part at `at` and `key` is in force for it then.
    pub fn holds(&self, party: &Address, key: &Key, at: Timestamp) -> Ruling {
        match self.speaker(party, key, at) {
            Ok(_) => Ruling::May,
            Err(ruling) => ruling,
        }
    }

    /// Whether `party`, signing with `key`, may write the namespace at `at`, a time that the bundle is in force.
    pub fn may_write(&self, party: &Address, key: &Key, namespace: &str, at: Timestamp) -> Ruling {
        let found = match self.speaker(party, key, at) {
            Ok(found) => found,
            Err(ruling) => return ruling,
        };
        if !matches!(party.kind, Kind::Plug | Kind::App) {
            return Ruling::MayNot(Reason::NotPermitted);
        }
        match found.rules.namespaces.iter().any(|own| own == namespace) {
            true => Ruling::May,
            false => Ruling::MayNot(Reason::OutsideNamespace),
        }
    }

    /// Whether the published manifest of the app `party`, signing with `key`, asks for this role at `at`, a time that the
    /// bundle is in force; with a detail only for that one, without one for any. A HAT grants it to
    /// an app that its owner has set up, in the version that was accepted.
    pub fn may_act(&self, party: &Address, key: &Key, role: &str, detail: Option<&str>, at: Timestamp) -> Ruling {
        let found = match self.speaker(party, key, at) {
            Ok(found) => found,
            Err(ruling) => return ruling,
        };
        if party.kind != Kind::App {
            return Ruling::MayNot(Reason::NotPermitted);
        }
        let Some(roles) = &found.rules.roles else { return Ruling::RolesNotTold };
        let covers = |own: Option<&str>| detail.is_none_or(|detail| own == Some(detail));
        match roles.iter().any(|own| own.role == role && covers(own.detail.as_deref())) {
            true => Ruling::May,
            false => Ruling::MayNot(Reason::NotPermitted),
        }
    }

    fn speaker(&self, party: &Address, key: &Key, at: Timestamp) -> Result<&Party, Ruling> {
        if at < self.issued || at >= self.expires {
            return Err(Ruling::OtherTime);
        }
        if !LISTED.contains(&party.kind) {
            return Err(Ruling::NotCovered);
        }
        let Some(found) = self.party(party) else {
            return Err(if self.complete { Ruling::MayNot(Reason::UnknownParty) } else { Ruling::LeftOut });
        };
        if !found.keys.iter().any(|held| held.key == *key) {
            return Err(Ruling::MayNot(Reason::BadSignature));
        }
        let covers = |from: Timestamp, until: Option<Timestamp>| from <= at && until.is_none_or(|until| at < until);
        if !found.keys.iter().any(|held| held.key == *key && covers(held.from, held.until)) {
            return Err(Ruling::MayNot(Reason::RevokedKey));
        }
        match found.standing {
            Standing::Active => Ok(found),
            Standing::Suspended => Err(Ruling::MayNot(Reason::Suspended)),
            Standing::Retired => Err(Ruling::MayNot(Reason::Retired)),
            Standing::Unknown | Standing::Pending => Err(Ruling::MayNot(Reason::NotApproved)),
        }
    }
}

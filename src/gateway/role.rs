//! Roles of accounts, as the original's shared library names them, and their grants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::Id;

/// What an account may do. Written like `ManageDataPlugs` or `OwnsDataPlug(fitbit)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything: acts as the operator `gateway`.
    Master,
    /// Sees statistics that are not public.
    ViewDataStats,
    /// A person.
    HatUser,
    /// Owns the HAT at this address.
    OwnsHat(Id),
    /// Sees plugs that are not approved.
    ViewDataPlugs,
    /// Registers plugs.
    CreateDataPlugs,
    /// Owns this plug.
    OwnsDataPlug(Id),
    /// Approves and suspends plugs.
    ManageDataPlugs,
    /// Sees offers.
    GetDataOffers,
    /// Registers offers.
    CreateDataOffers,
    /// Owns this offer.
    OwnsDataOffer(Id),
    /// Approves and rejects offers.
    ManageDataOffers,
    /// Signs up for the chat.
    CanSignupChat,
    /// Chats.
    CanChat,
    /// Registers applications.
    Developer,
    /// Registers offers, by the name that the guide uses.
    MarketPlace,
}

const PLAIN: [(&str, Role); 13] = [
    ("Master", Role::Master),
    ("ViewDataStats", Role::ViewDataStats),
    ("HatUser", Role::HatUser),
    ("ViewDataPlugs", Role::ViewDataPlugs),
    ("CreateDataPlugs", Role::CreateDataPlugs),
    ("ManageDataPlugs", Role::ManageDataPlugs),
    ("GetDataOffers", Role::GetDataOffers),
    ("CreateDataOffers", Role::CreateDataOffers),
    ("ManageDataOffers", Role::ManageDataOffers),
    ("CanSignupChat", Role::CanSignupChat),
    ("CanChat", Role::CanChat),
    ("Developer", Role::Developer),
    ("MarketPlace", Role::MarketPlace),
];

type Owner = fn(Id) -> Role;
const OWNERS: [(&str, Owner); 3] =
    [("OwnsHat", Role::OwnsHat), ("OwnsDataPlug", Role::OwnsDataPlug), ("OwnsDataOffer", Role::OwnsDataOffer)];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::OwnsHat(id) => write!(f, "OwnsHat({id})"),
            Role::OwnsDataPlug(id) => write!(f, "OwnsDataPlug({id})"),
            Role::OwnsDataOffer(id) => write!(f, "OwnsDataOffer({id})"),
            plain => f.write_str(PLAIN.iter().find(|(_, role)| role == plain).map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, role)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(role.clone());
        }
        let owner = text.strip_suffix(')').and_then(|text| text.split_once('('));
        let owner = owner.and_then(|(name, id)| {
            let (_, make) = OWNERS.iter().find(|(known, _)| *known == name)?;
            Some(make(Id::new(id).ok()?))
        });
        owner.ok_or_else(|| {
            let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
            format!(
                "{text:?} is no role: use one of {}, OwnsHat(ID), OwnsDataPlug(ID), OwnsDataOffer(ID)",
                plain.join(", ")
            )
        })
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A role given to an account. Only an approved one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Which.
    pub role: Role,
    /// Whether it is in force.
    pub approved: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back_as_they_are_written() {
        let bob = Id::new("bob.hubat.net").expect("an id");
        let owners = OWNERS.iter().map(|(_, make)| make(bob.clone()));
        for role in PLAIN.iter().map(|(_, role)| role.clone()).chain(owners) {
            assert_eq!(role.to_string().parse(), Ok(role.clone()), "{role}");
        }
        for text in ["", "master", "OwnsHat", "OwnsHat()", "OwnsHat(B)", "Owns(bob)", "Master()"] {
            assert!(text.parse::<Role>().is_err(), "{text}");
        }
    }
}

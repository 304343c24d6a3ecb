//! An account on HATs: its name, and where its password lies.

use reqwest::header::HeaderValue;

pub use crate::http::secret::{Secret, Source};

use super::error::Fault;

/// A secret as the value of a header.
pub(super) fn header(secret: &Secret) -> Result<HeaderValue, Fault> {
    secret.header().map_err(|_| Fault::Account("the password or token holds what a header cannot".into()))
}

/// An account on HATs: a name and where its password lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// HATs under this domain; empty: all that no other account is for.
    pub domain: String,
    /// `username`.
    pub username: String,
    /// Where the password lies.
    pub password: Source,
}

impl Account {
    /// The account for a HAT: that of the longest domain which the address lies under.
    pub fn of<'a>(accounts: &'a [Account], hat: &str) -> Option<&'a Account> {
        let is_under = |domain: &str| {
            domain.is_empty() || hat.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        accounts.iter().filter(|account| is_under(&account.domain)).max_by_key(|account| account.domain.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_the_nearest_domain_is_taken() {
        let account = |domain: &str| Account {
            domain: domain.into(),
            username: format!("u{domain}"),
            password: Source::Env("X".into()),
        };
        let all = [account(""), account("hubat.net"), account("eu.hubat.net")];
        let name = |hat: &str| Account::of(&all, hat).expect("one").username.clone();
        assert_eq!(name("bob.eu.hubat.net"), "ueu.hubat.net");
        assert_eq!(name("bob.hubat.net"), "uhubat.net");
        assert_eq!(name("bob.evilhubat.net"), "u");
        assert_eq!(Account::of(&all[1..], "hubat.net"), None);
    }
}

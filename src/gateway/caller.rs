//! Who calls: nobody in particular, an account, or a HAT.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::Gateway;
use super::accounts::{Account, token};
use super::fault::Fault;
use super::hat_token::{self, HatToken};
use super::offer_token;
use super::role::Role;
use crate::client::ids;
use crate::domain::{Address, Id, Kind};

/// The original's header for tokens.
pub const TOKEN_HEADER: &str = "x-auth-token";

/// Who calls.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Brought no token.
    Anonymous,
    /// An account of the gateway.
    Account(Arc<Account>),
    /// A HAT, by its own token.
    Hat(HatToken),
    /// Who holds the token of this offer.
    Offer(Id),
}

impl Caller {
    /// The account that calls.
    ///
    /// # Errors
    /// 401 when nobody, 403 when a HAT calls.
    pub fn account(&self) -> Result<&Arc<Account>, Fault> {
        match self {
            Caller::Account(account) => Ok(account),
            Caller::Anonymous => Err(Fault::unauthorized("this needs an account: bring its token")),
            Caller::Hat(_) => Err(Fault::forbidden("this is for accounts, not for HATs")),
            Caller::Offer(_) => Err(Caller::only_reads()),
        }
    }

    /// The HAT that calls.
    ///
    /// # Errors
    /// 401 when nobody, 403 when an account calls.
    pub fn hat(&self) -> Result<&HatToken, Fault> {
        match self {
            Caller::Hat(hat) => Ok(hat),
            Caller::Anonymous => Err(Fault::unauthorized("this needs a HAT's token")),
            Caller::Account(_) => Err(Fault::forbidden("this is for HATs, not for accounts")),
            Caller::Offer(_) => Err(Caller::only_reads()),
        }
    }

    /// The account that calls, when it has this role, approved.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn require(&self, role: &Role) -> Result<&Arc<Account>, Fault> {
        let account = self.account()?;
        if account.has(role) { Ok(account) } else { Err(Fault::forbidden(format!("this needs the role {role}"))) }
    }

    /// The admin account that calls.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn admin(&self) -> Result<&Arc<Account>, Fault> {
        self.require(&Role::Master)
    }

    /// The account that calls, when the party is its own.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn owning(&self, party: &Address) -> Result<&Arc<Account>, Fault> {
        let account = self.account()?;
        if account.owns(party) { Ok(account) } else { Err(Fault::forbidden(format!("{party} is not yours"))) }
    }

    /// Whether it may see what concerns this party: a HAT its own, an account its parties', an admin all.
    pub fn sees(&self, party: &Address) -> bool {
        match self {
            Caller::Anonymous | Caller::Offer(_) => false,
            Caller::Hat(hat) => party.kind == Kind::Hat && party.id == hat.hat,
            Caller::Account(account) => account.sees(party),
        }
    }

    /// Whether anybody in particular calls.
    ///
    /// # Errors
    /// 401.
    pub fn known(&self) -> Result<(), Fault> {
        match self {
            Caller::Anonymous => Err(Fault::unauthorized("bring a token")),
            Caller::Offer(_) => Err(Caller::only_reads()),
            _ => Ok(()),
        }
    }

    /// What the token of an offer is told everywhere else.
    fn only_reads() -> Fault {
        Fault::forbidden("the token of an offer only reads what is delivered under that offer")
    }

    /// A name of the caller, for tables of this process: `account:ann`, `hat:bob.hubat.net`, `address:127.0.0.1`.
    pub fn key(&self, from: IpAddr) -> String {
        match self {
            Caller::Account(account) => format!("account:{}", account.name),
            Caller::Hat(hat) => format!("hat:{}", hat.hat),
            Caller::Offer(offer) => format!("offer:{offer}"),
            Caller::Anonymous => format!("address:{}", network(from)),
        }
    }
}

/// What is counted as one address: of IPv6 the /64 that one subscriber has.
pub fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        },
    }
}

/// The token that a request brings: `X-Auth-Token`, or `Authorization: Bearer`.
pub(super) fn brought(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let unreadable = || Fault::unauthorized("the token is no text");
    if let Some(value) = headers.get(TOKEN_HEADER) {
        return value.to_str().map(|text| Some(text.trim())).map_err(|_| unreadable());
    }
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| unreadable())?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(Fault::unauthorized("write Authorization: Bearer TOKEN, or X-Auth-Token: TOKEN"))
    }
}

impl Gateway {
    /// Who calls. A token that is no good is refused, also where none would be needed.
    ///
    /// # Errors
    /// 401 when the token is no good, 503 when the exchange cannot be asked for the HAT's key.
    pub async fn caller(&self, request: &HttpRequest) -> Result<Caller, Fault> {
        let Some(token) = brought(request.headers())? else { return Ok(Caller::Anonymous) };
        if token.starts_with(token::PREFIX) {
            let account = self.accounts.bearer(token, ids::now());
            return account
                .map(Caller::Account)
                .ok_or_else(|| Fault::unauthorized("the token is unknown or has ended"));
        }
        if token.starts_with(offer_token::PREFIX) {
            return self.offer_bearer(token).map(Caller::Offer);
        }
        let hat = hat_token::issuer(token)?;
        let pem = self.pins.pem(&self.link, &hat).await?;
        let now = ids::now().unix_ms() / 1000;
        hat_token::check(token, &hat, &pem, &self.settings.rules, now).map(Caller::Hat)
    }

    /// Where a request comes from: the peer, or what the proxy in front says when it is trusted.
    pub fn from(&self, request: &HttpRequest) -> IpAddr {
        let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        if !self.settings.trust_forwarded {
            return peer;
        }
        // The last one is what our own proxy has seen; those before it are the client's word.
        let said = request.headers().get_all("x-forwarded-for").last().and_then(|value| value.to_str().ok());
        said.and_then(|value| value.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_of_ipv6_is_one_address() {
        let net = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(net("2001:db8:1:2:3:4:5:6"), net("2001:db8:1:2::9"));
        assert_ne!(net("2001:db8:1:2::"), net("2001:db8:1:3::"));
        assert_eq!(net("::ffff:10.0.0.1"), net("10.0.0.1"));
    }
}

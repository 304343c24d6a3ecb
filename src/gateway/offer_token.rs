//! Tokens of offers: who holds one reads what is delivered under that offer, and nothing else. The owner of the offer sees
//! it in the place where the original told a password for all HATs.
//!
//! A token is an HMAC of the offer and a generation under the gateway's seed, so that it is not kept anywhere and can be told
//! again; another generation ends it.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use zeroize::Zeroizing;

use super::Gateway;
use super::accounts::AccountError;
use super::fault::Fault;
use crate::domain::{Address, Id};

/// How they begin.
pub const PREFIX: &str = "dexo_";
/// Characters of the HMAC.
const MAC: usize = 43;

fn note(offer: &Id) -> String {
    format!("offer-token/{offer}")
}

impl Gateway {
    fn generation(&self, offer: &Id) -> u64 {
        self.accounts.note(&note(offer)).and_then(|value| value.as_u64()).unwrap_or(0)
    }

    /// The token of an offer that is in force.
    pub fn offer_token(&self, offer: &Id) -> Zeroizing<String> {
        let mac = self.link.offer_mac(offer, self.generation(offer));
        Zeroizing::new(format!("{PREFIX}{}{offer}", BASE64URL_NOPAD.encode(&*mac)))
    }

    /// Ends the token of an offer; the next one that is told is another.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew_offer_token(&self, offer: &Id) -> Result<(), AccountError> {
        let next = self.generation(offer) + 1;
        self.accounts.take_notes(vec![(note(offer), Some(json!(next)))])
    }

    /// Which offer a token reads: the text names it, and the rest must be that offer's.
    ///
    /// # Errors
    /// 401.
    pub fn offer_bearer(&self, token: &str) -> Result<Id, Fault> {
        let unknown = || Fault::unauthorized("the token is unknown or has ended");
        let rest = token.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let (mac, offer) = rest.split_at_checked(MAC).ok_or_else(unknown)?;
        let offer = Id::new(offer).map_err(|_| unknown())?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).map_err(|_| unknown())?;
        if self.link.is_offer_mac(&offer, self.generation(&offer), &mac) { Ok(offer) } else { Err(unknown()) }
    }

    /// The owner of an offer whose deliveries may be read by its token.
    ///
    /// # Errors
    /// 401 when the offer was rejected, was closed or ended below its minimum, or its owner is not in force.
    pub async fn offer_reads(&self, offer: &Id) -> Result<Address, Fault> {
        let ended = || Fault::unauthorized("the token has ended: its offer is over, or its owner is not in force");
        let shown = match self.link.ask("offer.show", &json!({ "offer": offer })).await {
            Err(fault) if fault.problem.status == 404 => return Err(ended()),
            other => other?,
        };
        let open = matches!(shown["standing"].as_str(), Some("approved" | "satisfied" | "oversubscribed"));
        let owner: Address = shown["owner"].as_str().and_then(|text| text.parse().ok()).ok_or_else(ended)?;
        if !open && shown["satisfied"] != true {
            return Err(ended());
        }
        let ours = self.accounts.owner(&owner).is_some();
        if ours && self.is_in_force(&owner).await? { Ok(owner) } else { Err(ended()) }
    }

    /// Whether a party may take part now.
    ///
    /// # Errors
    /// 503 when the exchange does not answer.
    pub async fn is_in_force(&self, party: &Address) -> Result<bool, Fault> {
        let known = self.link.ask("trust.verify", &json!({ "party": party })).await?;
        Ok(known["approved"] == true)
    }
}

//! `offer.show`, `offer.list`: offers and how many places of them are taken; never who took them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::offer::{Offer, OfferStanding};
use crate::domain::{Address, Id, Kind};
use crate::store::load;
use crate::wire::Problem;

use super::ask::{Answer, not_found, question, unreadable};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    offer: Id,
}

fn offer(shared: &Shared, address: &Address) -> Result<Option<Offer>, Problem> {
    let offer: Offer = load(&shared.db, &shared.tail, address).map_err(|error| unreadable(&error))?;
    Ok((offer.standing != OfferStanding::Unknown).then_some(offer))
}

/// One offer without its terms; `None` when it was never registered.
///
/// # Errors
/// `internal` when its state cannot be read.
pub fn line(shared: &Shared, address: &Address) -> Result<Option<Value>, Problem> {
    let Some(offer) = offer(shared, address)? else { return Ok(None) };
    let mut line = json!({
        "offer": address.id,
        "standing": offer.standing,
        "reserved": offer.reserved.len(),
        "confirmed": offer.confirmed.len(),
    });
    if let Some(terms) = &offer.terms {
        line["owner"] = json!(terms.owner);
        line["title"] = json!(terms.title);
        line["starts"] = json!(terms.starts);
        line["expires"] = json!(terms.expires);
        line["maxClaims"] = json!(terms.max_claims);
        line["minClaims"] = json!(terms.min_claims);
    }
    Ok(Some(line))
}

/// One offer with its terms.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Question { offer: id } = question(body)?;
    let address = Address::new(Kind::Offer, id);
    let Some(mut answer) = line(shared, &address)? else {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    };
    if let Some(offer) = offer(shared, &address)? {
        answer["terms"] = json!(offer.terms);
        answer["entries"] = json!(offer.n);
    }
    Ok(answer)
}

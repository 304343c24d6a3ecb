//! `offer.show`, `offer.list`: offers and how many places of them are taken; `offer.claims`: who took them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::offer::{ClaimStanding, Offer, OfferStanding};
use crate::domain::{Address, Id, Kind, RegistryView};
use crate::store::load;
use crate::wire::Problem;

use super::ask::{Answer, malformed, not_found, question, unreadable};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    offer: Id,
}

fn offer(shared: &Shared, address: &Address) -> Result<Option<Offer>, Problem> {
    let offer: Offer = load(&shared.db, &shared.tail, address).map_err(|error| unreadable(&error))?;
    Ok((offer.standing != OfferStanding::Unknown).then_some(offer))
}

/// One offer, with its terms when they are wanted; `None` when it was never registered.
///
/// # Errors
/// `internal` when its state cannot be read.
pub fn line(shared: &Shared, address: &Address, full: bool) -> Result<Option<Value>, Problem> {
    let Some(offer) = offer(shared, address)? else { return Ok(None) };
    let mut line = json!({
        "offer": address.id,
        "standing": offer.standing,
        "reserved": offer.reserved.len(),
        "confirmed": offer.confirmed.len(),
        "satisfied": offer.satisfied,
    });
    if let Some(registered) = offer.registered {
        line["registered"] = json!(registered);
    }
    if full {
        line["terms"] = json!(offer.terms);
    }
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
    let Some(mut answer) = line(shared, &address, true)? else {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    };
    if let Some(offer) = offer(shared, &address)? {
        answer["entries"] = json!(offer.n);
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    offer: Id,
    after: Option<Id>,
    limit: Option<usize>,
    /// With the key that each HAT's registration pins, else its newest nkey.
    #[serde(default)]
    keys: bool,
    /// Only the claim of this HAT.
    hat: Option<Id>,
    /// Only those that stand so.
    standing: Option<ClaimStanding>,
}

/// Most claims on one page.
const PAGE_MAX: usize = 1000;

/// The claims on an offer by pages, in the order of the HATs: `{items: [{hat, standing, since, …}], next?}`.
pub fn claims(shared: &Shared, body: &[u8]) -> Answer {
    let Claims { offer: id, after, limit, keys, hat: only, standing } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let address = Address::new(Kind::Offer, id);
    let Some(offer) = offer(shared, &address)? else {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    };
    let mut page = offer.claims.iter().filter(|(hat, it)| {
        after.as_ref().is_none_or(|after| *hat > after)
            && only.as_ref().is_none_or(|only| *hat == only)
            && standing.is_none_or(|standing| it.standing == standing)
    });
    let items: Vec<Value> = page
        .by_ref()
        .take(limit)
        .map(|(hat, it)| {
            let until = it.until.filter(|_| it.standing == ClaimStanding::Reserved);
            let mut line = json!({ "hat": hat, "standing": it.standing, "since": it.at, "claim": it.claim });
            if let Some(until) = until {
                line["until"] = json!(until);
            }
            if keys && let Some(of) = shared.registry.registration(&Address::new(Kind::Hat, hat.clone())) {
                line["publicKey"] = json!(of.pin());
                line["key"] = json!(of.keys.last().map(|held| held.key));
            }
            line
        })
        .collect();
    let last = items.last().map(|line| line["hat"].clone());
    let mut answer = json!({ "offer": address.id, "satisfied": offer.satisfied, "items": items });
    if page.next().is_some() {
        answer["next"] = json!(last);
    }
    Ok(answer)
}

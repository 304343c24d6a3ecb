//! `offer.show`, `offer.list`: offers and how many places of them are taken; `offer.claims`: who took them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::offer::{ClaimStanding, Offer, OfferStanding};
use crate::domain::pii::pseudonym;
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

/// The claims on an offer whose owner is not to know whose they are: each under the id of its debit at the owner, and
/// nothing that tells more of the HAT, such as when it claimed.
fn unnamed(
    shared: &Shared,
    id: &Id,
    offer: &Offer,
    standing: Option<ClaimStanding>,
    after: Option<&Id>,
    limit: usize,
) -> Value {
    let wanted = offer.claims.iter().filter(|(_, it)| standing.is_none_or(|standing| it.standing == standing));
    let known = |hat: &Id| pseudonym::debit(&shared.delivery_key, hat, id);
    let mut all: Vec<(Id, ClaimStanding)> = wanted.map(|(hat, it)| (known(hat), it.standing)).collect();
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let from = after.map_or(0, |after| all.partition_point(|(debit, _)| debit <= after));
    let page = &all[from..all.len().min(from + limit)];
    let items: Vec<Value> =
        page.iter().map(|(debit, standing)| json!({ "debit": debit, "standing": standing })).collect();
    let mut answer = json!({ "offer": id, "satisfied": offer.satisfied, "items": items });
    if let Some((last, _)) = page.last().filter(|_| from + page.len() < all.len()) {
        answer["next"] = json!(last);
    }
    answer
}

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
    if only.is_none() && offer.terms.as_ref().is_some_and(|terms| terms.debit.without_pii) {
        return Ok(unnamed(shared, &address.id, &offer, standing, after.as_ref(), limit));
    }
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

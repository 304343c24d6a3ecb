//! What is delivered under an offer, read and receipted by its owner or by who holds the offer's token.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::login::read;
use crate::domain::{Address, Id};
use crate::gateway::Gateway;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::once::{self, Request};

const TAG: &str = "Offers";
/// Most deliveries of a page, and receipts of a request.
const PAGE_MAX: usize = 100;
/// Longest wait for the first delivery, seconds.
const WAIT_MAX: u64 = 20;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let receipt = json!({
        "type": "object", "required": ["delivery"], "additionalProperties": false,
        "properties": {
            "delivery": { "type": "string", "format": "uuid" },
            "refused": { "type": "string", "minLength": 1, "maxLength": 256 },
        },
    });
    let items = json!({
        "type": "object", "required": ["items"],
        "properties": { "items": { "type": "array", "items": object } },
    });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_MAX });
    let wait = json!({ "type": "integer", "minimum": 0, "maximum": WAIT_MAX, "default": 1 });
    let key = json!({ "type": "string", "maxLength": 128 });
    vec![
        Endpoint::get("/api/v1/offers/{offer}/deliveries", list)
            .about(TAG, "The next deliveries under the offer; those without a receipt come again after 60 s")
            .access(Access::Offer)
            .path_param("offer", "Its id")
            .query("limit", false, "Most deliveries", limit)
            .query("wait", false, "How many seconds to wait for the first", wait)
            .answer(200, "Deliveries with their records", items.clone()),
        Endpoint::post("/api/v1/offers/{offer}/receipts", receipts)
            .about(TAG, "Receipts for deliveries that were read, signed for the offer's owner")
            .access(Access::Offer)
            .path_param("offer", "Its id")
            .header(once::HEADER, false, "Makes a repeat harmless", key.clone())
            .body(json!({
                "type": "object", "required": ["receipts"], "additionalProperties": false,
                "properties": { "receipts": { "type": "array", "maxItems": PAGE_MAX, "items": receipt } },
            }))
            .answer(200, "What became of each", items),
        Endpoint::post("/api/v1/offers/{offer}/token/renew", renew)
            .about(TAG, "Ends the offer's token; the answer has the next one")
            .access(Access::Account)
            .path_param("offer", "Its id")
            .header(once::HEADER, false, "Makes a repeat harmless", key)
            .answer(
                200,
                "The token",
                json!({
                    "type": "object", "required": ["token"], "properties": { "token": { "type": "string" } },
                }),
            ),
    ]
}

/// The owner of the offer, when the caller may read what is delivered under it.
async fn reader(gateway: &Gateway, caller: &Caller, offer: &Id) -> Result<Address, Fault> {
    match caller {
        Caller::Offer(of) if of == offer => gateway.offer_reads(offer).await,
        Caller::Offer(_) => Err(Fault::forbidden("this is the token of another offer")),
        _ => {
            caller.account()?;
            let hidden = || Fault::not_found("there is no offer of this id that is yours");
            let shown = match gateway.link.ask("offer.show", &json!({ "offer": offer })).await {
                Err(fault) if fault.problem.status == 404 => return Err(hidden()),
                other => other?,
            };
            let owner: Address = shown["owner"].as_str().and_then(|text| text.parse().ok()).ok_or_else(hidden)?;
            gateway.owns_offer(caller, offer, &owner).map_err(|_| hidden())?;
            // Another gateway's or nobody's: its keys are not here.
            if gateway.accounts.owner(&owner).is_none() {
                return Err(hidden());
            }
            // What was delivered before its suspension lies there still.
            let out = || Fault::forbidden("the offer's owner is suspended, or not approved: nothing is handed to it");
            if gateway.is_in_force(&owner).await? { Ok(owner) } else { Err(out()) }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<usize>,
    wait: Option<u64>,
}

async fn list(
    gateway: web::Data<Gateway>,
    caller: Caller,
    offer: web::Path<Id>,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Fault> {
    let owner = reader(&gateway, &caller, &offer).await?;
    let limit = wanted.limit.unwrap_or(PAGE_MAX);
    let wait = wanted.wait.unwrap_or(1);
    if !(1..=PAGE_MAX).contains(&limit) || wait > WAIT_MAX {
        return Err(Fault::malformed(format!("limit is 1 to {PAGE_MAX}, wait at most {WAIT_MAX}")));
    }
    let items = gateway.desk.read(&gateway.link, &owner, &offer, limit, Duration::from_secs(wait)).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({ "items": items })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    delivery: Uuid,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipts {
    receipts: Vec<Receipt>,
}

async fn receipts(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    offer: web::Path<Id>,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    reader(&gateway, &caller, &offer).await?;
    let Receipts { receipts } = read(&body)?;
    if receipts.len() > PAGE_MAX {
        return Err(Fault::malformed(format!("receipts: there are at most {PAGE_MAX}")));
    }
    if receipts.iter().any(|one| one.refused.as_ref().is_some_and(|why| why.is_empty() || why.len() > 256)) {
        return Err(Fault::malformed("refused: it has 1 to 256 bytes"));
    }
    let gateway = gateway.into_inner();
    let key = caller.key(gateway.from(&request));
    let call = format!("POST receipts {offer}");
    let what = Request { caller: &key, call: &call, body: &body };
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |_| async move {
            let mut items: Vec<Value> = Vec::with_capacity(receipts.len());
            for one in &receipts {
                let told = match work.desk.answer(&offer, one.delivery, one.refused.as_deref()).await {
                    Ok(Some(outcome)) => json!({ "delivery": one.delivery, "outcome": outcome }),
                    Ok(None) => json!({ "delivery": one.delivery, "problem": Fault::not_found(
                        "it is not in hand: it was answered, or more than 60 s have gone by and it is to be read again",
                    ).problem }),
                    Err(fault) => json!({ "delivery": one.delivery, "problem": fault.problem }),
                };
                items.push(told);
            }
            Ok((200, json!({ "items": items })))
        })
        .await
}

async fn renew(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    offer: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    reader(&gateway, &caller, &offer).await?;
    let gateway = gateway.into_inner();
    let key = caller.key(gateway.from(&request));
    let call = format!("POST renew {}", *offer);
    let what = Request { caller: &key, call: &call, body: b"" };
    let (work, of) = (gateway.clone(), offer.clone());
    // Kept for the key is only that it was done: no token lies on disk.
    let done = gateway
        .once(request.headers(), what, |_| async move {
            let done = tokio::task::spawn_blocking(move || work.renew_offer_token(&of)).await;
            done.map_err(|error| Fault::internal("the tokens of offers", &error))??;
            Ok((200, json!({})))
        })
        .await?;
    if !done.status().is_success() {
        return Ok(done);
    }
    let mut answer = HttpResponse::Ok();
    for (name, value) in done.headers().iter().filter(|(name, _)| name.as_str() == once::REPLAYED) {
        answer.insert_header((name.clone(), value.clone()));
    }
    let token = gateway.offer_token(&offer);
    Ok(answer.insert_header(("cache-control", "no-store")).json(json!({ "token": token.as_str() })))
}

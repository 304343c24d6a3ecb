//! Claims on offers: those that are confirmed for the offer's owner, and new ones, by a HAT itself or for it.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::offer;
use super::offers::{TAG, offer_id, show};
use super::shape::{all, once};
use crate::domain::{Address, Id, Key, Kind, MessageId, Reason, Timestamp};
use crate::gateway::Gateway;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Speaker;

/// How long a claim is waited for until the offer has answered it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let hat = || json!({ "type": "string" });
    let listed = |path: &str| {
        Endpoint::get(path, claims)
            .about(TAG, "Confirmed claims, and the token that reads what they deliver")
            .access(Access::Account)
            .original()
            .path_param("id", "The offer's id")
            .answer(200, "Credentials and claims", object.clone())
    };
    let mut calls = vec![listed("/api/offer/{id}/claims").deprecated()];
    for version in ["v2", "v3"] {
        calls.push(listed(&format!("/api/{version}/offer/{{id}}/claims")));
        let path = format!("/api/{version}/offer/{{id}}/registerClaim");
        for call in [Endpoint::put(&path, register), Endpoint::post(&path, register).repeatable()] {
            let call = call.about(TAG, "Claims for a HAT; its owner enables the debit or does not");
            let call = call.access(Access::Account).original().path_param("id", "The offer's id");
            calls.push(call.query("hat", true, "The HAT's address", hat()).answer(200, "The claim", object.clone()));
        }
        let path = format!("/api/{version}/offer/{{id}}/claim");
        for call in [Endpoint::get(&path, own), Endpoint::post(&path, own).repeatable()] {
            let call = call.about(TAG, "Claims as a HAT").access(Access::Hat).original();
            calls.push(call.path_param("id", "The offer's id").answer(200, "The claim", object.clone()));
        }
    }
    calls
}

/// A HAT's key as PEM: the one for its tokens, else the one that it signs with.
fn pem(claim: &Value) -> String {
    if let Some(pem) = claim["publicKey"].as_str() {
        return pem.to_owned();
    }
    let Some(key) = claim["key"].as_str().and_then(|text| text.parse::<Key>().ok()) else { return String::new() };
    let der = [ED25519.as_slice(), &key.0].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der))
}

/// A claim in the original's shape.
fn summary(offer: &Id, claim: &Value) -> Value {
    let made = claim["claim"].as_str().and_then(|id| id.parse::<MessageId>().ok());
    let made = made.map(|id| json!(Timestamp::from_unix_ms(id.unix_ms())));
    let standing = claim["standing"].as_str().unwrap_or_default();
    let confirmed = matches!(standing, "confirmed" | "completed");
    // Of an offer without personal data its owner is told no more than the debit's id.
    if let Some(debit) = claim.get("debit") {
        return json!({ "offerId": offer, "relationship": "claim", "confirmed": confirmed, "dataDebitId": debit });
    }
    json!({
        "offerId": offer, "user": { "address": claim["hat"], "publicKey": pem(claim) }, "relationship": "claim",
        "confirmed": confirmed, "dataDebitId": offer, "dateCreated": made.unwrap_or_else(|| claim["since"].clone()),
    })
}

async fn claims(gateway: web::Data<Gateway>, caller: Caller, id: web::Path<String>) -> Result<HttpResponse, Original> {
    caller.account()?;
    let id = offer_id(&id)?;
    let shown = show(&gateway, &id).await?;
    let owner = offer::owner(&shown).ok_or_else(|| Fault::not_found("the offer has no owner"))?;
    gateway.owns_offer(&caller, &id, &owner)?;
    let mut told = Vec::new();
    for standing in ["confirmed", "completed"] {
        let question = json!({ "offer": id, "keys": true, "standing": standing });
        told.extend(all(&gateway.link, "offer.claims", question).await?.iter().map(|claim| summary(&id, claim)));
    }
    let token = gateway.offer_token(&id);
    let credentials = json!({
        "offerId": id, "login": id, "passwordPlain": token.as_str(), "passwordHash": "",
        "dateCreated": shown["registered"].as_str().map_or_else(|| shown["terms"]["starts"].clone(), |at| json!(at)),
    });
    Ok(HttpResponse::Ok().json(json!({ "credentials": credentials, "claims": told })))
}

#[derive(Deserialize)]
struct For {
    hat: String,
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    of: web::Query<For>,
) -> Result<HttpResponse, Original> {
    caller.account()?;
    let id = offer_id(&id)?;
    let hat = Id::new(&of.hat).map_err(|error| Fault::malformed(format!("hat: {error}")))?;
    let owner = offer::owner(&show(&gateway, &id).await?).ok_or_else(|| Fault::not_found("the offer has no owner"))?;
    gateway.owns_offer(&caller, &id, &owner)?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        Ok((200, work.claim(Speaker::Party(&owner), &id, hat, message).await?))
    })
    .await
}

async fn own(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Original> {
    let hat = caller.hat()?.hat.clone();
    let id = offer_id(&id)?;
    show(&gateway, &id).await?;
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        Ok((200, work.claim(Speaker::Bridge, &id, hat, message).await?))
    })
    .await
}

/// Why an offer took no claim, by what it is now.
fn refusal(offer: &Id, shown: &Value, by_owner: bool) -> Fault {
    let taken = |name: &str| shown[name].as_u64().unwrap_or(0);
    let full = taken("reserved") + taken("confirmed") >= taken("maxClaims");
    let (reason, why) = match shown["standing"].as_str() {
        Some("draft" | "paid" | "rejected") => (Reason::WrongState, "it is not approved"),
        Some("closed" | "expired") => (Reason::WrongState, "it is over"),
        _ if by_owner && shown["terms"]["debit"]["withoutPii"] == true => {
            (Reason::NotPermitted, "it is without personal data: HATs claim for themselves")
        }
        _ if full => (Reason::OfferFull, "all its places are taken"),
        _ => (Reason::WrongState, "it is not within its time, or its owner is not in force"),
    };
    Fault::new(reason, format!("the offer {offer} takes no claim: {why}"))
}

impl Gateway {
    async fn claim_of(&self, offer: &Id, hat: &Id) -> Result<Option<Value>, Fault> {
        let question = json!({ "offer": offer, "hat": hat, "keys": true });
        let mut found = self.link.ask("offer.claims", &question).await?;
        Ok(found["items"].get_mut(0).map(Value::take))
    }

    /// Claims, and waits until the offer has answered. A claim that is there already is told again.
    async fn claim(&self, speaker: Speaker<'_>, offer: &Id, hat: Id, message: MessageId) -> Result<Value, Fault> {
        let to = Address::new(Kind::Hat, hat.clone());
        let by_owner = matches!(speaker, Speaker::Party(_));
        let mut mine = Some(message);
        match self.link.act(speaker, &to, &["claim", offer.as_str()], "", Some(message)).await {
            // One that is there or on its way.
            Err(fault) if fault.problem.reason == Reason::AlreadyExists => mine = None,
            other => drop(other?),
        }
        let began = Instant::now();
        loop {
            // Asked first: when the HAT waits for the offer no more, the offer's answer is there to be seen.
            let shown = self.link.ask("hat.show", &json!({ "hat": hat })).await?;
            let waiting = &shown["claims"];
            let listed = waiting.as_array().is_some_and(|all| all.iter().any(|it| *it == json!(offer)));
            let answered = !listed && waiting.get(offer.as_str()).is_none();
            if let Some(claim) = self.claim_of(offer, &hat).await? {
                let holds = matches!(claim["standing"].as_str(), Some("reserved" | "confirmed" | "completed"));
                let same = mine.is_none_or(|id| claim["claim"] == json!(id));
                if holds && same {
                    return Ok(summary(offer, &claim));
                }
                if mine.is_none() {
                    let detail =
                        format!("the place of {hat} in {offer} was lost or given back: only its owner claims anew");
                    return Err(Fault::new(Reason::AlreadyExists, detail));
                }
            }
            if mine.is_some() && answered {
                return Err(refusal(offer, &show(self, offer).await?, by_owner));
            }
            if began.elapsed() > ANSWER_WITHIN {
                let detail = format!("the offer {offer} has not answered the claim yet: send the same request again");
                return Err(Fault::new(Reason::DeadlinePassed, detail).retry_after(1));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

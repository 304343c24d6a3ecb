//! Offers of the original: listed, registered by accounts that may, moved on by those who manage them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::offer::{self, OfferRegistration};
use super::shape::{all, once};
use crate::domain::{Address, Id, Kind};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Speaker;
use crate::gateway::rest::login::read;
use crate::gateway::role::Role;
use crate::gateway::{Gateway, etag};

/// Under which heading they stand.
pub const TAG: &str = "Original: offers";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let text = json!({ "type": "string" });
    let date = json!({ "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] });
    let body = json!({
        "type": "object",
        "required": [
            "offerId", "title", "description", "starts", "expires", "requiredData", "requiredMinUser", "requiredMaxUser",
        ],
        "properties": {
            "offerId": text, "title": text, "description": text, "starts": date, "expires": date,
            "collectionDuration": { "type": "integer", "minimum": 1000 }, "dataConditions": object,
            "requiredData": object, "requiredMinUser": { "type": "integer" }, "requiredMaxUser": { "type": "integer" },
        },
    });
    let statuses = json!({ "type": "string", "enum": ["paid", "approved", "rejected", "closed"] });
    let mut calls = Vec::new();
    for version in ["v2", "v3"] {
        let list = Endpoint::get(format!("/api/{version}/offers"), list).about(TAG, "Offers that are open");
        calls.push(
            list.access(Access::Optional)
                .original()
                .answer(200, "Offers", json!({ "type": "array", "items": object }))
                .empty(304, "Unchanged"),
        );
        let register = Endpoint::post(format!("/api/{version}/offer"), register)
            .about(TAG, "Registers an offer; needs the role MarketPlace or CreateDataOffers");
        calls.push(
            register
                .repeatable()
                .access(Access::Account)
                .original()
                .query("org", false, "Which organisation of the account offers", text.clone())
                .body(body.clone())
                .answer(201, "The offer, a draft", object.clone()),
        );
        let put = Endpoint::put(format!("/api/{version}/offer/{{id}}"), status);
        let post = Endpoint::post(format!("/api/{version}/offer/{{id}}/status"), status);
        for call in [put, post.repeatable()] {
            let call = call.about(TAG, "Changes where an offer stands").access(Access::Account).original();
            let call =
                call.path_param("id", "The offer's id").query("status", true, "Its next status", statuses.clone());
            calls.push(call.answer(200, "The offer", object.clone()));
        }
    }
    calls
}

async fn list(gateway: web::Data<Gateway>, request: HttpRequest, caller: Caller) -> Result<HttpResponse, Original> {
    let offers = all(&gateway.link, "offer.list", json!({ "terms": true })).await?;
    let manages = |role| matches!(&caller, Caller::Account(account) if account.has(&role));
    let every = manages(Role::GetDataOffers) || manages(Role::ManageDataOffers);
    let seen = |it: &&Value| every || offer::is_public(it) || offer::owner(it).is_some_and(|owner| caller.sees(&owner));
    let told: Vec<Value> = offers.iter().filter(seen).map(|it| offer::told(it, &gateway.accounts)).collect();
    Ok(etag::answer(&request, &Value::Array(told)))
}

/// An offer of the exchange with its terms.
///
/// # Errors
/// 404 when there is none.
pub async fn show(gateway: &Gateway, id: &Id) -> Result<Value, Fault> {
    gateway.link.ask("offer.show", &json!({ "offer": id })).await
}

/// An id in a path; what cannot be one is no offer's.
///
/// # Errors
/// 404.
pub fn offer_id(text: &str) -> Result<Id, Fault> {
    Id::new(text).map_err(|_| Fault::not_found("there is no offer of this id"))
}

#[derive(Deserialize)]
struct Which {
    org: Option<String>,
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    which: web::Query<Which>,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    if !account.has(&Role::MarketPlace) && !account.has(&Role::CreateDataOffers) {
        return Err(Fault::forbidden("this needs the role MarketPlace or CreateDataOffers").into());
    }
    let wanted: OfferRegistration = read(&body)?;
    let id = Id::new(&wanted.offer_id).map_err(|error| Fault::malformed(format!("offerId: {error}")))?;
    let org = match &which.org {
        Some(text) => Some(Id::new(text).map_err(|error| Fault::malformed(format!("org: {error}")))?),
        None => None,
    };
    let work = gateway.clone().into_inner();
    let name = account.name.clone();
    once(&gateway, &request, &caller, &body, |message| async move {
        let owner = work.provider(&name, org).await?;
        let terms = wanted.terms(&owner)?;
        let to = Address::new(Kind::Offer, id.clone());
        work.link.act(Speaker::Party(&owner), &to, &["register"], terms.to_string(), Some(message)).await?;
        Ok((201, offer::told(&show(&work, &id).await?, &work.accounts)))
    })
    .await
}

impl Gateway {
    /// The organisation that offers for an account: the one that is named, or `org:<account>`, made when there is none.
    /// That one is approved at once where this gateway acts as an operator: an operator has given the account the role.
    async fn provider(self: &std::sync::Arc<Self>, account: &Id, named: Option<Id>) -> Result<Address, Fault> {
        if let Some(id) = named {
            let org = Address::new(Kind::Org, id);
            if self.accounts.owner(&org).as_ref() != Some(account) {
                return Err(Fault::forbidden(format!("{org} is not yours")));
            }
            return Ok(org);
        }
        let org = Address::new(Kind::Org, account.clone());
        let own = self.accounts.get(account).map(|account| account.parties.clone()).unwrap_or_default();
        let mut orgs = own.into_iter().filter(|party| party.kind == Kind::Org);
        if let (Some(only), None) = (orgs.next(), orgs.next())
            && only != org
        {
            return Ok(only);
        }
        self.found(account, &org).await?;
        let key = self.link.key_of(&org);
        let known = self.link.ask("trust.verify", &json!({ "party": org })).await?;
        let mut standing = known["standing"].as_str().unwrap_or_default().to_owned();
        if standing == "unknown" {
            let body = json!({ "key": key, "name": account }).to_string();
            self.link.act(Speaker::Party(&org), &org, &["register"], body, None).await?;
            "pending".clone_into(&mut standing);
        }
        if standing == "pending" && self.settings.admin {
            let body = json!({ "key": key }).to_string();
            self.link.act(Speaker::Operator, &org, &["approve"], body, None).await?;
        } else if standing == "pending" {
            return Err(Fault::forbidden(format!("{org} waits for the operator's approval: then send this again")));
        }
        Ok(org)
    }

    /// Whether the caller speaks for an offer's owner.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn owns_offer(&self, caller: &Caller, id: &Id, owner: &Address) -> Result<(), Fault> {
        let account = caller.account()?;
        if account.owns(owner) || account.has(&Role::OwnsDataOffer(id.clone())) {
            Ok(())
        } else {
            Err(Fault::forbidden(format!("the offer {id} is not yours")))
        }
    }
}

#[derive(Deserialize)]
struct Next {
    status: String,
}

async fn status(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    next: web::Query<Next>,
) -> Result<HttpResponse, Original> {
    let account = caller.account()?;
    let manages = account.has(&Role::ManageDataOffers);
    let action = match next.status.as_str() {
        "paid" => "pay",
        "approved" => "approve",
        "rejected" => "reject",
        "closed" => "close",
        other => {
            let known = "paid, approved, rejected or closed";
            return Err(Fault::malformed(format!("status: {other:?} cannot be set, only {known}")).into());
        }
    };
    let id = offer_id(&id)?;
    let shown = show(&gateway, &id).await?;
    let owner = offer::owner(&shown);
    let closes = action == "close" && owner.as_ref().is_some_and(|it| gateway.owns_offer(&caller, &id, it).is_ok());
    if !manages && !closes {
        return Err(Fault::forbidden("this needs the role ManageDataOffers").into());
    }
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, b"", |message| async move {
        let speaker = match &owner {
            Some(owner) if closes && !manages => Speaker::Party(owner),
            _ => Speaker::Operator,
        };
        let to = Address::new(Kind::Offer, id.clone());
        work.link.act(speaker, &to, &[action], "", Some(message)).await?;
        Ok((200, offer::told(&show(&work, &id).await?, &work.accounts)))
    })
    .await
}

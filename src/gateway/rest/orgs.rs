//! An account's own organisations: custodial parties, registered and approved like any other.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::login::read;
use crate::domain::{Address, Id, Kind, Reason};
use crate::gateway::Gateway;
use crate::gateway::accounts::AccountError;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::link::Speaker;
use crate::gateway::once::Request;
use crate::gateway::role::Role;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
    let outcome = json!({ "type": "object" });
    vec![
        Endpoint::post("/api/v1/orgs", register)
            .about("Parties", "Registers an organisation of the account; it waits for approval")
            .access(Access::Account)
            .repeatable()
            .body(json!({
                "type": "object", "required": ["id", "name"], "additionalProperties": false,
                "properties": { "id": text, "name": text },
            }))
            .answer(201, "The outcome, ledgered", outcome.clone()),
        Endpoint::post("/api/v1/orgs/{org}/approve", approve)
            .about("Parties", "Approves an account's organisation")
            .access(Access::Role(Role::Master))
            .path_param("org", "Its id")
            .repeatable()
            .answer(200, "The outcome, ledgered", outcome),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    id: Id,
    name: String,
}

async fn register(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let account = caller.account()?.name.clone();
    let New { id, name } = read(&body)?;
    let party = Address::new(Kind::Org, id);
    let key = caller.key(gateway.from(&request));
    let what = Request { caller: &key, call: "POST /api/v1/orgs", body: &body };
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |message| async move {
            work.found(&account, &party).await?;
            let body = json!({ "key": work.link.key_of(&party), "name": name }).to_string();
            let done = work.link.act(Speaker::Party(&party), &party, &["register"], body, Some(message)).await;
            Ok((201, json!(done?)))
        })
        .await
}

impl Gateway {
    /// Makes a party that is to be registered the account's own. One that somebody registered with another key cannot
    /// be had.
    ///
    /// # Errors
    /// 403 when it is another account's, 409 when somebody outside of the gateway has it.
    pub async fn found(self: &std::sync::Arc<Self>, account: &Id, party: &Address) -> Result<(), Fault> {
        if self.accounts.owner(party).as_ref() == Some(account) {
            return Ok(());
        }
        let known = self.link.ask("trust.verify", &json!({ "party": party })).await?;
        if known["standing"] != "unknown" && self.accounts.owner(party).is_none() {
            return Err(Fault::new(Reason::AlreadyExists, format!("{party} is registered by somebody else")));
        }
        let (gateway, account, party) = (self.clone(), account.clone(), party.clone());
        let owned = tokio::task::spawn_blocking(move || gateway.accounts.own(&account, &party)).await;
        owned
            .map_err(|error| Fault::internal("the accounts", &error))?
            .map(drop)
            .map_err(|error: AccountError| error.into())
    }
}

async fn approve(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<Id>,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let party = Address::new(Kind::Org, id.into_inner());
    if gateway.accounts.owner(&party).is_none() {
        return Err(Fault::not_found(format!("{party} is no account's organisation")));
    }
    let key = caller.key(gateway.from(&request));
    let call = format!("POST /api/v1/orgs/{}/approve", party.id);
    let what = Request { caller: &key, call: &call, body: b"" };
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |message| async move {
            let body = json!({ "key": work.link.key_of(&party) }).to_string();
            let done = work.link.act(Speaker::Operator, &party, &["approve"], body, Some(message)).await?;
            Ok((200, json!(done)))
        })
        .await
}

//! Notices: posted by an account in the name of a party of its own, read by HATs and accounts.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::login::read;
use crate::domain::notice::{self, Notice, Target};
use crate::domain::{Address, Timestamp};
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::Fault;
use crate::gateway::link::{self, Speaker};
use crate::gateway::once::Request;
use crate::gateway::page::{self, Page};
use crate::gateway::{Gateway, etag};

const TAG: &str = "Notices";
const PATH: &str = "/api/v1/notices";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let texts =
        |most: usize| json!({ "type": "array", "maxItems": most, "items": { "type": "string", "minLength": 1 } });
    let body = json!({
        "type": "object", "required": ["message"], "additionalProperties": false,
        "properties": {
            "from": { "type": "string", "description": "A party of the account; an admin's is the gateway's operator" },
            "message": { "type": "string", "minLength": 1, "maxLength": notice::MESSAGE_BYTES_MAX },
            "target": { "type": "object", "additionalProperties": false, "properties": {
                "withAnyRole": texts(notice::ROLES_MAX), "withAllRoles": texts(notice::ROLES_MAX),
                "withEmail": texts(notice::EMAILS_MAX), "withHatAddress": texts(notice::HATS_MAX),
            } },
            "expires": { "type": "string", "format": "date-time" },
        },
    });
    let list = Endpoint::get(PATH, list)
        .about(TAG, "The notices that stand: for the HAT, for the account, or those that a party of it posted")
        .access(Access::Token)
        .query("party", false, "Those that this party posted", json!({ "type": "string" }));
    vec![
        page::described(list).empty(304, "Unchanged"),
        Endpoint::post(PATH, post).about(TAG, "Posts a notice").access(Access::Account).repeatable().body(body).answer(
            201,
            "Its id and the outcome, ledgered",
            json!({ "type": "object" }),
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    from: Option<Address>,
    message: String,
    #[serde(default)]
    target: serde_json::Map<String, Value>,
    expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    party: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What an account is known by: its roles in force.
fn roles(caller: &Caller) -> Vec<String> {
    match caller {
        Caller::Account(account) => {
            account.grants.iter().filter(|grant| grant.approved).map(|grant| grant.role.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

async fn list(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    of: web::Query<Of>,
) -> Result<HttpResponse, Fault> {
    let Of { party, cursor, limit } = of.into_inner();
    let question = match (&caller, party) {
        (_, Some(party)) => {
            let party: Address = party.parse().map_err(|error| Fault::malformed(format!("party: {error}")))?;
            if !caller.sees(&party) {
                return Err(Fault::forbidden(format!("{party} is not yours")));
            }
            json!({ "party": party })
        }
        (Caller::Hat(hat), None) => json!({ "hat": hat.hat }),
        (Caller::Account(_), None) => json!({ "roles": roles(&caller) }),
        (Caller::Offer(_), None) => {
            return Err(Fault::forbidden("an offer's token reads that offer's deliveries and nothing else"));
        }
        (Caller::Anonymous, None) => return Err(Fault::unauthorized("bring a token")),
    };
    let page = Page { cursor, limit }.ask(&gateway.link, "notice.list", question).await?;
    Ok(etag::answer(&request, &page))
}

async fn post(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Fault> {
    let gateway = gateway.into_inner();
    let New { from, message, target, expires } = read(&body)?;
    let operator = link::operator();
    let from = match from {
        Some(from) if from != operator => {
            caller.owning(&from)?;
            Some(from)
        }
        _ => {
            caller.admin()?;
            None
        }
    };
    let key = caller.key(gateway.from(&request));
    let what = Request { caller: &key, call: "POST /api/v1/notices", body: &body };
    let target: Target = serde_json::from_value(target.into())
        .map_err(|error| Fault::malformed(format!("the body: target: {error}")))?;
    let notice = json!(Notice { message, target, expires }).to_string();
    let work = gateway.clone();
    gateway
        .once(request.headers(), what, |id| async move {
            let (speaker, to) = match &from {
                Some(from) => (Speaker::Party(from), from),
                None => (Speaker::Operator, &operator),
            };
            let done = work.link.act(speaker, to, &["notice"], notice, Some(id)).await?;
            let id = done.outcome.delivery;
            let mut told: Value = json!(done);
            told["notice"] = json!(id);
            Ok((201, told))
        })
        .await
}

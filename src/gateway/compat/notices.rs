//! Notices of the original: posted by admins in the operator's name, or by an account for its only party.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shape::once;
use crate::domain::notice::{Notice, Target};
use crate::domain::{Address, Kind};
use crate::gateway::Gateway;
use crate::gateway::caller::Caller;
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::{self, Speaker};
use crate::gateway::role::Role;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let object = json!({ "type": "object" });
    let post = Endpoint::post("/api/notices", post).about("Original: notices", "Posts a notice").original();
    vec![post.repeatable().access(Access::Account).body(object.clone()).answer(200, "The notice, with its id", object)]
}

/// The original's notice. What the exchange says of it itself is taken and not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Posted {
    #[serde(rename = "id")]
    _id: Option<Value>,
    message: String,
    #[serde(rename = "dateCreated")]
    _date_created: Option<Value>,
    #[serde(default)]
    target: serde_json::Map<String, Value>,
}

/// The original's ids are whole numbers: the first 63 bits of ours, which begin with the time.
fn number(id: Uuid) -> i64 {
    i64::try_from(id.as_u64_pair().0 >> 1).unwrap_or(i64::MAX)
}

/// Who posts for an account: the operator for an admin, else its only party that may.
fn poster(caller: &Caller) -> Result<Option<Address>, Fault> {
    let account = caller.account()?;
    if account.has(&Role::Master) {
        return Ok(None);
    }
    let may = |party: &&Address| matches!(party.kind, Kind::Plug | Kind::App | Kind::Org);
    let mut parties = account.parties.iter().filter(may);
    match (parties.next(), parties.next()) {
        (Some(only), None) => Ok(Some(only.clone())),
        (None, _) => Err(Fault::forbidden("an account without a plug, application or organisation posts no notices")),
        _ => Err(Fault::forbidden("several parties could post this: name one, POST /api/v1/notices {from, …}")),
    }
}

async fn post(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let from = poster(&caller)?;
    let Posted { message, target, .. } =
        serde_json::from_slice(&body).map_err(|error| Fault::malformed(format!("the body: {error}")))?;
    let told = Value::Object(target.clone());
    let target: Target =
        serde_json::from_value(target.into()).map_err(|error| Fault::malformed(format!("target: {error}")))?;
    let notice = json!(Notice { message: message.clone(), target, expires: None }).to_string();
    let work = gateway.clone().into_inner();
    once(&gateway, &request, &caller, &body, |id| async move {
        let operator = link::operator();
        let (speaker, to) = match &from {
            Some(from) => (Speaker::Party(from), from),
            None => (Speaker::Operator, &operator),
        };
        let done = work.link.act(speaker, to, &["notice"], notice, Some(id)).await?;
        let id = done.outcome.delivery.map(number);
        Ok((200, json!({ "id": id, "message": message, "dateCreated": done.outcome.at, "target": told })))
    })
    .await
}

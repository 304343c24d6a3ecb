//! Logging in and out, and who one is.

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::gateway::Gateway;
use crate::gateway::accounts::login::Login;
use crate::gateway::caller::{Caller, TOKEN_HEADER};
use crate::gateway::endpoint::{Access, Endpoint};
use crate::gateway::fault::{Fault, Original};

const TAG: &str = "Accounts";
/// The original's path of a login.
const LOGIN: &str = "/api/users/access_token";

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let text = json!({ "type": "string" });
    let token = json!({
        "type": "object", "required": ["accessToken", "userId"],
        "properties": { "accessToken": text, "userId": { "type": "string", "format": "uuid" } },
    });
    let body = json!({
        "type": "object", "required": ["username", "password"], "additionalProperties": false,
        "properties": { "username": text, "password": text },
    });
    vec![
        Endpoint::get(LOGIN, by_headers)
            .about(TAG, "Logs in by the headers username and password")
            .original()
            .deprecated()
            .header("username", true, "The account's name", text.clone())
            .header("password", true, "The account's password", text.clone())
            .answer(200, "A token for X-Auth-Token", token.clone()),
        Endpoint::post(LOGIN, by_body)
            .about(TAG, "Logs in by a body, which no log of a proxy keeps")
            .original()
            .body(body)
            .answer(200, "A token for X-Auth-Token", token),
        Endpoint::post("/api/v1/logout", logout)
            .about(TAG, "Ends the token that is brought")
            .access(Access::Account)
            .empty(204, "The token is in force no more"),
        Endpoint::get("/api/v1/me", me).about(TAG, "Who calls").access(Access::Token).answer(
            200,
            "The account or HAT",
            json!({ "type": "object" }),
        ),
    ]
}

fn named(headers: &HeaderMap, name: &str) -> Result<String, Fault> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.map(str::to_owned).ok_or_else(|| Fault::unauthorized(format!("the header {name} is missing or no text")))
}

fn told(login: &Login) -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({ "accessToken": login.token.as_str(), "userId": login.user, "expiresIn": login.seconds }))
}

async fn by_headers(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Original> {
    let gateway = gateway.into_inner();
    let name = named(request.headers(), "username")?;
    let password = Zeroizing::new(named(request.headers(), "password")?);
    Ok(told(&gateway.login(&name, password, gateway.from(&request)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

async fn by_body(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Original> {
    let gateway = gateway.into_inner();
    let body: Credentials = read(&body)?;
    Ok(told(&gateway.login(&body.username, Zeroizing::new(body.password), gateway.from(&request)).await?))
}

/// A JSON body.
///
/// # Errors
/// 400 that says where it is not as it should be.
pub fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::malformed(format!("the body: {error}")))
}

async fn logout(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    let headers = request.headers();
    let value = headers.get(TOKEN_HEADER).or_else(|| headers.get("authorization"));
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = Zeroizing::new(text.rsplit(' ').next().unwrap_or_default().to_owned());
    let gateway: Arc<Gateway> = gateway.into_inner();
    let ended = tokio::task::spawn_blocking(move || gateway.accounts.end_token(&token)).await;
    ended.map_err(|error| Fault::internal("a token", &error))??;
    Ok(HttpResponse::NoContent().finish())
}

async fn me(caller: Caller) -> Result<web::Json<Value>, Fault> {
    Ok(web::Json(match &caller {
        Caller::Anonymous | Caller::Offer(_) => return Err(Fault::unauthorized("bring a token")),
        Caller::Hat(hat) => json!({ "kind": "hat", "hat": hat.hat }),
        Caller::Account(account) => json!({
            "kind": "account", "account": account.name, "userId": account.user,
            "roles": account.grants, "parties": account.parties,
        }),
    }))
}

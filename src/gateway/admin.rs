//! Administration of accounts, over a socket in the state folder: whoever may open it may read the keys beside it, so the
//! folder's permissions are the authentication, also for the first account of all. `dex account` speaks to it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Gateway;
use super::accounts::{Account, AccountError};
use super::fault::Fault;
use super::link::Speaker;
use super::rest::login::read;
use super::role::Role;
use crate::client::ids;
use crate::domain::{Id, Reason};

/// The socket's name in the state folder.
pub const SOCKET: &str = "gateway.sock";
/// Largest body, bytes.
const BODY_BYTES: usize = 16 * 1024;
/// A request whose header takes longer is dropped.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// Binds the socket; the caller runs the server.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(gateway: &Arc<Gateway>) -> std::io::Result<Server> {
    let path = gateway.settings.state.join(SOCKET);
    remove_old(&path)?;
    let shared = Arc::clone(gateway);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&shared)))
            .app_data(web::PayloadConfig::new(BODY_BYTES))
            .route("/accounts", web::get().to(list))
            .route("/accounts", web::post().to(create))
            .route("/accounts/{name}/grant", web::post().to(grant))
            .route("/accounts/{name}/revoke", web::post().to(revoke))
            .route("/accounts/{name}/disable", web::post().to(disable))
            .route("/accounts/{name}/password", web::post().to(password))
    })
    .workers(1)
    .client_request_timeout(HEAD_WITHIN)
    .disable_signals()
    .shutdown_timeout(2)
    .bind_uds(&path)?;
    // The folder is closed to others already; this says so once more.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(server.run())
}

/// A socket that a daemon before this one left behind: this one holds the folder's lock.
fn remove_old(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn shown(account: &Account) -> Value {
    json!({
        "account": account.name, "userId": account.user, "created": account.created, "disabled": account.disabled,
        "roles": account.grants, "parties": account.parties,
    })
}

/// Runs a change that waits for the disk.
async fn change(
    gateway: &web::Data<Gateway>,
    how: impl FnOnce(&Gateway) -> Result<Arc<Account>, AccountError> + Send + 'static,
) -> Result<Arc<Account>, Fault> {
    let gateway = gateway.clone().into_inner();
    let done = tokio::task::spawn_blocking(move || how(&gateway)).await;
    Ok(done.map_err(|error| Fault::internal("the accounts", &error))??)
}

/// Ledgers which roles an account has from now on; none when it is disabled.
async fn ledger(gateway: &Gateway, name: &Id, roles: Vec<Role>) -> Result<Value, Fault> {
    let body = json!({ "account": name, "approved": !roles.is_empty(), "roles": roles });
    let bridge = gateway.link.bridge().clone();
    let outcome = gateway.link.act(Speaker::Bridge, &bridge, &["account"], body.to_string(), None).await?;
    Ok(json!(outcome.leaf))
}

/// The roles that an account has in force.
fn in_force(account: &Account) -> Vec<Role> {
    if account.disabled {
        return Vec::new();
    }
    account.grants.iter().filter(|grant| grant.approved).map(|grant| grant.role.clone()).collect()
}

async fn list(gateway: web::Data<Gateway>) -> HttpResponse {
    let all: Vec<Value> = gateway.accounts.all().iter().map(|account| shown(account)).collect();
    HttpResponse::Ok().json(json!({ "items": all }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    account: Id,
    password: String,
}

async fn create(gateway: web::Data<Gateway>, body: web::Bytes) -> Result<HttpResponse, Fault> {
    let New { account, password } = read(&body)?;
    if gateway.accounts.get(&account).is_some() {
        return Err(Fault::new(Reason::AlreadyExists, format!("there is an account {account} already")));
    }
    let hash = gateway.passwords.hash(Zeroizing::new(password)).await?;
    let made = change(&gateway, move |gateway| gateway.accounts.create(account, hash, ids::now())).await?;
    Ok(HttpResponse::Created().json(shown(&made)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Granted {
    role: Role,
    #[serde(default = "yes")]
    approved: bool,
}

fn yes() -> bool {
    true
}

async fn grant(gateway: web::Data<Gateway>, name: web::Path<Id>, body: web::Bytes) -> Result<HttpResponse, Fault> {
    let (name, Granted { role, approved }) = (name.into_inner(), read(&body)?);
    let old = gateway.accounts.get(&name).ok_or_else(|| AccountError::Unknown(name.clone()))?;
    let mut roles = in_force(&old);
    roles.retain(|held| *held != role);
    if approved && !old.disabled {
        roles.push(role.clone());
    }
    // Before it is in force: what the ledger does not hold gives no power.
    let leaf = ledger(&gateway, &name, roles).await?;
    let account = change(&gateway, move |gateway| gateway.accounts.grant(&name, role, approved)).await?;
    let mut answer = shown(&account);
    answer["leaf"] = leaf;
    Ok(HttpResponse::Ok().json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    role: Role,
}

async fn revoke(gateway: web::Data<Gateway>, name: web::Path<Id>, body: web::Bytes) -> Result<HttpResponse, Fault> {
    let (name, Revoked { role }) = (name.into_inner(), read(&body)?);
    // Taken away at once, so that a ledger that is out of reach keeps nobody in power.
    let (of, gone) = (name.clone(), role.clone());
    let account = change(&gateway, move |gateway| gateway.accounts.revoke(&of, &gone)).await?;
    let leaf = ledger(&gateway, &name, in_force(&account)).await?;
    let mut answer = shown(&account);
    answer["leaf"] = leaf;
    Ok(HttpResponse::Ok().json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disabled {
    disabled: bool,
}

async fn disable(gateway: web::Data<Gateway>, name: web::Path<Id>, body: web::Bytes) -> Result<HttpResponse, Fault> {
    let (name, Disabled { disabled }) = (name.into_inner(), read(&body)?);
    let mut old = gateway.accounts.get(&name).ok_or_else(|| AccountError::Unknown(name.clone()))?;
    if !disabled {
        let mut enabled = (*old).clone();
        enabled.disabled = false;
        old = Arc::new(enabled);
        ledger(&gateway, &name, in_force(&old)).await?;
    }
    let of = name.clone();
    let account = change(&gateway, move |gateway| gateway.accounts.disable(&of, disabled)).await?;
    if disabled {
        ledger(&gateway, &name, Vec::new()).await?;
    }
    Ok(HttpResponse::Ok().json(shown(&account)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

async fn password(gateway: web::Data<Gateway>, name: web::Path<Id>, body: web::Bytes) -> Result<HttpResponse, Fault> {
    let (name, Password { password }) = (name.into_inner(), read(&body)?);
    let hash = gateway.passwords.hash(Zeroizing::new(password)).await?;
    let account = change(&gateway, move |gateway| gateway.accounts.set_password(&name, hash)).await?;
    Ok(HttpResponse::Ok().json(shown(&account)))
}

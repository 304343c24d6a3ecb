//! A HAT with our account on it: logs in, keeps tokens, takes none that the pinned key has not signed.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::domain::Id;

use super::ask::{Answer, Ask, json};
use super::door::Door;
use super::error::{Fault, HatError};
use super::rsa::HatKey;
use super::secret::{Account, Secret};

const LOGIN: &str = "GET /users/access_token";
const APP_TOKEN: &str = "GET /api/v2.6/applications/{id}/access-token";
/// A token is not used in its last minutes.
const SPARE_SECONDS: u64 = 300;
/// Tokens of applications kept for one HAT; with more, all are fetched anew.
const TOKENS_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_token: String,
}

#[derive(Debug, Clone)]
struct Token {
    secret: Secret,
    exp: u64,
}

/// One HAT, its pinned key, and our account there.
#[derive(Debug)]
pub struct Session {
    pub(super) door: Door,
    pub(super) hat: Id,
    key: HatKey,
    account: Option<Account>,
    /// By application; the empty name is our own.
    tokens: Mutex<BTreeMap<String, Token>>,
}

impl Session {
    /// A session that has not logged in yet.
    pub fn new(door: Door, hat: Id, key: HatKey, account: Option<Account>) -> Self {
        Session { door, hat, key, account, tokens: Mutex::default() }
    }

    /// The HAT.
    pub fn hat(&self) -> &Id {
        &self.hat
    }

    pub(super) fn error(&self, call: &'static str, fault: Fault) -> HatError {
        HatError { hat: self.hat.clone(), call, fault, after: None }
    }

    /// Whether the HAT still shows the key that is pinned.
    ///
    /// # Errors
    /// [`Fault::OtherKey`], or whatever keeps the key from being fetched.
    pub async fn check_key(&self) -> Result<(), HatError> {
        let shown = self.door.public_key(&self.hat).await?;
        if shown == self.key { Ok(()) } else { Err(self.error("GET /publickey", Fault::OtherKey)) }
    }

    fn take(&self, call: &'static str, body: &[u8]) -> Result<Token, HatError> {
        let wrong = |fault| self.error(call, fault);
        let given: Given = json(body, "the access token").map_err(wrong)?;
        let secret = Secret::new(given.access_token);
        let claims = self.key.check_token(secret.reveal(), self.hat.as_str()).map_err(wrong)?;
        Ok(Token { secret, exp: claims.exp })
    }

    async fn login(&self) -> Result<Token, HatError> {
        let none = |why: String| self.error(LOGIN, Fault::Account(why));
        let account = self.account.as_ref().ok_or_else(|| none("none is configured for its domain".into()))?;
        let password = account.password.read().map_err(none)?;
        let mut ask = Ask::get(LOGIN, "/users/access_token");
        ask.login = Some((&account.username, &password));
        match self.door.ask(&self.hat, ask).await {
            Ok(answer) => self.take(LOGIN, &answer.body),
            Err(error) if matches!(error.fault, Fault::Status(401 | 403)) => {
                Err(none("it refuses the name or password of the account".into()))
            }
            Err(error) => Err(error),
        }
    }

    /// Our own token (`application` empty) or an application's; kept until shortly before it expires.
    async fn token(&self, application: &str) -> Result<Secret, HatError> {
        let now = crate::client::ids::now().unix_ms() / 1000;
        // Held while logging in: a HAT lets nobody log in often, so one does it for all who wait.
        let mut tokens = self.tokens.lock().await;
        let good = |token: &&Token| token.exp > now + SPARE_SECONDS;
        if let Some(token) = tokens.get(application).filter(good) {
            return Ok(token.secret.clone());
        }
        let own = match tokens.get("").filter(good) {
            Some(token) => token.clone(),
            None => self.login().await?,
        };
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(String::new(), own.clone());
        if application.is_empty() {
            return Ok(own.secret);
        }
        let path = format!("/api/v2.6/applications/{application}/access-token");
        let answer = self.door.ask(&self.hat, Ask::get(APP_TOKEN, &path).with(&own.secret)).await?;
        let token = self.take(APP_TOKEN, &answer.body)?;
        tokens.insert(application.to_owned(), token.clone());
        Ok(token.secret)
    }

    /// Asks with a token. One that the HAT no longer takes is fetched anew, once.
    pub(super) async fn ask(&self, application: &str, ask: Ask<'_>) -> Result<Answer, HatError> {
        let token = self.token(application).await?;
        match self.door.ask(&self.hat, ask.clone().with(&token)).await {
            Err(error) if error.fault == Fault::Status(401) => {
                self.tokens.lock().await.clear();
                let token = self.token(application).await?;
                self.door.ask(&self.hat, ask.with(&token)).await
            }
            other => other,
        }
    }
}

//! OAuth 2.0 access tokens by the refresh grant (RFC 6749 §6): one refresh at a time for an account, refresh tokens that
//! rotate kept before they are used, so that a crash loses none.

mod answer;
mod kept;
mod text;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::connectors::Fetcher;
use crate::domain::job::JobError;
use crate::domain::{Digest, Id, Timestamp};
use crate::http::secret::{Secret, Source};
use crate::telemetry::events::TokenRefreshed;

use super::fault::Fault;
use answer::Told;
use kept::{Folder, Kept};
use text::Text;

/// A token is renewed so long before its time, nanoseconds, for clocks differ and a page takes a while; at most a quarter of
/// its life.
const SKEW: i64 = 60 * 1_000_000_000;
/// Life of a token whose server tells none, nanoseconds.
const LIFE: i64 = 3600 * 1_000_000_000;
/// Accounts whose locks are remembered. Beyond it those that nobody uses now are forgotten.
const LOCKS_MAX: usize = 10_000;

/// How a client proves itself to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// By HTTP Basic, which every server must take.
    #[default]
    Basic,
    /// By fields of the form.
    Body,
}

/// How tokens of an account are got. Secrets are references. An account's own values go over those of the manifest's
/// `settings.auth`, which are common to all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grant {
    /// `oauth2`; nothing else is known.
    pub kind: Option<String>,
    /// The token endpoint.
    #[serde(alias = "tokenUrl")]
    pub token_url: Option<String>,
    /// The client's id there.
    #[serde(alias = "clientId")]
    pub client_id: Option<String>,
    /// Its secret; none for a public client.
    #[serde(alias = "clientSecret")]
    pub client_secret: Option<String>,
    /// How the client proves itself.
    #[serde(alias = "clientAuth")]
    pub client_auth: Option<ClientAuth>,
    /// The scope to ask for; none: what was granted.
    pub scope: Option<String>,
    /// The refresh token that the account's owner has granted.
    #[serde(alias = "refreshToken")]
    pub refresh_token: Option<String>,
}

impl Grant {
    /// These values over those of all accounts.
    pub fn over(self, shared: Option<&Grant>) -> Grant {
        let Some(shared) = shared else { return self };
        let shared = shared.clone();
        Grant {
            kind: self.kind.or(shared.kind),
            token_url: self.token_url.or(shared.token_url),
            client_id: self.client_id.or(shared.client_id),
            client_secret: self.client_secret.or(shared.client_secret),
            client_auth: self.client_auth.or(shared.client_auth),
            scope: self.scope.or(shared.scope),
            refresh_token: self.refresh_token.or(shared.refresh_token),
        }
    }

    /// Whether a token can be asked for by it, as far as that can be told without asking.
    ///
    /// # Errors
    /// What is missing or cannot be read; no secret.
    pub fn check(&self) -> Result<(), String> {
        self.ready().map(|_| ())
    }

    fn ready(&self) -> Result<Ready<'_>, String> {
        let need = |name: &str, value: &Option<String>| match value {
            Some(text) if !text.is_empty() => Ok(()),
            _ => Err(format!("oauth2.{name} is missing, here and in the manifest's settings.auth")),
        };
        need("token_url", &self.token_url)?;
        need("client_id", &self.client_id)?;
        need("refresh_token", &self.refresh_token)?;
        if self.kind.as_deref().is_some_and(|kind| kind != "oauth2") {
            return Err("the kind of auth is not \"oauth2\", the only one that is known".to_owned());
        }
        let read = |name: &str, text: &str| {
            let source = Source::parse(text).map_err(|why| format!("oauth2.{name} {why}"))?;
            source.read().map_err(|why| format!("oauth2.{name}: {why}"))
        };
        Ok(Ready {
            token_url: self.token_url.as_deref().unwrap_or_default(),
            client_id: self.client_id.as_deref().unwrap_or_default(),
            client_secret: self.client_secret.as_deref().map(|text| read("client_secret", text)).transpose()?,
            client_auth: self.client_auth.unwrap_or_default(),
            scope: self.scope.as_deref(),
            refresh_token: read("refresh_token", self.refresh_token.as_deref().unwrap_or_default())?,
        })
    }
}

/// A grant whose secrets are read.
struct Ready<'a> {
    token_url: &'a str,
    client_id: &'a str,
    client_secret: Option<Secret>,
    client_auth: ClientAuth,
    scope: Option<&'a str>,
    refresh_token: Secret,
}

type Locks = HashMap<(Id, Id), Arc<tokio::sync::Mutex<()>>>;

/// The tokens of all accounts of a worker.
pub struct Tokens {
    folder: Folder,
    locks: Mutex<Locks>,
}

impl Tokens {
    /// Kept below this folder.
    pub fn new(state_dir: PathBuf) -> Self {
        Tokens { folder: Folder::new(state_dir), locks: Mutex::default() }
    }

    fn lock(&self, plug: &Id, hat: &Id) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= LOCKS_MAX {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry((plug.clone(), hat.clone())).or_default())
    }

    /// An access token for this account that is good for a while. `refused`: the source did not take this one, so it is
    /// renewed, unless somebody else has done so.
    ///
    /// # Errors
    /// [`Fault`]: no token is to be had now (`unauthorized`: not at all by what we hold).
    pub async fn token(
        &self,
        http: &Fetcher,
        plug: &Id,
        hat: &Id,
        grant: &Grant,
        refused: Option<&Secret>,
        now: impl Fn() -> Timestamp,
    ) -> Result<Secret, Fault> {
        let ready = grant.ready().map_err(|what| Fault::new(JobError::Unauthorized, what))?;
        let lock = self.lock(plug, hat);
        let _turn = lock.lock().await;
        let internal = |error: std::io::Error| Fault::new(JobError::Internal, format!("the folder of tokens: {error}"));
        let granted = Digest::of(ready.refresh_token.reveal().as_bytes());
        // Without the lock of the folder: most calls end here.
        let kept = self.folder.read(plug, hat).map_err(internal)?;
        if let Some(token) = good(kept.as_ref(), granted, refused, now()) {
            return Ok(token);
        }
        // Another worker of this machine may be at it.
        let _folder = self.folder.lock(plug, hat).await.map_err(internal)?;
        let kept = self.folder.read(plug, hat).map_err(internal)?;
        if let Some(token) = good(kept.as_ref(), granted, refused, now()) {
            return Ok(token);
        }
        let kept = kept.filter(|kept| kept.granted == granted);
        let fresh = self.renew(http, &ready, kept.as_ref(), granted, &now).await;
        TokenRefreshed { done: fresh.is_ok() }.emit();
        let fresh = fresh?;
        // Before it is used: the server may have taken the old one out of force.
        self.folder.write(plug, hat, &fresh).map_err(internal)?;
        Ok(Secret::new(&*fresh.access))
    }

    /// Asks with the newest refresh token, then with those before it: after a crash an answer may never have been kept.
    async fn renew(
        &self,
        http: &Fetcher,
        ready: &Ready<'_>,
        kept: Option<&Kept>,
        granted: Digest,
        now: &impl Fn() -> Timestamp,
    ) -> Result<Kept, Fault> {
        let mut candidates: Vec<&str> = Vec::new();
        if let Some(kept) = kept {
            candidates.push(&kept.refresh);
            candidates.extend(kept.previous.as_deref());
        }
        candidates.push(ready.refresh_token.reveal());
        let mut last = Fault::new(JobError::Unauthorized, "the token endpoint refuses the refresh token");
        for (n, refresh) in candidates.iter().enumerate() {
            if candidates[..n].contains(refresh) {
                continue;
            }
            let asked = now();
            match answer::ask(http, ready, refresh).await? {
                Told::Token { access, refresh: rotated, life } => {
                    let life = life.map_or(LIFE, |seconds| seconds.saturating_mul(1_000_000_000));
                    let rotated = rotated.filter(|rotated| **rotated != **refresh);
                    let previous = rotated.is_some().then(|| Text::from(*refresh));
                    let refresh = rotated.unwrap_or_else(|| Text::from(*refresh));
                    let expires_at = asked.plus(life - SKEW.min(life / 4));
                    return Ok(Kept { granted, refresh, previous, access, expires_at });
                }
                Told::Refused(fault) => last = fault,
            }
        }
        Err(last)
    }
}

/// The kept token, if it is of this grant, still good, and not the one that was refused.
fn good(kept: Option<&Kept>, granted: Digest, refused: Option<&Secret>, now: Timestamp) -> Option<Secret> {
    let kept = kept?;
    let good = kept.granted == granted
        && now < kept.expires_at
        && refused.is_none_or(|refused| refused.reveal() != &*kept.access);
    good.then(|| Secret::new(&*kept.access))
}

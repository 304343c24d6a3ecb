//! Logging in: name and password for a short-lived token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::client::ids;
use crate::domain::Id;
use crate::gateway::Gateway;
use crate::gateway::fault::Fault;

/// What a login gives.
pub struct Login {
    /// The token, told once.
    pub token: Zeroizing<String>,
    /// Whose it is.
    pub user: Uuid,
    /// Seconds that it is in force.
    pub seconds: u64,
}

/// One answer for every way to fail, so that it does not tell which names there are.
fn wrong() -> Fault {
    Fault::unauthorized("name or password are wrong, or the account is disabled")
}

impl Gateway {
    /// Logs an account in.
    ///
    /// # Errors
    /// 401 when name and password do not fit, 429 after too many failures, or when too many log in at once.
    pub async fn login(
        self: &Arc<Self>,
        name: &str,
        password: Zeroizing<String>,
        from: IpAddr,
    ) -> Result<Login, Fault> {
        let name = Id::new(name).map_err(|_| wrong())?;
        if let Some(seconds) = self.lockout.locked(&name, from, Instant::now()) {
            return Err(Fault::too_many("too many failed logins", seconds));
        }
        let account = self.accounts.get(&name).filter(|account| !account.disabled);
        let hash = account.as_ref().map(|account| account.password.clone());
        // Counted before it is worked on: guesses at the same time count too.
        self.lockout.failed(&name, from, Instant::now());
        if !self.passwords.check(password, hash).await? {
            return Err(wrong());
        }
        let account = account.ok_or_else(wrong)?;
        self.lockout.succeeded(&name);
        self.lockout.forgive(from);
        let life = self.settings.token_life;
        let gateway = Arc::clone(self);
        let life_ns = i64::try_from(life.as_nanos()).unwrap_or(i64::MAX);
        let issued = tokio::task::spawn_blocking(move || gateway.accounts.issue(&name, ids::now(), life_ns)).await;
        let token = issued.map_err(|error| Fault::internal("a token", &error))??;
        Ok(Login { token, user: account.user, seconds: life.as_secs() })
    }
}

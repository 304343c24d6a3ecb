//! Passwords: argon2id, with a bound on how many are worked on at once.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rand::rngs::OsRng;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::AccountError;
use crate::gateway::fault::Fault;

/// Fewest characters of a password.
pub const LEAST: usize = 12;
/// Most characters of a password.
pub const MOST: usize = 256;
/// Logins that may wait for their turn; further ones are told to come back.
const WAITING_MAX: usize = 32;

/// Hashes and checks passwords, a few at a time: each takes 19 MiB and tens of milliseconds of one core (argon2id,
/// m = 19 MiB, t = 2, p = 1, as OWASP advises).
pub struct Passwords {
    turns: Semaphore,
    waiting: Semaphore,
    /// What an unknown name is checked against, so that it takes as long as a known one.
    nobody: String,
}

/// The hash of a password, as PHC text.
///
/// # Errors
/// [`AccountError::Password`] when it is too short or too long.
pub fn hash(password: &str) -> Result<String, AccountError> {
    if !(LEAST..=MOST).contains(&password.chars().count()) {
        return Err(AccountError::Password);
    }
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| AccountError::Store(error.to_string()))
}

fn fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

impl Passwords {
    /// Works on `at_once` passwords at a time.
    ///
    /// # Errors
    /// [`AccountError`] when nothing can be hashed.
    pub fn new(at_once: usize) -> Result<Self, AccountError> {
        let nobody = hash("nobody has this password")?;
        Ok(Passwords { turns: Semaphore::new(at_once.max(1)), waiting: Semaphore::new(WAITING_MAX), nobody })
    }

    /// Whether a password fits its hash; without a hash it takes as long and never fits.
    ///
    /// # Errors
    /// 429 when too many wait already.
    pub async fn check(&self, password: Zeroizing<String>, hash: Option<String>) -> Result<bool, Fault> {
        let busy = || Fault::too_many("too many logins at once", 1);
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _turn = self.turns.acquire().await.map_err(|_| busy())?;
        if password.chars().count() > MOST {
            return Ok(false);
        }
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let done = tokio::task::spawn_blocking(move || fits(&password, &hash)).await;
        done.map(|fits| fits && known).map_err(|error| Fault::internal("a password's check", &error))
    }

    /// Hashes a password in its turn.
    ///
    /// # Errors
    /// 429 when too many wait already, 400 when it is too short or too long.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Fault> {
        let busy = || Fault::too_many("too many logins at once", 1);
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _turn = self.turns.acquire().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || hash(&password)).await;
        Ok(done.map_err(|error| Fault::internal("a password's hash", &error))??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_fits_and_an_unknown_name_never_does() {
        let passwords = Passwords::new(1).expect("made");
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let hash = passwords.hash(text("correct horse battery")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.check(text("correct horse battery"), Some(hash.clone())).await.expect("checked"));
        assert!(!passwords.check(text("correct horse batterY"), Some(hash)).await.expect("checked"));
        assert!(!passwords.check(text("nobody has this password"), None).await.expect("checked"));
        assert!(passwords.hash(text("short")).await.is_err());
        assert!(passwords.hash(text(&"x".repeat(257))).await.is_err());
    }
}

//! Access tokens of accounts: random, stored hashed, ended by time, by hand or with the account.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use rand::RngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Account, AccountError, Accounts, TOKENS_PER_ACCOUNT};
use crate::domain::{Id, Timestamp};

/// SHA-256 of a token's text: what is stored. A token has 256 random bits, so that no slow hash is needed.
pub type Secret = [u8; 32];
/// How tokens of accounts begin, so that they are told from those of HATs, and found by scanners of leaks.
pub const PREFIX: &str = "dexa_";
/// Bytes of a token's text: the prefix and 32 bytes in base64url.
pub const TOKEN_BYTES: usize = PREFIX.len() + 43;

/// Whose a token is, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Whose.
    pub account: Id,
    /// When it was given out.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

fn secret(token: &str) -> Secret {
    Sha256::digest(token.as_bytes()).into()
}

impl Accounts {
    /// A new token for an account, in force from `now` for `life_ns` nanoseconds.
    ///
    /// # Errors
    /// [`AccountError`] when it cannot be written.
    pub fn issue(&self, name: &Id, now: Timestamp, life_ns: i64) -> Result<Zeroizing<String>, AccountError> {
        let mut random = Zeroizing::new([0u8; 32]);
        OsRng.fill_bytes(&mut *random);
        let token = Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&*random)));
        let row = TokenRow { account: name.clone(), issued: now, expires: now.plus(life_ns) };
        let _change = self.change();
        let mut own: Vec<(Timestamp, Secret)> = {
            let memory = self.read();
            let own = memory.tokens.iter().filter(|(_, row)| row.account == *name);
            own.map(|(secret, row)| (row.issued, *secret)).collect()
        };
        own.sort_unstable();
        let over = (own.len() + 1).saturating_sub(TOKENS_PER_ACCOUNT);
        let dead: Vec<Secret> = own.into_iter().take(over).map(|(_, secret)| secret).collect();
        let key = secret(&token);
        self.store.put_token(&key, &row, &dead)?;
        let mut memory = self.write();
        for old in &dead {
            memory.tokens.remove(old);
        }
        memory.tokens.insert(key, row);
        Ok(token)
    }

    /// Whose this token is, when it is in force and the account too.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Option<Arc<Account>> {
        let memory = self.read();
        let row = memory.tokens.get(&secret(token)).filter(|row| now < row.expires)?;
        memory.accounts.get(&row.account).filter(|account| !account.disabled).cloned()
    }

    /// Ends one token; true when there was one.
    ///
    /// # Errors
    /// [`AccountError`] when it cannot be written.
    pub fn end_token(&self, token: &str) -> Result<bool, AccountError> {
        let _change = self.change();
        let key = secret(token);
        if !self.read().tokens.contains_key(&key) {
            return Ok(false);
        }
        self.store.drop_tokens(&[key])?;
        self.write().tokens.remove(&key);
        Ok(true)
    }

    /// Drops the tokens that have ended; how many.
    ///
    /// # Errors
    /// [`AccountError`] when it cannot be written.
    pub fn sweep(&self, now: Timestamp) -> Result<usize, AccountError> {
        let _change = self.change();
        let dead: Vec<Secret> =
            self.read().tokens.iter().filter(|(_, row)| row.expires <= now).map(|(secret, _)| *secret).collect();
        self.store.drop_tokens(&dead)?;
        let mut memory = self.write();
        for old in &dead {
            memory.tokens.remove(old);
        }
        Ok(dead.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_by_time_by_hand_by_number_and_with_the_account() {
        let folder = tempfile::tempdir().expect("folder");
        let accounts = Accounts::open(folder.path()).expect("made");
        let ann = Id::new("ann").expect("an id");
        accounts.create(ann.clone(), "h".into(), Timestamp(0)).expect("made");
        let token = accounts.issue(&ann, Timestamp(0), 100).expect("issued");
        assert_eq!(token.len(), TOKEN_BYTES);
        assert!(accounts.bearer(&token, Timestamp(99)).is_some());
        assert!(accounts.bearer(&token, Timestamp(100)).is_none(), "ended");
        assert!(accounts.bearer("dexa_x", Timestamp(0)).is_none());
        let bytes = std::fs::read(folder.path().join("gateway.redb")).expect("read");
        assert!(!bytes.windows(TOKEN_BYTES).any(|window| window == token.as_bytes()), "only its hash is stored");
        assert!(accounts.end_token(&token).expect("ended") && !accounts.end_token(&token).expect("gone"));
        assert!(accounts.bearer(&token, Timestamp(1)).is_none());

        let first = accounts.issue(&ann, Timestamp(1), 1000).expect("issued");
        for at in 0..TOKENS_PER_ACCOUNT as i64 {
            accounts.issue(&ann, Timestamp(2 + at), 1000).expect("issued");
        }
        assert!(accounts.bearer(&first, Timestamp(50)).is_none(), "the oldest made room");
        assert_eq!(accounts.sweep(Timestamp(5000)).expect("swept"), TOKENS_PER_ACCOUNT);

        let token = accounts.issue(&ann, Timestamp(0), 1000).expect("issued");
        accounts.disable(&ann, true).expect("disabled");
        assert!(accounts.bearer(&token, Timestamp(1)).is_none());
        accounts.disable(&ann, false).expect("enabled");
        assert!(accounts.bearer(&token, Timestamp(1)).is_none(), "disabling ended it");
        let token = accounts.issue(&ann, Timestamp(0), 1000).expect("issued");
        drop(accounts);
        let accounts = Accounts::open(folder.path()).expect("read");
        assert!(accounts.bearer(&token, Timestamp(1)).is_some(), "it survives a restart");
    }
}

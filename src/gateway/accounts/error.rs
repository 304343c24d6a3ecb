//! Why a change of accounts, or a login, failed.

use crate::domain::{Address, Id, Reason};
use crate::gateway::fault::Fault;

/// Why something about an account failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is taken.
    #[error("there is an account {0} already")]
    Exists(Id),
    /// Nobody has this name.
    #[error("there is no account {0}")]
    Unknown(Id),
    /// A bound is reached.
    #[error("no more than {0} are possible")]
    Full(usize),
    /// Another account owns it.
    #[error("{0} belongs to another account")]
    Owned(Address),
    /// The password is too short or too long.
    #[error("a password has 12 to 256 characters")]
    Password,
    /// The file of the accounts.
    #[error("the file of the accounts: {0}")]
    Store(String),
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        match &error {
            AccountError::Exists(_) => Fault::new(Reason::AlreadyExists, error.to_string()),
            AccountError::Owned(_) => Fault::new(Reason::NotPermitted, error.to_string()),
            AccountError::Unknown(_) => Fault::not_found(error.to_string()),
            AccountError::Full(_) => Fault::too_many(error.to_string(), 3600),
            AccountError::Password => Fault::malformed(error.to_string()),
            AccountError::Store(_) => Fault::internal("the accounts", &error),
        }
    }
}

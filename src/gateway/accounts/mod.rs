//! Accounts of the gateway: who logs in, with which roles, and which parties each owns.
//!
//! They live in a file of their own in the state folder, with everything also in memory: reads never wait for the
//! disk, writes are synced before they are told.

pub mod error;
pub mod lockout;
pub mod login;
pub mod notes;
pub mod password;
pub mod store;
pub mod token;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::once::Record;
use super::role::{Grant, Role};
use crate::domain::{Address, Id, Kind, Timestamp};

pub use error::AccountError;
use store::{Kept, Store};
use token::{Secret, TokenRow};

/// Most accounts.
pub const ACCOUNTS_MAX: usize = 100_000;
/// Most grants of one account.
pub const GRANTS_MAX: usize = 32;
/// Most parties of one account.
pub const PARTIES_MAX: usize = 1024;
/// Most live tokens of one account; a further one ends the oldest.
pub const TOKENS_PER_ACCOUNT: usize = 32;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its name, with which it logs in.
    pub name: Id,
    /// Its id for callers, never given out again.
    pub user: Uuid,
    /// The password's hash (argon2id, PHC text).
    pub password: String,
    /// When it was made.
    pub created: Timestamp,
    /// Disabled accounts neither log in nor use tokens.
    pub disabled: bool,
    /// Its roles.
    pub grants: Vec<Grant>,
    /// The parties that it owns: the gateway signs for them on its word.
    pub parties: BTreeSet<Address>,
}

impl Account {
    /// Whether it has this role, approved. `Master` has every role.
    pub fn has(&self, role: &Role) -> bool {
        let held = |role: &Role| self.grants.iter().any(|grant| grant.approved && grant.role == *role);
        held(&Role::Master) || held(role)
    }

    /// Whether it acts for everybody.
    pub fn is_admin(&self) -> bool {
        self.has(&Role::Master)
    }

    /// Whether it speaks for this party: a custodial one of its own.
    pub fn owns(&self, party: &Address) -> bool {
        self.parties.contains(party)
    }

    /// Whether it may see what concerns this party.
    pub fn sees(&self, party: &Address) -> bool {
        let owned = match party.kind {
            Kind::Hat => Some(Role::OwnsHat(party.id.clone())),
            Kind::Plug => Some(Role::OwnsDataPlug(party.id.clone())),
            Kind::Offer => Some(Role::OwnsDataOffer(party.id.clone())),
            _ => None,
        };
        self.is_admin() || self.owns(party) || owned.is_some_and(|role| self.has(&role))
    }
}

#[derive(Default)]
struct Memory {
    accounts: HashMap<Id, Arc<Account>>,
    tokens: HashMap<Secret, TokenRow>,
    owners: HashMap<Address, Id>,
    notes: BTreeMap<String, Value>,
}

/// All accounts and their tokens.
pub struct Accounts {
    store: Store,
    memory: RwLock<Memory>,
    /// One change at a time: what it read is still so when it writes.
    changing: Mutex<()>,
}

impl Accounts {
    /// Opens the accounts of the state folder, made when there are none.
    ///
    /// # Errors
    /// [`AccountError::Store`] when the file cannot be opened or read.
    pub fn open(state: &Path) -> Result<Self, AccountError> {
        let store = Store::open(state)?;
        let mut memory = Memory::default();
        for account in store.accounts()? {
            for party in &account.parties {
                memory.owners.insert(party.clone(), account.name.clone());
            }
            memory.accounts.insert(account.name.clone(), Arc::new(account));
        }
        memory.notes = store.notes()?;
        memory.tokens = store.tokens()?.into_iter().collect();
        Ok(Accounts { store, memory: RwLock::new(memory), changing: Mutex::new(()) })
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account of this name.
    pub fn get(&self, name: &Id) -> Option<Arc<Account>> {
        self.read().accounts.get(name).cloned()
    }

    /// Which account owns this party.
    pub fn owner(&self, party: &Address) -> Option<Id> {
        self.read().owners.get(party).cloned()
    }

    /// Every account, by name.
    pub fn all(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> = self.read().accounts.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Makes an account; `password` is a hash already.
    ///
    /// # Errors
    /// [`AccountError`] when the name is taken, there are too many, or it cannot be written.
    pub fn create(&self, name: Id, password: String, at: Timestamp) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        {
            let memory = self.read();
            if memory.accounts.contains_key(&name) {
                return Err(AccountError::Exists(name));
            }
            if memory.accounts.len() >= ACCOUNTS_MAX {
                return Err(AccountError::Full(ACCOUNTS_MAX));
            }
        }
        let user = Uuid::from_bytes(rand::random());
        let user = uuid::Builder::from_random_bytes(user.into_bytes()).into_uuid();
        let account = Account {
            name,
            user,
            password,
            created: at,
            disabled: false,
            grants: Vec::new(),
            parties: BTreeSet::new(),
        };
        self.store.put(&account)?;
        let account = Arc::new(account);
        self.write().accounts.insert(account.name.clone(), Arc::clone(&account));
        Ok(account)
    }

    fn amend(
        &self,
        name: &Id,
        how: impl FnOnce(&mut Account) -> Result<(), AccountError>,
    ) -> Result<Arc<Account>, AccountError> {
        let old = self.get(name).ok_or_else(|| AccountError::Unknown(name.clone()))?;
        let mut new = (*old).clone();
        how(&mut new)?;
        if new == *old {
            return Ok(old);
        }
        self.store.put(&new)?;
        let new = Arc::new(new);
        let mut memory = self.write();
        for party in new.parties.difference(&old.parties) {
            memory.owners.insert(party.clone(), new.name.clone());
        }
        for party in old.parties.difference(&new.parties) {
            memory.owners.remove(party);
        }
        memory.accounts.insert(new.name.clone(), Arc::clone(&new));
        Ok(new)
    }

    /// Gives a role, or changes whether it is approved.
    ///
    /// # Errors
    /// [`AccountError`] when there is no such account, it has too many roles, or it cannot be written.
    pub fn grant(&self, name: &Id, role: Role, approved: bool) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        self.amend(name, |account| {
            account.grants.retain(|grant| grant.role != role);
            if account.grants.len() >= GRANTS_MAX {
                return Err(AccountError::Full(GRANTS_MAX));
            }
            account.grants.push(Grant { role, approved });
            Ok(())
        })
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// [`AccountError`] when there is no such account or it cannot be written.
    pub fn revoke(&self, name: &Id, role: &Role) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        self.amend(name, |account| {
            account.grants.retain(|grant| grant.role != *role);
            Ok(())
        })
    }

    /// Disables or enables an account. Disabling ends its tokens.
    ///
    /// # Errors
    /// [`AccountError`] when there is no such account or it cannot be written.
    pub fn disable(&self, name: &Id, disabled: bool) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        let account = self.amend(name, |account| {
            account.disabled = disabled;
            Ok(())
        })?;
        if disabled {
            self.end_tokens(name)?;
        }
        Ok(account)
    }

    /// Sets another password (a hash already). Ends its tokens.
    ///
    /// # Errors
    /// [`AccountError`] when there is no such account or it cannot be written.
    pub fn set_password(&self, name: &Id, password: String) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        let account = self.amend(name, |account| {
            account.password = password;
            Ok(())
        })?;
        self.end_tokens(name)?;
        Ok(account)
    }

    /// Makes a party the account's own. Done again it changes nothing.
    ///
    /// # Errors
    /// [`AccountError::Owned`] when it is another account's.
    pub fn own(&self, name: &Id, party: &Address) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        if self.owner(party).is_some_and(|owner| owner != *name) {
            return Err(AccountError::Owned(party.clone()));
        }
        self.amend(name, |account| {
            if account.parties.len() >= PARTIES_MAX && !account.parties.contains(party) {
                return Err(AccountError::Full(PARTIES_MAX));
            }
            account.parties.insert(party.clone());
            Ok(())
        })
    }

    /// Lets a party go again, as when its registration was refused.
    ///
    /// # Errors
    /// [`AccountError`] when there is no such account or it cannot be written.
    pub fn disown(&self, name: &Id, party: &Address) -> Result<Arc<Account>, AccountError> {
        let _change = self.change();
        self.amend(name, |account| {
            account.parties.remove(party);
            Ok(())
        })
    }

    /// The idempotency keys that are kept beside the accounts.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn once(&self) -> Result<Vec<([u8; 32], Record)>, AccountError> {
        self.store.once()
    }

    /// Changes them.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn keep(&self, what: &Kept) -> Result<(), AccountError> {
        self.store.keep(what)
    }

    fn end_tokens(&self, name: &Id) -> Result<(), AccountError> {
        let dead: Vec<Secret> =
            self.read().tokens.iter().filter(|(_, row)| row.account == *name).map(|(secret, _)| *secret).collect();
        self.store.drop_tokens(&dead)?;
        let mut memory = self.write();
        for secret in dead {
            memory.tokens.remove(&secret);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).expect("an id")
    }

    #[test]
    fn accounts_keep_what_was_done_to_them_over_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        let acme: Address = "org:acme".parse().expect("an address");
        {
            let accounts = Accounts::open(folder.path()).expect("made");
            accounts.create(id("ann"), "h".into(), Timestamp(1)).expect("made");
            assert!(matches!(accounts.create(id("ann"), "h".into(), Timestamp(1)), Err(AccountError::Exists(_))));
            accounts.create(id("ben"), "h".into(), Timestamp(1)).expect("made");
            accounts.grant(&id("ann"), Role::CreateDataPlugs, false).expect("granted");
            assert!(!accounts.get(&id("ann")).expect("there").has(&Role::CreateDataPlugs), "not approved");
            accounts.grant(&id("ann"), Role::CreateDataPlugs, true).expect("granted");
            accounts.own(&id("ann"), &acme).expect("owned");
            assert!(matches!(accounts.own(&id("ben"), &acme), Err(AccountError::Owned(_))));
            assert!(matches!(accounts.own(&id("cid"), &acme), Err(AccountError::Owned(_))));
        }
        let accounts = Accounts::open(folder.path()).expect("read");
        let ann = accounts.get(&id("ann")).expect("there");
        assert!(ann.has(&Role::CreateDataPlugs) && !ann.has(&Role::ManageDataPlugs) && ann.owns(&acme));
        assert_eq!(accounts.owner(&acme), Some(id("ann")));
        let ann = accounts.revoke(&id("ann"), &Role::CreateDataPlugs).expect("revoked");
        assert!(!ann.has(&Role::CreateDataPlugs));
        let ann = accounts.grant(&id("ann"), Role::Master, true).expect("granted");
        assert!(ann.has(&Role::ManageDataPlugs) && ann.sees(&"hat:x".parse().expect("an address")));
        accounts.disown(&id("ann"), &acme).expect("let go");
        accounts.own(&id("ben"), &acme).expect("free again");
    }
}

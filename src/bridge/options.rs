//! What a bridge is told: which HATs it may carry for, how patiently, with which accounts.

use std::time::Duration;

use crate::bridge::hat::retry::Retry;
use crate::bridge::hat::{Account, DoorOptions};

/// How a bridge works.
#[derive(Debug, Clone)]
pub struct BridgeOptions {
    /// Rules for the way out.
    pub door: DoorOptions,
    /// Accounts on HATs.
    pub accounts: Vec<Account>,
    /// Most HATs carried for; each has one consumer at the broker and one task here.
    pub hats: usize,
    /// Most HATs worked on at the same time.
    pub at_once: usize,
    /// How often the list of HATs is read.
    pub roster_every: Duration,
    /// How often the debits of a HAT are looked at.
    pub debits_every: Duration,
    /// A debit that does not change is asked for less and less often, down to once in this time.
    pub debits_most: Duration,
    /// How often it is checked that a HAT still has the pinned key.
    pub key_every: Duration,
    /// Pauses for a HAT that fails.
    pub pauses: Retry,
}

impl Default for BridgeOptions {
    /// The values of `config/default.toml`.
    fn default() -> Self {
        BridgeOptions {
            door: DoorOptions::default(),
            accounts: Vec::new(),
            hats: 2000,
            at_once: 64,
            roster_every: Duration::from_secs(10),
            debits_every: Duration::from_secs(30),
            debits_most: Duration::from_secs(300),
            key_every: Duration::from_secs(300),
            pauses: Retry { tries: 1, first: Duration::from_millis(500), most: Duration::from_secs(300) },
        }
    }
}

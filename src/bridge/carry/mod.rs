//! The bridge itself: for every HAT that entrusts itself to it, deliveries go to its data API, pulls and
//! debits are carried both ways. One task per HAT, in order; one slow HAT holds up no other.

mod breaker;
mod credit;
mod debits;
mod pull;
mod roster;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::Semaphore;

use crate::bridge::hat::Door;
use crate::bridge::hat::retry::Budget;
use crate::bridge::options::BridgeOptions;
use crate::client::Client;

pub use roster::run;

/// Retries of all HATs together: at once, and in each second.
const RETRIES: (u32, f64) = (256, 32.0);

/// What the workers of all HATs share.
pub(super) struct Common {
    /// The bridge's own voice.
    pub bridge: Client,
    pub door: Door,
    pub options: BridgeOptions,
    /// HATs worked on at the same time.
    pub room: Semaphore,
    pub budget: Budget,
    /// HATs that are down.
    pub down: AtomicUsize,
}

impl Common {
    fn new(bridge: Client, door: Door, options: BridgeOptions) -> Arc<Self> {
        let room = Semaphore::new(options.at_once.max(1));
        let budget = Budget::new(RETRIES.0, RETRIES.1);
        Arc::new(Common { bridge, door, options, room, budget, down: AtomicUsize::new(0) })
    }
}

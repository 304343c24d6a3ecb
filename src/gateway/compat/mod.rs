//! Calls of the original DEX, on its paths and in its shapes.

mod public;
mod stats;
mod structure;

pub use public::Public;

use super::endpoint::Endpoint;

/// The calls.
pub fn endpoints() -> Vec<Endpoint> {
    stats::endpoints()
}

//! Calls of the original DEX, on its paths and in its shapes.

mod applications;
mod claims;
mod describe;
pub mod hats;
mod notices;
mod offer;
mod offers;
mod plugs;
mod public;
mod services;
mod shape;
mod stats;
mod structure;

pub use public::Public;

use super::endpoint::Endpoint;

/// The calls.
pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        stats::endpoints(),
        offers::endpoints(),
        claims::endpoints(),
        hats::endpoints(),
        services::endpoints(),
        plugs::endpoints(),
        applications::endpoints(),
        notices::endpoints(),
    ];
    parts.into_iter().flatten().collect()
}

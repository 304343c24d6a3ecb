//! The exchange's own REST.

pub(in crate::gateway) mod login;
mod trust;

use super::endpoint::Endpoint;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = login::endpoints();
    all.extend(trust::endpoints());
    all
}

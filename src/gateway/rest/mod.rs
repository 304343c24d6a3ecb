//! The exchange's own REST.

mod login;
mod trust;

use super::endpoint::Endpoint;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = login::endpoints();
    all.extend(trust::endpoints());
    all
}

//! The exchange's own REST, under `/api/v1/`, `/api/trust/` and `/api/stats/`.

mod about;
mod actors;
mod dead;
mod debits;
mod deliveries;
mod exchanges;
mod hats;
mod ledger;
pub(super) mod login;
mod notices;
mod orgs;
mod parties;
mod plugs;
mod stats;
mod trust;

use super::endpoint::Endpoint;

/// Its calls.
pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        login::endpoints(),
        trust::endpoints(),
        parties::endpoints(),
        orgs::endpoints(),
        plugs::endpoints(),
        hats::endpoints(),
        debits::endpoints(),
        deliveries::endpoints(),
        exchanges::endpoints(),
        notices::endpoints(),
        ledger::endpoints(),
        about::endpoints(),
        actors::endpoints(),
        dead::endpoints(),
        stats::endpoints(),
    ];
    parts.into_iter().flatten().collect()
}

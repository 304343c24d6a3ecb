//! Every call of the gateway: the one list that the router and the OpenAPI document are made from.

use super::endpoint::Endpoint;
use super::{compat, console, live, openapi, rest};

/// All calls, with `console` also its files. Of two paths that match the same request the earlier one is taken.
pub fn all(console: bool) -> Vec<Endpoint> {
    let mut all = Vec::new();
    all.extend(openapi::endpoints());
    if console {
        all.extend(console::endpoints());
    }
    all.extend(live::endpoints());
    all.extend(rest::endpoints());
    all.extend(compat::endpoints());
    all
}

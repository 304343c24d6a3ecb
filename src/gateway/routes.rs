//! Every call of the gateway: the one list that the router and the OpenAPI document are made from.

use super::endpoint::Endpoint;
use super::{compat, openapi, rest};

/// All calls. Of two paths that match the same request the earlier one is taken.
pub fn all() -> Vec<Endpoint> {
    let mut all = Vec::new();
    all.extend(openapi::endpoints());
    all.extend(rest::endpoints());
    all.extend(compat::endpoints());
    all
}

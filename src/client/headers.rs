//! Between the broker library's headers and the protocol's.

use async_nats::HeaderMap;

use crate::wire::{HeaderSource, Outgoing};

/// Headers of a received message, as the protocol reads them.
pub struct Received<'a>(pub &'a HeaderMap);

impl HeaderSource for Received<'_> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.get_all(name).map(|value| value.as_str())
    }
}

/// Headers of a message to be sent.
pub fn of(message: &Outgoing) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in &message.headers {
        map.append(*name, value.as_str());
    }
    map
}

//! NATS headers as the wire layer reads and writes them.

use async_nats::HeaderMap;

use crate::wire::HeaderSource;

/// Headers of a message, walked once: look-ups by name in the library's map would allocate each time.
#[derive(Debug, Clone, Default)]
pub struct HeaderView<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    bytes: usize,
}

impl<'a> HeaderView<'a> {
    /// A view of `headers`.
    pub fn of(headers: Option<&'a HeaderMap>) -> Self {
        let Some(headers) = headers else {
            return HeaderView::default();
        };
        let mut pairs = Vec::with_capacity(headers.len());
        let mut bytes = "NATS/1.0\r\n\r\n".len();
        for (name, values) in headers.iter() {
            let name: &str = name.as_ref();
            for value in values {
                let value = value.as_str();
                bytes += name.len() + value.len() + ": \r\n".len();
                pairs.push((name, value));
            }
        }
        HeaderView { pairs, bytes }
    }

    /// Bytes of the header block on the wire.
    pub fn wire_bytes(&self) -> usize {
        self.bytes
    }
}

impl HeaderSource for HeaderView<'_> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.pairs.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// Headers to be published.
pub fn header_map(headers: &[(&'static str, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.as_str());
    }
    map
}

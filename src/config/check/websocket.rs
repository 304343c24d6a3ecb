//! Rules of the embedded broker's listener for WebSockets.

use super::Findings;
use crate::config::sections::Config;

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let embedded = &config.nats.embedded;
    let websocket = &embedded.websocket;
    found.unless(
        websocket.origins.iter().all(|origin| is_web_origin(origin)),
        "nats.embedded.websocket.origins",
        "holds something that is no origin",
        "write scheme and host like https://app.example.org, with the port if it is not the scheme's own",
    );
    let (host, port) = (&embedded.host, websocket.listen.port());
    found.unless(
        !websocket.enabled || port == 0 || port != embedded.port || *host != websocket.listen.ip().to_string(),
        "nats.embedded.websocket.listen",
        "is where the broker itself listens",
        "use another port, such as 127.0.0.1:9222",
    );
    found.unless(
        !websocket.enabled || config.nats.url.is_empty(),
        "nats.embedded.websocket.enabled",
        "is set, but with nats.url there is no embedded broker",
        "switch WebSockets on in the configuration of that broker",
    );
}

/// `http://host` or `https://host`, maybe with a port, as browsers send it.
fn is_web_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
    })
}

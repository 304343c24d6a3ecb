//! HTTP that this program speaks as a client.

use std::path::Path;
use std::time::Duration;

/// A client for HTTP and HTTPS whose every request ends within `limit`, body and redirects included. Connections are
/// kept by it, so one is shared by all requests of a part of the program.
///
/// # Errors
/// What TLS needs of the system is not there, such as its root certificates.
pub fn client(limit: Duration) -> reqwest::Result<reqwest::Client> {
    builder(limit).build()
}

/// The same before it is built, for a part of the program that needs rules of its own.
pub fn builder(limit: Duration) -> reqwest::ClientBuilder {
    // Fails when a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().timeout(limit)
}

/// The same over a Unix socket, for a daemon on this machine.
///
/// # Errors
/// As [`client`].
pub fn over_socket(socket: &Path, limit: Duration) -> reqwest::Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().timeout(limit).unix_socket(socket).build()
}

#[cfg(test)]
pub(crate) async fn get(url: &str) -> reqwest::Result<reqwest::Response> {
    client(Duration::from_secs(30))?.get(url).send().await
}

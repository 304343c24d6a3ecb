//! One request over HTTP.

use std::time::Duration;

/// Asks for a page, within 30 s.
pub async fn get(url: &str) -> reqwest::Result<reqwest::Response> {
    dex::http::outward::client(Duration::from_secs(30))?.get(url).send().await
}

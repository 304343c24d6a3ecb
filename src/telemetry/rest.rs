//! Counts requests to the gateway.

use std::time::Duration;

use metrics::{counter, histogram};

use super::names;

/// A method's class: reading or changing.
fn class(method: &str) -> &'static str {
    if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" }
}

fn status(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// A request was answered. `route` is its template out of the list of calls, never the path that was asked for.
pub fn answered(method: &str, route: &str, code: u16, took: Duration) {
    let (method, code) = (class(method), status(code));
    counter!(names::REST_REQUESTS_TOTAL, "status" => code, "method" => method, "route" => route.to_owned())
        .increment(1);
    histogram!(names::REST_SECONDS).record(took.as_secs_f64());
}

/// Makes the counter appear at zero.
pub fn touch() {
    counter!(names::REST_REQUESTS_TOTAL, "status" => "4xx", "method" => "read", "route" => "other").increment(0);
}

//! When a source asks to come again: `Retry-After` in both its forms, and the headers that some send instead.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::domain::Timestamp;
use crate::domain::time::SECOND;

/// Longest wait that a source may ask for: a day. What is longer counts as a day.
pub const AFTER_MAX: Duration = Duration::from_secs(86_400);

/// How long the source asks to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = match text(RETRY_AFTER.as_str()) {
        Some(said) => seconds(said).or_else(|| until(http_date(said)?, now)),
        // Code hosts say only when the next window begins, in seconds of the epoch.
        None if text("x-ratelimit-remaining") == Some("0") => {
            let reset: i64 = text("x-ratelimit-reset")?.parse().ok()?;
            until(Timestamp(reset.checked_mul(SECOND)?), now)
        }
        None => None,
    };
    asked.map(|wait| wait.min(AFTER_MAX))
}

fn seconds(text: &str) -> Option<Duration> {
    // More digits than a number holds is a long wait all the same.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().map_or(AFTER_MAX, Duration::from_secs))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
}

fn until(then: Timestamp, now: Timestamp) -> Option<Duration> {
    Some(Duration::from_nanos(u64::try_from(then.since(now)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_are_read_and_bounded() {
        assert_eq!(asked(&[("retry-after", "120")]), Some(120));
        assert_eq!(asked(&[("retry-after", " 7 ")]), Some(7));
        assert_eq!(asked(&[("retry-after", "Sat, 31 Jan 2026 12:01:30 GMT")]), Some(90));
        assert_eq!(asked(&[("retry-after", "Sat, 31 Jan 2026 11:00:00 GMT")]), Some(0));
        assert_eq!(asked(&[("retry-after", "99999999999999999999999")]), Some(86_400));
        assert_eq!(asked(&[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")]), Some(86_400));
        for bad in ["-1", "soon", "", "1.5"] {
            assert_eq!(asked(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_window_that_is_used_up_says_when_it_begins_anew() {
        let reset = ("x-ratelimit-reset", "1769860860"); // 12:01:00
        assert_eq!(asked(&[("x-ratelimit-remaining", "0"), reset]), Some(60));
        assert_eq!(asked(&[("x-ratelimit-remaining", "3"), reset]), None);
        assert_eq!(asked(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9223372036854775807")]), None);
    }
}

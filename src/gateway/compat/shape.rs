//! What the calls of the original have in common: its two forms of a date, ids as UUIDs, repeats that act once.

use std::future::Future;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{Address, MessageId, Timestamp};
use crate::gateway::Gateway;
use crate::gateway::caller::Caller;
use crate::gateway::fault::{Fault, Original};
use crate::gateway::link::Link;
use crate::gateway::once::{self, Request};

/// Most pages of one list that are asked for: beyond them an answer ends.
const PAGES_MAX: usize = 100;
/// Items asked for at once.
const PAGE: usize = 1000;

/// A date of the original: milliseconds since 1970, or ISO text. What is neither is refused, not taken for 1970.
///
/// # Errors
/// 400 that names the field.
pub fn date(field: &str, value: &Value) -> Result<Timestamp, Fault> {
    let bad = || {
        let detail = format!("{field}: a date is milliseconds since 1970, or text like 2026-01-31T12:00:00Z");
        Fault::malformed(detail)
    };
    if let Some(ms) = value.as_u64() {
        return i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000_000)).map(Timestamp).ok_or_else(bad);
    }
    let text = value.as_str().ok_or_else(bad)?;
    // The original writes zones as +0000, too.
    let colon = match text.as_bytes() {
        [.., b'+' | b'-', a, b, c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()) => {
            format!("{}:{}", &text[..text.len() - 2], &text[text.len() - 2..])
        }
        _ => text.to_owned(),
    };
    let time: jiff::Timestamp = colon.parse().map_err(|_| bad())?;
    i64::try_from(time.as_nanosecond()).map(Timestamp).map_err(|_| bad())
}

/// The UUID under which the original's clients know a party: a hash of its address, so that it is always the same.
pub fn uuid_of(party: &Address) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(format!("dex-party:{party}").as_bytes()).into();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// All items of a list of the exchange, up to a bound of 100 pages.
///
/// # Errors
/// As [`Link::ask`].
pub async fn all(link: &Link, call: &str, mut question: Value) -> Result<Vec<Value>, Fault> {
    let mut items = Vec::new();
    question["limit"] = json!(PAGE);
    for _ in 0..PAGES_MAX {
        let mut page = link.ask(call, &question).await?;
        if let Some(more) = page["items"].as_array_mut() {
            items.append(more);
        }
        if page["next"].is_null() {
            break;
        }
        question["after"] = page["next"].take();
    }
    Ok(items)
}

/// Runs `work` once for the idempotency key that the request brings, if any; also what is told again has the original's
/// shape.
///
/// # Errors
/// What `work` says.
pub async fn once<F>(
    gateway: &web::Data<Gateway>,
    request: &HttpRequest,
    caller: &Caller,
    body: &[u8],
    work: impl FnOnce(MessageId) -> F,
) -> Result<HttpResponse, Original>
where
    F: Future<Output = Result<(u16, Value), Fault>>,
{
    let gateway = gateway.clone().into_inner();
    let keyed = once::brought(request.headers())?.is_some();
    let key = caller.key(gateway.from(request));
    let call = format!("{} {}", request.method(), request.uri());
    let what = Request { caller: &key, call: &call, body };
    let done = gateway.once(request.headers(), what, |message| {
        let work = work(message);
        async move {
            match work.await {
                Err(fault) if keyed && once::is_final(fault.status_code().as_u16()) => Ok(Original(fault).told()),
                other => other,
            }
        }
    });
    Ok(done.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_forms_and_nothing_becomes_1970() {
        let ms = 1_769_860_800_000u64;
        for good in [
            json!(ms),
            json!("2026-01-31T12:00:00Z"),
            json!("2026-01-31T12:00:00.000Z"),
            json!("2026-01-31T12:00:00+0000"),
            json!("2026-01-31T13:00:00+01:00"),
        ] {
            assert_eq!(date("starts", &good).expect("a date").unix_ms(), ms, "{good}");
        }
        for bad in
            [json!("soon"), json!(""), json!(null), json!(-1), json!(1.5), json!(u64::MAX), json!({}), json!("ü+000")]
        {
            assert_eq!(date("starts", &bad).expect_err("none").problem.status, 400, "{bad}");
        }
    }

    #[test]
    fn a_party_has_one_uuid() {
        let of = |text: &str| uuid_of(&text.parse().expect("an address"));
        assert_eq!(of("plug:fitbit"), of("plug:fitbit"));
        assert_ne!(of("plug:fitbit"), of("app:fitbit"));
        assert_eq!(of("plug:fitbit").get_version_num(), 8);
    }
}

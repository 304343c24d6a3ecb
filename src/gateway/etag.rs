//! Answers that a caller may keep: an ETag, and 304 when nothing has changed.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Answers JSON with an ETag over its bytes, or 304 when the caller has them already.
pub fn answer(request: &HttpRequest, value: &Value) -> HttpResponse {
    // Kept, and asked again each time: what is told may change at any moment.
    bytes(request, value.to_string().into_bytes(), "private, no-cache")
}

/// The same for bytes that are JSON, and who may keep them how.
pub fn bytes(request: &HttpRequest, body: Vec<u8>, cache: &'static str) -> HttpResponse {
    let tag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&body)[..16]));
    let held = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let same = held.flat_map(|list| list.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    let mut answer = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, cache));
    if same { answer.finish() } else { answer.content_type("application/json").body(body) }
}

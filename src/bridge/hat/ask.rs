//! One request to a HAT: sent, its answer read up to the bound, its status told as a fault.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::Id;

use super::door::Door;
use super::error::{Fault, HatError};
use super::secret::{self, Secret};

/// Longest pause that a HAT may ask for.
const AFTER_MAX: Duration = Duration::from_secs(3600);
/// Longest ETag kept, bytes.
const ETAG_MAX: usize = 256;

/// A request.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    /// Method and path as people write them, for errors: without parameters.
    pub call: &'static str,
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// `X-Auth-Token`.
    pub token: Option<&'a Secret>,
    /// `username` and `password`.
    pub login: Option<(&'a str, &'a Secret)>,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// `If-None-Match`.
    pub known: Option<&'a str>,
    /// Most bytes read of the answer, when fewer than the door's.
    pub most: Option<usize>,
}

impl<'a> Ask<'a> {
    pub fn get(call: &'static str, path: &'a str) -> Self {
        Ask { call, method: Method::GET, path, token: None, login: None, body: None, known: None, most: None }
    }

    pub fn send(call: &'static str, method: Method, path: &'a str, body: impl Into<Bytes>) -> Self {
        Ask { method, body: Some(body.into()), ..Ask::get(call, path) }
    }

    pub fn with(mut self, token: &'a Secret) -> Self {
        self.token = Some(token);
        self
    }
}

/// What came: a success, or "not modified".
pub(super) struct Answer {
    pub status: StatusCode,
    pub etag: Option<String>,
    pub body: Vec<u8>,
}

/// The API's error body.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    message: serde_json::Value,
    #[serde(default)]
    cause: serde_json::Value,
}

/// What a refusal means. Of its text only two known phrases count.
fn refusal(status: StatusCode, body: &[u8]) -> Fault {
    if status == StatusCode::BAD_REQUEST
        && let Ok(said) = serde_json::from_slice::<Said>(body)
    {
        let text = format!("{} {}", said.message, said.cause).to_lowercase();
        if text.contains("duplicate") {
            return Fault::Duplicate;
        }
        if text.contains("not enabled") {
            return Fault::NotEnabled;
        }
    }
    Fault::Status(status.as_u16())
}

fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(AFTER_MAX))
}

async fn read(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, Fault> {
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(Fault::TooLarge(most));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Fault::of(&error))? {
        if body.len() + chunk.len() > most {
            return Err(Fault::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Door {
    /// Sends one request, once.
    pub(super) async fn ask(&self, hat: &Id, ask: Ask<'_>) -> Result<Answer, HatError> {
        let call = ask.call;
        let mut wait = None;
        let asked = self.asked(hat, ask, &mut wait).await;
        asked.map_err(|fault| HatError { hat: hat.clone(), call, fault, after: wait })
    }

    async fn asked(&self, hat: &Id, ask: Ask<'_>, wait: &mut Option<Duration>) -> Result<Answer, Fault> {
        let url = self.url(hat, ask.path)?;
        let mut request = self.client.request(ask.method, url).header(ACCEPT, "application/json");
        if let Some(token) = ask.token {
            request = request.header("X-Auth-Token", secret::header(token)?);
        }
        if let Some((name, password)) = ask.login {
            request = request.header("username", name).header("password", secret::header(password)?);
        }
        if let Some(known) = ask.known {
            request = request.header(IF_NONE_MATCH, known);
        }
        if let Some(body) = ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.map_err(|error| Fault::of(&error))?;
        let status = answer.status();
        let etag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let etag = etag.filter(|tag| tag.len() <= ETAG_MAX).map(str::to_owned);
        *wait = after(answer.headers());
        let most = ask.most.unwrap_or(self.answer_bytes).min(self.answer_bytes);
        let body = read(answer, most).await;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, etag, body: body? });
        }
        // A refusal is one whatever its body does.
        Err(refusal(status, &body.unwrap_or_default()))
    }
}

/// Reads a JSON answer; `what` names it.
pub(super) fn json<T: DeserializeOwned>(body: &[u8], what: &'static str) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|_| Fault::Form(what))
}

//! One request to a token endpoint, and what its answer means.

use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::connectors::Fetcher;
use crate::domain::job::JobError;
use crate::worker::fault::Fault;

use super::text::Text;
use super::{ClientAuth, Ready};

/// Pause after a token endpoint that cannot answer now and names none.
const LATER: Duration = Duration::from_secs(30);

/// What a token endpoint said.
pub enum Told {
    /// Here is one.
    Token {
        /// The access token.
        access: Text,
        /// The refresh token to use from now on, when it is another.
        refresh: Option<Text>,
        /// Seconds for which the access token is good.
        life: Option<i64>,
    },
    /// This refresh token gets none.
    Refused(Fault),
}

#[derive(Deserialize)]
struct Answer {
    access_token: Text,
    #[serde(default)]
    refresh_token: Option<Text>,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// A number, or the text of one, as some servers have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// Asks once.
///
/// # Errors
/// [`Fault`]: it cannot be asked now, or its answer is none.
pub async fn ask(http: &Fetcher, ready: &Ready<'_>, refresh: &str) -> Result<Told, Fault> {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh)];
    form.extend(ready.scope.map(|scope| ("scope", scope)));
    let basic = match (&ready.client_secret, ready.client_auth) {
        (Some(secret), ClientAuth::Basic) => Some((ready.client_id, secret)),
        (Some(secret), ClientAuth::Body) => {
            form.extend([("client_id", ready.client_id), ("client_secret", secret.reveal())]);
            None
        }
        (None, _) => {
            form.push(("client_id", ready.client_id));
            None
        }
    };
    let (status, body) = http.post_form(ready.token_url, &form, basic).await.map_err(|error| {
        // What the source's words mean for a page they do not mean here.
        let fault = Fault::from(error);
        Fault { what: format!("the token endpoint: {}", fault.what), ..fault }
    })?;
    let body = Zeroizing::new(Vec::from(body));
    read(status, &body)
}

fn read(status: u16, body: &[u8]) -> Result<Told, Fault> {
    match status {
        200..=299 => {
            let answer: Answer = serde_json::from_slice(body)
                .map_err(|_| Fault::new(JobError::Malformed, "the token endpoint's answer is no token"))?;
            let life = answer.expires_in.and_then(|life| match life {
                Seconds::Number(number) => Some(number),
                Seconds::Text(text) => text.trim().parse().ok(),
            });
            // Beyond a year a token is asked for anew all the same.
            let life = life.map(|seconds| seconds.clamp(0.0, 31_622_400.0) as i64);
            Ok(Told::Token { access: answer.access_token, refresh: answer.refresh_token, life })
        }
        429 | 500..=599 => {
            let word = if status == 429 { JobError::RateLimited } else { JobError::Network };
            let fault = Fault::new(word, format!("the token endpoint answers {status}"));
            Err(Fault { after: Some(LATER), ..fault })
        }
        _ => {
            let problem: Option<Problem> = serde_json::from_slice(body).ok();
            // A closed set of RFC 6749 §5.2; anything else might repeat what it was sent.
            let known = ["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"];
            let told = problem.and_then(|problem| known.into_iter().find(|word| *word == problem.error));
            let what = format!("the token endpoint answers {status} {}", told.unwrap_or("without a known error"));
            let fault = Fault::new(JobError::Unauthorized, what);
            // Only of this one is another refresh token of any use.
            if told.is_none_or(|told| told == "invalid_grant") { Ok(Told::Refused(fault)) } else { Err(fault) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_rfc_says() {
        let token = |text: &str| match read(200, text.as_bytes()) {
            Ok(Told::Token { access, refresh, life }) => (access.to_string(), refresh.map(|it| it.to_string()), life),
            _ => panic!("{text} is a token"),
        };
        assert_eq!(
            token(r#"{"access_token":"a","token_type":"bearer","expires_in":3600}"#),
            ("a".into(), None, Some(3600))
        );
        assert_eq!(
            token(r#"{"access_token":"a","expires_in":"60","refresh_token":"r"}"#),
            ("a".into(), Some("r".into()), Some(60))
        );
        assert_eq!(token(r#"{"access_token":"a"}"#).2, None);
        let refused = read(400, br#"{"error":"invalid_grant","error_description":"token r-canary"}"#);
        assert!(matches!(refused, Ok(Told::Refused(fault)) if !fault.what.contains("canary")));
        let fault = |status, text: &str| read(status, text.as_bytes()).err().expect("a fault").word;
        assert_eq!(fault(401, r#"{"error":"invalid_client"}"#), JobError::Unauthorized);
        assert_eq!(fault(503, ""), JobError::Network);
        assert_eq!(fault(429, ""), JobError::RateLimited);
        assert_eq!(fault(200, r#"{"token":"a"}"#), JobError::Malformed);
    }
}

//! Errors of the gateway in both shapes: RFC 9457 problems, and the original API's `{message, cause, details?}`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Value, json};

use crate::client::ClientError;
use crate::domain::Reason;
use crate::wire::Problem;
use crate::wire::problem::PROBLEM_TYPE;

/// Seconds after which a caller may ask again when the exchange behind the gateway does not answer.
const AWAY_RETRY_SECONDS: u64 = 2;

/// Why a request was refused; answered as a problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is told.
    pub problem: Box<Problem>,
    /// Single findings, told in the original's `details`.
    pub details: Vec<String>,
    /// Seconds after which the same request may do better.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// A fault of this reason, with the status that the protocol gives it.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Fault { problem: Box::new(Problem::new(reason, detail.into(), None)), details: Vec::new(), retry_after: None }
    }

    /// The same under another HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.problem.status = status;
        self
    }

    /// The same with the seconds after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// 400: the request makes no sense.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Fault::new(Reason::Malformed, detail)
    }

    /// 401: nobody that we know says this.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Fault::new(Reason::NotPermitted, detail).status(401)
    }

    /// 403: we know who says this, and it may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Fault::new(Reason::NotPermitted, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Fault::new(Reason::NotFound, detail)
    }

    /// 429: too many requests.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Self {
        Fault::new(Reason::OverQuota, detail).retry_after(retry_after)
    }

    /// 500: told without its inside, which is logged here.
    pub fn internal(what: &str, error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "the gateway failed: {what}");
        Fault::new(Reason::Internal, "the gateway failed on this request; its log says why")
    }

    fn builder(&self, status: u16) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"dex\""));
        }
        answer
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.problem.detail.as_deref().unwrap_or(&self.problem.title);
        write!(f, "{}: {detail}", self.problem.reason)
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.builder(self.problem.status).content_type(PROBLEM_TYPE).body(self.problem.to_json())
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Fault {
                problem: Box::new(Problem::new(refusal.reason, refusal.detail, Some(refusal.id))),
                details: Vec::new(),
                retry_after: None,
            },
            ClientError::Problem(problem) => Fault { problem, details: Vec::new(), retry_after: None },
            ClientError::Timeout { id, .. } => {
                let detail = format!("no outcome of message {id} yet: ask for its trace, or repeat the request");
                let mut fault = Fault::new(Reason::DeadlinePassed, detail).retry_after(AWAY_RETRY_SECONDS);
                fault.problem.instance = Some(format!("urn:uuid:{id}"));
                fault
            }
            ClientError::NoAnswer { .. } | ClientError::Connect(_) | ClientError::Broker(_) => {
                Fault::new(Reason::Internal, "the exchange does not answer at the moment: try again")
                    .status(503)
                    .retry_after(AWAY_RETRY_SECONDS)
            }
            ClientError::Id(error) => Fault::malformed(error.to_string()),
            other => Fault::internal("a call of the exchange", &other),
        }
    }
}

/// The same fault in the original API's shape, with one of its statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original(pub Fault);

impl Original {
    /// The original knows 400, 401, 403, 404 and 5xx; 429 and what only a proxy would send stay as they are.
    fn told_status(&self) -> u16 {
        match self.0.problem.status {
            402 | 405..=428 => 400,
            status => status,
        }
    }

    /// Status and body as the original tells them.
    pub fn told(&self) -> (u16, Value) {
        let status = self.told_status();
        let cause = self.0.problem.detail.as_deref().unwrap_or(&self.0.problem.title);
        let mut body = json!({ "message": Original::message(status), "cause": cause });
        if !self.0.details.is_empty() {
            body["details"] = json!(self.0.details);
        }
        (status, body)
    }

    /// The original's short text of a status.
    const fn message(status: u16) -> &'static str {
        match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Internal Server Error",
        }
    }
}

impl From<Fault> for Original {
    fn from(fault: Fault) -> Self {
        Original(fault)
    }
}

impl From<ClientError> for Original {
    fn from(error: ClientError) -> Self {
        Original(error.into())
    }
}

impl fmt::Display for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Original {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.told_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let (status, body) = self.told();
        self.0.builder(status).json(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_status_that_the_original_knows() {
        for reason in Reason::ALL {
            let status = Original(Fault::new(reason, "x")).status_code().as_u16();
            assert!([400, 401, 403, 404, 429, 500, 504].contains(&status), "{reason}: {status}");
        }
    }

    #[actix_web::test]
    async fn both_shapes_are_written_as_they_should_be() {
        let fault = Fault::too_many("slow down", 7);
        let answer = fault.error_response();
        assert_eq!(answer.status().as_u16(), 429);
        assert_eq!(answer.headers().get(RETRY_AFTER).expect("told"), "7");
        assert_eq!(answer.headers().get("content-type").expect("told"), PROBLEM_TYPE);
        let mut fault = Fault::new(Reason::AlreadyExists, "there already");
        fault.details.push("id: taken".into());
        let answer = Original(fault).error_response();
        assert_eq!(answer.status().as_u16(), 400);
        let body = actix_web::body::to_bytes(answer.into_body()).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, json!({"message": "Bad Request", "cause": "there already", "details": ["id: taken"]}));
    }
}

//! What stands before every call: counting, who calls, may they, how long it takes, and one shape for every error.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use std::future::{Ready, ready};

use super::Gateway;
use super::caller::{Caller, network};
use super::endpoint::{Access, Doc, Style};
use super::fault::{Fault, Original};
use crate::domain::Reason;
use crate::telemetry::rest;

/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Most bytes of all headers of a request.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest path with its query, bytes.
const TARGET_BYTES_MAX: usize = 4096;

/// What the guard found out about who calls.
impl FromRequest for Caller {
    type Error = Fault;
    type Future = Ready<Result<Caller, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anonymous)))
    }
}

/// A fault in the shape that a call's errors have.
pub fn answer(fault: Fault, style: Style) -> HttpResponse {
    match style {
        Style::Problem => fault.error_response(),
        Style::Original => Original(fault).error_response(),
    }
}

/// Runs one call behind all checks.
pub async fn guard(
    gateway: Arc<Gateway>,
    doc: Arc<Doc>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> ServiceResponse<BoxBody> {
    let began = Instant::now();
    let http = request.request().clone();
    let done = match admit(&gateway, &doc, &http).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            match tokio::time::timeout(gateway.settings.within, next.call(request)).await {
                Ok(Ok(response)) => shaped(response, doc.style),
                Ok(Err(error)) => {
                    let status = error.as_response_error().status_code();
                    ServiceResponse::new(http, answer(of_status(status), doc.style))
                }
                Err(_) => {
                    let fault = Fault::new(Reason::DeadlinePassed, "the request took too long").retry_after(2);
                    ServiceResponse::new(http, answer(fault, doc.style))
                }
            }
        }
        Err(fault) => ServiceResponse::new(http, answer(fault, doc.style)),
    };
    rest::answered(doc.method.as_str(), &doc.path, done.status().as_u16(), began.elapsed());
    done
}

/// Checks in this order: size of the head, rate of the address, who calls, rate of the caller, may they.
async fn admit(gateway: &Gateway, doc: &Doc, request: &HttpRequest) -> Result<Caller, Fault> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Fault::new(Reason::TooLarge, "the request's headers are too many or too long").status(431));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(Fault::new(Reason::TooLarge, "path and query are too long").status(414));
    }
    let from = gateway.from(request);
    gateway.address_limits.take(network(from).to_string())?;
    if doc.access == Access::Open {
        return Ok(Caller::Anonymous);
    }
    let caller = gateway.caller(request).await?;
    if !matches!(caller, Caller::Anonymous) {
        gateway.limits.take(caller.key(from))?;
    }
    match &doc.access {
        Access::Open | Access::Optional => {}
        Access::Token => caller.known()?,
        Access::Offer if matches!(caller, Caller::Offer(_)) => {}
        Access::Offer => drop(caller.account()?),
        Access::Account => drop(caller.account()?),
        Access::Hat => drop(caller.hat()?),
        Access::Role(role) => drop(caller.require(role)?),
    }
    Ok(caller)
}

/// What actix itself refuses (a body that is too long, an extractor that fails), in our shape.
fn shaped<B: MessageBody + 'static>(response: ServiceResponse<B>, style: Style) -> ServiceResponse<BoxBody> {
    if style == Style::Original
        && let Some(fault) = response.response().error().and_then(|error| error.as_error::<Fault>())
    {
        let told = answer(fault.clone(), style);
        return ServiceResponse::new(response.into_parts().0, told);
    }
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !(status.is_client_error() || status.is_server_error()) || kind.contains("json") {
        return response.map_into_boxed_body();
    }
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, answer(of_status(status), style))
}

/// A fault for a bare status.
pub fn of_status(status: StatusCode) -> Fault {
    let (reason, detail) = match status.as_u16() {
        404 => (Reason::NotFound, "there is nothing at this path"),
        405 => (Reason::Malformed, "this path does not know the method"),
        408 => (Reason::DeadlinePassed, "the request did not come in time"),
        413 => (Reason::TooLarge, "the request's body is too long"),
        415 => (Reason::Malformed, "the body is not of a type that this call takes"),
        500..=599 => (Reason::Internal, "the gateway failed on this request; its log says why"),
        _ => (Reason::Malformed, "the request cannot be read"),
    };
    Fault::new(reason, detail).status(status.as_u16())
}
